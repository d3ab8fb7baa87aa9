"""The optimizer of pretraining: Muon on the matrices inside the layers, AdamW on embeddings and norms."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from selectimprove.experiment.specs import MuonSpec


class InFloat32(TorchFunctionMode):
    """Within it `Tensor.bfloat16` copies and keeps the type: torch's Muon orthogonalizes in bfloat16, always.

    A processor without instructions for it takes fifty times as long for such a product, two thirds of an update of the
    tiny base; on all, its rounding would be the coarsest of an update.
    """

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        if function is torch.Tensor.bfloat16:
            return arguments[0].clone()
        return function(*arguments, **(keywords or {}))


class MuonWithAdamW(Optimizer):
    """torch's Muon and AdamW as one optimizer of two groups, whose state is saved and loaded as that of one.

    Without weight decay; Muon's updates are scaled as by its authors (`adjust_lr_fn="original"`), and computed in the
    type of the weights.
    """

    def __init__(self, matrices: list[torch.Tensor], others: list[torch.Tensor], muon: MuonSpec, learning_rate: float):
        self.parts = (
            Muon(matrices, muon.learning_rate, momentum=muon.momentum, weight_decay=0, adjust_lr_fn="original"),
            AdamW(others, learning_rate, weight_decay=0),
        )
        super().__init__([group for part in self.parts for group in part.param_groups], {})

    def step(self, closure: Callable[[], Any] | None = None) -> None:
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state  # loading puts new ones in their place
            with InFloat32():
                part.step()


def make_optimizer(model: PreTrainedModel, muon: MuonSpec | None, learning_rate: float) -> Optimizer:
    """Return the optimizer of all weights of a model; learning_rate: of AdamW; muon: None where AdamW trains all."""
    if muon is None:
        return AdamW(model.parameters(), learning_rate, weight_decay=0)
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    inside = set(matrices)
    others = [parameter for parameter in model.parameters() if parameter not in inside]
    return MuonWithAdamW(matrices, others, muon, learning_rate)
