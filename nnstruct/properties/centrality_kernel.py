"""The loops of :mod:`nnstruct.properties.centrality`, compiled by numba at the first call."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop
from nnstruct.properties.kernel import _MOST_PATHS, _accumulate, _accumulate_logs, _adjacency, _search

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")
_entry = loop(nogil=True, error_model="numpy")

# Columns that one measure takes: mean, standard deviation, minimum, quartiles and maximum.
_WIDTH = 7


@_inner
def _quantile(ordered, share):  # type: ignore[no-untyped-def]
    """Between the two nearest of the sorted values, linearly."""
    place = share * (ordered.size - 1)
    below = int(np.floor(place))
    above = min(below + 1, ordered.size - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@_inner
def _describe(values, row):  # type: ignore[no-untyped-def]
    """Mean, population standard deviation, least, quartiles and largest, to ``row[:7]``; NaN for none."""
    n = values.size
    if n == 0:
        row[:7] = np.nan
        return
    ordered = np.sort(values)
    total = squares = 0.0
    for x in ordered:
        total += x
    mean = total / n
    for x in ordered:
        squares += (x - mean) * (x - mean)
    row[0], row[1], row[2], row[6] = mean, np.sqrt(squares / n), ordered[0], ordered[n - 1]
    row[3] = _quantile(ordered, 0.25)
    row[4] = _quantile(ordered, 0.5)
    row[5] = _quantile(ordered, 0.75)


@_inner
def _closeness(reached, total, n):  # type: ignore[no-untyped-def]
    """Wasserman and Faust's closeness of a unit with ``reached`` others at ``total`` distance together."""
    return reached / total * (reached / (n - 1)) if total > 0 else 0.0


@_inner
def _outgoing(source, target, n, start):  # type: ignore[no-untyped-def]
    """Where each unit's outgoing edges begin; edges are sorted by source."""
    start[:] = 0
    for u in source:
        start[u + 1] += 1
    for u in range(n):
        start[u + 1] += start[u]


@_inner
def _traverse(start, neighbour, n, m, measures, node_sum, arc_sum):  # type: ignore[no-untyped-def]
    """Fill ``measures`` [8, n]: others reached, their distances' sum, that of inverses, and the
    largest, first along the arcs and then against them; add the shares of shortest paths."""
    distance = np.empty(n, np.int32)
    # Both lists have room for one entry that is written and not kept.
    queue = np.empty(n + 1, np.int32)
    arcs = np.empty(m + 1, np.int32)
    first = np.empty(n + 1, np.int32)
    paths = np.empty(n, np.float64)
    share = np.empty(n, np.float64)
    measures[:] = 0.0
    for root in range(n):
        count, most = _search(root, start, neighbour, distance, paths, queue, arcs, first)
        measures[0, root] = count - 1
        for i in range(1, count):
            v = queue[i]
            d = float(distance[v])
            measures[1, root] += d
            measures[2, root] += 1.0 / d
            measures[3, root] = max(measures[3, root], d)
            measures[4, v] += 1.0
            measures[5, v] += d
            measures[6, v] += 1.0 / d
            measures[7, v] = max(measures[7, v], d)
        if most < _MOST_PATHS:
            _accumulate(count, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum)
        else:
            _accumulate_logs(count, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum)


@_inner
def _scale_betweenness(node_sum, edge_sum, n):  # type: ignore[no-untyped-def]
    for v in range(n):
        node_sum[v] /= max(1, (n - 1) * (n - 2))
    for e in range(edge_sum.size):
        edge_sum[e] /= n * (n - 1)


@_inner
def _undirected(source, target, n, row):  # type: ignore[no-untyped-def]
    m = source.size
    start = np.empty(n + 1, np.int32)
    neighbour = np.empty(2 * m, np.int32)
    edge = np.empty(2 * m, np.int32)
    _adjacency(source, target, n, start, neighbour, edge)
    measures = np.empty((8, n))
    node_sum, arc_sum, edge_sum = np.zeros(n), np.zeros(2 * m), np.zeros(m)
    _traverse(start, neighbour, n, m, measures, node_sum, arc_sum)
    for arc in range(2 * m):
        edge_sum[edge[arc]] += arc_sum[arc]
    _scale_betweenness(node_sum, edge_sum, n)
    for v in range(n):
        measures[1, v] = _closeness(measures[0, v], measures[1, v], n)
        measures[2, v] /= max(1, n - 1)
    _describe(node_sum, row)
    _describe(edge_sum, row[_WIDTH:])
    for place in range(1, 4):
        _describe(measures[place], row[(place + 1) * _WIDTH :])


@_inner
def _directed(source, target, n, row):  # type: ignore[no-untyped-def]
    m = source.size
    start = np.empty(n + 1, np.int32)
    _outgoing(source, target, n, start)
    measures = np.empty((8, n))
    node_sum, edge_sum = np.zeros(n), np.zeros(m)
    _traverse(start, target, n, m, measures, node_sum, edge_sum)
    _scale_betweenness(node_sum, edge_sum, n)
    for v in range(n):
        for side in (0, 4):
            measures[side + 1, v] = _closeness(measures[side, v], measures[side + 1, v], n)
            measures[side + 2, v] /= max(1, n - 1)
    _describe(node_sum, row)
    _describe(edge_sum, row[_WIDTH:])
    for place in range(3):
        _describe(measures[5 + place], row[(2 + 2 * place) * _WIDTH :])
        _describe(measures[1 + place], row[(3 + 2 * place) * _WIDTH :])


@_entry
def centrality_rows(source, target, edge_start, unit_start, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, float64 [S, 91], from the arrays of a :class:`~nnstruct.properties.packing.Pack`."""
    for s in range(out.shape[0]):
        n = unit_start[s + 1] - unit_start[s]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        _undirected(tails, heads, n, out[s])
        _directed(tails, heads, n, out[s][5 * _WIDTH :])


@_entry
def edge_betweenness(source, target, n):  # type: ignore[no-untyped-def]
    """Betweenness of each directed edge, float64 [E]: over pairs of units the share of shortest paths on it.

    Edges, int32 [E] each, come sorted by source; pairs are not divided by their number.
    """
    m = source.size
    start = np.empty(n + 1, np.int32)
    _outgoing(source, target, n, start)
    measures = np.empty((8, n))
    node_sum, edge_sum = np.zeros(n), np.zeros(m)
    _traverse(start, target, n, m, measures, node_sum, edge_sum)
    return edge_sum
