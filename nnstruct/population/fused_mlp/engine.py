"""Trains one multilayer perceptron with the compiled loop."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from nnstruct.modules.parameters import initial_parameters
from nnstruct.population.epochs import Sums, run_epochs
from nnstruct.population.fused_mlp.layout import MLPLayout
from nnstruct.population.loop.data import PLAIN, Data, counted, goal_data, read_only
from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON, rate_at
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import SPLIT_NAMES, Split, Task


def train_one(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int] = ()
) -> Outcome:
    """Train one network and keep its curves and weights."""
    from nnstruct.population.fused_mlp.goals_kernel import run_goal_epoch
    from nnstruct.population.fused_mlp.kernel import run_epoch

    layout = MLPLayout(structure, task, config)
    initial = initial_parameters(structure, task, config, seed)
    parameters = layout.pack(initial)
    gradient = np.zeros_like(parameters)
    flat = (parameters, gradient, np.zeros_like(parameters), np.zeros_like(parameters))
    weights, gradients = layout.views(parameters), layout.views(gradient)
    work = layout.workspace(config.batch_size)
    settings = (config.clip_norm, *ADAM_BETAS, ADAM_EPSILON)
    steps = config.epochs * -(-len(task.train) // config.batch_size)
    rates = np.array([rate_at(config, step, steps) for step in range(steps)])
    steps_taken = np.zeros(1, dtype=np.int64)
    splits = {name: getattr(task, name) for name in SPLIT_NAMES}
    data = {name: (as_arrays(split)[0], _asked(split, task)) for name, split in splits.items()}

    def run(name: str, batches: np.ndarray, starts: np.ndarray, training: bool) -> Sums:
        inputs, asked = data[name]
        asked.counts[:] = 0.0
        network = (training, layout.plan, weights, gradients, flat, steps_taken, work)
        if asked.goal == PLAIN:
            loss, hits = run_epoch(*network, (inputs, asked.targets), batches, starts, rates, settings)
        else:
            loss, hits = run_goal_epoch(*network, inputs, asked, batches, starts, rates, settings)
        return counted(task.goal, splits[name], asked, loss, hits)

    return run_epochs(run, task, config, seed, lambda: layout.unpack(parameters, initial), keep)


def as_arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [n, D] and targets [n] for the loop of plain classes.

    They are marked read-only, as arrays that a worker maps from memory are: the loop is compiled
    once for both.
    """
    inputs = read_only(np.ascontiguousarray(split.inputs).reshape(len(split), -1))
    return inputs, split.targets.astype(np.int32)


def _asked(split: Split, task: Task) -> Data:
    nothing = np.zeros((len(split), 0), dtype=np.int32)
    return goal_data(split, task, nothing, np.ones(len(split), dtype=np.int32))
