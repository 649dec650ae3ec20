"""The compiled walk through the trees of a forest."""

import numpy as np

from nnstruct.jit import cached_njit


@cached_njit(nogil=True)
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
    said = np.empty(trees)
    for i in range(len(rows)):
        total = 0.0
        for t in range(trees):
            first = start[t]
            node = 0
            while left[first + node] >= 0:
                if rows[i, feature[first + node]] <= threshold[first + node]:
                    node = left[first + node]
                else:
                    node = right[first + node]
            said[t] = value[first + node]
            total += said[t]
        centre = total / trees
        spread = 0.0
        for t in range(trees):
            spread += (said[t] - centre) ** 2
        mean[i] = centre
        variance[i] = spread / trees
