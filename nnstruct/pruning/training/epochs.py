"""What trains a module epoch by epoch, be it PyTorch or a compiled loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from nnstruct.pruning.training.gradients import TaskBatch, device_of
from nnstruct.pruning.training.hooks import Hook
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


@dataclass(eq=False)
class Epochs(ABC):
    """Trains and evaluates a module.

    Parameters
    ----------
    module : torch.nn.Module
    task : Task
    config : TrainConfig
    seed : int
        Decides the order of the batches.
    hooks : sequence of Hook
        May take part in any update.
    """

    module: nn.Module
    task: Task
    config: TrainConfig
    seed: int
    hooks: Sequence[Hook]

    @cached_property
    def data(self) -> TaskBatch:
        """The training split as PyTorch takes it."""
        return TaskBatch.of(self.task, "train", device_of(self.module))

    @abstractmethod
    def epoch(self, number: int) -> float:
        """Train for an epoch.

        Parameters
        ----------
        number : int
            Which epoch, from 0. Together with the seed it decides the order of the batches.

        Returns
        -------
        float
            The sum of the losses of the examples, or of the steps that are asked, each by its weight; not
            finite once training diverges.
        """

    @abstractmethod
    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and score on a split, with the weights as they are now.

        Parameters
        ----------
        split : {"train", "val", "test"}

        Returns
        -------
        dict of str to float
            ``loss``, and the task's score under its name, as ``accuracy``.
        """
