"""Searches from chosen units of a large graph, compiled by numba at the first call."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop
from nnstruct.properties.kernel import _MOST_PATHS, _accumulate, _accumulate_logs, _adjacency, _search

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")
_entry = loop(nogil=True, error_model="numpy")


@_inner
def _outgoing(source, n, start):  # type: ignore[no-untyped-def]
    """Where each unit's outgoing edges begin; edges are sorted by source."""
    start[:] = 0
    for u in source:
        start[u + 1] += 1
    for u in range(n):
        start[u + 1] += start[u]


@_entry
def sums_from(source, target, n, roots, weight, directed, shares, per_root, per_unit, node_sum, edge_sum):  # type: ignore[no-untyped-def]
    """Add what searches from some roots find, each as often as its weight says.

    ``per_root`` [4, K] becomes units reached, the sum of their distances, that of inverses and the largest;
    ``per_unit`` [4, N] takes the same of those that reach a unit; ``node_sum`` [N] and ``edge_sum`` [E] the
    shares of shortest paths, if ``shares`` is true.
    """
    m = source.size
    start = np.empty(n + 1, np.int32)
    if directed:
        neighbour, edge = target, np.arange(m).astype(np.int32)
        _outgoing(source, n, start)
    else:
        neighbour, edge = np.empty(2 * m, np.int32), np.empty(2 * m, np.int32)
        _adjacency(source, target, n, start, neighbour, edge)
    distance = np.empty(n, np.int32)
    # Both lists have room for one entry that is written and not kept.
    queue = np.empty(n + 1, np.int32)
    arcs = np.empty(m + 1, np.int32)
    first = np.empty(n + 1, np.int32)
    paths = np.empty(n, np.float64)
    share = np.empty(n, np.float64)
    node_part, arc_part = np.zeros(n), np.zeros(edge.size)
    per_root[:] = 0.0
    for place in range(roots.size):
        times = weight[place]
        count, most = _search(roots[place], start, neighbour, distance, paths, queue, arcs, first)
        per_root[0, place] = count - 1
        for i in range(1, count):
            v = queue[i]
            d = float(distance[v])
            per_root[1, place] += d
            per_root[2, place] += 1.0 / d
            per_root[3, place] = max(per_root[3, place], d)
            per_unit[0, v] += times
            per_unit[1, v] += times * d
            per_unit[2, v] += times / d
            per_unit[3, v] = max(per_unit[3, v], d)
        if not shares:
            continue
        if most < _MOST_PATHS:
            _accumulate(count, neighbour, paths, queue, arcs, first, share, node_part, arc_part)
        else:
            _accumulate_logs(count, neighbour, paths, queue, arcs, first, share, node_part, arc_part)
        for i in range(count):
            v = queue[i]
            node_sum[v] += times * node_part[v]
            node_part[v] = 0.0
            for k in range(first[i], first[i + 1]):
                edge_sum[edge[arcs[k]]] += times * arc_part[arcs[k]]
                arc_part[arcs[k]] = 0.0


@_entry
def distances_from(source, target, n, roots, weight, ends, counts):  # type: ignore[no-untyped-def]
    """Add to ``counts`` [D] how many pairs of a root and an end are at each directed distance.

    Pairs further apart than D - 1 count as at D - 1; returns the sum of all distances.
    """
    start = np.empty(n + 1, np.int32)
    _outgoing(source, n, start)
    distance, queue = np.empty(n, np.int32), np.empty(n, np.int32)
    total = 0.0
    for place in range(roots.size):
        distance[:] = -1
        distance[roots[place]] = 0
        queue[0] = roots[place]
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            if ends[u]:
                counts[min(distance[u], counts.size - 1)] += weight[place]
                total += weight[place] * distance[u]
            for e in range(start[u], start[u + 1]):
                v = target[e]
                if distance[v] < 0:
                    distance[v] = distance[u] + 1
                    queue[tail] = v
                    tail += 1
    return total
