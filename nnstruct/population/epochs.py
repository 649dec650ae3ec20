"""The epochs of a training, around whatever runs over the batches of one split."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.tasks import Split, Task

# (name of the split, positions int64 [n], starts of the batches int64 [batches + 1], whether to train)
# -> sum of the examples' losses, not finite once training diverges, and hits.
RunSplit = Callable[[str, np.ndarray, np.ndarray, bool], tuple[float, float]]


def run_epochs(
    run: RunSplit,
    task: Task,
    config: TrainConfig,
    seed: int,
    parameters: Callable[[], dict[str, np.ndarray]],
    keep: Collection[int] = (),
) -> Outcome:
    """Train for all epochs, or until the loss is no longer finite, and test at the end.

    Parameters
    ----------
    run : callable (name, positions, starts, training) -> (loss, hits)
        One pass over a split; see :data:`RunSplit`.
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

    def means(name: str, batches: list[np.ndarray], training: bool = False) -> tuple[float, float]:
        split: Split = getattr(task, name)
        starts = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
        loss, hits = run(name, np.concatenate(batches), starts, training)
        return loss / len(split), hits / len(split)

    for epoch in range(config.epochs):
        loss, _ = means("train", epoch_batches(task.train, config, seed, epoch), training=True)
        if not np.isfinite(loss) or not outcome.add_epoch(
            loss, *means("val", evaluation_batches(task.val, config))
        ):
            break
        if epoch + 1 in keep:
            outcome.kept[epoch + 1] = parameters()
    else:
        outcome.test_loss, outcome.test = means("test", evaluation_batches(task.test, config))
    outcome.parameters = parameters()
    return outcome
