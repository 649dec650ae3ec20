"""Counts of label sequences along paths of many graphs, compiled by numba. Importing this imports numba."""

from __future__ import annotations

import numpy as np

from nnstruct.jit import cached_njit

_entry = cached_njit(nogil=True, error_model="numpy")


@_entry
def gram_counts(source, target, weight, edge_start, label, unit_start, num_labels):  # type: ignore[no-untyped-def]
    """Paths of two and three units by their labels, each counted as often as its edges' weights multiply to.

    Returns the row, the code and the count of each sequence that occurs: ``a * K + b`` for two labels of K,
    ``K * K + (a * K + b) * K + c`` for three.
    """
    size, used = 1024, 0
    rows = np.empty(size, np.int64)
    codes = np.empty(size, np.int64)
    counts = np.empty(size, np.float64)
    local = np.full(num_labels, -1, np.int64)
    known = np.empty(num_labels, np.int64)
    for s in range(edge_start.size - 1):
        first, n = unit_start[s], unit_start[s + 1] - unit_start[s]
        k = 0
        for v in range(first, first + n):
            if local[label[v]] < 0:
                local[label[v]] = k
                known[k] = label[v]
                k += 1
        before = np.zeros((n, k))
        behind = np.zeros((n, k))
        pairs = np.zeros((k, k))
        triples = np.zeros((k, k, k))
        for e in range(edge_start[s], edge_start[s + 1]):
            a, b = local[label[first + source[e]]], local[label[first + target[e]]]
            before[target[e], a] += weight[e]
            behind[source[e], b] += weight[e]
            pairs[a, b] += weight[e]
        for v in range(n):
            b = local[label[first + v]]
            for a in range(k):
                if before[v, a] > 0:
                    for c in range(k):
                        triples[a, b, c] += before[v, a] * behind[v, c]
        if used + k * k + k * k * k > size:
            size = 2 * (used + k * k + k * k * k)
            grown = np.empty(size, np.int64)
            grown[:used] = rows[:used]
            rows = grown
            grown = np.empty(size, np.int64)
            grown[:used] = codes[:used]
            codes = grown
            more = np.empty(size, np.float64)
            more[:used] = counts[:used]
            counts = more
        for a in range(k):
            for b in range(k):
                pair = known[a] * num_labels + known[b]
                if pairs[a, b] > 0:
                    rows[used], codes[used], counts[used] = s, pair, pairs[a, b]
                    used += 1
                for c in range(k):
                    if triples[a, b, c] > 0:
                        code = num_labels * num_labels + pair * num_labels + known[c]
                        rows[used], codes[used], counts[used] = s, code, triples[a, b, c]
                        used += 1
        for j in range(k):
            local[known[j]] = -1
    return rows[:used], codes[:used], counts[:used]


@_entry
def most_on_a_path(source, target, edge_start, label, unit_start, layer, inputs, outputs, most):  # type: ignore[no-untyped-def]
    """The most units of each label on a path from an input to an output; 0 where there is no such path.

    Edges must be sorted by source. ``most`` [S, K] is written to.
    """
    num_labels = most.shape[1]
    for s in range(edge_start.size - 1):
        first, n = unit_start[s], unit_start[s + 1] - unit_start[s]
        start = np.zeros(n + 1, np.int64)
        for e in range(edge_start[s], edge_start[s + 1]):
            start[source[e] + 1] += 1
        for v in range(n):
            start[v + 1] += start[v]
        best = np.full((n, num_labels), -1.0)
        most[s] = 0.0
        order = np.argsort(layer[first : first + n])
        for v in order:
            if inputs[first + v]:
                for k in range(num_labels):
                    best[v, k] = max(best[v, k], 0.0)
            if best[v, 0] < 0:
                continue
            best[v, label[first + v]] += 1
            for e in range(edge_start[s] + start[v], edge_start[s] + start[v + 1]):
                for k in range(num_labels):
                    best[target[e], k] = max(best[target[e], k], best[v, k])
            if outputs[first + v]:
                for k in range(num_labels):
                    most[s, k] = max(most[s, k], best[v, k])
