"""What a network learns of the moments of its data, epoch by epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pandas as pd
from torch import nn

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.population.module_training import ModuleTraining, num_updates
from nnstruct.probes.subject import check_classes, subject_of
from nnstruct.probes.surrogate_scores import MEASURES, probe_surrogates
from nnstruct.random import check_seed
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task
from nnstruct.tasks.clones import ORDERS

T = TypeVar("T")


def simplicity_over_training(
    module: nn.Module,
    task: Task,
    config: TrainConfig | None = None,
    *,
    steps: Sequence[int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Train copies of a module on a task and on its Gaussian clones, and test all on the task's own data.

    Networks learn distributions of increasing complexity (Refinetti, Ingrosso and Goldt, 2023,
    arXiv:2211.11567): early in training it makes no difference whether they see the data or clones that share
    the classes' means and covariances (:meth:`nnstruct.tasks.Task.clone`); only later does a network trained
    on the data do better on them. Batches and updates are those of the engines, so that a module of
    :func:`nnstruct.modules.build_module` goes the way that its Record tells.

    Parameters
    ----------
    module : torch.nn.Module
        As for :func:`nnstruct.probes.functional_features`.
    task : Task
        Of vectors or images.
    config : TrainConfig, optional
    steps : sequence of int, optional
        Numbers of updates after which to measure, rising, instead of after each epoch: as the paper does, on
        a logarithmic scale. What lies behind the last epoch is left out.
    seed : int
        Decides the order of the batches and the clones.

    Returns
    -------
    pandas.DataFrame
        A row for ``epoch`` 0 (before training) to the last, or for each ``step``: ``accuracy`` and ``loss``
        on the test data of the copy trained on the task, with ``_mean`` and ``_covariance`` those of the
        copies trained on the clones. Values are NaN from the epoch or step on in which a training diverged.

    Raises
    ------
    InvalidInputError
        If the task holds sequences, the module or the configuration does not fit it, or steps do not rise.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> digits = load_task("digits")
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    >>> table = simplicity_over_training(module, digits, TrainConfig(epochs=2))
    >>> list(table.columns[:4]), len(table)
    (['epoch', 'accuracy', 'loss', 'accuracy_mean'], 3)
    >>> bool(table["accuracy_covariance"][2] > table["accuracy_covariance"][0])
    True
    """
    config, seed = config or TrainConfig(), check_seed(seed)
    name, places = "epoch", [*range(config.epochs + 1)]
    if steps is not None:
        name, places = "step", [check_integer(step, "steps", low=0) for step in steps]
        if any(later <= earlier for earlier, later in pairwise(places)):
            raise InvalidInputError("steps", "rise", steps)
        places = [step for step in places if step <= num_updates(task, config)]
    clones = {f"_{order}": task.clone(order, seed=seed) for order in ORDERS}
    columns: dict[str, tuple[float, ...]] = {}
    for ending, chosen in {"": task, **clones}.items():
        go = _over_training if steps is None else partial(_over_steps, steps=frozenset(places))
        rows = list(go(module, chosen, config, seed, lambda training: training.evaluate("test")))
        rows += [(math.nan, math.nan)] * (len(places) - len(rows))
        loss, accuracy = zip(*rows, strict=True) if rows else ((), ())
        columns |= {f"accuracy{ending}": accuracy, f"loss{ending}": loss}
    return pd.DataFrame({name: places, **columns})


def surrogates_over_training(
    module: nn.Module, task: Task, config: TrainConfig | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Train a copy of a module and measure it on Gaussian surrogates before the first and after each epoch.

    Parameters
    ----------
    module, task, config, seed
        As for :func:`simplicity_over_training`; the task may hold sequences, too.

    Returns
    -------
    pandas.DataFrame
        A row for ``epoch`` 0 (before training) to the last; the measures of
        :mod:`nnstruct.probes.surrogate_scores`. It ends early if the loss is no longer finite.

    Raises
    ------
    InvalidInputError
        If the module or the configuration does not fit the task.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> digits = load_task("digits")
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    >>> table = surrogates_over_training(module, digits, TrainConfig(epochs=2))
    >>> table["epoch"].tolist(), bool(table["accuracy"][2] > table["accuracy"][0])
    ([0, 1, 2], True)
    """
    config, seed = config or TrainConfig(), check_seed(seed)
    check_classes(task)
    rows = _over_training(
        module, task, config, seed, lambda t: probe_surrogates(subject_of(t.module, task), task, seed)
    )
    table = pd.DataFrame(list(rows), columns=list(MEASURES))
    table.insert(0, "epoch", range(len(table)))
    return table


def _over_training(
    module: nn.Module, task: Task, config: TrainConfig, seed: int, measure: Callable[[ModuleTraining], T]
) -> Iterator[T]:
    """A measure of a copy before training and after each epoch, until the loss is no longer finite."""
    training = ModuleTraining(copy.deepcopy(module), task, config, seed)
    yield measure(training)
    for epoch in range(config.epochs):
        if not all(math.isfinite(loss) for _, loss in training.epoch(epoch)):
            return
        yield measure(training)


def _over_steps(
    module: nn.Module,
    task: Task,
    config: TrainConfig,
    seed: int,
    measure: Callable[[ModuleTraining], T],
    *,
    steps: Set[int],
) -> Iterator[T]:
    """A measure of a copy after some numbers of updates, until the loss is no longer finite."""
    training = ModuleTraining(copy.deepcopy(module), task, config, seed)
    done = 0
    if done in steps:
        yield measure(training)
    for epoch in range(config.epochs):
        for _, loss in training.epoch(epoch):
            if not math.isfinite(loss) or done >= max(steps, default=0):
                return
            done += 1
            if done in steps:
                yield measure(training)
                training.module.train()
