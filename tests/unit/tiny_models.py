"""Models small enough to train in a test, and specs for them."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selectimprove.data import write_dataset
from selectimprove.models import create_model, create_tokenizer
from selectimprove.specs import (
    ArchitectureSpec,
    DatasetSpec,
    DataSpec,
    FieldSpec,
    LoraSpec,
    ModelSpec,
    PretrainSpec,
    RLSpec,
    SFTSpec,
    SuiteSpec,
)

ORDER = 5
FIELD = FieldSpec(ORDER, "fixed")
ARCHITECTURE = ArchitectureSpec(
    hidden_size=16, layers=2, heads=2, intermediate_size=32, rope_theta=1e4, initializer_range=0.3
)
MODEL = ModelSpec("scratch", None, "symbolic", ARCHITECTURE)
LORA = LoraSpec(rank=2, alpha=4, dropout=0.0)
SFT_DATA = DatasetSpec(
    "sft_FB",
    "gf5",
    (1, 1),
    (2, 3),
    {"evaluation": 0.5, "inversion": 0.5},
    {"forward": 0.5, "backward": 0.5},
    {"train": 32, "validation": 8, "test": 8},
)
RL_DATA = DatasetSpec(
    "rl_2_3",
    "gf5",
    (1, 1),
    (2, 3),
    {"evaluation": 0.5, "inversion": 0.5},
    None,
    {"train": 16, "validation": 8, "test": 12},
)

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model(seed: int = 0):
    """Return a random model and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = create_tokenizer(ORDER)
    return create_model(ARCHITECTURE, tokenizer).eval(), tokenizer


def save_model(folder: Path, seed: int = 0) -> Path:
    """Write a random model and its tokenizer to `folder`."""
    model, tokenizer = make_model(seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_byte_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer in the style of Qwen's: bytes, chat markers, and <|im_end|> as the end of a sequence."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=TEMPLATE
    )


def save_sentence_model(folder: Path) -> Path:
    """Write a random model with a tokenizer in the style of Qwen's to `folder`."""
    torch.manual_seed(0)
    tokenizer = make_byte_tokenizer()
    create_model(ARCHITECTURE, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # A real Qwen2 tokenizer is loaded by AutoTokenizer through its class; this one has none of that name.
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


def save_data(folder: Path, dataset: DatasetSpec) -> Path:
    """Write a data set to `folder`."""
    write_dataset(DataSpec(dataset, FIELD, "symbolic", seed=0), folder)
    return folder


def make_pretrain_spec(**changes) -> PretrainSpec:
    values = {
        "parts": (1, 1),
        "steps": (1, 4),
        "updates": 4,
        "logs_per_update": 8,
        "forward_share": 0.5,
        "facts_per_row": 3,
        "learning_rate": 1e-2,
    }
    values |= {"warmup_share": 0.0, "checkpoint_every": 2, "seed": 0}
    return PretrainSpec(model=MODEL, field=FIELD, **(values | changes))


def make_sft_spec(**changes) -> SFTSpec:
    values = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "warmup_share": 0.0, "lora": None}
    values |= {"checkpoint_every": 2, "seed": 0}
    return SFTSpec(run="FB", dataset="sft_FB", model=MODEL, **(values | changes))


def make_rl_spec(**changes) -> RLSpec:
    values = {"updates": 4, "prompts_per_step": 4, "completions_per_prompt": 4, "max_completion_tokens": 20}
    values |= {"learning_rate": 1e-2, "lr_schedule": "constant", "beta": 0.05, "kl_bias_correction": False}
    values |= {"temperature": 0.7, "loss_type": "grpo", "micro_batches": 2, "lora": None, "checkpoint_every": 2}
    return RLSpec(run="FB_rl", start="FB", dataset="rl_2_3", model=MODEL, seed=0, **(values | changes))


def make_suite(**changes) -> SuiteSpec:
    values = {"problems": None, "completions_per_problem": 1, "temperature": 0.7, "max_completion_tokens": 20}
    values |= {"forced_strategies": (), "checkpoints": "all"}
    return SuiteSpec("steps_2_3", "rl_2_3", **(values | changes))


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)
