"""What the base command says: of a model that is known to be right and wrong at chosen places."""

import shutil

import pytest
import torch
from tiny_models import make_pretrain_spec, save_model
from transformers.modeling_outputs import CausalLMOutput

from selectimprove.__main__ import main
from selectimprove.commands import base
from selectimprove.training.models import load_tokenizer
from selectimprove.training.trainers import keep_checkpoint, seal_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    """A random base with its record."""
    source = save_model(tmp_path / "model")
    seal_checkpoint(source)
    keep_checkpoint(source, tmp_path / "checkpoint", make_pretrain_spec(), {})
    shutil.rmtree(source)
    return tmp_path / "checkpoint"


class Oracle:
    """Says the right next word but at the first place, which has no loss, and at `wrong(ids)` of odd rows."""

    device = torch.device("cpu")

    def __init__(self, words, wrong):
        self.words, self.wrong = words, wrong

    def eval(self):
        return self

    def __call__(self, input_ids):
        said = input_ids.roll(-1, 1)
        said[:, 0] = (said[:, 0] + 1) % self.words
        for row in range(1, len(said), 2):
            place = self.wrong(input_ids[row])
            said[row, place] = (said[row, place] + 1) % self.words
        return CausalLMOutput(logits=torch.nn.functional.one_hot(said, self.words).float())


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_one_wrong_word_with_loss_makes_a_log_wrong(direction, checkpoint, monkeypatch):
    tokenizer = load_tokenizer(str(checkpoint))

    def before_the_end(ids):
        return ids.tolist().index(tokenizer.eos_token_id) - 1

    def before_the_question(ids):  # what stands in a prompt has no loss
        return ids.tolist().index(tokenizer.convert_tokens_to_ids("?"))

    for wrong, share in ((before_the_end, 0.5), (before_the_question, 1.0)):
        monkeypatch.setattr(base, "load_model", lambda _, wrong=wrong: Oracle(len(tokenizer), wrong))
        assert base.measure_logs(checkpoint, direction, 3, 8) == share


def test_table_has_a_row_a_direction(checkpoint, capsys):
    assert main(["base", str(checkpoint), "--steps", "1", "2", "--logs", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{checkpoint}: right of 5 logs, in %, by steps"
    assert [line.split()[0] for line in lines[2:]] == ["forward", "backward"]


def test_what_is_no_base_is_told(checkpoint, tmp_path, capsys):
    save_model(tmp_path / "model")
    assert main(["base", str(tmp_path / "model")]) == 2
    assert "must be the checkpoint of a pretrained base" in capsys.readouterr().err
    assert main(["base", str(checkpoint), "--steps", "25"]) == 2
    assert "--steps 25: 1 parts of so many steps need more than the 24 labels" in capsys.readouterr().err
