"""Training and evaluation of pruned networks in a compiled loop that leaves out what is pruned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch.nn.utils.parametrize as parametrize
from torch import nn

from nnstruct.population.batches import evaluation_batches
from nnstruct.pruning.masks import Mask, parametrization
from nnstruct.pruning.training.hooks import Memory
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


class Loop(Protocol):
    """A network in a compiled loop."""

    def run(
        self, name: str, positions: np.ndarray, starts: np.ndarray, training: bool
    ) -> tuple[float, float]:
        """One pass over a split, as :data:`nnstruct.population.epochs.RunSplit` says.

        Parameters
        ----------
        name : {"train", "val", "test"}
            The split.
        positions : int64 [n]
            Places of the examples in the split, batch after batch.
        starts : int64 [batches + 1]
            Where each batch begins among the positions; the last number is n.
        training : bool
            Whether to update the weights after each batch.

        Returns
        -------
        (float, float)
            The sum of the examples' losses, not finite once training diverges, and how many examples were
            classified correctly.
        """


class CompiledModule(ABC):
    """A module whose present weights a compiled loop has taken over.

    Parameters
    ----------
    loop : Loop
    task : Task
    config : TrainConfig
    """

    def __init__(self, loop: Loop, task: Task, config: TrainConfig) -> None:
        self.loop, self.task, self.config = loop, task, config

    @abstractmethod
    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""

    @abstractmethod
    def memory(self) -> Memory:
        """What the optimiser remembers now, of each weight that the module has."""

    @abstractmethod
    def anew(self, memory: Any) -> CompiledModule:
        """A loop over the weights that the module has now, which goes on with what :meth:`memory` gave.

        Parameters
        ----------
        memory : Memory
            What :meth:`memory` of this object returned; hooks may have let it forget some weights.

        Returns
        -------
        CompiledModule
            For the same module, task and configuration.
        """

    def train(self, batches: Sequence[np.ndarray]) -> float:
        """Update the weights in the loop, once for each batch; the module gets them by :meth:`give_back`.

        Parameters
        ----------
        batches : sequence of int64 [b]
            Places of examples in the training split.

        Returns
        -------
        float
            The sum of the examples' losses, not finite once training diverges; 0 without batches.
        """
        return self._pass("train", batches, True)[0] if len(batches) else 0.0

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on a split, with the weights in the loop.

        Parameters
        ----------
        split : {"train", "val", "test"}

        Returns
        -------
        dict of str to float
            ``loss``, the mean cross-entropy in nats, and ``accuracy``, in [0, 1].
        """
        chosen = getattr(self.task, split)
        loss, hits = self._pass(split, evaluation_batches(chosen, self.config), False)
        return {"loss": loss / len(chosen), "accuracy": hits / len(chosen)}

    def _pass(self, split: str, batches: Sequence[np.ndarray], training: bool) -> tuple[float, float]:
        starts = np.cumsum([0, *map(len, batches)])
        return self.loop.run(split, np.concatenate(batches), starts, training)


def plain_masks(module: nn.Module) -> dict[tuple[nn.Module, str], np.ndarray] | None:
    """The masks of a module, where it has no other parametrization and no mask that is being learned.

    Parameters
    ----------
    module : torch.nn.Module
        On a CPU.

    Returns
    -------
    dict of (torch.nn.Module, str) to bool array, or None
        By owner and name of the tensor.
    """
    found = {}
    for part in module.modules():
        if not parametrize.is_parametrized(part):
            continue
        for name in part.parametrizations:  # type: ignore[union-attr]
            held = list(parametrization(part, name))
            if len(held) > 1 or not isinstance(held[0], Mask) or held[0].gate is not None:
                return None
            found[part, name] = held[0].mask.numpy()
    return found
