"""Plain training of any module on a Task, with a place for methods that prune on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.population.augmentation import augmented, check_augmentation
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.optimisers import make_optimizer, rate_at
from nnstruct.pruning.gradients import Batch, device_of
from nnstruct.pruning.masks import copy_module
from nnstruct.random import check_seed, derive_seed, generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

Row = dict[str, float]
MakeOptimizer = Callable[[Iterable[Any]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes
    ----------
    step, steps : int
        Updates done, and of the whole training.
    epoch : int
    epoch_ends : bool
        Whether this is the last update of its epoch.
    """

    step: int
    steps: int
    epoch: int
    epoch_ends: bool

    @property
    def share(self) -> float:
        """Share of the training that is done, in [0, 1)."""
        return self.step / self.steps


class Hook:
    """What a method does in the course of a training; each part does nothing by default."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters of the method's own that the optimiser shall update."""
        return []

    def before(self, progress: Progress) -> None:
        """Called before the forward pass of an update."""

    def penalty(self) -> Tensor | None:
        """A term to add to the loss."""
        return None

    def watched(self) -> list[Tensor]:
        """Tensors computed in this update whose gradients the method wants to see."""
        return []

    def gradients(self, progress: Progress) -> None:
        """Called after the backward pass, before gradients are clipped."""

    def after(self, progress: Progress, optimizer: torch.optim.Optimizer) -> None:
        """Called after the update."""

    def before_evaluation(self) -> None:
        """Called after the last update of an epoch, before the network is evaluated."""

    def columns(self) -> Row:
        """What to add to the row of an epoch."""
        return {}


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
    device = device_of(module)
    data = Batch.of(task.train, device)
    check_output(module, task, data)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    chosen = optimizer(trained) if optimizer else make_optimizer(module, config)
    for hook in hooks:
        for group in hook.parameter_groups():
            chosen.add_param_group(group)
    first_rates = [group["lr"] for group in chosen.param_groups]
    rows: list[Row] = []
    best, best_state, since = -math.inf, None, 0
    per_epoch = len(epoch_batches(task.train, config, seed, 0))
    was_training = module.training
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(derive_seed(seed, "fit"))
        for epoch in range(config.epochs):
            module.train()
            rng = generator(seed, "augmentation", epoch)
            total = 0.0
            for number, places in enumerate(epoch_batches(task.train, config, seed, epoch)):
                done = epoch * per_epoch + number
                progress = Progress(done, config.epochs * per_epoch, epoch, number == per_epoch - 1)
                batch = data.part(places)
                if config.augmentation != "none":
                    batch = batch._replace(inputs=augmented(batch.inputs, config.augmentation, rng))
                share = rate_at(config, done, progress.steps) / config.learning_rate
                for group, rate in zip(chosen.param_groups, first_rates, strict=True):
                    group["lr"] = rate * share
                total += len(places) * _update(module, batch, chosen, config, hooks, progress)
                if not math.isfinite(total):
                    break
            if not math.isfinite(total):
                break
            for hook in hooks:
                hook.before_evaluation()
            measured = evaluate(module, task, split="val", config=config)
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
    # Vectors have no companions in a batch, so that large batches give the same and are faster.
    quick = config if task.is_sequence else config.model_copy(update={"batch_size": 2048})
    chosen = getattr(task, split)
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


def check_output(module: nn.Module, task: Task, data: Batch) -> None:
    """Raise :class:`InvalidInputError` unless the module gives class scores for the task."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    with torch.no_grad():
        try:
            scores = data.part(torch.arange(1)).scores(module)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            what = "symbols and lengths" if task.is_sequence else f"inputs {list(task.input_shape)}"
            raise InvalidInputError("network", f"take {what}", f"{type(error).__name__}: {error}") from error
        finally:
            for part, training in before:
                part.training = training
    if not isinstance(scores, Tensor) or scores.shape != (1, task.num_classes):
        found = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InvalidInputError("network", f"give scores of shape [B, {task.num_classes}]", found)


def _update(
    module: nn.Module,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    hooks: Sequence[Hook],
    progress: Progress,
) -> float:
    device = batch.inputs.device
    for hook in hooks:
        hook.before(progress)
    optimizer.zero_grad()
    with parametrize.cached():
        for tensor in [tensor for hook in hooks for tensor in hook.watched()]:
            tensor.retain_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            scores = batch.scores(module)
        loss = nn.functional.cross_entropy(
            scores.float(), batch.targets, label_smoothing=config.label_smoothing
        )
        total = loss
        for hook in hooks:
            term = hook.penalty()
            total = total if term is None else total + term
        total.backward()
        for hook in hooks:
            hook.gradients(progress)
    nn.utils.clip_grad_norm_([p for p in module.parameters() if p.requires_grad], config.clip_norm)
    optimizer.step()
    for hook in hooks:
        hook.after(progress, optimizer)
    return float(loss.detach())
