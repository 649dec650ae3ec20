"""Which structures are trained on and which are scored: folds, and random training sets by size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, check_rounds, check_share, is_integer, is_number
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.folds import grouped_folds
from nnstruct.random import generator

UNSEEN, NO_TWINS, ALL_ROWS = PROTOCOLS = ("unseen", "no-twins", "all-rows")


@dataclass(frozen=True, eq=False)
class TrainTestSplit:
    """One fit: places of the structures that are learned from, and of those that are predicted.

    Attributes
    ----------
    draw : int
        The repeat of a cross-validation, or the draw of a training set.
    part : int
        The fold, or the size of the training set.
    inside, outside : int64 arrays
    """

    draw: int
    part: int
    inside: np.ndarray
    outside: np.ndarray


def check_protocols(protocol: str | Sequence[str]) -> tuple[str, ...]:
    """One protocol or several, each once, in the order in which they are given."""
    given = (protocol,) if isinstance(protocol, str) else tuple(protocol)
    if not given or len(set(given)) != len(given):
        raise InvalidInputError("protocol", "be one protocol or several different ones", protocol)
    return tuple(check_choice(each, "protocol", PROTOCOLS) for each in given)


def check_train_sizes(train_sizes: Any, n: int, protocols: tuple[str, ...]) -> list[int]:
    """Sizes of training sets as counts of structures.

    Parameters
    ----------
    train_sizes : sequence of int or float
        Counts, or shares in (0, 1] of all structures: an integer is a count, a float a share.
    n : int
        Structures that there are.
    protocols : tuple of str
        At least two structures must be left to score, but with ``all-rows`` alone.

    Returns
    -------
    list of int

    Raises
    ------
    InvalidInputError

    Examples
    --------
    >>> from nnstruct.predictors.draws import check_train_sizes
    >>> check_train_sizes([10, 0.5], 200, ("unseen",))
    [10, 100]
    """
    rule = "be a list of counts (integers) or shares (floats in (0, 1])"
    if isinstance(train_sizes, str) or not isinstance(train_sizes, Iterable):
        raise InvalidInputError("train_sizes", rule, train_sizes)
    most = n if protocols == (ALL_ROWS,) else n - 2
    sizes = []
    for place, given in enumerate(train_sizes):
        field = f"train_sizes[{place}]"
        if not is_number(given):
            raise InvalidInputError("train_sizes", rule, given)
        size = given if is_integer(given) else round(check_share(given, field, ends="(]") * n)
        if not 2 <= size <= most:
            raise InvalidInputError(
                field, f"leave structures to score: from 2 to {most} of {n} may be trained on", given
            )
        sizes.append(int(size))
    if not sizes or len(set(sizes)) != len(sizes):
        raise InvalidInputError("train_sizes", "hold distinct sizes, at least one", sizes)
    return sizes


def fold_splits(classes: Sequence, folds: int, repeats: int, seed: int) -> list[TrainTestSplit]:
    """Every fit of a repeated k-fold cross-validation; equal classes share a fold."""
    splits = []
    for repeat in range(check_rounds(repeats, "repeats", each=8 * len(classes))):
        fold = grouped_folds(classes, folds, seed, "folds", repeat)
        for number in range(folds):
            held_out = fold == number
            splits.append(TrainTestSplit(repeat, number, np.flatnonzero(~held_out), np.flatnonzero(held_out)))
    return splits


def held_out_split(classes: Sequence, learned: int) -> TrainTestSplit:
    """The first rows are learned from; of the others those are scored whose class is none of theirs.

    Parameters
    ----------
    classes : sequence, length n
    learned : int

    Returns
    -------
    TrainTestSplit

    Raises
    ------
    InvalidInputError
        If fewer than two rows are left to score.
    """
    known = set(classes[:learned])
    others = [row for row in range(learned, len(classes)) if classes[row] not in known]
    if len(others) < 2:
        raise InvalidInputError("test", "hold two structures or more that are not learned from", len(others))
    return TrainTestSplit(0, 0, np.arange(learned), np.array(others))


def drawn_splits(
    fingerprints: Sequence[str], sizes: Sequence[int], draws: int, seed: int, *, everything: bool
) -> list[TrainTestSplit]:
    """Random training sets without replacement; in a draw a larger set holds the smaller ones.

    Parameters
    ----------
    fingerprints : sequence of str, length n
        The draws follow their order, so that they do not hang on that of the rows.
    sizes : sequence of int
    draws : int
    seed : int
    everything : bool
        Whether those that are learned from are predicted too.

    Returns
    -------
    list of TrainTestSplit
        By draw, then by size. A size's sets do not hang on which other sizes are asked for.
    """
    rows = np.array(sorted(range(len(fingerprints)), key=fingerprints.__getitem__))
    splits = []
    for draw in range(check_rounds(draws, "draws", each=8 * len(sizes) * len(rows))):
        order = rows[generator(seed, "training set", draw).permutation(len(rows))]
        for size in sizes:
            rest = np.arange(len(rows)) if everything else np.sort(order[size:])
            splits.append(TrainTestSplit(draw, size, np.sort(order[:size]), rest))
    return splits
