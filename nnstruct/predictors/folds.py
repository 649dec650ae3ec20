"""Folds that never part the copies of one structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import generator


def grouped_folds(fingerprints: Sequence[str], folds: int, *keys: int | str) -> np.ndarray:
    """The fold of each structure; equal fingerprints share a fold.

    Groups are dealt to the folds in a random order, the next one always to the smallest fold; large
    groups come first.

    Parameters
    ----------
    fingerprints : sequence of str, length n
    folds : int
        At least 2 and at most the number of distinct fingerprints.
    *keys : int or str
        The seed and what tells this use of it from others.

    Returns
    -------
    int64 [n]
        Values in ``0..folds - 1``.

    Raises
    ------
    InvalidInputError
        If there are fewer than two folds, or more than distinct fingerprints.

    Examples
    --------
    >>> from nnstruct.predictors import grouped_folds
    >>> fold = grouped_folds(["a", "b", "a", "c"], 2, 0)
    >>> bool(fold[0] == fold[2]), sorted(set(fold.tolist()))
    (True, [0, 1])
    """
    folds = check_integer(folds, "folds", low=2)
    names, group, sizes = np.unique(np.asarray(fingerprints), return_inverse=True, return_counts=True)
    if folds > len(names):
        raise InvalidInputError("folds", f"be at most the {len(names)} distinct structures", folds)
    order = generator(*keys).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of = np.empty(len(names), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for member in order:
        fold_of[member] = filled.argmin()
        filled[fold_of[member]] += sizes[member]
    return fold_of[group]
