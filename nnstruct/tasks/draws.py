"""Draws with as many examples of each class as the classes allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import generator


def check_size(field: str, value: int, fewest: int = 1) -> int:
    """A number of examples as a plain int.

    Parameters
    ----------
    field : str
        What it is called where the caller wrote it.
    value : int
    fewest : int
        The least that it may be.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If it is no integer, or less.
    """
    return check_integer(value, field, low=fewest, rule=f"be an integer from {fewest} on")


def balanced_counts(available: np.ndarray, number: int, first: Sequence[int]) -> np.ndarray:
    """How many of each class make ``number`` in all: equal numbers, as far as a class holds.

    What equal numbers leave over goes to single classes in the order ``first``, so that a larger
    number never takes fewer of any class.

    Parameters
    ----------
    available : int64 [C]
        How many of each class there are.
    number : int
        At most their sum.
    first : sequence of int, length C
        Each class once.

    Returns
    -------
    int64 [C]

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.tasks.draws import balanced_counts
    >>> balanced_counts(np.array([10, 2, 10]), 9, first=[2, 1, 0])
    array([3, 2, 4])
    """
    counts = np.zeros(len(available), dtype=np.int64)
    while (rest := number - int(counts.sum())) > 0:
        growing = [c for c in first if counts[c] < available[c]]
        step = min(rest // len(growing), min(int(available[c] - counts[c]) for c in growing))
        counts[growing if step else growing[:rest]] += max(step, 1)
    return counts


def draw_balanced(labels: np.ndarray, numbers: dict[str, int | None], *keys: int | str) -> list[np.ndarray]:
    """Disjoint class-balanced parts, one after the other, each in the order of ``labels``.

    Parameters
    ----------
    labels : int64 [n]
        Classes from 0.
    numbers : mapping of a part's name to its size
        None takes all that is left. The parts before it do not hang on a part's size, and a smaller
        part is contained in a larger one.
    *keys : int or str
        What the draw depends on, the user's seed first.

    Returns
    -------
    list of int64 [size]
        Positions.

    Raises
    ------
    InvalidInputError
        If a part is empty or asks for more than is left; the message calls it by its name.
    """
    num_classes = int(labels.max()) + 1
    rng = generator(*keys)
    first = rng.permutation(num_classes).tolist()
    members = [rng.permutation(np.flatnonzero(labels == c)) for c in range(num_classes)]
    taken = np.zeros(num_classes, dtype=np.int64)
    parts = []
    for name, number in numbers.items():
        available = np.array([len(rows) for rows in members]) - taken
        left = int(available.sum())
        size = left if number is None else check_size(name, number)
        if not 0 < size <= left:
            raise InvalidInputError(name, f"be in 1..{left}, as {left:,} are left", size)
        counts = balanced_counts(available, size, first)
        chosen = [rows[t : t + c] for rows, t, c in zip(members, taken, counts, strict=True)]
        parts.append(np.sort(np.concatenate(chosen)))
        taken += counts
    return parts
