"""Trains one network with the loop that numba compiles."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from nnstruct.population.fused.workspace import make_workspace
from nnstruct.population.loop.data import PLAIN, Data
from nnstruct.population.loop.network import Preparation, RunEpoch, train_with
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


def train_one(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int] = ()
) -> Outcome:
    """Train one network and keep its curves and weights."""
    return train_with(numba_epochs, structure, task, config, seed, keep)


def numba_epochs(preparation: Preparation) -> RunEpoch:
    """The compiled loop in numba."""
    from nnstruct.population.fused.goals_kernel import run_goal_epoch
    from nnstruct.population.fused.kernel import run_epoch

    layout, flat, steps_taken, batch_size, longest, settings = preparation
    weights, tied = layout.views(flat[0])
    gradients, tied_gradients = layout.views(flat[1])
    work = make_workspace(layout.plan, weights, batch_size, longest)

    def run(training: bool, data: Data, batches: np.ndarray, starts: np.ndarray) -> tuple[float, int]:
        data = Data(*data)
        data.counts[:] = 0.0
        if data.goal != PLAIN or data.series.size:
            return run_goal_epoch(
                training, layout.plan, weights, gradients, flat, steps_taken, work, data, batches, starts,
                settings,
            )  # fmt: skip
        return run_epoch(
            training, layout.plan, weights, gradients, tied, tied_gradients, flat, steps_taken, work,
            data[:3], batches, starts, settings,
        )  # fmt: skip

    return run
