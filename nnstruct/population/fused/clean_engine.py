"""Trains one network of the clean protocol with the compiled loop."""

from __future__ import annotations

import numpy as np

from nnstruct.networks.parameters import initial_parameters
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.fused.clean_plan import CleanLayout
from nnstruct.population.fused.workspace import make_workspace
from nnstruct.population.outcome import Outcome
from nnstruct.population.reference import ADAM_BETAS, ADAM_EPSILON
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Split, Task


def train_one(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    """Train one network and keep its curves and weights."""
    from nnstruct.population.fused import clean_kernel as kernel

    layout = CleanLayout(structure, int(task.num_symbols or 0), task.num_classes)
    parameters = layout.pack(initial_parameters(structure, task, config, seed))
    gradient = np.zeros_like(parameters)
    flat = (parameters, gradient, np.zeros_like(parameters), np.zeros_like(parameters))
    weights, gradients = layout.views(parameters), layout.views(gradient)
    longest = max(split.inputs.shape[1] for split in (task.train, task.val, task.test))
    work = make_workspace(layout.plan, layout.shapes, config.batch_size, longest)
    settings = (config.learning_rate, config.clip_norm, *ADAM_BETAS, ADAM_EPSILON)
    steps_taken = np.zeros(1, dtype=np.int64)
    train_data = _arrays(task.train)
    outcome = Outcome()

    def evaluate(split: Split) -> tuple[float, float]:
        batches = _flatten(evaluation_batches(split, config))
        loss, hits = kernel.evaluate(layout.plan, weights, work, _arrays(split), *batches)
        return loss / len(split), hits / len(split)

    for epoch in range(config.epochs):
        batches = _flatten(epoch_batches(task.train, config, seed, epoch))
        total = kernel.train_epoch(
            layout.plan, weights, gradients, flat, steps_taken, work, train_data, *batches, settings
        )
        if not np.isfinite(total) or not outcome.add_epoch(total / len(task.train), *evaluate(task.val)):
            break
    else:
        outcome.test_loss, outcome.test = evaluate(task.test)
    outcome.parameters = layout.unpack(parameters)
    return outcome


def _flatten(batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
    return np.concatenate(batches), starts


def _arrays(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert split.lengths is not None
    return split.inputs.astype(np.int32), split.lengths.astype(np.int32), split.targets.astype(np.int32)
