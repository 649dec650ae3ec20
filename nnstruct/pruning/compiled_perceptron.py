"""Linear layers in a row, most of whose weights are pruned, in a loop over the weights that are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import torch
from torch import nn

from nnstruct.population import native
from nnstruct.population.native.perceptron import NativePerceptron, SparseLayer
from nnstruct.pruning.compiled import CompiledModule, plain_masks
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

# A loop over single weights takes as long as PyTorch's dense products where about so many are left.
MOST_DENSITY = 0.5
_ACTIVATIONS = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Identity: "identity"}
_OPTIONS = {"schedule"}


class CompiledPerceptron(CompiledModule):
    """A :class:`torch.nn.Sequential` of linear layers and activations in a compiled loop."""

    def __init__(
        self, linear: Sequence[nn.Linear], network: NativePerceptron, task: Task, config: TrainConfig
    ) -> None:
        super().__init__(network, task, config)
        self._linear, self._network = linear, network

    @classmethod
    def of(cls, module: nn.Module, task: Task, config: TrainConfig) -> CompiledPerceptron | None:
        """The module in a compiled loop; None where PyTorch alone can train it, or is quicker."""
        found = _layers_of(module)
        if found is None or set(config.options) - _OPTIONS or not native.available():
            return None
        linear, layers = zip(*found, strict=True)
        kept, total = (
            sum(sizes) for sizes in zip(*((x.mask.sum(), x.mask.size) for x in layers), strict=True)
        )
        if kept > MOST_DENSITY * total:
            return None
        return cls(linear, NativePerceptron(layers, task, config), task, config)

    @torch.no_grad()
    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""
        for part, layer in zip(self._linear, self._network.layers(), strict=True):
            weight = torch.from_numpy(layer.weight)
            if isinstance(part._parameters.get("weight"), nn.Parameter):
                part.weight.copy_(weight)
            else:
                part.weight = weight  # what lies beneath the mask
            part.bias.copy_(torch.from_numpy(layer.bias))


def _layers_of(module: nn.Module) -> list[tuple[nn.Linear, SparseLayer]] | None:
    """The linear layers and what the loop needs of each; None where the module is anything else."""
    if type(module) is not nn.Sequential:
        return None
    masks = plain_masks(module)
    parts = list(module)
    if parts and isinstance(parts[0], nn.Flatten) and (parts[0].start_dim, parts[0].end_dim) == (1, -1):
        del parts[0]
    if masks is None or not parts or not _is_linear(parts[-1]) or len(set(parts)) < len(parts):
        return None
    found: list[tuple[nn.Linear, SparseLayer]] = []
    for place, part in enumerate(parts):
        if not _is_linear(part):
            # An activation stands behind a linear layer.
            if type(part) not in _ACTIVATIONS or not place or not _is_linear(parts[place - 1]):
                return None
            linear, layer = found[-1]
            found[-1] = linear, layer._replace(activation=_ACTIVATIONS[type(part)])
            continue
        weight = part.weight.detach().numpy()
        mask = masks.pop((part, "weight"), None)
        kept = np.ones(weight.shape, dtype=bool) if mask is None else mask
        found.append((part, SparseLayer(weight, kept, part.bias.detach().numpy(), "identity")))
    tied = len({id(p) for p in module.parameters()}) < 2 * len(found)
    return None if masks or tied else found


def _is_linear(part: nn.Module) -> TypeGuard[nn.Linear]:
    return isinstance(part, nn.Linear) and type(part).forward is nn.Linear.forward and part.bias is not None
