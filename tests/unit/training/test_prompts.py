"""A prompt is the same tokens wherever a model sees it, whatever its tokenizer adds to a text."""

import dataclasses

import pytest
from tiny_models import (
    ARCHITECTURE,
    GF5,
    SFT_DATA,
    TEMPLATE,
    make_base_tokenizer,
    make_qwen_tokenizer,
    make_rl_spec,
    make_sft_spec,
    make_suite,
    save_base_model,
    save_data,
)
from tokenizers.processors import TemplateProcessing

from selectimprove.__main__ import main
from selectimprove.experiment.specs import EvaluationSpec, ModelSpec
from selectimprove.measurement import evaluation
from selectimprove.tasks.data import read_rows
from selectimprove.training import grpo, sft
from selectimprove.training.models import create_tokenizer, encode_prompt

BEGINNING_TEMPLATE = "<s>{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %} [answer] "


def make_word_tokenizer(added=None):
    tokenizer = create_tokenizer(GF5)
    if added is not None:
        specials = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("<pad>", "<eos>")]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=added, special_tokens=specials)
    return tokenizer


# The tokenizer, the text form, and what stands before and behind the prompt in what the model sees.
TOKENIZERS = {
    "words": (make_word_tokenizer, "symbolic", "", ""),
    "words, one that begins": (lambda: make_word_tokenizer("<pad> $A"), "symbolic", "<pad>", ""),
    "words, one that ends": (lambda: make_word_tokenizer("$A <eos>"), "symbolic", "", ""),
    "subwords": (lambda: make_base_tokenizer("$A"), "sentences", "", ""),
    "subwords, one that begins": (lambda: make_base_tokenizer("<s> $A"), "sentences", "<s>", ""),
    "subwords, one that ends": (lambda: make_base_tokenizer("$A </s>"), "sentences", "", ""),
    "subwords, both": (lambda: make_base_tokenizer("<s> $A </s>"), "sentences", "<s>", ""),
    "subwords, two that begin": (lambda: make_base_tokenizer("<s> <|text|> $A </s>"), "sentences", "<s><|text|>", ""),
    "chat": (
        make_qwen_tokenizer,
        "sentences",
        TEMPLATE.partition("{%")[0] + "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
    ),
    "chat, one that begins": (
        lambda: make_base_tokenizer("<s> $A </s>", BEGINNING_TEMPLATE),
        "sentences",
        "<s>[user] ",
        " [answer] ",
    ),
}


@pytest.fixture(params=TOKENIZERS.values(), ids=TOKENIZERS)
def case(request):
    make_tokenizer, text, before, behind = request.param
    return make_tokenizer(), text, before, behind


def test_prompt_has_what_the_tokenizer_begins_a_text_with_and_nothing_behind_it(case):
    tokenizer, _, before, behind = case
    prompt = "x e3 L1 + e4 y ? ? y"
    ids = encode_prompt(tokenizer, prompt)
    assert ids == tokenizer(before + prompt + behind, add_special_tokens=False)["input_ids"]


def record_prompts(monkeypatch) -> dict[str, set[tuple[int, ...]]]:
    """Return what will hold the prompts that models see from now on, by where they see them."""
    seen = {"SFT": set(), "RL sampling": set(), "RL loss": set(), "evaluation": set()}
    compute_loss, score = sft.SFTTrainer.compute_loss, grpo.SharedPromptTrainer._score_completions

    def compute_sft_loss(trainer, model, inputs, *arguments, **options):
        if model.training:
            rows = zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), strict=True)
            for ids, labels in rows:
                first = next(place for place, label in enumerate(labels) if label != sft.IGNORED)
                seen["SFT"].add(tuple(ids[:first]))
        return compute_loss(trainer, model, inputs, *arguments, **options)

    def score_completions(trainer, model, ids, mask, completion_columns):
        for row, own in zip(ids[:, :-completion_columns], mask[:, :-completion_columns].bool(), strict=True):
            seen["RL loss"].add(tuple(row[own].tolist()))
        return score(trainer, model, ids, mask, completion_columns)

    monkeypatch.setattr(sft.SFTTrainer, "compute_loss", compute_sft_loss)
    monkeypatch.setattr(grpo.SharedPromptTrainer, "_score_completions", score_completions)

    class RecordingSampler(grpo.Sampler):
        def sample(self, prompts, completions_per_prompt):
            seen["RL sampling"].update(map(tuple, prompts))
            return super().sample(prompts, completions_per_prompt)

    def sample(model, prompts, *, sample=evaluation.sample_completions, **options):
        seen["evaluation"].update(map(tuple, prompts))
        return sample(model, prompts, **options)

    monkeypatch.setattr(grpo, "Sampler", RecordingSampler)
    monkeypatch.setattr(evaluation, "sample_completions", sample)
    return seen


def test_sft_rl_evaluation_and_show_see_the_same_prompts(case, tmp_path, monkeypatch, capsys):
    tokenizer, text, before, behind = case
    model = ModelSpec(str(save_base_model(tmp_path / "base", tokenizer)), None, text, ARCHITECTURE)
    data = save_data(tmp_path / "results/data/sft_FB/seed0", SFT_DATA, text)
    prompts = [row["prompt"] for row in read_rows(data / "train.jsonl")]
    expected = {tuple(tokenizer(before + prompt + behind, add_special_tokens=False)["input_ids"]) for prompt in prompts}
    start = tmp_path / "results/sft/FB/seed0/checkpoints/step0"
    last = tmp_path / "results/rl/FB_rl/seed0/checkpoints/step1"
    seen = record_prompts(monkeypatch)

    spec = dataclasses.replace(make_sft_spec(), model=model)
    sft.train(spec, model.source, data, start, tmp_path / "sft.csv", tmp_path / "resume/sft")
    changes = {"updates": 1, "prompts_per_step": len(prompts), "max_completion_tokens": 8, "dataset": "sft_FB"}
    spec = dataclasses.replace(make_rl_spec(), model=model, **changes)
    grpo.train(spec, start, data / "train.jsonl", [last], tmp_path / "rl.csv", tmp_path / "resume/rl")
    spec = EvaluationSpec("FB_rl", "FB", "rl", (1,), make_suite(max_completion_tokens=8), text, threads=1, seed=0)
    evaluation.evaluate(spec, [last], data / "train.jsonl", tmp_path / "scores")
    assert seen == dict.fromkeys(seen, expected)

    seen["evaluation"].clear()
    arguments = ["--results", str(tmp_path / "results"), "--run", "FB_rl", "--max-completion-tokens", "8"]
    for prompt in prompts[:2]:
        assert main(["show", *arguments, "--prompt", prompt]) == 0, capsys.readouterr().err
    assert len(seen["evaluation"]) == 2
    assert seen["evaluation"] < expected
