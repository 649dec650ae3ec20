"""Loss and accuracy of any module on a Task."""

from __future__ import annotations

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.population.batches import evaluation_batches
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.gradients import TaskBatch, device_of
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def evaluate(
    module: nn.Module, task: Task, *, split: str = "test", config: TrainConfig | None = None
) -> dict[str, float]:
    """Loss and accuracy of a module on a split, in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Takes inputs [B, ...], or symbols [B, T] and lengths [B], and gives class scores [B, C].
    task : Task
    split : {"train", "val", "test"}
    config : TrainConfig, optional
        Its batch size and protocol decide the batches of sequences.

    Returns
    -------
    dict of str to float
        ``loss``, the mean cross-entropy in nats, and ``accuracy``, in [0, 1].

    Raises
    ------
    InvalidInputError
        If there is no such split.

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
    data = TaskBatch.of(chosen, device_of(module))
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
    """Raise an error unless the module gives class scores for the task.

    Parameters
    ----------
    module : torch.nn.Module
        Called with the first training example, in evaluation mode.
    task : Task

    Raises
    ------
    InvalidInputError
        If the module does not take the example, or its scores are not of shape [1, classes].
    """
    first = TaskBatch.of(task.train, device_of(module)).part(torch.arange(1))
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
