"""Extra trees as arrays, grown by a compiled loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.random import derive_seed

_MOST_CODES = 2**16


def extra_trees(
    table: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    trees: int,
    least: int = 1,
    columns: float = 1.0,
    seed: int = 0,
    n_jobs: int = 1,
) -> ForestArrays:
    """A forest of extremely randomised trees, each on all rows.

    The trees are those of ``sklearn.ensemble.ExtraTreesRegressor`` with ``min_samples_leaf=least`` and
    ``max_features=columns``, drawn from other random numbers, in a fraction of the time: rows are sorted
    into the distinct values of each column once. Columns that are equal in all rows count once.

    Parameters
    ----------
    table : float [n, c]
        Finite; taken as float32.
    y : float64 [n]
    weight : float64 [n], optional
        Positive.
    trees : int
    least : int
        Fewest rows in a leaf.
    columns : float
        Share of the columns that are drawn at a node, in (0, 1].
    seed : int
    n_jobs : int
        Threads; the forest is the same for every number.

    Returns
    -------
    ForestArrays

    References
    ----------
    P. Geurts, D. Ernst and L. Wehenkel. Extremely randomized trees. Machine Learning 63, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.arange(20.0).reshape(10, 2)
    >>> forest = extra_trees(table, table[:, 0], trees=5)
    >>> forest.predict(table)[0].tolist() == table[:, 0].tolist()
    True
    """
    from nnstruct.predictors.extra_trees_kernel import grow

    n = len(table)
    rows = np.ascontiguousarray(np.asarray(table, dtype=np.float32).T)  # [c, n]
    chosen = _distinct(rows)
    codes, levels, level_start = _coded(rows[chosen])
    weight = np.ones(n) if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    centre = float(np.average(y, weights=weight))
    centred = np.asarray(y, dtype=np.float64) - centre
    drawn = max(1, int(columns * len(chosen)))
    seeds = np.array([derive_seed(seed, "tree", number) for number in range(trees)], dtype=np.uint64)

    def grown(part: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        links: list[np.ndarray] = [np.empty((len(part), 2 * n), dtype=np.int32) for _ in range(3)]
        numbers: list[np.ndarray] = [np.empty((len(part), 2 * n)) for _ in range(2)]
        count = np.empty(len(part), dtype=np.int64)
        grow(codes, levels, level_start, centred, weight, least, drawn, part, *links, *numbers, count)
        return [
            tuple(array[t, :size].copy() for array in (*links, *numbers))
            for t, size in enumerate(map(int, count))
        ]

    parts = np.array_split(seeds, max(1, -(-trees // 25)))
    if n_jobs == 1:
        grown_parts = [grown(part) for part in parts]
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            grown_parts = list(pool.map(grown, parts))
    members = [tree for part in grown_parts for tree in part]
    left, right, feature, threshold, value = (np.concatenate(arrays) for arrays in zip(*members, strict=True))
    start = np.concatenate([[0], np.cumsum([len(tree[0]) for tree in members])]).astype(np.int64)
    feature = np.where(feature >= 0, chosen[np.maximum(feature, 0)], feature).astype(np.int32)
    return ForestArrays(start, left, right, feature, threshold, value + centre)


def _distinct(rows: np.ndarray) -> np.ndarray:
    """The first of the columns that are equal, int64 [distinct]."""
    first: dict[bytes, int] = {}
    for column, values in enumerate(rows):
        first.setdefault(values.tobytes(), column)
    return np.array(list(first.values()), dtype=np.int64)


def _coded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's place among a column's distinct values, [c, n]; those values; where each column's begin."""
    levels, places = [], []
    for column in rows:
        distinct, place = np.unique(column, return_inverse=True)
        levels.append(distinct.astype(np.float64))
        places.append(place)
    starts = np.concatenate([[0], np.cumsum([len(each) for each in levels])]).astype(np.int64)
    kind = np.uint16 if rows.shape[1] <= _MOST_CODES else np.int32
    return np.stack(places).astype(kind), np.concatenate(levels), starts
