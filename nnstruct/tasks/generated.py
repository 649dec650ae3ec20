"""What tasks that are generated in code share: sizes, and examples none of which occurs twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.draws import check_size

_MOST_ROUNDS = 100


def split_sizes(train: int, val: int, test: int, fewest: int = 1) -> dict[str, int]:
    """Examples of each split.

    Parameters
    ----------
    train, val, test : int
    fewest : int
        The least that each may be.

    Returns
    -------
    dict of str to int

    Raises
    ------
    InvalidInputError
        If one is no integer from ``fewest`` on.
    """
    sizes = {"train": train, "val": val, "test": test}
    return {name: check_size(name, size, fewest=fewest) for name, size in sizes.items()}


def distinct_rows(draw: Callable[[int], np.ndarray], number: int, what: str) -> np.ndarray:
    """Rows that all differ, in the order in which they are drawn.

    Parameters
    ----------
    draw : callable (int) -> array [n, ...]
        So many random rows.
    number : int
        How many are wanted.
    what : str
        What they are called where too few differ.

    Returns
    -------
    array [number, ...]

    Raises
    ------
    InvalidInputError
        If so many do not come about.
    """
    rows = draw(number)
    for _ in range(_MOST_ROUNDS):
        flat = rows.reshape(len(rows), -1)
        kept = np.sort(np.unique(flat, axis=0, return_index=True)[1])
        rows = rows[kept]
        if len(rows) >= number:
            return rows[:number]
        rows = np.concatenate([rows, draw(number)])
    there = len(np.unique(rows.reshape(len(rows), -1), axis=0))
    rule = f"ask for no more than there are different {what}, about {there}"
    raise InvalidInputError("train, val and test", rule, number, "Take fewer, or longer ones.")


def cut_up(sizes: Mapping[str, int]) -> list[slice]:
    """Where the splits lie in a row of examples.

    Parameters
    ----------
    sizes : mapping of str to int

    Returns
    -------
    list of slice
    """
    ends = np.cumsum(list(sizes.values())).tolist()
    return [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def as_steps(values: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Real values in steps of a millionth, so that the last bits of a processor's sine do not show.

    Parameters
    ----------
    values : float array-like

    Returns
    -------
    float64 array
    """
    return np.round(np.asarray(values, dtype=np.float64), 6)
