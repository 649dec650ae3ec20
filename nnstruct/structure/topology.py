"""Layers, cycles and reachability of edge lists.

Small graphs are walked unit by unit, large ones by index arithmetic on whole frontiers: below
some thousand edges the fixed cost of a numpy call outweighs the work in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SMALL = 5_000  # edges


def out_neighbours(edges: np.ndarray, num_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Compressed rows of an edge list.

    Parameters
    ----------
    edges : int64 [2, E]
    num_units : int

    Returns
    -------
    start : int64 [N + 1]
    target : int64 [E]
        The targets of unit ``u`` are ``target[start[u]:start[u + 1]]``.
    """
    order = np.argsort(edges[0], kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(edges[0], minlength=num_units))])
    return start, edges[1][order]


def _targets_of(units: np.ndarray, start: np.ndarray, target: np.ndarray) -> np.ndarray:
    first, counts = start[units], start[units + 1] - start[units]
    ends = np.cumsum(counts)
    return target[np.repeat(first - ends + counts, counts) + np.arange(ends[-1])]


def longest_path_layers(edges: np.ndarray, num_units: int) -> np.ndarray:
    """Length of the longest path that ends in each unit.

    Parameters
    ----------
    edges : int64 [2, E]
    num_units : int
        N.

    Returns
    -------
    int64 [N]
        In edges; -1 for units on a cycle or behind one.

    Examples
    --------
    >>> import numpy as np
    >>> longest_path_layers(np.array([[0, 0, 1], [1, 2, 2]]), 3).tolist()
    [0, 1, 2]
    """
    if edges.shape[1] <= _SMALL:
        return _longest_path_layers_small(edges, num_units)
    if (edges[0] < edges[1]).all() and (edges[0][1:] >= edges[0][:-1]).all():
        return _longest_path_layers_in_order(edges, num_units)
    start, target = out_neighbours(edges, num_units)
    waiting = np.bincount(edges[1], minlength=num_units)
    layer = np.full(num_units, -1, dtype=np.int64)
    frontier, depth = np.flatnonzero(waiting == 0), 0
    while len(frontier):
        layer[frontier] = depth
        hits = np.bincount(_targets_of(frontier, start, target), minlength=num_units)
        waiting -= hits
        frontier, depth = np.flatnonzero((waiting == 0) & (hits > 0)), depth + 1
    return layer


def _longest_path_layers_in_order(edges: np.ndarray, num_units: int) -> np.ndarray:
    """For edges that lead from lower to higher units, sorted by source: one pass, no copy of the edges."""
    start = np.searchsorted(edges[0], np.arange(num_units + 1))
    has_edges = start[1:] > start[:-1]
    nearest = np.full(num_units + 1, num_units)  # the lowest target of any edge from this unit or a later one
    nearest[:-1][has_edges] = np.minimum.reduceat(edges[1], start[:-1][has_edges])
    nearest = np.minimum.accumulate(nearest[::-1])[::-1]
    layer = np.zeros(num_units, dtype=np.int64)
    first = 0
    while first < num_units:
        # No edge from here on leads to a unit before ``last``: their layers are final.
        last = int(nearest[first])
        here = slice(start[first], start[last])
        np.maximum.at(layer, edges[1, here], layer[edges[0, here]] + 1)
        first = last
    return layer


def _following(edges: np.ndarray, num_units: int) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in range(num_units)]
    for source, target in zip(edges[0].tolist(), edges[1].tolist(), strict=True):
        following[source].append(target)
    return following


def _longest_path_layers_small(edges: np.ndarray, num_units: int) -> np.ndarray:
    source, target = edges
    if (source < target).all() and (source[1:] >= source[:-1]).all():
        depth = [0] * num_units  # final at a unit's first outgoing edge
        for unit, other in zip(source.tolist(), target.tolist(), strict=True):
            if depth[other] <= depth[unit]:
                depth[other] = depth[unit] + 1
        return np.array(depth, dtype=np.int64)
    following = _following(edges, num_units)
    waiting = np.bincount(edges[1], minlength=num_units).tolist()
    layer = [-1] * num_units
    frontier, level = [unit for unit in range(num_units) if not waiting[unit]], 0
    while frontier:
        freed = []
        for unit in frontier:
            layer[unit] = level
            for target in following[unit]:
                waiting[target] -= 1
                if not waiting[target]:
                    freed.append(target)
        frontier, level = freed, level + 1
    return np.array(layer, dtype=np.int64)


def find_cycle(edges: np.ndarray, layer: np.ndarray) -> list[int]:
    """One cycle among the units that :func:`longest_path_layers` left at -1.

    Parameters
    ----------
    edges : int64 [2, E]
    layer : int64 [N]
        With at least one -1.

    Returns
    -------
    list of int
        Units in the order of the edges; the first one is repeated at the end.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.array([[0, 1, 2], [1, 2, 1]])
    >>> find_cycle(edges, longest_path_layers(edges, 3))
    [1, 2, 1]
    """
    stuck = layer < 0
    inside = edges[:, stuck[edges[0]] & stuck[edges[1]]]
    predecessor = np.full(len(layer), -1, dtype=np.int64)
    predecessor[inside[1]] = inside[0]
    unit = int(inside[1][0])
    trail: list[int] = []
    while unit not in trail:
        trail.append(unit)
        unit = int(predecessor[unit])
    cycle = trail[trail.index(unit) :][::-1]
    return [*cycle, cycle[0]]


@dataclass(frozen=True)
class Reachability:
    """Which units a signal from an input reaches, and from which an output can be reached.

    Attributes
    ----------
    from_input, to_output : bool [N]
    all_by_forward_edges : bool
        Whether it is known that forward edges alone lead from inputs to all units, and from all to outputs.
    """

    from_input: np.ndarray
    to_output: np.ndarray
    all_by_forward_edges: bool = False

    @classmethod
    def in_dag(
        cls, forward: np.ndarray, edges: np.ndarray, inputs: np.ndarray, outputs: np.ndarray
    ) -> Reachability:
        """As :meth:`of`, for edges of which some form a graph without cycles.

        In such a graph each unit lies on a path from one without incoming edges: where all of these are
        inputs, nothing is walked.

        Parameters
        ----------
        forward : int64 [2, F]
            Without a cycle.
        edges : int64 [2, E]
            All of them.
        inputs, outputs : bool [N]

        Returns
        -------
        Reachability
        """
        fed, read = inputs.copy(), outputs.copy()
        fed[forward[1]], read[forward[0]] = True, True
        if not (fed.all() and read.all()):
            return cls.of(edges, inputs, outputs)
        fed.setflags(write=False)
        return cls(fed, fed, True)

    @classmethod
    def of(cls, edges: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> Reachability:
        """Walk along the edges from the inputs, and against them from the outputs.

        Parameters
        ----------
        edges : int64 [2, E]
        inputs, outputs : bool [N]

        Returns
        -------
        Reachability
        """
        return cls(_reach(edges, inputs), _reach(edges[::-1], outputs))


def _reach(edges: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    if edges.shape[1] <= _SMALL:
        return _reach_small(edges, seeds)
    start, target = out_neighbours(edges, len(seeds))
    reached = seeds.copy()
    frontier = np.flatnonzero(seeds)
    while len(frontier):
        following = np.zeros(len(seeds), dtype=bool)
        following[_targets_of(frontier, start, target)] = True
        frontier = np.flatnonzero(following & ~reached)
        reached[frontier] = True
    reached.setflags(write=False)
    return reached


def _reach_small(edges: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    following = _following(edges, len(seeds))
    reached = seeds.tolist()
    waiting = np.flatnonzero(seeds).tolist()
    while waiting:
        for target in following[waiting.pop()]:
            if not reached[target]:
                reached[target] = True
                waiting.append(target)
    flags = np.array(reached, dtype=bool)
    flags.setflags(write=False)
    return flags
