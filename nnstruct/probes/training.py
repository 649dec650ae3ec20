"""The simplicity probe, epoch by epoch."""

from __future__ import annotations

import copy
import math

import pandas as pd
from torch import nn

from nnstruct.population.module_training import ModuleTraining
from nnstruct.probes.simplicity import MEASURES, probe_simplicity
from nnstruct.probes.subject import subject_of
from nnstruct.random import check_seed
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def simplicity_over_training(
    module: nn.Module, task: Task, config: TrainConfig | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Train a copy of a module and probe it before the first and after each epoch.

    Batches and updates are those of the engines, so that a module of
    :func:`nnstruct.modules.build_module` goes the way that its Record tells.

    Parameters
    ----------
    module : torch.nn.Module
        As for :func:`nnstruct.probes.functional_features`.
    task : Task
    config : TrainConfig, optional
    seed : int
        Decides the order of the batches and the surrogate data.

    Returns
    -------
    pandas.DataFrame
        A row for ``epoch`` 0 (before training) to the last; the measures of
        :mod:`nnstruct.probes.simplicity`. It ends early if the loss is no longer finite.

    Raises
    ------
    InvalidInputError
        If the module does not fit the task.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> digits = load_task("digits")
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    >>> table = simplicity_over_training(module, digits, TrainConfig(epochs=2))
    >>> table["epoch"].tolist(), bool(table["accuracy"][2] > table["accuracy"][0])
    ([0, 1, 2], True)
    """
    config, seed = config or TrainConfig(), check_seed(seed)
    trained = copy.deepcopy(module)
    training = ModuleTraining(trained, task, config, seed)
    rows = [probe_simplicity(subject_of(trained, task), task, seed)]
    for epoch in range(config.epochs):
        for _, loss in training.epoch(epoch):
            if not math.isfinite(loss):
                return _table(rows)
        rows.append(probe_simplicity(subject_of(trained, task), task, seed))
    return _table(rows)


def _table(rows: list[list[float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(MEASURES))
    table.insert(0, "epoch", range(len(table)))
    return table
