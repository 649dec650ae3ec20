"""Forests in few bytes: nodes in depth-first order, one number a node, a byte for the column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnstruct.predictors.forest_arrays import ForestArrays

_LEAF = 255


def pack(forest: ForestArrays) -> dict[str, np.ndarray]:
    """A forest in seven bytes a node.

    Where a row goes stays as it is: rows are float32, and a threshold is rounded down to float32, which
    the same rows are at most. Means in leaves are rounded to float32.

    Parameters
    ----------
    forest : ForestArrays
        Of at most 255 columns, and trees of at most 32,767 nodes.

    Returns
    -------
    dict of str to array
        ``sizes`` int32 [trees], and by node ``column`` uint8 (255 at a leaf), ``right`` int16 (the right
        child, counted from the tree's first node; the left one is the next node) and ``number`` float32
        (the threshold, at a leaf the mean).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> table = np.arange(12.0).reshape(6, 2)
    >>> forest = ForestArrays.of(ExtraTreesRegressor(5, random_state=0).fit(table, table[:, 0]))
    >>> again = unpack(pack(forest), columns=2)
    >>> bool(np.allclose(again.predict(table)[0], forest.predict(table)[0]))
    True
    """
    inner = forest.left >= 0
    number = np.where(inner, _rounded_down(forest.threshold), forest.value.astype(np.float32))
    column = np.where(inner, forest.feature, _LEAF)
    parts = []
    for first, end in zip(forest.start[:-1], forest.start[1:], strict=True):
        left, right = forest.left[first:end], forest.right[first:end]
        order = _depth_first(left, right)  # [nodes], old numbers
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        moved = np.where(left[order] >= 0, place[right[order]], -1)
        parts.append((column[first:end][order], moved, number[first:end][order]))
    return {
        "sizes": np.diff(forest.start).astype(np.int32),
        "column": np.concatenate([part[0] for part in parts]).astype(np.uint8),
        "right": np.concatenate([part[1] for part in parts]).astype(np.int16),
        "number": np.concatenate([part[2] for part in parts]).astype(np.float32),
    }


def unpack(packed: Mapping[str, np.ndarray], columns: int) -> ForestArrays:
    """The forest that :func:`pack` made small.

    Parameters
    ----------
    packed : mapping of str to array
    columns : int
        Of the tables that it will be asked for.

    Returns
    -------
    ForestArrays

    Raises
    ------
    ValueError
        If a link leads outside of its tree, or a column is none of the table.
    KeyError
        If an array is missing.
    """
    sizes, column = packed["sizes"].astype(np.int64), packed["column"].astype(np.int64)
    if len(sizes) == 0 or (sizes <= 0).any() or sizes.sum() != len(column):
        raise ValueError("the trees of a forest are not whole")
    start = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(len(column)) - np.repeat(start[:-1], sizes)
    inner = column != _LEAF
    arrays = {
        "start": start,
        "left": np.where(inner, place + 1, -1),
        "right": np.where(inner, packed["right"], -1),
        "feature": np.where(inner, column, -2),
        "threshold": packed["number"],
        "value": packed["number"],
    }
    return ForestArrays.from_arrays(arrays, columns)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _depth_first(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if left[node] >= 0:
            waiting += [right[node], left[node]]
    return np.array(order)
