"""Muon and AdamW as one optimizer: what each trains, how far, and that its state is whole."""

import copy

import pytest
import torch
from tiny_models import make_model

from selectimprove.experiment.specs import MuonSpec
from selectimprove.training.optimizers import MuonWithAdamW, make_optimizer

MUON = MuonSpec(learning_rate=0.01, momentum=0.9)


def take_steps(model, optimizer, steps):
    for step in range(steps):
        tokens = torch.randint(3, 20, (4, 9), generator=torch.Generator().manual_seed(step))
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_muon_trains_the_matrices_inside_the_layers():
    model, _ = make_model(0)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    optimizer = make_optimizer(model, MUON, learning_rate=1e-3)
    assert isinstance(optimizer, MuonWithAdamW)
    take_steps(model, optimizer, 1)
    for name, weight in model.named_parameters():
        moved = (weight - before[name]).detach()
        if weight.ndim == 2 and ".layers." in name:
            # Nearly orthogonal, but for directions without a gradient; longer in tall matrices: Jordan et al. 2024.
            singular = torch.linalg.svdvals(moved) / MUON.learning_rate / max(1, len(moved) / moved.shape[1]) ** 0.5
            assert singular.median() > 0.6, name
            assert singular.max() < 1.3, name
        else:  # of AdamW, whose first step is as long as the rate wherever there is a gradient
            assert moved.abs().max().item() == pytest.approx(1e-3, rel=1e-2), name


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_updates_of_matrices_are_computed_in_float32(shape):
    """Five iterations of Newton and Schulz as Jordan et al. 2024 write them, here in float64."""
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    wide = weight.grad.double() if shape[0] <= shape[1] else weight.grad.double().T
    wide = wide / wide.norm()
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    expected = wide if shape[0] <= shape[1] else wide.T
    MuonWithAdamW([weight], [torch.nn.Parameter(torch.zeros(1))], MUON, learning_rate=1e-3).step()
    scale = -MUON.learning_rate * max(1, shape[0] / shape[1]) ** 0.5
    torch.testing.assert_close(weight.detach().double() / scale, expected, rtol=0, atol=1e-5)  # bfloat16: 1e-2


def test_without_muon_all_weights_are_those_of_adamw():
    model, _ = make_model(0)
    optimizer = make_optimizer(model, None, learning_rate=1e-3)
    assert type(optimizer) is torch.optim.AdamW
    assert {weight for group in optimizer.param_groups for weight in group["params"]} == set(model.parameters())


def test_steps_after_loading_are_those_that_would_have_been_taken(tmp_path):
    through, _ = make_model(0)
    optimizer = make_optimizer(through, MUON, learning_rate=1e-3)
    take_steps(through, optimizer, 2)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    resumed = copy.deepcopy(through)
    other = make_optimizer(resumed, MUON, learning_rate=1e-3)
    other.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    for model, its in ((through, optimizer), (resumed, other)):
        take_steps(model, its, 3)
    for name, weight in through.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_schedulers_reach_both_after_loading():
    model, _ = make_model(0)
    optimizer = make_optimizer(model, MUON, learning_rate=1e-3)
    optimizer.load_state_dict(optimizer.state_dict())
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = copy.deepcopy(model.state_dict())
    take_steps(model, optimizer, 1)
    scheduler.step()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]), name
