"""The path of a pretrained model: a folder with its own tokenizer and chat template, problems in sentences."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import (
    ARCHITECTURE,
    LORA,
    RL_DATA,
    SFT_DATA,
    SYSTEM,
    TASK,
    make_rl_spec,
    make_sft_spec,
    make_suite,
    save_sentence_model,
)

from selectimprove.experiment.specs import EvaluationSpec, ModelSpec
from selectimprove.measurement.evaluation import evaluate
from selectimprove.measurement.scores import read_scores
from selectimprove.tasks.data import read_rows, write_dataset
from selectimprove.tasks.specs import DataSpec
from selectimprove.training import grpo, models, sft
from selectimprove.training.models import decode_completion, encode_completion, encode_prompt, load_tokenizer


@pytest.fixture
def base(tmp_path):
    return save_sentence_model(tmp_path / "base")


@pytest.fixture
def data(tmp_path):
    for dataset in (SFT_DATA, RL_DATA):
        write_dataset(DataSpec(dataset, TASK, "sentences", seed=0), tmp_path / dataset.name)
    return tmp_path


def test_prompt_is_a_user_message_and_completion_ends_the_turn(base, data):
    tokenizer = load_tokenizer(str(base))
    row = read_rows(data / "sft_FB" / "train.jsonl")[0]
    prompt = tokenizer.decode(encode_prompt(tokenizer, row["prompt"]))
    turns = {"system": f"{SYSTEM}<|im_end|>\n", "user": f"{row['prompt']}<|im_end|>\n", "assistant": ""}
    assert prompt == "".join(f"<|im_start|>{role}\n{content}" for role, content in turns.items())
    completion = encode_completion(tokenizer, row["completion"])
    assert completion[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert decode_completion(tokenizer, completion) == row["completion"]


def compute_as_on_a_gpu(monkeypatch):
    """Let weights that are not trained be bfloat16, and trainers compute in it."""
    for module in (models, grpo):
        monkeypatch.setattr(module, "find_dtype", lambda: torch.bfloat16)
    for stage in (sft, grpo):
        settings = stage.trainer_settings
        monkeypatch.setattr(stage, "trainer_settings", lambda *key, settings=settings: settings(*key) | {"bf16": True})


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "LoRA"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_sft_rl_and_evaluation_of_a_model_folder(base, data, tmp_path, monkeypatch, dtype, lora):
    if dtype == torch.bfloat16:
        compute_as_on_a_gpu(monkeypatch)
    model = ModelSpec(str(base), None, "sentences", ARCHITECTURE)
    start = tmp_path / "sft" / "step0"
    spec = make_sft_spec(lora=lora)
    spec = type(spec)(**{**vars(spec), "model": model})
    sft.train(spec, str(base), data / "sft_FB", start, tmp_path / "sft.csv", tmp_path / "resume" / "sft")
    rl = make_rl_spec(lora=lora, updates=2, max_completion_tokens=120)
    rl = type(rl)(**{**vars(rl), "model": model})
    last = tmp_path / "rl" / "step2"
    grpo.train(rl, start, data / "rl_2_3" / "train.jsonl", [last], tmp_path / "rl.csv", tmp_path / "resume" / "rl")
    trained = "model.safetensors" if lora is None else "adapter_model.safetensors"
    expected = torch.float32 if lora is None else dtype
    assert {weight.dtype for weight in load_file(start / "model.safetensors").values()} == {expected}
    assert {weight.dtype for weight in load_file(last / trained).values()} == {torch.float32}
    assert pd.read_csv(tmp_path / "sft.csv")["loss"].notna().all()
    assert len(pd.read_csv(tmp_path / "rl.csv")) == 2
    suite = make_suite(max_completion_tokens=120, forced_strategies=("backward",))
    spec = EvaluationSpec("FB_rl", "FB", "rl_2_3", (2,), suite, "sentences", threads=1, seed=0)
    evaluate(spec, [last], data / "rl_2_3" / "test.jsonl", tmp_path / "scores")
    table = read_scores([tmp_path / "scores"])
    assert len(table) == 12
    assert table["tokens"].max() <= 120
    assert table["completion"].str.startswith("y =").all()


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "LoRA"])
def test_weights_that_are_trained_are_float32_on_a_gpu(monkeypatch, lora):
    monkeypatch.setattr(models, "find_dtype", lambda: torch.bfloat16)
    assert models.find_training_dtype(lora) == (torch.float32 if lora is None else torch.bfloat16)


def test_rl_goes_on_from_an_adapter_with_the_weights_that_it_gave(base, data, tmp_path):
    """The second adapter lies on the first, not on the base of the first."""
    model = ModelSpec(str(base), None, "sentences", ARCHITECTURE)
    start = base
    for name in ("first", "second"):
        spec = make_rl_spec(lora=LORA, updates=1, max_completion_tokens=60, beta=0.0, learning_rate=1.0)
        spec = type(spec)(**{**vars(spec), "model": model})
        trainer = grpo.make_trainer(spec, start, read_rows(data / "rl_2_3" / "train.jsonl"), tmp_path / f"{name}_state")
        for key, weight in trainer.model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weight)
        trainer.save_model(str(tmp_path / name))
        load_tokenizer(str(base)).save_pretrained(tmp_path / name)
        ids = torch.tensor([[3, 4, 5]])
        expected = trainer.model.eval()(ids).logits
        torch.testing.assert_close(
            models.load_model(str(tmp_path / name)).eval()(ids).logits, expected, atol=1e-4, rtol=0
        )
        start = tmp_path / name
