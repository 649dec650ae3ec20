"""Dense networks to prune, trained once where several trajectories begin with the same one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from torch import nn

from nnstruct.caches import LookupCache
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.training.hooks import Hook, Row, TrainingPlace

MOST_KEPT = 16


class Dense(NamedTuple):
    """A network after its training, and as it was early on.

    Attributes
    ----------
    trained, early : nn.Module
    rows : list of dict
        Of the epochs.
    """

    trained: nn.Module
    early: nn.Module
    rows: list[Row]

    def copy(self) -> Dense:
        """Modules of one's own."""
        return Dense(copy_module(self.trained), copy_module(self.early), list(self.rows))


class Keeper(Hook):
    """Keeps a copy of a network as it is after some epochs of its training."""

    needs_pytorch = False

    def __init__(self, module: nn.Module, epoch: int) -> None:
        self.module, self.epoch, self.kept = module, epoch, copy_module(module)

    def takes_part(self, progress: TrainingPlace) -> bool:
        """In no update."""
        return False

    def before_evaluation(self, epoch: int) -> None:
        """Copy the network, if the epoch is the one to keep."""
        if epoch + 1 == self.epoch:
            self.kept = copy_module(self.module)


_kept: LookupCache[Hashable, Dense] = LookupCache(MOST_KEPT)


def remembered(key: Hashable | None, make: Callable[[], Dense]) -> Dense:
    """What ``make`` gives, or gave for the same key in this process.

    Parameters
    ----------
    key : hashable or None
        What the dense network follows from. With None nothing is remembered.
    make : callable
        Trains the network.

    Returns
    -------
    Dense
        Modules of one's own: changing them leaves what is remembered as it is.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning.trajectories.trained_once import Dense, remembered
    >>> first, second = (remembered("a", lambda: Dense(nn.Linear(2, 2), nn.Linear(2, 2), [])) for _ in "ab")
    >>> bool((first.trained.weight == second.trained.weight).all()), first.trained is second.trained
    (True, False)
    """
    if key is None:
        return make()
    return _kept.lookup([key], lambda _: [make().copy()])[0].copy()
