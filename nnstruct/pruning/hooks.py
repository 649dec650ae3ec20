"""What a pruning method may do in the course of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

Row = dict[str, float]


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes
    ----------
    step, steps : int
        Updates done, and of the whole training.
    epoch : int
    epoch_ends : bool
        Whether this is the last update of its epoch.
    """

    step: int
    steps: int
    epoch: int
    epoch_ends: bool

    @property
    def share(self) -> float:
        """Share of the training that is done, in [0, 1)."""
        return self.step / self.steps


class Hook:
    """What a method does in the course of a training; each part does nothing by default.

    Attributes
    ----------
    every_update : bool
        Whether it takes part in the single updates; one that does not leaves them to a compiled loop
        where there is one.
    """

    every_update: ClassVar[bool] = True

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters of the method's own that the optimiser shall update."""
        return []

    def before(self, progress: Progress) -> None:
        """Called before the forward pass of an update."""

    def penalty(self) -> Tensor | None:
        """A term to add to the loss."""
        return None

    def watched(self) -> list[Tensor]:
        """Tensors computed in this update whose gradients the method wants to see."""
        return []

    def gradients(self, progress: Progress) -> None:
        """Called after the backward pass, before gradients are clipped."""

    def after(self, progress: Progress, optimizer: torch.optim.Optimizer) -> None:
        """Called after the update."""

    def before_evaluation(self, epoch: int) -> None:
        """Called after the last update of an epoch, before the network is evaluated."""

    def columns(self) -> Row:
        """What to add to the row of an epoch."""
        return {}
