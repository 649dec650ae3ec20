"""Index arithmetic on edge lists: layers, cycles, reachability. No Python loop over edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    counts = start[units + 1] - start[units]
    offsets = np.repeat(start[units] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return target[offsets + np.arange(counts.sum())]


def longest_path_layers(edges: np.ndarray, num_units: int) -> np.ndarray:
    """Length of the longest path that ends in each unit; -1 for units on or behind a cycle.

    Examples
    --------
    >>> import numpy as np
    >>> longest_path_layers(np.array([[0, 0, 1], [1, 2, 2]]), 3).tolist()
    [0, 1, 2]
    """
    start, target = out_neighbours(edges, num_units)
    waiting = np.bincount(edges[1], minlength=num_units)
    layer = np.full(num_units, -1, dtype=np.int64)
    frontier, depth = np.flatnonzero(waiting == 0), 0
    while len(frontier):
        layer[frontier] = depth
        reached, hits = np.unique(_targets_of(frontier, start, target), return_counts=True)
        waiting[reached] -= hits
        frontier, depth = reached[waiting[reached] == 0], depth + 1
    return layer


def find_cycle(edges: np.ndarray, layer: np.ndarray) -> list[int]:
    """One cycle among the units that :func:`longest_path_layers` left at -1, first unit repeated last."""
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
    """

    from_input: np.ndarray
    to_output: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> Reachability:
        return cls(_reach(edges, inputs), _reach(edges[::-1], outputs))


def _reach(edges: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    start, target = out_neighbours(edges, len(seeds))
    reached = seeds.copy()
    frontier = np.flatnonzero(seeds)
    while len(frontier):
        following = np.unique(_targets_of(frontier, start, target))
        frontier = following[~reached[following]]
        reached[frontier] = True
    return reached
