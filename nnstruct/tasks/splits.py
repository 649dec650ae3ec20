"""The splits of a task: what they hold, how they are checked and how data are shared out among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnstruct.checks import is_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator

SPLIT_NAMES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task.

    Attributes
    ----------
    inputs : int64 [n, T] for sequences of symbols, float32 [n, T, D] for series, float32 [n, ...] otherwise
        Sequences and series are padded with 0 behind their end; images are [n, channels, height, width].
    targets : int64 [n] for classes, int64 [n, T] for a class a step, float32 [n, K] for regression
        Classes from 0; -1 at a step where nothing is asked.
    lengths : int64 [n] or None
        Steps of each sequence or series, without the padding; None for other inputs.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)


def part_of(split: Split, chosen: np.ndarray) -> Split:
    """Some examples of a split.

    Parameters
    ----------
    split : Split
    chosen : int64 or bool array
        Positions of the examples, or a mask over all.

    Returns
    -------
    Split
    """
    lengths = None if split.lengths is None else split.lengths[chosen]
    return Split(split.inputs[chosen], split.targets[chosen], lengths)


def encode_sequences(
    sequences: Sequence[str | Sequence[int]], alphabet: str | None = None
) -> list[tuple[int, ...]]:
    """Strings as tuples of symbols from 1; integer sequences as they are.

    Parameters
    ----------
    sequences : sequence of str, or of sequences of positive int
    alphabet : str, optional
        The characters in the order of their symbols; by default those that occur, sorted.

    Returns
    -------
    list of tuple of int

    Raises
    ------
    InvalidInputError
        If there is no sequence or an empty one, a string leaves the alphabet, or strings and
        integers are mixed.
    """
    if not len(sequences):
        raise InvalidInputError("sequences", "not be empty", list(sequences))
    if isinstance(sequences[0], str):
        for text in sequences:
            if not isinstance(text, str):
                raise InvalidInputError("sequences", "be all strings or all integer sequences", text)
        symbols = alphabet or "".join(sorted({char for text in sequences for char in text}))  # type: ignore
        if len(set(symbols)) < len(symbols):
            raise InvalidInputError("alphabet", "hold each character once", symbols)
        code = {char: index + 1 for index, char in enumerate(symbols)}
        for text in sequences:
            for char in text:
                if char not in code:
                    raise InvalidInputError("sequences", f"use the alphabet {symbols!r}", text)
        coded = [tuple(code[char] for char in text) for text in sequences]  # type: ignore[index]
    else:
        if alphabet is not None:
            raise InvalidInputError("alphabet", "be None for integer sequences", alphabet)
        if any(isinstance(row, str) for row in sequences):
            raise InvalidInputError("sequences", "be all strings or all integer sequences", sequences[0])
        coded = [tuple(int(symbol) for symbol in row) for row in sequences]
    for row in coded:
        if not row or min(row) < 1:
            raise InvalidInputError("sequences", "each hold at least one symbol, from 1 on", row)
    return coded


def padded(rows: Sequence[Sequence[int] | np.ndarray], longest: int, fill: int) -> np.ndarray:
    """Rows of integers in one array.

    Parameters
    ----------
    rows : sequence of n sequences of int
    longest : int
        Columns of the array.
    fill : int
        What stands behind the end of a row.

    Returns
    -------
    int64 [n, longest]
    """
    array = np.full((len(rows), longest), fill, dtype=np.int64)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array


def padded_split(coded: Sequence[Sequence[int]], targets: np.ndarray, longest: int) -> Split:
    """A split of sequences, padded with 0.

    Parameters
    ----------
    coded : sequence of n sequences of int
        Symbols from 1.
    targets : int64 [n]
    longest : int
        Symbols in each row of the inputs.

    Returns
    -------
    Split
        With inputs int64 [n, longest].
    """
    inputs = padded(coded, longest, 0)
    return Split(inputs, targets, np.array([len(symbols) for symbols in coded], dtype=np.int64))


def split_by_identity(items: Sequence, *, val: float, test: float, seed: int) -> list[np.ndarray]:
    """Positions of the train, val and test parts; equal items always share a part.

    Parameters
    ----------
    items : sequence of hashable values, length n
    val, test : float
        Shares of the distinct items, in (0, 1), with a sum below 1.
    seed : int

    Returns
    -------
    list of three int64 arrays
        Train, val and test, each ascending; together 0..n-1.

    Raises
    ------
    InvalidInputError
        If a share breaks its rule, or there are too few distinct items for three parts.
    """
    check_seed(seed)
    if not (is_share(val) and is_share(test) and val + test < 1):
        raise InvalidInputError("val and test", "be positive with a sum below 1", (val, test))
    group_of, side = _shared_out(items, seed, val, test)
    return [np.flatnonzero(side[group_of] == part) for part in range(3)]


def hold_out(items: Sequence, *, val: float, seed: int) -> list[np.ndarray]:
    """Positions of the train and val parts; equal items always share a part.

    Parameters
    ----------
    items : sequence of hashable values, length n
    val : float
        Share of the distinct items, in (0, 1).
    seed : int

    Returns
    -------
    list of two int64 arrays
        Train and val, each ascending; together 0..n-1.

    Raises
    ------
    InvalidInputError
        If the share breaks its rule, or there are too few distinct items for two parts.
    """
    check_seed(seed)
    if not is_share(val):
        raise InvalidInputError("val", "be a share above 0 and below 1, or a split", val)
    group_of, side = _shared_out(items, seed, val)
    return [np.flatnonzero(side[group_of] == part) for part in range(2)]


def is_share(value: object) -> bool:
    """Whether a value is a number above 0 and below 1.

    Parameters
    ----------
    value : anything

    Returns
    -------
    bool
    """
    return is_number(value) and bool(0 < value < 1)


def _shared_out(items: Sequence, seed: int, *shares: float) -> tuple[np.ndarray, np.ndarray]:
    """The group of each item, int64 [n], and the part of each group: 0 or which of the shares, from 1."""
    groups: dict = {}
    group_of = np.array([groups.setdefault(item, len(groups)) for item in items], dtype=np.int64)
    order = generator(seed, "split").permutation(len(groups))
    numbers = [max(1, round(share * len(groups))) for share in shares]
    if len(groups) < sum(numbers) + 1:
        raise InvalidInputError("items", f"hold at least {len(shares) + 1} distinct ones", len(groups))
    side = np.zeros(len(groups), dtype=np.int64)
    end = 0
    for part, number in reversed(list(enumerate(numbers, start=1))):
        side[order[end : end + number]] = part
        end += number
    return group_of, side


def as_classes(targets: np.ndarray | Sequence[int], n: int, field: str = "targets") -> np.ndarray:
    """Classes as int64 [n]; a fraction or a NaN is an error and not rounded.

    Parameters
    ----------
    targets : array-like of int, shape [n]
    n : int
        How many there must be.
    field : str
        What they are called where the caller wrote them.

    Returns
    -------
    int64 [n]

    Raises
    ------
    InvalidInputError
        If there are none or another number of them, or one is no integer from 0.
    """
    labels = np.asarray(targets)
    if labels.shape != (n,):
        raise InvalidInputError(field, f"have shape [{n}]", list(labels.shape))
    if not n:
        raise InvalidInputError(field, "not be empty", [])
    if (
        labels.dtype.kind not in "biuf"
        or (labels != np.floor(labels)).any()
        or not 0 <= labels.min() <= labels.max() < 2**31
    ):
        hint = "" if labels.dtype.kind != "f" else "Real targets need kind='regression'."
        raise InvalidInputError(field, "be integers from 0", np.unique(labels).tolist(), hint)
    return labels.astype(np.int64)
