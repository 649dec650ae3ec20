"""Structures of cells: operators on the edges between nodes, or on the nodes themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import isqrt
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure.structure import Structure


@cache
def edge_cell_edges(nodes: int) -> np.ndarray:
    """The edges of the structure of a cell with an operator between any two of its nodes.

    Parameters
    ----------
    nodes : int

    Returns
    -------
    int64 [2, E]
        Among 2 + nodes (nodes - 1) / 2 units: the input, the operators by target node, then source node,
        and the output. An operator feeds those that read the node it leads to.

    Examples
    --------
    >>> edge_cell_edges(3).tolist()
    [[0, 0, 1, 2, 3], [1, 2, 3, 4, 4]]
    """
    unit: dict[tuple[int, int], int] = {}
    for target in range(1, nodes):
        for source in range(target):
            unit[source, target] = len(unit) + 1
    edges = []
    for (source, target), number in unit.items():
        if source == 0:
            edges.append((0, number))
        edges += [(number, unit[target, after]) for after in range(target + 1, nodes)]
        if target == nodes - 1:
            edges.append((number, len(unit) + 1))
    return np.array(sorted(edges), dtype=np.int64).T


def edge_cell(
    operators: Sequence[str], *, family: str = "module", origin: Mapping[str, Any] | None = None
) -> Structure:
    """The structure of a cell with an operator between any two of its nodes.

    Parameters
    ----------
    operators : sequence of str
        By target node, then source node, as NAS-Bench-201 writes them; n (n - 1) / 2 for n nodes.
    family : str
    origin : mapping, optional

    Returns
    -------
    Structure
        With a unit ``input``, one for each operator, and a unit ``output``.

    Raises
    ------
    InvalidInputError
        If their number is that of no cell.

    Examples
    --------
    >>> edge_cell(["conv3x3", "none", "identity"]).attributes["operator"]
    ('input', 'conv3x3', 'none', 'identity', 'output')
    """
    nodes = (1 + isqrt(1 + 8 * len(operators))) // 2
    if nodes < 2 or nodes * (nodes - 1) // 2 != len(operators):
        raise InvalidInputError("operators", "be n (n - 1) / 2 for n nodes", len(operators))
    return Structure(
        edge_cell_edges(nodes),
        len(operators) + 2,
        family=family,
        attributes={"operator": ("input", *operators, "output")},
        origin=dict(origin or {}),
    )


def unit_cell(
    edges: Sequence[tuple[int, int]],
    operators: Sequence[str],
    *,
    family: str = "module",
    origin: Mapping[str, Any] | None = None,
) -> Structure | None:
    """The structure of a cell with operators on its inner nodes; nodes on no path from input to output go.

    Parameters
    ----------
    edges : sequence of (int, int)
        From a smaller to a greater node; node 0 is the input, the last one the output.
    operators : sequence of str
        Of the inner nodes.
    family : str
    origin : mapping, optional

    Returns
    -------
    Structure or None
        None where no path leads from input to output.

    Examples
    --------
    >>> unit_cell([(0, 1), (1, 3), (0, 2)], ["conv3x3", "conv1x1"]).attributes["operator"]
    ('input', 'conv3x3', 'output')
    """
    last = len(operators) + 1
    from_input, to_output = {0}, {last}
    for source, target in sorted(edges):
        if source in from_input:
            from_input.add(target)
    for source, target in sorted(edges, reverse=True):
        if target in to_output:
            to_output.add(source)
    kept = sorted(from_input & to_output)
    if 0 not in kept or last not in kept:
        return None
    number = {node: index for index, node in enumerate(kept)}
    inside = [(number[a], number[b]) for a, b in sorted(edges) if a in number and b in number]
    names = ["input", *operators, "output"]
    place = np.arange(len(kept))
    return Structure(
        np.array(inside, dtype=np.int64).T,
        len(kept),
        family=family,
        inputs=place == 0,
        outputs=place == len(kept) - 1,
        attributes={"operator": tuple(names[node] for node in kept)},
        origin=dict(origin or {}),
    )
