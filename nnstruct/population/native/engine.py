"""Trains one network with the kernel that the system's compiler made."""

from __future__ import annotations

from collections.abc import Collection

from nnstruct.population.loop.network import train_with
from nnstruct.population.native.bridge import NativeEpochs
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


def train_one(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int] = ()
) -> Outcome:
    """Train one network and keep its curves and weights.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences.
    config : TrainConfig
    seed : int
        Decides initial weights and batches.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.

    Returns
    -------
    Outcome
    """
    return train_with(NativeEpochs, structure, task, config, seed, keep)
