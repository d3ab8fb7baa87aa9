"""The path of a pretrained model: a folder with its own tokenizer and chat template, problems in sentences."""

import pandas as pd
import pytest
from tiny_models import (
    ARCHITECTURE,
    FIELD,
    LORA,
    RL_DATA,
    SFT_DATA,
    make_rl_spec,
    make_sft_spec,
    make_suite,
    save_sentence_model,
)

from selectimprove import grpo, sft
from selectimprove.data import read_rows, write_dataset
from selectimprove.evaluation import evaluate
from selectimprove.models import (
    decode_completion,
    encode_completion,
    encode_prompt,
    load_tokenizer,
)
from selectimprove.scores import read_scores
from selectimprove.specs import DataSpec, EvaluationSpec, ModelSpec


@pytest.fixture
def base(tmp_path):
    return save_sentence_model(tmp_path / "base")


@pytest.fixture
def data(tmp_path):
    for dataset in (SFT_DATA, RL_DATA):
        write_dataset(DataSpec(dataset, FIELD, "sentences", seed=0), tmp_path / dataset.name)
    return tmp_path


def test_prompt_is_a_user_message_and_completion_ends_the_turn(base, data):
    tokenizer = load_tokenizer(str(base))
    row = read_rows(data / "sft_FB" / "train.jsonl")[0]
    prompt = tokenizer.decode(encode_prompt(tokenizer, row["prompt"]))
    assert prompt == f"<|im_start|>user\n{row['prompt']}<|im_end|>\n<|im_start|>assistant\n"
    completion = encode_completion(tokenizer, row["completion"])
    assert completion[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert decode_completion(tokenizer, completion) == row["completion"]


def test_sft_rl_and_evaluation_of_a_model_folder(base, data, tmp_path):
    model = ModelSpec(str(base), None, "sentences", ARCHITECTURE)
    start = tmp_path / "sft" / "step0"
    spec = make_sft_spec(lora=LORA)
    spec = type(spec)(**{**vars(spec), "model": model})
    sft.train(spec, str(base), data / "sft_FB", start, tmp_path / "sft.csv", tmp_path / "resume" / "sft")
    rl = make_rl_spec(lora=LORA, updates=2, max_completion_tokens=120)
    rl = type(rl)(**{**vars(rl), "model": model})
    last = tmp_path / "rl" / "step2"
    grpo.train(rl, start, data / "rl_2_3" / "train.jsonl", [last], tmp_path / "rl.csv", tmp_path / "resume" / "rl")
    assert pd.read_csv(tmp_path / "sft.csv")["loss"].notna().all()
    assert len(pd.read_csv(tmp_path / "rl.csv")) == 2
    suite = make_suite(max_completion_tokens=120, forced_strategies=("backward",))
    spec = EvaluationSpec("FB_rl", "FB", "rl_2_3", (2,), suite, "sentences", seed=0)
    evaluate(spec, [last], data / "rl_2_3" / "test.jsonl", tmp_path / "scores")
    table = read_scores([tmp_path / "scores"])
    assert len(table) == 12
    assert table["tokens"].max() <= 120
    assert table["completion"].str.startswith("y =").all()
