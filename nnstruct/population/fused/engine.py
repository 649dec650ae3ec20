"""Trains one network with the compiled loop."""

from __future__ import annotations

import numpy as np

from nnstruct.networks.parameters import initial_parameters
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.fused.clean_plan import CleanLayout
from nnstruct.population.fused.faithful_plan import FaithfulPlanLayout
from nnstruct.population.fused.plan import Layout
from nnstruct.population.fused.workspace import make_workspace
from nnstruct.population.outcome import Outcome
from nnstruct.population.reference import ADAM_BETAS, ADAM_EPSILON
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import SPLIT_NAMES, Split, Task


def layout_of(structure: Structure, task: Task, config: TrainConfig) -> Layout:
    """How the structure's parameters lie in the compiled loop, by protocol."""
    if config.protocol == "clean":
        return CleanLayout(structure, task)
    return FaithfulPlanLayout(structure, task, corrected=config.protocol == "corrected")


def train_one(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    """Train one network and keep its curves and weights."""
    from nnstruct.population.fused.kernel import run_epoch

    layout = layout_of(structure, task, config)
    initial = initial_parameters(structure, task, config, seed)
    parameters = layout.pack(initial)
    gradient = np.zeros_like(parameters)
    flat = (parameters, gradient, np.zeros_like(parameters), np.zeros_like(parameters))
    weights, tied = layout.views(parameters)
    gradients, tied_gradients = layout.views(gradient)
    longest = max(getattr(task, name).inputs.shape[1] for name in SPLIT_NAMES)
    work = make_workspace(layout.plan, weights, config.batch_size, longest)
    settings = (config.learning_rate, config.clip_norm, *ADAM_BETAS, ADAM_EPSILON)
    steps_taken = np.zeros(1, dtype=np.int64)
    data = {name: _arrays(getattr(task, name), layout.symbols) for name in SPLIT_NAMES}
    outcome = Outcome()

    def run(name: str, batches: list[np.ndarray], training: bool) -> tuple[float, float]:
        size = len(getattr(task, name))
        loss, hits = run_epoch(
            training, layout.plan, weights, gradients, tied, tied_gradients, flat, steps_taken, work,
            data[name], *_flatten(batches), settings,
        )  # fmt: skip
        return loss / size, hits / size

    def evaluate(name: str) -> tuple[float, float]:
        return run(name, evaluation_batches(getattr(task, name), config), training=False)

    for epoch in range(config.epochs):
        loss, _ = run("train", epoch_batches(task.train, config, seed, epoch), training=True)
        if not np.isfinite(loss) or not outcome.add_epoch(loss, *evaluate("val")):
            break
    else:
        outcome.test_loss, outcome.test = evaluate("test")
    outcome.parameters = layout.unpack(parameters, initial)
    return outcome


def _flatten(batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
    return np.concatenate(batches), starts


def _arrays(split: Split, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert split.lengths is not None
    places = np.searchsorted(symbols, split.inputs)
    return places.astype(np.int32), split.lengths.astype(np.int32), split.targets.astype(np.int32)
