"""Models small enough to train in a test, and specs for them."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from selectimprove.experiment.specs import (
    ArchitectureSpec,
    LoraSpec,
    ModelSpec,
    MuonSpec,
    PretrainSpec,
    RLSpec,
    SFTSpec,
    StepsSpec,
    SuiteSpec,
)
from selectimprove.tasks.data import write_dataset
from selectimprove.tasks.field import Field
from selectimprove.tasks.specs import DatasetSpec, DataSpec, TaskSpec
from selectimprove.training.models import create_model, create_tokenizer

ORDER = 5
TASK = TaskSpec("field", {"order": ORDER, "symbol_map": "fixed"})
GF5 = Field.shuffled(ORDER, 0)
ARCHITECTURE = ArchitectureSpec(
    family="qwen3",
    hidden_size=16,
    layers=2,
    heads=2,
    intermediate_size=32,
    rope_theta=1e4,
    initializer_range=0.3,
    qk_norm=1.0,
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

SYSTEM = "You are a helpful assistant."  # Qwen's template puts such a message first where there is none
TEMPLATE = (
    f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model(seed: int = 0):
    """Return a random model and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = create_tokenizer(GF5)
    return create_model(ARCHITECTURE, tokenizer).eval(), tokenizer


def save_model(folder: Path, seed: int = 0) -> Path:
    """Write a random model and its tokenizer to `folder`."""
    model, tokenizer = make_model(seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train_subwords() -> Tokenizer:
    """Return a byte-level tokenizer with few merges, to which e1 is a token and e10 is two."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["Start: x = e1.\nStep 1: add e1.\nStep 2: multiply by e1.\nEnd: y is not known.\nAnswer: x, y"] * 2
    tokenizer.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def make_qwen_tokenizer() -> Qwen2Tokenizer:
    """Return a tokenizer of Qwen2's class, with few merges; <|im_end|> ends a sequence."""
    learned = json.loads(train_subwords().to_str())["model"]
    return Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(merge) for merge in learned["merges"]],
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=TEMPLATE,
    )


def make_base_tokenizer(added: str, chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """Return a tokenizer as base models have them: <s> begins a sequence, </s> ends it, and nothing pads it.

    added: what it makes of a text $A, such as "<s> $A".
    """
    tokenizer = train_subwords()
    specials = ["<s>", "</s>", "<|text|>"]
    tokenizer.add_special_tokens(specials)
    ids = [(special, tokenizer.token_to_id(special)) for special in specials]
    tokenizer.post_processor = processors.TemplateProcessing(single=added, special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<s>",
        chat_template=chat_template,
    )


def save_sentence_model(folder: Path) -> Path:
    """Write a random model like Qwen2.5-1.5B-Instruct, but for its size, to `folder`.

    Like there, heads share keys and values, and the embedding has more rows than the tokenizer has tokens.
    """
    torch.manual_seed(0)
    tokenizer = make_qwen_tokenizer()
    settings = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 6}
    settings |= {"num_key_value_heads": 2, "vocab_size": len(tokenizer) + 9, "initializer_range": 0.3}
    settings |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "tie_word_embeddings": True}
    Qwen2ForCausalLM(Qwen2Config(**settings)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_base_model(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Path:
    """Write a random model like Llama, but for its size, and its tokenizer to `folder`."""
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings |= {"vocab_size": len(tokenizer), "initializer_range": 0.3, "eos_token_id": tokenizer.eos_token_id}
    LlamaForCausalLM(LlamaConfig(**settings, bos_token_id=tokenizer.bos_token_id)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_data(folder: Path, dataset: DatasetSpec, text: str = "symbolic") -> Path:
    """Write a data set to `folder`."""
    write_dataset(DataSpec(dataset, TASK, text, seed=0), folder)
    return folder


def make_pretrain_spec(**changes) -> PretrainSpec:
    values = {
        "parts": (1, 1),
        "steps": StepsSpec(forward=(1, 4), backward=(1, 4)),
        "updates": 4,
        "logs_per_update": 8,
        "quoted_share": 0,
        "forward_share": 0.5,
        "facts_per_row": 3,
        "learning_rate": 1e-2,
        "muon": MuonSpec(learning_rate=1e-2, momentum=0.95),
    }
    values |= {"warmup_share": 0.0, "curriculum_share": 0.5, "checkpoint_every": 2, "seed": 0, "threads": 1}
    return PretrainSpec(model=MODEL, **({"task": TASK} | values | changes))


def make_sft_spec(**changes) -> SFTSpec:
    values = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "warmup_share": 0.0, "lora": None}
    values |= {"checkpoint_every": 2, "seed": 0, "processes": 1, "threads": 1, "sft_micro_batches": 1}
    return SFTSpec(run="FB", dataset="sft_FB", model=MODEL, **(values | changes))


def make_rl_spec(**changes) -> RLSpec:
    values = {"updates": 4, "prompts_per_step": 4, "completions_per_prompt": 4, "max_completion_tokens": 20}
    values |= {"learning_rate": 1e-2, "lr_schedule": "constant", "beta": 0.05, "kl_bias_correction": False}
    values |= {"temperature": 0.7, "loss_type": "grpo", "micro_batches": 2, "lora": None, "checkpoint_every": 2}
    values |= {"processes": 1, "threads": 1}
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
