"""What the base command says, against the model's own words one by one."""

import dataclasses

import pytest
import torch
from tiny_models import make_pretrain_spec, save_model

from selectimprove.__main__ import main
from selectimprove.commands.base import measure_logs
from selectimprove.experiment.specs import StepsSpec
from selectimprove.training.models import load_model, load_tokenizer
from selectimprove.training.pretrain import train, write_log
from selectimprove.training.trainers import prepare_process


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A base after updates enough to get some logs of one step right, and not all."""
    folder = tmp_path_factory.mktemp("base")
    spec = make_pretrain_spec(updates=60, checkpoint_every=60, logs_per_update=16, muon=None)
    prepare_process(threads=1)
    train(spec, folder / "checkpoint", folder / "metrics.csv", folder / "resume")
    return folder / "checkpoint", spec


def follow(checkpoint, spec, index) -> bool:
    """Return whether the base says each word of a log itself, one after the other."""
    tokenizer, model = load_tokenizer(str(checkpoint)), load_model(str(checkpoint)).eval()
    ((context, continuation),) = write_log(spec, index)
    ids = tokenizer(context)["input_ids"]
    for token in [*tokenizer(continuation)["input_ids"], tokenizer.eos_token_id]:
        if int(model(torch.tensor([ids])).logits[0, -1].argmax()) != token:
            return False
        ids.append(token)
    return True


@pytest.mark.parametrize(("direction", "share"), [("forward", 1.0), ("backward", 0.0)])
def test_share_is_that_of_logs_followed_word_by_word(base, direction, share):
    checkpoint, spec = base
    asked = dataclasses.replace(spec, forward_share=share, steps=StepsSpec(forward=(1, 1), backward=(1, 1)))
    met = spec.updates * spec.logs_per_update
    followed = [follow(checkpoint, asked, index) for index in range(met, met + 40)]
    assert measure_logs(checkpoint, direction, 1, 40) == pytest.approx(sum(followed) / 40)
    assert 0 < sum(followed) < 40


def test_table_has_a_row_a_direction(base, capsys):
    assert main(["base", str(base[0]), "--steps", "1", "2", "--logs", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("right of 5 logs, in %, by steps")
    assert [line.split()[0] for line in lines[2:]] == ["forward", "backward"]


def test_what_is_no_base_is_told(base, tmp_path, capsys):
    save_model(tmp_path / "model")
    assert main(["base", str(tmp_path / "model")]) == 2
    assert "must be the checkpoint of a pretrained base" in capsys.readouterr().err
    assert main(["base", str(base[0]), "--steps", "25"]) == 2
    assert "--steps 25: 1 parts of so many steps need more than the 24 labels" in capsys.readouterr().err
