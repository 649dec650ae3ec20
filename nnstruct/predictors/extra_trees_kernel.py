"""The compiled growth of extremely randomised trees (Geurts, Ernst and Wehenkel, 2006)."""

import numpy as np
from numba import njit

from nnstruct.jit import cached_njit

_inner = njit(nogil=True, error_model="numpy")


@_inner
def _next(state):  # type: ignore[no-untyped-def]
    """64 random bits (splitmix64; Steele et al., 2014); ``state``, uint64 [1], goes one step on."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    x = state[0]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_inner
def _below(state, limit):  # type: ignore[no-untyped-def]
    """A random integer in 0..limit - 1, for limits far below 2^32."""
    return np.int64(((_next(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@_inner
def _share(state):  # type: ignore[no-untyped-def]
    """A random number in [0, 1)."""
    return np.float64(_next(state) >> np.uint64(11)) / 9007199254740992.0


@_inner
def _place(levels, first, low, high, threshold):  # type: ignore[no-untyped-def]
    """The largest code in low..high whose level is at most the threshold; the level of ``low`` is."""
    while low < high:
        middle = (low + high + 1) // 2
        if levels[first + middle] <= threshold:
            low = middle
        else:
            high = middle - 1
    return low


@cached_njit(nogil=True, error_model="numpy")
def grow(  # type: ignore[no-untyped-def]
    codes,
    levels,
    level_start,
    y,
    weight,
    least,
    columns,
    seeds,
    left,
    right,
    feature,
    threshold,
    value,
    count,
):
    """Trees on all rows: at each node thresholds drawn uniformly in some columns, of which the best is taken.

    The best has the least weighted sum of squares below it. Columns are drawn without replacement, constant
    ones counted, until ``columns`` are drawn and one of them varies. A node is a leaf where none can be split
    into parts of ``least`` rows, or the labels are equal.

    Parameters
    ----------
    codes : uint16 or int32 [c, n]
        Each row's place among the distinct values of a column.
    levels : float64 [sum of distinct values]
        Those of column ``j`` stand at ``level_start[j]:level_start[j + 1]``, rising.
    level_start : int64 [c + 1]
    y, weight : float64 [n]
        Weights are positive.
    least, columns : int
    seeds : uint64 [trees]
    left, right, feature : int32 [trees, 2 n]
        Written to, as ``threshold``, ``value`` float64 [trees, 2 n] and ``count`` int64 [trees]: see
        :class:`nnstruct.predictors.forest_arrays.ForestArrays`.
    """
    c, n = codes.shape
    state = np.empty(1, np.uint64)
    order = np.arange(c)
    rows = np.empty(n, np.uint32)  # unsigned, so that no index is checked for its sign
    other = np.empty(n, np.uint32)
    y_here, w_here = np.empty(n), np.empty(n)
    code_here = np.empty(n, codes.dtype)
    stack = np.empty((n + 2, 4), np.int64)  # first and last row, parent, whether it is the right child
    is_constant = np.zeros((n + 2, c), np.bool_)  # by place on the stack: columns known to be constant there
    known = np.empty(c, np.bool_)
    for t in range(len(seeds)):
        state[0] = seeds[t]
        for i in range(n):
            rows[i] = i
        nodes, depth = 0, 1
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, n, -1, 0
        is_constant[0] = False
        while depth:
            depth -= 1
            first, last, parent, is_right = stack[depth]
            size = last - first
            node = nodes
            nodes += 1
            if parent >= 0:
                if is_right:
                    right[t, parent] = node
                else:
                    left[t, parent] = node
            total = weighed = 0.0
            lowest = highest = y[rows[first]]
            for i in range(size):
                row = rows[first + i]
                w_here[i] = weight[row]
                y_here[i] = weight[row] * y[row]
                total += y_here[i]
                weighed += weight[row]
                lowest, highest = min(lowest, y[row]), max(highest, y[row])
            left[t, node], right[t, node], feature[t, node] = -1, -1, -2
            threshold[t, node], value[t, node] = -2.0, total / weighed
            if size < 2 * least or size < 2 or highest == lowest:
                continue
            known[:] = is_constant[depth]
            here = rows[first:last]
            best, best_column, best_code, best_threshold = -1.0, -1, 0, 0.0
            drawn, varying = 0, False
            while drawn < c and (drawn < columns or not varying):
                at = drawn + _below(state, c - drawn)
                column = order[at]
                order[at] = order[drawn]
                order[drawn] = column
                drawn += 1
                if known[column]:
                    continue
                codes_of = codes[column]
                least_code = most_code = codes_of[rows[first]]
                for i in range(size):
                    code = codes_of[here[i]]
                    code_here[i] = code
                    least_code, most_code = min(least_code, code), max(most_code, code)
                low, high = np.int64(least_code), np.int64(most_code)
                begin = level_start[column]
                bottom, top = levels[begin + low], levels[begin + high]
                if top <= bottom + 1e-7:
                    known[column] = True
                    continue
                varying = True
                cut = bottom + _share(state) * (top - bottom)
                if cut >= top:
                    cut = bottom
                split = _place(levels, begin, low, high, cut)
                inside, sum_inside, weight_inside = 0, 0.0, 0.0
                for i in range(size):
                    is_in = code_here[i] <= split
                    inside += is_in
                    sum_inside += y_here[i] if is_in else 0.0
                    weight_inside += w_here[i] if is_in else 0.0
                if inside < least or size - inside < least:
                    continue
                sum_outside, weight_outside = total - sum_inside, weighed - weight_inside
                gain = sum_inside * sum_inside / weight_inside + sum_outside * sum_outside / weight_outside
                if gain > best:
                    best, best_column, best_code, best_threshold = gain, column, split, cut
            if best_column < 0:
                continue
            inside, outside = 0, 0
            for i in range(first, last):
                row = rows[i]
                if codes[best_column, row] <= best_code:
                    rows[first + inside] = row
                    inside += 1
                else:
                    other[outside] = row
                    outside += 1
            for i in range(outside):
                rows[first + inside + i] = other[i]
            feature[t, node], threshold[t, node] = best_column, best_threshold
            middle = first + inside
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = middle, last, node, 1
            is_constant[depth] = known
            depth += 1
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = first, middle, node, 0
            is_constant[depth] = known
            depth += 1
        count[t] = nodes
