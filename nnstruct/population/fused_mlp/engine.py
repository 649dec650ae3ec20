"""Trains one multilayer perceptron with the compiled loop."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from nnstruct.modules.parameters import initial_parameters
from nnstruct.population.epochs import Sums, run_epochs
from nnstruct.population.fused_mlp.layout import MLPLayout
from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON, rate_at
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import SPLIT_NAMES, Split, Task


def train_one(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int] = ()
) -> Outcome:
    """Train one network and keep its curves and weights."""
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
    data = {name: as_arrays(getattr(task, name)) for name in SPLIT_NAMES}

    def run(name: str, batches: np.ndarray, starts: np.ndarray, training: bool) -> Sums:
        loss, hits = run_epoch(
            training, layout.plan, weights, gradients, flat, steps_taken, work, data[name],
            batches, starts, rates, settings,
        )  # fmt: skip
        return {"loss": loss, "weight": len(data[name][1]), "asked": len(data[name][1]), "hits": hits}

    return run_epochs(run, task, config, seed, lambda: layout.unpack(parameters, initial), keep)


def as_arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [n, D] and targets [n] for the loop.

    They are marked read-only, as arrays that a worker maps from memory are: the loop is compiled
    once for both.
    """
    inputs = np.ascontiguousarray(split.inputs).reshape(len(split), -1).view()
    inputs.setflags(write=False)
    return np.asarray(inputs), split.targets.astype(np.int32)
