"""Images read row by row, as series."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np

from nnstruct.tasks.base import Task
from nnstruct.tasks.digits import digits
from nnstruct.tasks.images import mnist
from nnstruct.tasks.splits import Split


def digit_rows(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"digits-rows"``: which digit do eight rows of eight pixels show, one row a step?

    The images of the task ``"digits"``, as series of 8 steps and 8 channels.

    Chance level: accuracy 0.1. An LSTM of 64 units reaches 0.967 in 40 epochs. Horizon: 8 steps.

    Parameters
    ----------
    val, test : float
        Shares of the 1,797 images.
    seed : int
        Decides the split.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If the shares are not positive with a sum below 1.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("digits-rows")
    Task('digits-rows', 1257/270/270 train/val/test, series [8, 8], 10 classes)
    """
    return _by_row("digits-rows", digits(val=val, test=test, seed=seed), 8)


def mnist_rows(
    *,
    train: int | None = None,
    val: int | float = 5000,
    test: int | None = None,
    side: int | None = None,
    seed: int = 0,
    data: str | PathLike[str] | None = None,
    download: bool = False,
) -> Task:
    """The task ``"mnist-rows"``: which digit do 28 rows of 28 pixels show, one row a step?

    The images of the task ``"mnist"``, as series of 28 steps and 28 channels; Le, Jaitly and Hinton (2015,
    arXiv:1504.00941) read them pixel by pixel. Options, splits and errors are those of
    :func:`nnstruct.tasks.images.mnist`. Difficulty is ``side``: fewer steps for smaller images.

    Chance level: accuracy 0.1. An LSTM of 64 units reaches 0.963 in 5 epochs on 10,000 images. Horizon: 28
    steps.

    Parameters
    ----------
    train, val, test, side, seed, data, download
        As for :func:`nnstruct.tasks.images.mnist`.

    Returns
    -------
    Task

    Examples
    --------
    With the files in place, ``load_task("mnist-rows", train=1000, test=1000)`` gives
    ``Task('mnist-rows', 1000/5000/1000 train/val/test, series [28, 28], 10 classes)``. Without:

    >>> from nnstruct.tasks import load_task
    >>> load_task("mnist-rows", data="not-there")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: The data directory not-there does not exist. Set ...
    """
    task = mnist(train=train, val=val, test=test, side=side, seed=seed, data=data, download=download)
    return _by_row("mnist-rows", task, task.input_shape[-1])


def _by_row(name: str, task: Task, side: int) -> Task:
    train, val, test = (
        Split(split.inputs.reshape(len(split), side, side), split.targets, np.full(len(split), side))
        for split in (task.train, task.val, task.test)
    )
    return replace(task, name=name, train=train, val=val, test=test)
