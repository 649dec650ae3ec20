"""Plain training of any module on a Task, with a place for methods that prune on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from nnstruct.checks import check_integer
from nnstruct.population.augmentation import check_augmentation
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.training.epochs import Epochs
from nnstruct.pruning.training.evaluation import check_output
from nnstruct.pruning.training.gradients import device_of
from nnstruct.pruning.training.hooks import Hook, Row
from nnstruct.pruning.training.updates import MakeOptimizer, PlainEpochs
from nnstruct.random import check_seed, derive_seed
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def fit(
    module: nn.Module,
    task: Task,
    config: TrainConfig | None = None,
    *,
    seed: int = 0,
    patience: int | None = None,
    optimizer: MakeOptimizer | None = None,
) -> tuple[nn.Module, list[Row]]:
    """Train a copy of a module on a task, as the engines train: cross-entropy, clipped gradients.

    On a CPU, nnstruct's recurrent modules, and linear layers in a row of which half of the weights or more
    are pruned, are trained in a compiled loop over the weights that are left, with the same numbers but for
    rounding. Hooks on the module or its parameters, an optimiser of one's own and options that the loops do
    not know leave it to PyTorch.

    Parameters
    ----------
    module : torch.nn.Module
        Takes inputs [B, ...], or symbols [B, T] and lengths [B], and gives class scores [B, C].
        Trained where its parameters are.
    task : Task
    config : TrainConfig, optional
    seed : int
        Decides the order of the batches and the randomness of dropout.
    patience : int, optional
        Stop when the validation accuracy has not risen for so many epochs, with the weights of the best
        epoch; by default all epochs are done.
    optimizer : callable, optional
        Makes the optimiser from parameters; by default Adam with the config's learning rate.

    Returns
    -------
    (torch.nn.Module, list of dict)
        The trained copy, and for each epoch ``epoch``, ``train_loss``, ``val_loss`` and ``val``. The
        list ends early where the loss is no longer finite.

    Raises
    ------
    InvalidInputError
        If the module's output does not fit the task.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import fit
    >>> _ = torch.manual_seed(0)
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    >>> trained, rows = fit(mlp, load_task("digits"), TrainConfig(epochs=3, learning_rate=0.01))
    >>> len(rows), rows[-1]["val"] > 0.5
    (3, True)
    """
    twin = copy_module(module)
    rows = train_in_place(twin, task, config, seed=seed, patience=patience, optimizer=optimizer)
    return twin, rows


def train_in_place(
    module: nn.Module,
    task: Task,
    config: TrainConfig | None = None,
    *,
    seed: int = 0,
    patience: int | None = None,
    optimizer: MakeOptimizer | None = None,
    hooks: Sequence[Hook] = (),
) -> list[Row]:
    """Train a module itself; :func:`fit` does so with a copy.

    Parameters
    ----------
    module : torch.nn.Module
        Changed.
    task, config, seed, patience, optimizer
        As for :func:`fit`.
    hooks : sequence of Hook
        What takes part in the training.

    Returns
    -------
    list of dict of str to float
        A row an epoch, as :func:`fit` gives them, with the columns of the hooks.

    Raises
    ------
    InvalidInputError
        As for :func:`fit`.
    """
    config, seed = config or TrainConfig(), check_seed(seed)
    check_augmentation(task, config)
    if patience is not None:
        patience = check_integer(patience, "patience", rule="be a positive integer or None")
    check_output(module, task)
    epochs: Epochs = PlainEpochs(module, task, config, seed, hooks, optimizer)
    rows: list[Row] = []
    examples = task.goal.weight(torch.from_numpy(task.train.targets))
    best, best_state, since = -math.inf, None, 0
    was_training = module.training
    cuda = [device] if (device := device_of(module)).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(derive_seed(seed, "fit"))
        for epoch in range(config.epochs):
            module.train()
            if isinstance(epochs, PlainEpochs):
                epochs = epochs.handed_over() or epochs
            total = epochs.epoch(epoch)
            if not math.isfinite(total):
                break
            for hook in hooks:
                hook.before_evaluation(epoch)
            measured = epochs.evaluate("val")
            row = {"epoch": float(epoch), "train_loss": total / examples, "val_loss": measured["loss"]}
            rows.append(row | {"val": measured[task.score_name]})
            for hook in hooks:
                rows[-1] |= hook.columns()
            if patience is None:
                continue
            since += 1
            if measured[task.score_name] > best:
                best, since = measured[task.score_name], 0
                best_state = {name: value.clone() for name, value in module.state_dict().items()}
            if since >= patience:
                break
    if best_state is not None:
        module.load_state_dict(best_state)
    module.train(was_training)
    module.zero_grad(set_to_none=True)
    return rows
