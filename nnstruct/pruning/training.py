"""Plain training of any module on a Task, with a place for methods that prune on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.population.augmentation import augmented, check_augmentation
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.optimisers import make_optimizer, rate_at
from nnstruct.pruning.compiled import compiled_module
from nnstruct.pruning.gradients import Batch, device_of
from nnstruct.pruning.hooks import Hook, Progress, Row
from nnstruct.pruning.masks import copy_module
from nnstruct.random import check_seed, derive_seed, generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

MakeOptimizer = Callable[[Iterable[Any]], torch.optim.Optimizer]


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
    """Train a module itself; :func:`fit` does so with a copy."""
    config, seed = config or TrainConfig(), check_seed(seed)
    check_augmentation(task, config)
    if patience is not None and (not isinstance(patience, int) or patience < 1):
        raise InvalidInputError("patience", "be a positive integer or None", patience)
    check_output(module, task)
    compiled = None
    if optimizer is None and not any(hook.every_update for hook in hooks):
        compiled = compiled_module(module, task, config)
    epochs: _Epochs = compiled or _Updates(module, task, config, seed, optimizer, hooks)
    rows: list[Row] = []
    best, best_state, since = -math.inf, None, 0
    was_training = module.training
    cuda = [device] if (device := device_of(module)).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(derive_seed(seed, "fit"))
        for epoch in range(config.epochs):
            module.train()
            total = epochs.epoch(seed, epoch)
            epochs.give_back()
            if not math.isfinite(total):
                break
            for hook in hooks:
                hook.before_evaluation(epoch)
            measured = epochs.evaluate("val")
            row = {"epoch": float(epoch), "train_loss": total / len(task.train), "val_loss": measured["loss"]}
            rows.append(row | {"val": measured["accuracy"]})
            for hook in hooks:
                rows[-1] |= hook.columns()
            if patience is None:
                continue
            since += 1
            if measured["accuracy"] > best:
                best, since = measured["accuracy"], 0
                best_state = {name: value.clone() for name, value in module.state_dict().items()}
            if since >= patience:
                break
    if best_state is not None:
        module.load_state_dict(best_state)
    module.train(was_training)
    module.zero_grad(set_to_none=True)
    return rows


class _Epochs(Protocol):
    """What trains and evaluates a module for :func:`train_in_place`."""

    def epoch(self, seed: int, number: int) -> float:
        """Train for an epoch; the sum of the examples' losses, not finite once training diverges."""

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on a split."""

    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""


class _Updates:
    """Trains a module itself, one update after the other."""

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        config: TrainConfig,
        seed: int,
        optimizer: MakeOptimizer | None,
        hooks: Sequence[Hook],
    ) -> None:
        self.module, self.task, self.config, self.hooks = module, task, config, hooks
        self.data = Batch.of(task.train, device_of(module))
        self.trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimizer = optimizer(self.trained) if optimizer else make_optimizer(module, config, fused=True)
        for hook in hooks:
            for group in hook.parameter_groups():
                self.optimizer.add_param_group(group)
        self.first_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.per_epoch = len(epoch_batches(task.train, config, seed, 0))

    def epoch(self, seed: int, number: int) -> float:
        """Train for an epoch; the sum of the examples' losses, not finite once training diverges."""
        rng = generator(seed, "augmentation", number)
        steps = self.config.epochs * self.per_epoch
        total = 0.0
        for place, chosen in enumerate(epoch_batches(self.task.train, self.config, seed, number)):
            done = number * self.per_epoch + place
            progress = Progress(done, steps, number, place == self.per_epoch - 1)
            batch = self.data.part(chosen)
            if self.config.augmentation != "none":
                batch = batch._replace(inputs=augmented(batch.inputs, self.config.augmentation, rng))
            share = rate_at(self.config, done, steps) / self.config.learning_rate
            for group, rate in zip(self.optimizer.param_groups, self.first_rates, strict=True):
                group["lr"] = rate * share
            total += len(chosen) * self._update(batch, progress)
            if not math.isfinite(total):
                break
        return total

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on a split."""
        return evaluate(self.module, self.task, split=split, config=self.config)

    def give_back(self) -> None:
        """The module has the weights already."""

    def _update(self, batch: Batch, progress: Progress) -> float:
        device = batch.inputs.device
        for hook in self.hooks:
            hook.before(progress)
        self.optimizer.zero_grad()
        with parametrize.cached():
            for tensor in [tensor for hook in self.hooks for tensor in hook.watched()]:
                tensor.retain_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
                scores = batch.scores(self.module)
            loss = nn.functional.cross_entropy(
                scores.float(), batch.targets, label_smoothing=self.config.label_smoothing
            )
            total = loss
            for hook in self.hooks:
                term = hook.penalty()
                total = total if term is None else total + term
            total.backward()
            for hook in self.hooks:
                hook.gradients(progress)
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimizer.step()
        for hook in self.hooks:
            hook.after(progress, self.optimizer)
        return float(loss.detach())


def evaluate(
    module: nn.Module, task: Task, *, split: str = "test", config: TrainConfig | None = None
) -> dict[str, float]:
    """Loss and accuracy of a module on a split, in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
    task : Task
    split : {"train", "val", "test"}
    config : TrainConfig, optional
        Its batch size and protocol decide the batches.

    Returns
    -------
    dict
        ``loss``, the mean cross-entropy, and ``accuracy``.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import evaluate
    >>> sorted(evaluate(torch.nn.Linear(64, 10), load_task("digits")))
    ['accuracy', 'loss']
    """
    if split not in ("train", "val", "test"):
        raise InvalidInputError("split", "be 'train', 'val' or 'test'", split)
    config = config or TrainConfig()
    # Vectors have no companions in a batch; so many are quick, and their channels fit into a cache.
    quick = config if task.is_sequence else config.model_copy(update={"batch_size": 256})
    chosen = getattr(task, split)
    if compiled := compiled_module(module, task, config):
        return compiled.evaluate(split)
    data = Batch.of(chosen, device_of(module))
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    loss = correct = 0.0
    with torch.no_grad(), parametrize.cached():
        for places in evaluation_batches(chosen, quick):
            batch = data.part(places)
            scores = batch.scores(module)
            loss += float(nn.functional.cross_entropy(scores, batch.targets, reduction="sum"))
            correct += float((scores.argmax(1) == batch.targets).sum())
    for part, training in before:
        part.training = training
    return {"loss": loss / len(chosen), "accuracy": correct / len(chosen)}


def check_output(module: nn.Module, task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the module gives class scores for the task."""
    first = Batch.of(task.train, device_of(module)).part(torch.arange(1))
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    with torch.no_grad():
        try:
            scores = first.scores(module)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            what = "symbols and lengths" if task.is_sequence else f"inputs {list(task.input_shape)}"
            raise InvalidInputError("network", f"take {what}", f"{type(error).__name__}: {error}") from error
        finally:
            for part, training in before:
                part.training = training
    if not isinstance(scores, Tensor) or scores.shape != (1, task.num_classes):
        found = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InvalidInputError("network", f"give scores of shape [B, {task.num_classes}]", found)
