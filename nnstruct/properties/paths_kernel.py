"""The loops of :mod:`nnstruct.properties.paths`, compiled by numba when a call is long."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")

LENGTH_BINS = 10
DISTANCE_BINS = 6
# Logarithm of a share of a sum that does not change a float64.
_SMALLEST_SHARE = -38.0


@_inner
def _log_add(a, b):  # type: ignore[no-untyped-def]
    """log(exp(a) + exp(b)), either of them -inf where there is nothing."""
    larger, smaller = max(a, b), min(a, b)
    return larger if smaller == -np.inf else larger + np.log1p(np.exp(smaller - larger))


@_inner
def _outgoing(source, n):  # type: ignore[no-untyped-def]
    """Where each unit's outgoing edges begin; edges are sorted by source."""
    start = np.zeros(n + 1, np.int64)
    for u in source:
        start[u + 1] += 1
    for u in range(n):
        start[u + 1] += start[u]
    return start


@_inner
def _by_layer(layer, num_layers):  # type: ignore[no-untyped-def]
    """The units, those of earlier layers first."""
    place = np.zeros(num_layers + 1, np.int64)
    for depth in layer:
        place[depth + 1] += 1
    for depth in range(num_layers):
        place[depth + 1] += place[depth]
    order = np.empty(layer.size, np.int64)
    for u in range(layer.size):
        order[place[layer[u]]] = u
        place[layer[u]] += 1
    return order


@_inner
def _path_lengths(target, start, order, num_layers, inputs, outputs, row):  # type: ignore[no-untyped-def]
    """Lengths of the forward paths from inputs to outputs: moments, extremes and shares, to ``row[:14]``.

    For each unit, the number of paths that end in it is kept as a logarithm and their lengths as
    shares of them, since the number may pass the largest float.
    """
    n = order.size
    log_count = np.full(n, -np.inf)
    shares = np.zeros((n, num_layers))
    shortest, longest = np.full(n, num_layers), np.zeros(n, np.int64)
    total = -np.inf
    overall = np.zeros(num_layers)
    least, most = num_layers, 0
    for u in order:
        if inputs[u]:
            _mix(log_count[u], shares[u], 0.0, shares[u], -1)
            log_count[u] = _log_add(log_count[u], 0.0)
            shortest[u] = 0
        if log_count[u] == -np.inf:
            continue
        if outputs[u]:
            _mix(total, overall, log_count[u], shares[u], 0)
            total = _log_add(total, log_count[u])
            least, most = min(least, shortest[u]), max(most, longest[u])
        for e in range(start[u], start[u + 1]):
            v = target[e]
            shortest[v] = min(shortest[v], shortest[u] + 1)
            longest[v] = max(longest[v], longest[u] + 1)
            _mix(log_count[v], shares[v], log_count[u], shares[u], 1)
            log_count[v] = _log_add(log_count[v], log_count[u])
    row[:14] = np.nan
    if total == -np.inf:
        return
    mean = square = 0.0
    row[2], row[3] = least, most
    row[4:14] = 0.0
    for length in range(num_layers):
        mean += length * overall[length]
        row[4 + min(length, LENGTH_BINS - 1)] += overall[length]
    for length in range(num_layers):
        square += (length - mean) * (length - mean) * overall[length]
    row[0], row[1] = mean, np.sqrt(square)


@_inner
def _mix(log_count, shares, log_added, added, shift):  # type: ignore[no-untyped-def]
    """Change ``shares`` to those of both groups; ``added`` moves up by ``shift``, -1: a path of length 0."""
    total = _log_add(log_count, log_added)
    kept, new = np.exp(log_count - total), np.exp(log_added - total)
    if shift < 0:
        for length in range(shares.size):
            shares[length] *= kept
        shares[0] += new
        return
    for length in range(shares.size - 1, -1, -1):
        moved = added[length - shift] if length >= shift else 0.0
        shares[length] = shares[length] * kept + moved * new


@_inner
def _distances(target, start, inputs, outputs, row):  # type: ignore[no-untyped-def]
    """Shortest distances over pairs of an input and an output that it reaches, and global reaching
    centrality, to ``row[:10]``."""
    n = inputs.size
    distance = np.empty(n, np.int64)
    queue = np.empty(n, np.int64)
    pairs = reached_pairs = 0
    total = 0.0
    histogram = np.zeros(DISTANCE_BINS)
    most = reach_sum = 0
    num_outputs = 0
    for v in range(n):
        num_outputs += outputs[v]
    for root in range(n):
        distance[:] = -1
        distance[root] = 0
        queue[0] = root
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            for e in range(start[u], start[u + 1]):
                v = target[e]
                if distance[v] < 0:
                    distance[v] = distance[u] + 1
                    queue[tail] = v
                    tail += 1
        most = max(most, tail - 1)
        reach_sum += tail - 1
        if inputs[root]:
            pairs += num_outputs
            for i in range(tail):
                v = queue[i]
                if outputs[v]:
                    reached_pairs += 1
                    total += distance[v]
                    histogram[min(distance[v], DISTANCE_BINS - 1)] += 1.0
    row[0] = total / reached_pairs if reached_pairs else np.nan
    row[1] = reached_pairs / pairs
    for place in range(DISTANCE_BINS):
        row[2 + place] = histogram[place] / reached_pairs if reached_pairs else np.nan
    row[8] = (most * n - reach_sum) / ((n - 1.0) * (n - 1.0)) if n > 1 else 0.0
    row[9] = reach_sum / (n * (n - 1.0)) if n > 1 else 0.0


@_inner
def _log_all_paths(target, start, order):  # type: ignore[no-untyped-def]
    """Logarithm of the number of forward paths of one edge or more; -inf for none."""
    paths = np.full(order.size, -np.inf)
    total = -np.inf
    for place in range(order.size - 1, -1, -1):
        u = order[place]
        for e in range(start[u], start[u + 1]):
            paths[u] = _log_add(paths[u], _log_add(0.0, paths[target[e]]))
        total = _log_add(total, paths[u])
    return total


@_inner
def _log_communicability(source, target, begin, end, both_ways):  # type: ignore[no-untyped-def]
    """log of (begin^T exp(A) end), -inf for none, by exp's series; its terms are not negative."""
    x = end.astype(np.float64)
    y = np.empty(x.size)
    degree = np.zeros(x.size, np.int64)
    for e in range(source.size):
        degree[source[e]] += 1
        if both_ways:
            degree[target[e]] += 1
    most = degree.max()
    scale = 0.0
    total = -np.inf
    order = 0
    while True:
        inner = largest = 0.0
        for v in range(x.size):
            inner += begin[v] * x[v]
            largest = max(largest, x[v])
        if inner > 0.0:
            total = _log_add(total, np.log(inner) + scale)
        if largest == 0.0:
            return total
        # Entries of a term are at most most / order times those of the one before, most the largest
        # degree, so that a geometric series bounds all that follow.
        left = 1.0 - most / (order + 1.0)
        if left > 0.0 and np.log(largest * x.size / left) + scale < total + _SMALLEST_SHARE:
            return total
        order += 1
        y[:] = 0.0
        for e in range(source.size):
            y[source[e]] += x[target[e]]
            if both_ways:
                y[target[e]] += x[source[e]]
        scale += np.log(largest) - np.log(order)
        for v in range(x.size):
            x[v] = y[v] / largest


def _turns(source, target, edge_start, layer, unit_start, *given):  # type: ignore[no-untyped-def]
    """Searches from all units, shares of lengths over all edges, and some fifty terms of three series."""
    depth = 1 + int(layer.max(initial=0))
    units, edges = np.diff(unit_start), np.diff(edge_start) + 1
    return int(np.dot(units, edges)) + (80 + depth) * (len(source) + len(layer))


@loop(_turns, nogil=True, error_model="numpy")
def path_rows(source, target, edge_start, layer, unit_start, inputs, outputs, every_pair, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, float64 [S, 28]; arrays as in a Pack, ``inputs`` and ``outputs`` bool [sum of N].

    Without ``every_pair`` what takes more than a few passes over the edges stays as it was.
    """
    for s in range(out.shape[0]):
        row = out[s]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        first, last = unit_start[s], unit_start[s + 1]
        n = last - first
        depth, into, outof = layer[first:last], inputs[first:last], outputs[first:last]
        num_layers = 1
        for d in depth:
            num_layers = max(num_layers, d + 1)
        start = _outgoing(tails, n)
        order = _by_layer(depth, num_layers)
        _path_lengths(heads, start, order, num_layers, into, outof, row)
        row[24] = _log_all_paths(heads, start, order)
        if row[24] == -np.inf:
            row[24] = np.nan
        if not every_pair:
            continue
        _distances(heads, start, into, outof, row[14:])
        every = np.ones(n, np.bool_)
        row[25] = _log_communicability(tails, heads, every, every, True) - np.log(n * n)
        row[26] = _log_communicability(tails, heads, every, every, False) - np.log(n * n)
        row[27] = _log_communicability(tails, heads, into, outof, False) - np.log(into.sum() * outof.sum())
        if row[27] == -np.inf:
            row[27] = np.nan
