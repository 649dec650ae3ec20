"""The walk through the trees of a forest."""

import numpy as np

from nnstruct.loops import loop

_ROWS = 256


def _turns(start, left, right, feature, threshold, value, rows, mean, variance):  # type: ignore[no-untyped-def]
    """Some levels of each tree for each row."""
    return 15 * (len(start) - 1) * len(rows)


@loop(_turns, nogil=True)
def walk(start, left, right, feature, threshold, value, rows, mean, variance):  # type: ignore[no-untyped-def]
    """Mean and variance over the trees of what each tree says of each row.

    Parameters
    ----------
    start, left, right, feature, threshold, value : arrays
        As in :class:`nnstruct.predictors.forest_arrays.ForestArrays`.
    rows : float32 [n, c]
    mean, variance : float64 [n]
        Written to.
    """
    trees = len(start) - 1
    said = np.empty((_ROWS, trees))
    for begin in range(0, len(rows), _ROWS):
        size = min(_ROWS, len(rows) - begin)
        for t in range(trees):  # a tree serves many rows while it is at hand
            first = start[t]
            for i in range(size):
                node = first
                while left[node] >= 0:
                    if rows[begin + i, feature[node]] <= threshold[node]:
                        node = first + left[node]
                    else:
                        node = first + right[node]
                said[i, t] = value[node]
        for i in range(size):
            total = 0.0
            for t in range(trees):
                total += said[i, t]
            centre = total / trees
            spread = 0.0
            for t in range(trees):
                spread += (said[i, t] - centre) * (said[i, t] - centre)
            mean[begin + i] = centre
            variance[begin + i] = spread / trees
