"""Distances and betweenness in one pass over an undirected graph, compiled by numba when a call is long.

A breadth-first search from each node gives distances and counts of shortest paths; going back
through its queue gives each node's and each edge's share of those paths (Brandes, 2001, "A faster
algorithm for betweenness centrality"; 2008 for edges).
"""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")

# Past this many shortest paths between two nodes, their counts are kept as logarithms.
_MOST_PATHS = 1e290


@_inner
def _adjacency(source, target, num_nodes, start, neighbour, edge):  # type: ignore[no-untyped-def]
    """Compressed rows: the arcs that leave node v stand at ``start[v]:start[v + 1]``, two for an edge."""
    for v in range(num_nodes + 1):
        start[v] = 0
    for e in range(source.size):
        start[source[e]] += 1
        start[target[e]] += 1
    total = 0
    for v in range(num_nodes):
        total += start[v]
        start[v] = total
    start[num_nodes] = total
    for e in range(source.size):
        u, v = source[e], target[e]
        start[u] -= 1
        neighbour[start[u]] = v
        edge[start[u]] = e
        start[v] -= 1
        neighbour[start[v]] = u
        edge[start[v]] = e


@_inner
def _search(root, start, neighbour, distance, paths, queue, arcs, first):  # type: ignore[no-untyped-def]
    """Distances and path counts from one node; returns how many nodes it reaches and the largest count.

    The arcs on shortest paths that leave ``queue[i]`` become ``arcs[first[i]:first[i + 1]]``.
    """
    unseen = distance.size
    for v in range(distance.size):
        distance[v] = unseen
        paths[v] = 0.0
    distance[root] = 0
    paths[root] = 1.0
    queue[0] = root
    head, tail, kept = 0, 1, 0
    largest = 1.0
    while head < tail:
        v = queue[head]
        first[head] = kept
        head += 1
        following = distance[v] + 1
        count = paths[v]
        largest = max(largest, count)
        for arc in range(start[v], start[v + 1]):
            # Every neighbour is written to both lists and the end moves on where it belongs there:
            # the branches would be mispredicted half of the time.
            w = neighbour[arc]
            before = distance[w]
            queue[tail] = w
            tail += before > following
            arcs[kept] = arc
            kept += before >= following
            distance[w] = min(before, following)
            paths[w] += count if before >= following else 0.0
    first[head] = kept
    return tail, largest


@_inner
def _accumulate(reached, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum):  # type: ignore[no-untyped-def]
    """Add one search's shares; ``share[w]`` becomes (1 + dependency of w) / paths[w]."""
    for i in range(reached - 1, -1, -1):
        v = queue[i]
        count = paths[v]
        dependency = 0.0
        for k in range(first[i], first[i + 1]):
            part = count * share[neighbour[arcs[k]]]
            dependency += part
            arc_sum[arcs[k]] += part
        share[v] = (1.0 + dependency) / count
        if i > 0:
            node_sum[v] += dependency


@_inner
def _accumulate_logs(reached, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum):  # type: ignore[no-untyped-def]
    """As ``_accumulate`` where counts overflow: ``paths`` becomes logarithms, ``share`` 1 + dependency."""
    for i in range(reached):
        paths[queue[i]] = -np.inf if i > 0 else 0.0
    for i in range(reached):
        count = paths[queue[i]]
        for k in range(first[i], first[i + 1]):
            w = neighbour[arcs[k]]
            larger = max(paths[w], count)
            paths[w] = larger + np.log1p(np.exp(min(paths[w], count) - larger))
    for i in range(reached - 1, -1, -1):
        v = queue[i]
        dependency = 0.0
        for k in range(first[i], first[i + 1]):
            w = neighbour[arcs[k]]
            part = np.exp(paths[v] - paths[w]) * share[w]
            dependency += part
            arc_sum[arcs[k]] += part
        share[v] = 1.0 + dependency
        if i > 0:
            node_sum[v] += dependency


@_inner
def traverse(source, target, num_nodes):  # type: ignore[no-untyped-def]
    """Distances and betweenness of an undirected simple graph, for other kernels to call.

    Parameters
    ----------
    source, target : int32 [E]
        Ends of each edge, each pair once and no loop.
    num_nodes : int
        N.

    Returns
    -------
    reached : int64 [N]
        Nodes in each node's component, itself included.
    distance_sum : int64 [N]
        Over the nodes reached.
    eccentricity : int64 [N]
        Largest distance to a node reached.
    node_betweenness : float64 [N]
        Shares of the shortest paths between other nodes, over ordered pairs, not normalised.
    edge_betweenness : float64 [E]
        Likewise, ends of paths included.
    """
    start = np.empty(num_nodes + 1, np.int32)
    neighbour = np.empty(2 * source.size, np.int32)
    edge = np.empty(2 * source.size, np.int32)
    _adjacency(source, target, num_nodes, start, neighbour, edge)
    distance = np.empty(num_nodes, np.int32)
    # Both lists have room for one entry that is written and not kept.
    queue = np.empty(num_nodes + 1, np.int32)
    arcs = np.empty(source.size + 1, np.int32)
    first = np.empty(num_nodes + 1, np.int32)
    paths = np.empty(num_nodes, np.float64)
    share = np.empty(num_nodes, np.float64)
    reached = np.zeros(num_nodes, np.int64)
    distance_sum = np.zeros(num_nodes, np.int64)
    eccentricity = np.zeros(num_nodes, np.int64)
    node_sum = np.zeros(num_nodes, np.float64)
    arc_sum = np.zeros(2 * source.size, np.float64)
    for root in range(num_nodes):
        count, most = _search(root, start, neighbour, distance, paths, queue, arcs, first)
        reached[root] = count
        eccentricity[root] = distance[queue[count - 1]]
        total = 0
        for i in range(count):
            total += distance[queue[i]]
        distance_sum[root] = total
        if most < _MOST_PATHS:
            _accumulate(count, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum)
        else:
            _accumulate_logs(count, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum)
    edge_sum = np.zeros(source.size, np.float64)
    for arc in range(arc_sum.size):
        edge_sum[edge[arc]] += arc_sum[arc]
    return reached, distance_sum, eccentricity, node_sum, edge_sum


@_inner
def _moments(values, row):  # type: ignore[no-untyped-def]
    """Mean, sample variance and its root, to ``row[:3]``; NaN where undefined."""
    n = values.size
    total = squares = 0.0
    for i in range(n):
        total += values[i]
    mean = total / n if n > 0 else np.nan
    for i in range(n):
        squares += (values[i] - mean) * (values[i] - mean)
    variance = squares / (n - 1) if n > 1 else np.nan
    row[0] = mean
    row[1] = variance
    row[2] = np.sqrt(variance)


def _turns(source, target, edge_start, layer, unit_start, out):  # type: ignore[no-untyped-def]
    """About how many arcs all searches look at, twice each."""
    return 4 * int(np.dot(np.diff(unit_start), np.diff(edge_start) + 1))


@loop(_turns, nogil=True, error_model="numpy")
def paper_rows(source, target, edge_start, layer, unit_start, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, float64 [S, 23], from the arrays of a :class:`~nnstruct.properties.packing.Pack`."""
    # One function, not two: numba optimises all that is below a function again with it.
    for s in range(out.shape[0]):
        row = out[s]
        n, m = unit_start[s + 1] - unit_start[s], edge_start[s + 1] - edge_start[s]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        incoming = np.zeros(n, np.int32)
        outgoing = np.zeros(n, np.int32)
        for e in range(m):
            outgoing[tails[e]] += 1
            incoming[heads[e]] += 1
        reached, distance_sum, eccentricity, node_sum, edge_sum = traverse(tails, heads, n)
        connected = reached[0] == n
        sources = sinks = deepest = 0
        furthest = total = 0.0
        degree = np.empty(n, np.float64)
        furthest_from = np.empty(n if connected else 0, np.float64)
        closeness = np.zeros(n, np.float64)
        for v in range(n):
            sources += incoming[v] == 0
            sinks += outgoing[v] == 0
            deepest = max(deepest, layer[unit_start[s] + v])
            degree[v] = incoming[v] + outgoing[v]
            total += distance_sum[v]
            furthest = max(furthest, eccentricity[v])
            if connected:
                furthest_from[v] = eccentricity[v]
            if reached[v] > 1:
                closeness[v] = (reached[v] - 1) / distance_sum[v] * ((reached[v] - 1) / (n - 1))
            if n > 2:
                node_sum[v] /= (n - 1) * (n - 2)
        for e in range(m):
            edge_sum[e] /= n * (n - 1)
        row[0], row[1], row[2], row[3], row[4] = deepest + 1, n, m, sources, sinks
        row[5] = furthest if connected else np.nan
        row[6] = 2.0 * m / (n * (n - 1)) if n > 1 else 0.0
        row[7] = np.nan if not connected else total / (n * (n - 1)) if n > 1 else 0.0
        _moments(furthest_from, row[8:])
        _moments(degree, row[11:])
        _moments(closeness, row[14:])
        _moments(node_sum, row[17:])
        _moments(edge_sum, row[20:])
