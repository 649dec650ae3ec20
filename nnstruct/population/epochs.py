"""The epochs of a training, around whatever runs over the batches of one split."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.outcome import Outcome
from nnstruct.population.stopping import should_stop
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task
from nnstruct.tasks.goals import Tally

# (name of the split, positions int64 [n], starts of the batches int64 [batches + 1], whether to train)
# -> sum of the examples' losses, not finite once training diverges, and hits.
RunSplit = Callable[[str, np.ndarray, np.ndarray, bool], tuple[float, float]]
# The same -> the sums that loss and score of a task are made of, by the names of nnstruct.tasks.goals.
Sums = dict[str, Any]
SumSplit = Callable[[str, np.ndarray, np.ndarray, bool], Sums]


def run_epochs(
    run: SumSplit,
    task: Task,
    config: TrainConfig,
    seed: int,
    parameters: Callable[[], dict[str, np.ndarray]],
    keep: Collection[int] = (),
) -> Outcome:
    """Train for all epochs, or until the loss is no longer finite, and test at the end.

    Parameters
    ----------
    run : callable (name, positions, starts, training) -> sums
        One pass over a split; see :data:`SumSplit`.
    task : Task
    config : TrainConfig
    seed : int
        Decides the batches.
    parameters : callable () -> mapping of str to float32 array
        Copies of the parameters as they are now.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.

    Returns
    -------
    Outcome
    """
    outcome = Outcome()

    def tally(name: str, batches: list[np.ndarray], training: bool = False) -> Tally:
        starts = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
        found = task.goal.tally()
        found.sums = run(name, np.concatenate(batches), starts, training)
        return found

    for epoch in range(config.epochs):
        loss = tally("train", epoch_batches(task.train, config, seed, epoch), training=True).loss
        if not np.isfinite(loss):
            break
        val = tally("val", evaluation_batches(task.val, config))
        if not outcome.add_epoch(loss, val.loss, val.score):
            break
        if epoch + 1 in keep:
            outcome.kept[epoch + 1] = parameters()
        if should_stop(epoch + 1, val.score):
            outcome.stopped = True
            break
    else:
        test = tally("test", evaluation_batches(task.test, config))
        outcome.test_loss, outcome.test = test.loss, test.score
    outcome.parameters = parameters()
    return outcome
