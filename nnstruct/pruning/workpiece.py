"""A copy of a network while it is pruned, and how many of its weights a density leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.pruning.slots import Slot
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


@dataclass(eq=False)
class Workpiece:
    """A copy of a module while it is pruned.

    Attributes
    ----------
    module : nn.Module
    slots : list of Slot
        What may be pruned.
    task : Task or None
    config : TrainConfig
    seed : int
    """

    module: nn.Module
    slots: list[Slot]
    task: Task | None
    config: TrainConfig
    seed: int

    @property
    def alive(self) -> list[Tensor]:
        """Units that are left in each slot."""
        return [slot.alive for slot in self.slots]

    @property
    def totals(self) -> list[int]:
        """Units of each slot before any pruning."""
        return [slot.total for slot in self.slots]

    def data(self) -> Task:
        """The task, for methods that cannot do without."""
        if self.task is None:
            raise InvalidInputError("task", "be given for this method", None)
        return self.task

    def keep(self, units: Sequence[Tensor], *, clear: bool = True) -> None:
        """Mask everything but some units of each slot; the module is changed.

        Parameters
        ----------
        units : sequence of bool Tensor [*unit_shape]
            What stays, a tensor for each slot.
        clear : bool
            Also set the values beneath the masks to zero. Methods whose weights may come back leave them.
        """
        for slot, kept in zip(self.slots, units, strict=True):
            slot.keep(kept, clear=clear)


def count_of(work: Workpiece, density: float) -> int:
    """``round(density * E)``, checked to be at most what is left."""
    total, left = sum(work.totals), sum(int(alive.sum()) for alive in work.alive)
    count = round(density * total)
    if count > left:
        raise InvalidInputError("density", f"be at most the present {left / total:.6g}", density)
    return count


def counts_in_each(work: Workpiece, density: float) -> list[int]:
    """``round(density * E_l)`` for each slot, checked to be at most what is left."""
    counts = [round(density * total) for total in work.totals]
    for slot, count in zip(work.slots, counts, strict=True):
        left = int(slot.alive.sum())
        if count > left:
            rule = f"be at most the present {left / slot.total:.6g} of {slot.name}"
            raise InvalidInputError("density", rule, density)
    return counts
