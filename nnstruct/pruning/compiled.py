"""Training and evaluation of nnstruct's recurrent modules in a compiled loop, pruned edges left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.utils.parametrize as parametrize
from torch import nn

from nnstruct.networks.clean import CleanRNN
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.compiled import compiled_network
from nnstruct.population.fused.engine import CompiledNetwork
from nnstruct.pruning.masks import Mask, parametrization
from nnstruct.pruning.own import with_edges
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

_EDGE_WEIGHTS = ("forward_weight", "recurrent_weight")


@dataclass(eq=False)
class CompiledModule:
    """A recurrent module whose present weights a compiled loop has taken over.

    Attributes
    ----------
    module : CleanRNN
    keep : bool [E]
        The edges of its structure that no mask prunes.
    network : CompiledNetwork
    task : Task
    config : TrainConfig
    """

    module: CleanRNN
    keep: np.ndarray
    network: CompiledNetwork
    task: Task
    config: TrainConfig

    @classmethod
    def of(cls, module: nn.Module, task: Task, config: TrainConfig) -> CompiledModule | None:
        """The module in a compiled loop; None where only PyTorch can train it."""
        if not _is_plain(module) or config.protocol != "clean" or config.options:
            return None
        assert isinstance(module, CleanRNN)
        keep = _kept_edges(module)
        if keep is None:
            return None
        parameters = module.parameters_by_name()
        parameters["weight"] = parameters["weight"][keep]
        structure, cell = with_edges(module.structure, keep), module.structure.family
        return cls(module, keep, compiled_network(structure, cell, parameters, task, config), task, config)

    def epoch(self, seed: int, number: int) -> float:
        """Train for an epoch; the sum of the examples' losses, not finite once training diverges."""
        loss, _ = self._pass("train", epoch_batches(self.task.train, self.config, seed, number), True)
        return loss

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on a split."""
        chosen = getattr(self.task, split)
        loss, hits = self._pass(split, evaluation_batches(chosen, self.config), False)
        return {"loss": loss / len(chosen), "accuracy": hits / len(chosen)}

    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""
        parameters = self.network.parameters()
        weight = np.zeros((len(self.keep), parameters["weight"].shape[1]), dtype=np.float32)
        weight[self.keep] = parameters["weight"]
        self.module.assign(parameters | {"weight": weight})

    def _pass(self, split: str, batches: list[np.ndarray], training: bool) -> tuple[float, float]:
        starts = np.cumsum([0, *map(len, batches)])
        return self.network.run(split, np.concatenate(batches), starts, training)


def _is_plain(module: nn.Module) -> bool:
    """Whether a module computes what the loop does, on a CPU, and all of it is trained."""
    return (
        isinstance(module, CleanRNN)
        and type(module).forward is CleanRNN.forward
        and not any((part._forward_hooks or part._forward_pre_hooks) for part in module.modules())
        and all(
            p.requires_grad and p.device.type == "cpu" and p.dtype == torch.float32
            for p in module.parameters()
        )
    )


def _kept_edges(module: CleanRNN) -> np.ndarray | None:
    """The edges that no mask prunes, bool [E]; None where a mask is on anything but whole edges."""
    masks = {}
    for part in module.modules():
        if not parametrize.is_parametrized(part):
            continue
        for name in part.parametrizations:  # type: ignore[union-attr]
            held = list(parametrization(part, name))
            if part is not module or name not in _EDGE_WEIGHTS or len(held) > 1:
                return None
            if not isinstance(held[0], Mask) or held[0].gate is not None:
                return None
            masks[name] = held[0].mask.numpy()  # [g, target, source]
    source, target = module.edge_places
    keep = np.ones(module.structure.num_edges, dtype=bool)
    for name, mask in masks.items():
        own = module.structure.recurrent == (name == "recurrent_weight")
        by_gate = mask[:, target[own], source[own]]
        if (by_gate != by_gate[:1]).any():
            return None
        keep[own] = by_gate[0]
    return keep
