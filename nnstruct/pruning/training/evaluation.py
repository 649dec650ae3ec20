"""Loss and score of any module on a Task."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.population.augmentation import with_mirror_image
from nnstruct.population.batches import evaluation_batches
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.gradients import TaskBatch, device_of
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def evaluate(
    module: nn.Module, task: Task, *, split: str = "test", config: TrainConfig | None = None
) -> dict[str, float]:
    """Loss and score of a module on a split, in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Takes inputs [B, ...], or symbols [B, T] or series [B, T, D] and lengths [B], and gives scores [B, C],
        or [B, T, C] where every step is asked.
    task : Task
    split : {"train", "val", "test"}
    config : TrainConfig, optional
        Its batch size and protocol decide the batches of sequences; ``test_flip`` counts.

    Returns
    -------
    dict of str to float
        ``loss`` and the task's score under its name: of classes the mean cross-entropy in nats and
        ``accuracy``, in [0, 1].

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
    if compiled := compiled_module(module, task, config):
        return compiled.evaluate(split)
    data, tally = TaskBatch.of(task, split, device_of(module)), task.goal.tally()
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    with torch.no_grad(), parametrize.cached():
        for places in evaluation_batches(getattr(task, split), quick):
            batch = data.part(places)
            tally.add(with_mirror_image(partial(_scores, module, batch), batch.inputs, config), batch.targets)
    for part, training in before:
        part.training = training
    return {"loss": tally.loss, task.score_name: tally.score}


def _scores(module: nn.Module, batch: TaskBatch, inputs: Tensor) -> Tensor:
    return batch._replace(inputs=inputs).scores(module)


def check_output(module: nn.Module, task: Task) -> None:
    """Raise an error unless the module gives scores for the task.

    Parameters
    ----------
    module : torch.nn.Module
        Called with the first training example, in evaluation mode.
    task : Task

    Raises
    ------
    InvalidInputError
        If the module does not take the example, or its scores are not of shape [1, classes], or
        [1, steps, classes] where every step is asked.
    """
    first = TaskBatch.of(task, "train", device_of(module)).part(torch.arange(1))
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    with torch.no_grad():
        try:
            scores = first.scores(module)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            what = "symbols and lengths" if task.is_sequence else f"inputs {list(task.input_shape)}"
            what = "series and lengths" if task.is_series else what
            raise InvalidInputError("network", f"take {what}", f"{type(error).__name__}: {error}") from error
        finally:
            for part, training in before:
                part.training = training
    steps = first.inputs.shape[1:2] if task.goal.every_step else ()
    if not isinstance(scores, Tensor) or scores.shape != (1, *steps, task.num_outputs):
        found = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        shape = f"[B, {'T, ' if steps else ''}{task.num_outputs}]"
        raise InvalidInputError("network", f"give scores of shape {shape}", found)
