"""What a pruning method may do in the course of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

Row = dict[str, float]


@dataclass(frozen=True)
class TrainingPlace:
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

    @classmethod
    def at(cls, epoch: int, place: int, per_epoch: int, epochs: int) -> TrainingPlace:
        """The place of one update in a training.

        Parameters
        ----------
        epoch : int
            From 0.
        place : int
            Of the update in its epoch, from 0.
        per_epoch : int
            Updates in an epoch.
        epochs : int
            Of the whole training.

        Returns
        -------
        TrainingPlace
        """
        return cls(epoch * per_epoch + place, epochs * per_epoch, epoch, place == per_epoch - 1)

    @property
    def share(self) -> float:
        """Share of the training that is done, in [0, 1)."""
        return self.step / self.steps


class Memory(Protocol):
    """What an optimiser remembers of the weights that it trains."""

    def forget(self, parameter: nn.Parameter, kept: Tensor) -> None:
        """Clear what is remembered of all weights of a parameter but some; the memory is changed.

        Parameters
        ----------
        parameter : torch.nn.Parameter
            The one beneath the mask, where there is a mask.
        kept : bool Tensor
            Of the parameter's shape, True where nothing is to be cleared.
        """


class Hook:
    """What a method does in the course of a training; each part does nothing by default.

    Attributes
    ----------
    needs_pytorch : bool
        Whether no compiled loop may train the network: the hook takes part in every update, or masks what a
        loop cannot leave out. One without that need says by :meth:`takes_part` in which updates it does.
    sees_gradients : bool
        Whether :meth:`watched` or :meth:`gradients` does anything; a compiled loop saves them otherwise.
    """

    needs_pytorch: bool = True
    sees_gradients: ClassVar[bool] = True

    @property
    def is_over(self) -> bool:
        """Whether it will take part in no update any more."""
        return False

    def takes_part(self, progress: TrainingPlace) -> bool:
        """Whether the hook's parts are called in an update.

        Parameters
        ----------
        progress : TrainingPlace
            Of the update.

        Returns
        -------
        bool
        """
        return not self.is_over

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters of the method's own that the optimiser shall update."""
        return []

    def before(self, progress: TrainingPlace) -> None:
        """Called before the forward pass of an update.

        Parameters
        ----------
        progress : TrainingPlace
            Of the update.
        """

    def penalty(self) -> Tensor | None:
        """A term to add to the loss."""
        return None

    def watched(self) -> list[Tensor]:
        """Tensors computed in this update whose gradients the method wants to see."""
        return []

    def gradients(self, progress: TrainingPlace) -> None:
        """Called after the backward pass, before gradients are clipped.

        Parameters
        ----------
        progress : TrainingPlace
            Of the update.
        """

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        """Called after the weights have been updated.

        Parameters
        ----------
        progress : TrainingPlace
            Of the update.
        memory : Memory
            Of the optimiser. A hook that moves weights lets it forget them.
        """

    def before_evaluation(self, epoch: int) -> None:
        """Called after the last update of an epoch, before the network is evaluated.

        Parameters
        ----------
        epoch : int
            From 0.
        """

    def columns(self) -> Row:
        """What to add to the row of an epoch."""
        return {}
