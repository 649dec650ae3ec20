"""The loops of :mod:`nnstruct.properties.motifs`, compiled by numba at the first call."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop
from nnstruct.properties.kernel import _adjacency

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")
_entry = loop(nogil=True, error_model="numpy")

WL_ROUNDS = 3


@_inner
def _hashed(x):  # type: ignore[no-untyped-def]
    """64 well mixed bits (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_inner
def _distinct(colour):  # type: ignore[no-untyped-def]
    ordered = np.sort(colour)
    count = 1
    for i in range(1, ordered.size):
        count += ordered[i] != ordered[i - 1]
    return count


@_inner
def _refine(source, target, colour):  # type: ignore[no-untyped-def]
    """Each unit's colour after one round of Weisfeiler and Leman, from its own and its neighbours'."""
    before = np.zeros(colour.size, np.uint64)
    after = np.zeros(colour.size, np.uint64)
    for e in range(source.size):
        u, v = source[e], target[e]
        before[v] += _hashed(colour[u] + np.uint64(0x9E3779B97F4A7C15))
        after[u] += _hashed(colour[v] + np.uint64(0xD1B54A32D192ED03))
    refined = np.empty(colour.size, np.uint64)
    for v in range(colour.size):
        own = _hashed(colour[v] + np.uint64(0x8CB92BA72F3D8DD7))
        refined[v] = _hashed(_hashed(own + before[v]) + after[v])
    return refined


@_inner
def _colours(source, target, n, row):  # type: ignore[no-untyped-def]
    """Numbers of colours after 1 to 3 rounds and in the end, to ``row[:4]``; returns the last colours."""
    colour = np.zeros(n, np.uint64)
    count, rounds = 1, 0
    row[:4] = np.nan
    while True:
        colour = _refine(source, target, colour)
        before, count = count, _distinct(colour)
        if rounds < WL_ROUNDS:
            row[rounds] = count
        rounds += 1
        if not count > before or count == n:
            break
    for place in range(rounds, WL_ROUNDS):
        row[place] = count
    row[3] = count
    return colour


@_inner
def _triads(source, target, start, neighbour, n, incoming, outgoing, row):  # type: ignore[no-untyped-def]
    """Triad census and clustering, to ``row[:12]``."""
    mark = np.full(n, -1, np.int64)
    triangles = np.zeros(n, np.int64)
    for u in range(n):
        for arc in range(start[u], start[u + 1]):
            mark[neighbour[arc]] = u
        # Each triangle is met once from its unit u of the least number.
        for a in range(start[u], start[u + 1]):
            v = neighbour[a]
            if v <= u:
                continue
            for b in range(start[v], start[v + 1]):
                w = neighbour[b]
                if w > v and mark[w] == u:
                    triangles[u] += 1
                    triangles[v] += 1
                    triangles[w] += 1
    loops = triangles.sum() // 3
    out_pairs = in_pairs = chains = 0
    for v in range(n):
        out_pairs += outgoing[v] * (outgoing[v] - 1) // 2
        in_pairs += incoming[v] * (incoming[v] - 1) // 2
        chains += incoming[v] * outgoing[v]
    m = source.size
    row[3], row[4], row[5], row[2] = in_pairs - loops, chains - loops, loops, out_pairs - loops
    open_triads = row[2] + row[3] + row[4]
    row[1] = m * (n - 2.0) - 2.0 * open_triads - 3.0 * loops
    row[0] = n * (n - 1.0) * (n - 2.0) / 6.0 - row[1] - open_triads - loops
    joined = open_triads + loops
    row[6] = loops / joined if joined > 0 else np.nan
    _clustering(triangles, incoming, outgoing, row[7:])


@_inner
def _clustering(triangles, incoming, outgoing, row):  # type: ignore[no-untyped-def]
    """Mean, deviation and maximum of the units' clustering, and the graph's transitivity."""
    n = triangles.size
    local = np.zeros(n)
    closed = wedges = 0.0
    for v in range(n):
        degree = float(incoming[v] + outgoing[v])
        closed += 2.0 * triangles[v]
        wedges += degree * (degree - 1.0)
        if degree > 1.0:
            local[v] = 2.0 * triangles[v] / (degree * (degree - 1.0))
    local = np.sort(local)
    mean = local.sum() / n
    row[0], row[1], row[2] = mean, np.sqrt(((local - mean) ** 2).sum() / n), local[n - 1]
    row[3] = closed / wedges if wedges > 0.0 else 0.0


@_inner
def _bifans(target, outgoing, n):  # type: ignore[no-untyped-def]
    """Pairs of units that both feed the same two units; edges are sorted by source."""
    start = np.zeros(n + 1, np.int64)
    incoming = np.zeros(n + 1, np.int64)
    for u in range(n):
        start[u + 1] = start[u] + outgoing[u]
    for v in target:
        incoming[v + 1] += 1
    for v in range(n):
        incoming[v + 1] += incoming[v]
    place = incoming.copy()
    sources = np.empty(target.size, np.int64)
    for u in range(n):
        for e in range(start[u], start[u + 1]):
            sources[place[target[e]]] = u
            place[target[e]] += 1
    shared = np.zeros(n, np.int64)
    total = 0.0
    for u in range(n):
        for e in range(start[u], start[u + 1]):
            v = target[e]
            for k in range(incoming[v], incoming[v + 1]):
                if sources[k] > u:
                    shared[sources[k]] += 1
        for e in range(start[u], start[u + 1]):
            v = target[e]
            for k in range(incoming[v], incoming[v + 1]):
                w = sources[k]
                if w > u:
                    total += shared[w] * (shared[w] - 1) // 2
                    shared[w] = 0
    return total


@_inner
def _correlation(x, y):  # type: ignore[no-untyped-def]
    """Pearson's correlation of integers; NaN where one of them does not vary."""
    m = x.size
    sx = sy = sxx = syy = sxy = np.int64(0)
    for e in range(m):
        sx += x[e]
        sy += y[e]
        sxx += x[e] * x[e]
        syy += y[e] * y[e]
        sxy += x[e] * y[e]
    # Integers, so that no variance is exactly zero.
    vx, vy = m * sxx - sx * sx, m * syy - sy * sy
    if vx == 0 or vy == 0:
        return np.nan
    return (m * sxy - sx * sy) / (np.sqrt(float(vx)) * np.sqrt(float(vy)))


@_inner
def _assortativity(source, target, incoming, outgoing, row):  # type: ignore[no-untyped-def]
    m = source.size
    degree = incoming + outgoing
    row[0] = _correlation(
        np.concatenate((degree[source], degree[target])), np.concatenate((degree[target], degree[source]))
    )
    row[1] = _correlation(incoming[source], incoming[target]) if m else np.nan
    row[2] = _correlation(incoming[source], outgoing[target]) if m else np.nan
    row[3] = _correlation(outgoing[source], incoming[target]) if m else np.nan
    row[4] = _correlation(outgoing[source], outgoing[target]) if m else np.nan


@_inner
def _cores(start, neighbour, n, row):  # type: ignore[no-untyped-def]
    """Mean and maximum core number, and the share of units in the innermost core, to ``row[:3]``."""
    left = np.empty(n, np.int64)
    most = 0
    for v in range(n):
        left[v] = start[v + 1] - start[v]
        most = max(most, left[v])
    # Units sorted by the neighbours they have left, with each number's first place.
    first = np.zeros(most + 2, np.int64)
    for v in range(n):
        first[left[v] + 1] += 1
    for d in range(most + 1):
        first[d + 1] += first[d]
    order, place = np.empty(n, np.int64), np.empty(n, np.int64)
    fill = first.copy()
    for v in range(n):
        place[v] = fill[left[v]]
        order[place[v]] = v
        fill[left[v]] += 1
    for i in range(n):
        v = order[i]
        for arc in range(start[v], start[v + 1]):
            w = neighbour[arc]
            if left[w] > left[v]:
                # Swap w with the first unit of its number and move the border past it.
                x = order[first[left[w]]]
                order[place[w]], order[place[x]] = x, w
                place[w], place[x] = place[x], place[w]
                first[left[w]] += 1
                left[w] -= 1
        # What is taken leaves its number's block.
        first[left[v]] = max(first[left[v]], i + 1)
    total, inner, within = 0, 0, 0
    for v in range(n):
        total += left[v]
        inner = max(inner, left[v])
    for v in range(n):
        within += left[v] == inner
    row[0], row[1], row[2] = total / n, inner, within / n


@_inner
def _modularity(source, target, group, groups):  # type: ignore[no-untyped-def]
    """Newman's modularity of a partition; NaN without edges."""
    m = source.size
    ends = np.zeros(groups, np.int64)
    inside = 0
    for e in range(m):
        a, b = group[source[e]], group[target[e]]
        ends[a] += 1
        ends[b] += 1
        inside += a == b
    squares = 0
    for d in ends:
        squares += d * d
    return inside / m - squares / (4.0 * m * m) if m else np.nan


@_inner
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_inner
def _best_merge(between, ends, colour, groups, two_m):  # type: ignore[no-untyped-def]
    """The largest gain of joining two groups, times 2m^2, and the smaller and larger colour of the
    tied pair that comes first; gain 0 where none is left."""
    best, low, high = np.int64(0), np.uint64(0), np.uint64(0)
    for i in range(groups):
        for j in range(i):
            if between[i, j] == 0:
                continue
            gain = two_m * between[i, j] - ends[i] * ends[j]
            if gain <= 0 or gain < best:
                continue
            a, b = min(colour[i], colour[j]), max(colour[i], colour[j])
            if gain > best or a < low or (a == low and b < high):
                best, low, high = gain, a, b
    return best, low, high


@_inner
def _greedy_groups(source, target, colour):  # type: ignore[no-untyped-def]
    """Groups by greedy joining: a group for each unit, numbered from 0, and how many there are.

    While joining two groups raises modularity, those with the largest gain are joined; among ties
    the pair that comes first by colour, and all pairs that are equal in that too at once, so that
    the outcome does not depend on the units' numbers.
    """
    n, m = colour.size, source.size
    group = np.arange(n)
    between = np.zeros((n, n), np.int64)
    ends = np.zeros(n, np.int64)
    for e in range(m):
        u, v = source[e], target[e]
        between[u, v] += 1
        between[v, u] += 1
        ends[u] += 1
        ends[v] += 1
    colour = colour.copy()
    groups = n
    while groups > 1:
        best, low, high = _best_merge(between, ends, colour, groups, np.int64(2 * m))
        if best == 0:
            break
        parent = np.arange(groups)
        for i in range(groups):
            for j in range(i):
                if between[i, j] == 0 or 2 * m * between[i, j] - ends[i] * ends[j] != best:
                    continue
                if min(colour[i], colour[j]) == low and max(colour[i], colour[j]) == high:
                    parent[_root(parent, i)] = _root(parent, j)
        name = np.full(groups, -1, np.int64)
        new = np.empty(groups, np.int64)
        left = 0
        for i in range(groups):
            r = _root(parent, i)
            if name[r] < 0:
                name[r] = left
                left += 1
            new[i] = name[r]
        joined = np.zeros(left, np.uint64)
        joined_ends = np.zeros(left, np.int64)
        rows = np.zeros((left, groups), np.int64)
        for i in range(groups):
            joined[new[i]] += _hashed(colour[i])
            joined_ends[new[i]] += ends[i]
            for j in range(groups):
                rows[new[i], j] += between[i, j]
        between = np.zeros((left, left), np.int64)
        for j in range(groups):
            for i in range(left):
                between[i, new[j]] += rows[i, j]
        colour, ends, groups = joined, joined_ends, left
        for v in range(n):
            group[v] = new[group[v]]
    return group, groups


@_entry
def motif_rows(source, target, edge_start, layer, unit_start, without, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, float64 [S, 27], from the arrays of a :class:`~nnstruct.properties.packing.Pack`.

    ``without``, bool [S], says whose edges have no direction.
    """
    for s in range(out.shape[0]):
        row = out[s]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        depth = layer[unit_start[s] : unit_start[s + 1]]
        n, m = depth.size, tails.size
        start = np.empty(n + 1, np.int32)
        neighbour, edge = np.empty(2 * m, np.int32), np.empty(2 * m, np.int32)
        _adjacency(tails, heads, n, start, neighbour, edge)
        incoming, outgoing = np.zeros(n, np.int64), np.zeros(n, np.int64)
        for e in range(m):
            outgoing[tails[e]] += 1
            incoming[heads[e]] += 1
        _triads(tails, heads, start, neighbour, n, incoming, outgoing, row)
        row[11] = _bifans(heads, outgoing, n)
        _assortativity(tails, heads, incoming, outgoing, row[12:])
        _cores(start, neighbour, n, row[17:])
        if without[s]:
            colour = _colours(np.concatenate((tails, heads)), np.concatenate((heads, tails)), n, row[20:])
        else:
            colour = _colours(tails, heads, n, row[20:])
        row[24] = _modularity(tails, heads, depth, n)
        group, groups = _greedy_groups(tails, heads, colour)
        row[25] = _modularity(tails, heads, group, groups)
        row[26] = groups
