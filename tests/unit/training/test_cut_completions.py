"""Completions that the token budget cut: where symbols are several tokens, what is cut can read as another answer."""

import pytest
from tiny_models import make_base_tokenizer, make_qwen_tokenizer, make_suite, save_base_model

from selectimprove.experiment.specs import EvaluationSpec
from selectimprove.measurement import evaluation
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training import grpo
from selectimprove.training.models import encode_completion

TEXT = TEXT_FORMS["sentences"]
FIELD = Field(11, tuple(range(11)))
# The answers of the first two are e1 and e10: one says the other's, but for a token.
PROBLEMS = [
    Problem("evaluation", FIELD, 3, (("add", 5), ("multiply", 7))),
    Problem("evaluation", FIELD, 3, (("add", 5), ("multiply", 4))),
    Problem("inversion", FIELD, 10, (("multiply", 3), ("add", 2))),
]
ROWS = [{"id": f"problem {at}", "kind": row.kind, "steps": 2, "problem": row} for at, row in enumerate(PROBLEMS)]


@pytest.fixture(params=[make_qwen_tokenizer, lambda: make_base_tokenizer("<s> $A </s>")], ids=["chat", "base"])
def tokenizer(request):
    return request.param()


def encode_solution(tokenizer, problem, strategy="forward") -> list[int]:
    return encode_completion(tokenizer, TEXT.write_completion(STRATEGIES[strategy](problem), problem.task))


def list_cut(tokenizer) -> list[tuple[int, list[int]]]:
    """Return completions without their ends, each with the index of the problem that it is given as an answer to.

    They are the right ones of every problem, up to any token; and e10 without its last, where e1 is right.
    """
    cut = []
    for index, problem in enumerate(PROBLEMS):
        for strategy in STRATEGIES:
            ids = encode_solution(tokenizer, problem, strategy)
            cut += [(index, ids[:end]) for end in range(1, len(ids))]
    right, longer = encode_solution(tokenizer, PROBLEMS[0]), encode_solution(tokenizer, PROBLEMS[1])
    answer = tokenizer.decode(right[:-1]).split("\n")[-1]
    assert tokenizer.decode(longer[:-2]).split("\n")[-1] == answer == "Answer: x = e3, y = e1"
    return [*cut, (0, longer[:-2])]


def evaluate(tokenizer, folder, monkeypatch, completions):
    """Return the score table of these completions, one list for each problem, all of one length."""
    checkpoint = save_base_model(folder, tokenizer)
    sampled = [ids for own in completions for ids in own]
    monkeypatch.setattr(evaluation, "sample_completions", lambda *_, **__: sampled)
    suite = make_suite(completions_per_problem=len(completions[0]))
    spec = EvaluationSpec("F", "F", "sft", (0,), suite, "sentences", threads=1, seed=0)
    return evaluation.evaluate_checkpoint(spec, checkpoint, 0, "", ROWS)


def test_reward_is_for_completions_that_ended(tokenizer):
    cut = list_cut(tokenizer)
    metrics = {}
    reward = grpo.make_reward(ROWS, tokenizer, "sentences")
    completions = [*(ids for _, ids in cut), *(encode_solution(tokenizer, problem) for problem in PROBLEMS)]
    indices = [*(index for index, _ in cut), *range(len(PROBLEMS))]
    paid = reward(completion_ids=completions, row=indices, log_metric=metrics.__setitem__)
    assert paid == [0.0] * len(cut) + [1.0] * len(PROBLEMS)
    assert metrics["truncated_share"] == len(cut) / len(completions)
    assert "truncated_share" in grpo.list_metrics(ROWS).values()


def test_completion_that_was_cut_at_a_pad_token_counts_as_cut():
    tokenizer = make_qwen_tokenizer()
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    metrics = {}
    ids = [*encode_solution(tokenizer, PROBLEMS[0])[:-1], tokenizer.pad_token_id]
    paid = grpo.make_reward(ROWS, tokenizer, "sentences")(completion_ids=[ids], row=[0], log_metric=metrics.__setitem__)
    assert (paid, metrics["truncated_share"]) == ([0.0], 1.0)


def test_evaluation_finds_no_answer_in_what_was_cut(tokenizer, tmp_path, monkeypatch):
    """Not a wrong one either, nor a wrong step, where e10 was cut to e1."""
    whole = [encode_solution(tokenizer, problem) for problem in PROBLEMS]
    ends = range(1, min(map(len, whole)))
    scores = evaluate(tokenizer, tmp_path, monkeypatch, [[ids[:-end] for end in ends] for ids in whole])
    assert not scores["correct"].any()
    assert set(scores["failure"]) == {"no_answer"}
    assert scores["completion"].str.endswith("<cut>").all()
