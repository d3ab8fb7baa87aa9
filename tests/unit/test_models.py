"""Tokenizers and checkpoints: what is saved is what is loaded."""

import pytest
import torch
from tiny_models import LORA, make_model, save_model

from selectimprove.models import (
    create_tokenizer,
    decode_completion,
    encode_completion,
    encode_prompt,
    load_model,
    load_tokenizer,
    make_lora_config,
)
from selectimprove.texts import SymbolicText

PROMPT = "x ? L1 + e2 L24 * e10 y e4 :"
COMPLETION = "y e4 L24 / e10 e3 L1 - e2 e0 A x e0 y e4"


def test_every_word_is_one_token_and_survives_saving(tmp_path):
    """AutoTokenizer would read a saved word-level tokenizer as Qwen2's: the ids would be other ones, silently."""
    tokenizer = create_tokenizer(11)
    words = SymbolicText().vocabulary(11)
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
    tokenizer = create_tokenizer(11)
    ids = encode_completion(tokenizer, COMPLETION)
    assert ids[-1] == tokenizer.eos_token_id
    assert decode_completion(tokenizer, ids) == COMPLETION
    assert decode_completion(tokenizer, ids + encode_prompt(tokenizer, PROMPT)) == COMPLETION


def test_special_tokens_inside_a_completion_are_not_dropped():
    """Dropping them would turn "A x e0 y <pad> e4" into an answer line."""
    tokenizer = create_tokenizer(11)
    ids = encode_completion(tokenizer, COMPLETION)
    assert decode_completion(tokenizer, [*ids[:-2], tokenizer.pad_token_id, *ids[-2:]]).endswith("A x e0 y <pad> e4")


def test_chat_template_wraps_the_prompt():
    tokenizer = create_tokenizer(11)
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
