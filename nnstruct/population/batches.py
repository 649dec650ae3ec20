"""The order in which a network sees its data; the same for every engine."""

from __future__ import annotations

import numpy as np

from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Split


def epoch_batches(split: Split, config: TrainConfig, seed: int, epoch: int) -> list[np.ndarray]:
    """Positions of the training examples in each batch of an epoch.

    The order depends on the seed and the epoch alone, so that all networks of one seed see the
    same batches. In the clean protocol examples of a similar length share a batch, ties and the order
    of the batches are random; in the others examples are shuffled and cut.

    Parameters
    ----------
    split : Split
        Of n examples.
    config : TrainConfig
        Gives the batch size and the protocol.
    seed : int
    epoch : int
        From 0 on.

    Returns
    -------
    list of int64 arrays
        Each of at most ``config.batch_size`` positions, every position from 0 to n - 1 once.

    Examples
    --------
    >>> from nnstruct import TrainConfig, load_task
    >>> batches = epoch_batches(load_task("digits").val, TrainConfig(batch_size=100), seed=0, epoch=0)
    >>> sum(len(batch) for batch in batches) == len(load_task("digits").val)
    True
    """
    rng = generator(seed, "batches", epoch)
    order = rng.permutation(len(split))
    if split.lengths is None or config.protocol != "clean":
        return _cut(order, config.batch_size)
    batches = _cut(order[np.argsort(split.lengths[order], kind="stable")], config.batch_size)
    return [batches[i] for i in rng.permutation(len(batches))]


def evaluation_batches(split: Split, config: TrainConfig) -> list[np.ndarray]:
    """Positions of the examples in each batch of an evaluation.

    In the clean protocol sequences are sorted by length, so that little is padded. In the faithful protocol
    the companions in a batch matter to a prediction: there examples stay in the order of the split.

    Parameters
    ----------
    split : Split
        Of n examples.
    config : TrainConfig
        Gives the batch size and the protocol.

    Returns
    -------
    list of int64 arrays
        Each of at most ``config.batch_size`` positions, every position from 0 to n - 1 once.
    """
    order = np.arange(len(split))
    if split.lengths is not None and config.protocol == "clean":
        order = np.argsort(split.lengths, kind="stable")
    return _cut(order, config.batch_size)


def _cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[begin : begin + size] for begin in range(0, len(order), size)]
