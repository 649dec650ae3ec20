"""The plain engine: one PyTorch module after the other, by the book."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from nnstruct.population.augmentation import augmented, check_augmentation
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.optimisers import Updates
from nnstruct.population.outcome import Outcome
from nnstruct.processes import torch_threads
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Split, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
    outcome = Outcome()
    for epoch in range(config.epochs):
        total = 0.0
        for size, loss in training.epoch(epoch):
            total += loss * size
            if not math.isfinite(total):
                break
        if not math.isfinite(total) or not outcome.add_epoch(
            total / len(task.train), *training.evaluate("val")
        ):
            break
        if epoch + 1 in keep:
            outcome.kept[epoch + 1] = training.module.parameters_by_name()
    else:
        outcome.test_loss, outcome.test = training.evaluate("test")
    outcome.parameters = training.module.parameters_by_name()
    return outcome


class Training:
    """A network with its data and its optimiser, one batch at a time.

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
        import torch

        from nnstruct.modules import build_module
        from nnstruct.modules.build import learning_rates

        check_augmentation(task, config)
        self.task, self.config, self.seed = task, config, seed
        self.device = torch.device(device)
        self.module = build_module(structure, task, config, seed=seed).to(self.device)
        rates = learning_rates(structure, task, config)
        self.updates = Updates(
            self.module,
            config,
            steps=config.epochs * math.ceil(len(task.train) / config.batch_size),
            rates=None if rates is None else [rate.to(self.device) for rate in rates],
        )

    @cached_property
    def data(self) -> dict[str, tuple[tuple[Tensor, ...], Tensor]]:
        """What the module takes, and the targets, for each split."""
        return {name: _tensors(getattr(self.task, name), self.device) for name in ("train", "val", "test")}

    def epoch(self, number: int) -> Iterator[tuple[int, float]]:
        """Train on every batch of an epoch, one batch each time the iterator is advanced.

        Parameters
        ----------
        number : int
            Of the epoch, from 0 on. With the seed it decides batches and augmentation.

        Yields
        ------
        size : int
            Examples in the batch.
        loss : float
            Their mean cross-entropy before the update, label smoothing included.
        """
        from torch.nn.functional import cross_entropy

        (inputs, targets), config = self.data["train"], self.config
        rng = generator(self.seed, "augmentation", number)
        self.module.train()
        for batch in epoch_batches(self.task.train, config, self.seed, number):
            chosen = [array[batch] for array in inputs]
            if config.augmentation != "none":
                chosen[0] = augmented(chosen[0], config.augmentation, rng)
            scores = self._scores(chosen)
            loss = cross_entropy(scores, targets[batch], label_smoothing=config.label_smoothing)
            loss.backward()
            self.updates.step()
            yield len(batch), float(loss.detach())

    def evaluate(self, name: str) -> tuple[float, float]:
        """Mean loss, without label smoothing, and accuracy on a split.

        Parameters
        ----------
        name : {"train", "val", "test"}

        Returns
        -------
        loss : float
            Mean cross-entropy.
        accuracy : float
            From 0 to 1.
        """
        import torch
        from torch.nn.functional import cross_entropy

        inputs, targets = self.data[name]
        loss = correct = 0.0
        self.module.eval()
        with torch.no_grad():
            for batch in evaluation_batches(getattr(self.task, name), self.config):
                scores = self._scores([array[batch] for array in inputs])
                loss += float(cross_entropy(scores, targets[batch], reduction="sum"))
                correct += float((scores.argmax(1) == targets[batch]).sum())
        return loss / len(targets), correct / len(targets)

    def _scores(self, inputs: list[Tensor]) -> Tensor:
        import torch

        half = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            return self.module(*inputs).float()


def _tensors(split: Split, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
    import torch

    arrays = (split.inputs,) if split.lengths is None else (split.inputs, split.lengths)
    # Workers share their arrays read-only, which torch does not know; it gets a copy of its own.
    inputs = tuple(torch.tensor(array, device=device) for array in arrays)
    return inputs, torch.tensor(split.targets, device=device)
