"""What the methods share that train sparse from the first update to the last and rewire on the way."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstruct.checks import check_choice, check_share
from nnstruct.pruning.base import Pruner, Row
from nnstruct.pruning.divergence import mask_divergence
from nnstruct.pruning.selection import apportion, erdos_renyi_shares, largest_in_each
from nnstruct.pruning.training.hooks import Hook, Memory, TrainingPlace
from nnstruct.pruning.training.training import train_in_place
from nnstruct.pruning.workpiece import Workpiece, count_of
from nnstruct.random import generator

DISTRIBUTIONS = ("erdos-renyi", "uniform")


@dataclass(frozen=True, kw_only=True)
class DynamicPruner(Pruner):
    """Trains with a fixed number of weights in each tensor, some of which change places.

    Parameters
    ----------
    fraction : float
        Share of the weights of a tensor that move at a time.
    distribution : {"erdos-renyi", "uniform"}
        How the weights are spread over the tensors; ``erdos-renyi`` in proportion to inputs plus outputs
        (Mocanu et al., 2018; for kernels plus their axes: Evci et al., 2020).
    rescale : bool
        Whether the weights that are there in the beginning are divided by the root of their share of the
        tensor, so that sums over them vary as much as before.
    """

    needs_task = True
    trains = True
    regrows = True

    fraction: float = 0.3
    distribution: str = "erdos-renyi"
    rescale: bool = False

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        check_share(self.fraction, "fraction", ends="(]")
        check_choice(self.distribution, "distribution", DISTRIBUTIONS)

    @abstractmethod
    def rewiring(self, work: Workpiece, allowed: list[Tensor]) -> Rewiring:
        """What moves weights in the course of the training.

        Parameters
        ----------
        work : Workpiece
            With the sparse network to begin with.
        allowed : list of bool Tensor [*unit_shape]
            Units of each slot that may be there: those that were left before this method began.

        Returns
        -------
        Rewiring
        """

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Begin with :meth:`start`, and train while :meth:`rewiring` moves some of them."""
        allowed = work.alive
        first, hook = self.start(work, density), self.rewiring(work, allowed)
        hook.aim(work, density)
        work.keep(first)
        hook.last = hook._masks()
        if self.rescale:
            _rescale(work, allowed)
        rows = train_in_place(work.module, work.data(), work.config, seed=work.seed, hooks=[hook])
        work.keep(work.alive)
        return rows

    def start(self, work: Workpiece, density: float) -> list[Tensor]:
        """Units of each slot to begin with, ``round(density * E)`` in all; by default random ones.

        Parameters
        ----------
        work : Workpiece
        density : float

        Returns
        -------
        list of bool Tensor [*unit_shape]
            One for each slot.
        """
        return largest_in_each(random_scores(work, "start"), work.alive, self.counts(work, density))

    def counts(self, work: Workpiece, density: float) -> list[int]:
        """How the units of a density are spread over the slots.

        Parameters
        ----------
        work : Workpiece
        density : float

        Returns
        -------
        list of int
            ``round(density * E)`` in all.
        """
        count, room = count_of(work, density), [int(mask.sum()) for mask in work.alive]
        shares: Sequence[float] = room
        if self.distribution == "erdos-renyi":
            shares = erdos_renyi_shares([slot.domain.shape for slot in work.slots], work.totals)
        return apportion(shares, room, count)


def _rescale(work: Workpiece, allowed: list[Tensor]) -> None:
    for slot, before in zip(work.slots, allowed, strict=True):
        left = int(slot.alive.sum())
        if left:
            slot.value.mul_(math.sqrt(int(before.sum()) / left))


class Rewiring(Hook):
    """Moves weights now and then while a network is trained.

    Parameters
    ----------
    work : Workpiece
    allowed : list of bool Tensor
        Units of each slot that may be there.
    """

    sees_gradients = False

    def __init__(self, work: Workpiece, allowed: list[Tensor]) -> None:
        self.work, self.allowed = work, allowed
        self.needs_pytorch = any(slot.splits_edges for slot in work.slots)
        self.moves = 0
        self.last = self._masks()

    def aim(self, work: Workpiece, density: float) -> None:
        """Called once before the training, with the workpiece as it was given.

        Parameters
        ----------
        work : Workpiece
        density : float
            Asked for.
        """

    def takes_part(self, progress: TrainingPlace) -> bool:
        """At the end of each epoch but the last."""
        return progress.epoch_ends and progress.step + 1 < progress.steps

    def move(self, dropped: list[Tensor], gains: list[Tensor], memory: Memory) -> None:
        """Drop some units and gain as many, those with the largest gain; they start from zero.

        Parameters
        ----------
        dropped : list of bool Tensor
        gains : list of Tensor
        memory : Memory
            Of the optimiser, which forgets the units that moved.
        """
        for slot, drop, gain, allowed in zip(self.work.slots, dropped, gains, self.allowed, strict=True):
            kept = slot.alive & ~drop
            grown = largest_in_each([gain], [allowed & ~kept], [int(drop.sum())])[0]
            # Cleared first, so that a weight that comes back starts from zero too.
            slot.keep(kept)
            slot.keep(kept | grown)
            memory.forget(slot.parameter, slot.spread(kept))
        self.moves += 1

    def columns(self) -> Row:
        now = self._masks()
        row = {"divergence": mask_divergence(self.last, now), "moves": float(self.moves)}
        self.last = now
        return row

    def _masks(self) -> dict[str, Tensor]:
        return {slot.name: slot.mask.mask.clone() for slot in self.work.slots}


def random_scores(work: Workpiece, *keys: int | str) -> list[Tensor]:
    """Random numbers for each unit of each slot, the same on every device.

    Parameters
    ----------
    work : Workpiece
        Its seed is used.
    *keys : int or str
        Other keys give other numbers.

    Returns
    -------
    list of float64 Tensor [*unit_shape]
        In [0, 1), one tensor for each slot.
    """
    found = []
    for slot in work.slots:
        rng: np.random.Generator = generator(work.seed, "prune", "dynamic", slot.name, *keys)
        found.append(torch.from_numpy(rng.random(tuple(slot.domain.shape))).to(slot.domain.device))
    return found


def cosine_fraction(fraction: float, progress: TrainingPlace, end: float) -> float:
    """A fraction that falls to zero along half a cosine (Evci et al., 2020).

    Parameters
    ----------
    fraction : float
        At the beginning of the training.
    progress : TrainingPlace
    end : float
        Share of the training at which it is zero.

    Returns
    -------
    float
    """
    return fraction / 2 * (1 + math.cos(math.pi * min(1.0, progress.share / end)))
