"""Tokenizers and models: the tiny Qwen2 or Qwen3 made from scratch, or a pretrained checkpoint, with or without LoRA.

A checkpoint is a folder: model.safetensors and config.json, or a LoRA adapter that names its base; the tokenizer
beside it. Weights are only ever read from safetensors, and no code that comes with them is run.
"""

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from selectimprove.experiment.specs import ArchitectureSpec, LoraSpec
from selectimprove.tasks.rewards import CUT
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.task import Task

FAMILIES = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def create_tokenizer(task: Task) -> PreTrainedTokenizerFast:
    """Return the word-level tokenizer of a task's symbolic text form: one token a word."""
    words = [PAD, EOS, UNKNOWN, *SymbolicText().vocabulary(task)]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN)


def create_model(architecture: ArchitectureSpec, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return a randomly initialised model (global torch RNG) of this family and shape for the tokenizer."""
    config_class, model_class = FAMILIES[architecture.family]
    model = model_class(
        config_class(
            vocab_size=len(tokenizer),
            hidden_size=architecture.hidden_size,
            intermediate_size=architecture.intermediate_size,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            num_key_value_heads=architecture.heads,
            head_dim=architecture.hidden_size // architecture.heads,
            initializer_range=architecture.initializer_range,
            max_position_embeddings=1024,
            rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    if architecture.qk_norm is not None:
        for layer in model.model.layers:
            torch.nn.init.constant_(layer.self_attn.q_norm.weight, architecture.qk_norm)
            torch.nn.init.constant_(layer.self_attn.k_norm.weight, architecture.qk_norm)
    return model


def load_tokenizer(source: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder or hub id.

    A folder that holds a word-level tokenizer is loaded as what it is: AutoTokenizer goes by the model's type and would
    silently put the family's byte-level tokenizer in its place.

    Raises FileNotFoundError on a folder without tokenizer.json.
    """
    file = Path(source) / "tokenizer.json"
    if Path(source).is_dir() and not file.is_file():
        raise FileNotFoundError(f"{source}: this folder holds no tokenizer.json")
    if file.is_file() and json.loads(file.read_text(encoding="utf-8"))["model"]["type"] == "WordLevel":
        return PreTrainedTokenizerFast.from_pretrained(source)
    return AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)


def find_dtype() -> torch.dtype:
    """Return the type that models compute in: bfloat16 on a GPU, else float32."""
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def find_training_dtype(lora: LoraSpec | None) -> torch.dtype:
    """Return the type of a base's weights in training.

    Weights that are trained are float32 (and so are a LoRA adapter's, in peft): an update of theirs is far smaller than
    what bfloat16 can add to them.
    """
    return torch.float32 if lora is None else find_dtype()


def load_model(source: str, revision: str | None = None, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Return the model of a folder or hub id with its LoRA adapter, if it has one, merged into the weights.

    revision: of the hub id, or of the adapter's base where that is one; dtype: of the weights; None: the one that
    models compute in.

    Raises FileNotFoundError or ValueError on an adapter without safetensors or whose base is not pinned.
    """
    adapter = Path(source) / "adapter_config.json"
    if adapter.is_file():
        if not (Path(source) / "adapter_model.safetensors").is_file():
            raise FileNotFoundError(f"{source}: this adapter holds no adapter_model.safetensors")
        settings = json.loads(adapter.read_text(encoding="utf-8"))
        base, pinned = settings["base_model_name_or_path"], settings.get("revision") or revision
        if not Path(base).is_dir() and pinned is None:
            raise ValueError(f"{adapter}: its base {base!r} is neither a folder nor a hub id with a pinned revision")
        merged = PeftModel.from_pretrained(load_model(base, pinned, dtype), source).merge_and_unload()
        merged.name_or_path = source  # what an adapter trained on top names as its base
        return merged
    return AutoModelForCausalLM.from_pretrained(
        source, revision=revision, dtype=dtype or find_dtype(), use_safetensors=True, trust_remote_code=False
    )


def load_sampler(checkpoint: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model of a checkpoint, ready to sample from, on the GPU if there is one, and its tokenizer."""
    model = load_model(str(checkpoint)).eval()
    return model.cuda() if torch.cuda.is_available() else model, load_tokenizer(str(checkpoint))


def make_lora_config(lora: LoraSpec | None, revision: str | None = None) -> LoraConfig | None:
    """Return peft's configuration for the spec, None if all weights are trained; revision: the base's, on the hub."""
    if lora is None:
        return None
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        revision=revision,
    )


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Return the token ids of a prompt: what the model sees before a completion in SFT, in RL and in evaluation.

    It is a user message where the tokenizer has a chat template. Elsewhere it begins as the tokenizer begins a text,
    with a begin-of-sequence token if it adds one; what it adds behind a text is left out: the completion follows.
    """
    if tokenizer.chat_template is None:
        encoded = tokenizer(prompt, return_special_tokens_mask=True)
        ids, added = encoded["input_ids"], encoded["special_tokens_mask"]
        return ids[: len(ids) - added[::-1].index(0)]
    message = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)


def encode_completion(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Return the token ids of a completion, end-of-sequence token included."""
    return [*tokenizer(completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def decode_completion(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Return the text before the end-of-sequence token; without one, the whole text and rewards.CUT.

    Other special tokens stay: they are not the answer's form.
    """
    ended = tokenizer.eos_token_id in ids
    said = ids[: ids.index(tokenizer.eos_token_id)] if ended else ids
    text = tokenizer.decode(said, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text if ended else text + CUT
