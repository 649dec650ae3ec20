"""Structures whose edges have no direction: relational graphs.

In a relational graph (You et al., 2020, "Graph structure of neural networks", arXiv 2007.06559) units
exchange messages in rounds, each with all its neighbours and with itself, and the graph is the same for every
order of the units. So each edge stands as a delayed edge both ways, edges of a unit to itself are left out,
all units are input and output units, and there is one layer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnstruct.errors import StructureError


def both_ways(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each pair of units as an edge in either direction; pairs of a unit with itself are left out.

    Parameters
    ----------
    pairs : iterable of (int, int)
        A pair that is given several times, or in both directions, counts once.

    Returns
    -------
    list of (int, int)
        Sorted.

    Examples
    --------
    >>> both_ways([(2, 0), (1, 1), (0, 1), (1, 0)])
    [(0, 1), (0, 2), (1, 0), (2, 0)]
    """
    return sorted({arc for u, v in pairs if u != v for arc in ((u, v), (v, u))})


def check_undirected(
    edges: np.ndarray, recurrent: np.ndarray, inputs: np.ndarray, outputs: np.ndarray, family: str
) -> None:
    """Refuse what is no undirected graph.

    Parameters
    ----------
    edges : int64 [2, E]
    recurrent : bool [E]
    inputs, outputs : bool [N]
    family : str
        For the error.

    Raises
    ------
    StructureError
        If an edge is not delayed, leads from a unit to itself or has no counterpart, or a unit is not both
        an input and an output.
    """
    hint = "Structure.from_networkx(graph, undirected=True) makes both of each edge."
    if not recurrent.all():
        first = edges[:, np.flatnonzero(~recurrent)[0]].tolist()
        raise StructureError("recurrent", f"be all True for the family {family!r}", first, hint)
    if (edges[0] == edges[1]).any():
        loop = int(edges[0, edges[0] == edges[1]][0])
        rule = f"lead to other units in the family {family!r}, where each unit talks to itself"
        raise StructureError("edge_index", rule, [loop, loop])
    size = len(inputs)
    codes, mirrored = edges[0] * size + edges[1], edges[1] * size + edges[0]
    alone = np.flatnonzero(~np.isin(mirrored, codes))
    if len(alone):
        rule = f"hold each edge both ways for the family {family!r}"
        raise StructureError("edge_index", rule, edges[:, alone[0]].tolist(), hint)
    for name, flags in (("inputs", inputs), ("outputs", outputs)):
        if not flags.all():
            raise StructureError(name, f"be all True for the family {family!r}", flags.tolist())
