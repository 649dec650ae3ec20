"""The plain engine: one PyTorch module after the other, by the book."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast

from nnstruct.population.augmentation import check_augmentation
from nnstruct.population.module_training import ModuleTraining
from nnstruct.population.outcome import Outcome
from nnstruct.population.stopping import should_stop
from nnstruct.processes import torch_threads
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


def train_one(
    structure: Structure,
    task: Task,
    config: TrainConfig,
    seed: int,
    keep: Collection[int] = (),
    device: str = "cpu",
) -> Outcome:
    """Train one network and keep its curves and weights.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Decides initial weights, batches and augmentation.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.
    device : str
        Where the network and the data are, as PyTorch names it.

    Returns
    -------
    Outcome
    """
    with torch_threads(1):
        return _outcome(Training(structure, task, config, seed, device), task, config, keep)


def _outcome(training: Training, task: Task, config: TrainConfig, keep: Collection[int]) -> Outcome:
    outcome, module = Outcome(), cast(Any, training.module)
    for epoch in range(config.epochs):
        total = weights = 0.0
        for weight, loss in training.epoch(epoch):
            total += loss * weight
            weights += weight
            if not math.isfinite(total):
                break
        if not math.isfinite(total) or not outcome.add_epoch(total / weights, *training.evaluate("val")):
            break
        if epoch + 1 in keep:
            outcome.kept[epoch + 1] = module.parameters_by_name()
        if should_stop(epoch + 1, outcome.val[-1]):
            outcome.stopped = True
            break
    else:
        outcome.test_loss, outcome.test = training.evaluate("test")
    outcome.parameters = module.parameters_by_name()
    return outcome


class Training(ModuleTraining):
    """A network freshly built from its structure, in training.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Decides initial weights, batches and augmentation.
    device : str
        Where the network and the data are, as PyTorch names it.

    Raises
    ------
    InvalidInputError
        If the structure or the augmentation does not fit the task.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> task = load_task("digits")
    >>> training = Training(Structure.from_layers([8]), task, TrainConfig(epochs=1), seed=0)
    >>> losses = [loss for size, loss in training.epoch(0)]
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(
        self, structure: Structure, task: Task, config: TrainConfig, seed: int, device: str = "cpu"
    ) -> None:
        from nnstruct.modules import build_module

        check_augmentation(task, config)
        super().__init__(build_module(structure, task, config, seed=seed).to(device), task, config, seed)
