"""A task with fewer examples to train on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnstruct.checks import check_number
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.splits import part_of


def fewer_examples(task: Task, share: float, *, seed: int = 0) -> Task:
    """The same task with a share of its training examples; the other splits stay whole.

    Parameters
    ----------
    task : Task
    share : float
        In (0, 1]. With 1 it is the task itself.
    seed : int
        Decides which; a smaller share is part of a larger one.

    Returns
    -------
    Task
        With ``round(share * n)`` examples, at least one, in the order in which they stood.

    Raises
    ------
    InvalidInputError
        If the share breaks its rule.

    Examples
    --------
    >>> from nnstruct import load_task
    >>> from nnstruct.tasks.fewer import fewer_examples
    >>> digits = load_task("digits")
    >>> fewer = fewer_examples(digits, 0.25)
    >>> len(digits.train), len(fewer.train), fewer.test is digits.test
    (1257, 314, True)
    """
    share = check_number(share, "share", low=0, high=1, open_low=True)
    if share == 1:
        return task
    order = generator(check_seed(seed), "fewer", task.fingerprint).permutation(len(task.train))
    kept = np.sort(order[: max(1, round(share * len(task.train)))])
    return replace(task, train=part_of(task.train, kept))
