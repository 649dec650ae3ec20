"""nnstruct's recurrent modules in the loop that trains populations, pruned edges left out."""

from __future__ import annotations

import numpy as np
from torch import nn

from nnstruct.networks.clean import CleanRNN
from nnstruct.population.compiled import compiled_network
from nnstruct.population.fused.engine import CompiledNetwork
from nnstruct.pruning.compiled import CompiledModule, plain_masks
from nnstruct.pruning.own import with_edges
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

_EDGE_WEIGHTS = ("forward_weight", "recurrent_weight")


class CompiledRecurrent(CompiledModule):
    """A :class:`nnstruct.networks.CleanRNN` in a compiled loop."""

    def __init__(
        self, module: CleanRNN, keep: np.ndarray, network: CompiledNetwork, task: Task, config: TrainConfig
    ) -> None:
        super().__init__(network, task, config)
        self._module, self._keep, self._network = module, keep, network

    @classmethod
    def of(cls, module: nn.Module, task: Task, config: TrainConfig) -> CompiledRecurrent | None:
        """The module in a compiled loop; None where only PyTorch can train it."""
        if not isinstance(module, CleanRNN) or type(module).forward is not CleanRNN.forward:
            return None
        if config.protocol != "clean" or config.options:
            return None
        keep = _kept_edges(module)
        if keep is None:
            return None
        parameters = module.parameters_by_name()
        parameters["weight"] = parameters["weight"][keep]
        network = compiled_network(with_edges(module.structure, keep), parameters, task, config)
        return cls(module, keep, network, task, config)

    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""
        parameters = self._network.parameters()
        weight = np.zeros((len(self._keep), parameters["weight"].shape[1]), dtype=np.float32)
        weight[self._keep] = parameters["weight"]
        self._module.assign(parameters | {"weight": weight})


def _kept_edges(module: CleanRNN) -> np.ndarray | None:
    """The edges that no mask prunes, bool [E]; None where a mask is on anything but whole edges."""
    masks = plain_masks(module)
    if masks is None or not all(place[0] is module and place[1] in _EDGE_WEIGHTS for place in masks):
        return None
    source, target = module.edge_places
    keep = np.ones(module.structure.num_edges, dtype=bool)
    for (_, name), mask in masks.items():
        own = module.structure.recurrent == (name == "recurrent_weight")
        by_gate = mask[:, target[own], source[own]]  # [g, edges]
        if (by_gate != by_gate[:1]).any():
            return None
        keep[own] = by_gate[0]
    return keep
