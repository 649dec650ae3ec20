"""Folds that never part the copies of one structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import generator


def grouped_folds(fingerprints: Sequence[str], folds: int, *keys: int | str) -> np.ndarray:
    """The fold of each structure; equal fingerprints share a fold.

    The distinct fingerprints are dealt at random, equally many to each fold (give or take one), by
    scikit-learn's ``GroupKFold``. The order of the structures does not matter.

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
    from sklearn.model_selection import GroupKFold

    folds = check_integer(folds, "folds", low=2)
    distinct = len(set(fingerprints))
    if folds > distinct:
        raise InvalidInputError("folds", f"be at most the {distinct} distinct structures", folds)
    state = int(generator(*keys).integers(2**32))
    dealer = GroupKFold(folds, shuffle=True, random_state=state)
    fold = np.empty(len(fingerprints), dtype=np.int64)
    for number, (_, held_out) in enumerate(dealer.split(fingerprints, groups=np.asarray(fingerprints))):
        fold[held_out] = number
    return fold
