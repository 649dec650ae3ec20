"""Which unit of a structure is which unit of a template."""

from __future__ import annotations

import numpy as np

from nnstruct.structure import Structure


def labelling(template: np.ndarray, structure: Structure) -> list[int] | None:
    """For each unit of a template the unit of a structure with the same edges.

    Parameters
    ----------
    template : int64 [2, E]
        Edges among units 0 to N - 1.
    structure : Structure

    Returns
    -------
    list of int, length N, or None
        The identity where it fits, otherwise the first isomorphism found; None without one.

    Examples
    --------
    >>> import numpy as np
    >>> chain = np.array([[0, 1], [1, 2]])
    >>> labelling(chain, Structure([[2, 0], [0, 1]], 3))
    [2, 0, 1]
    """
    import networkx as nx

    wanted = {(a, b) for a, b in template.T.tolist()}
    edges = structure.edge_index.T.tolist()
    if len(edges) != len(wanted):
        return None
    if all((a, b) in wanted for a, b in edges):
        return list(range(structure.num_units))
    left, right = nx.DiGraph(list(wanted)), nx.DiGraph([(a, b) for a, b in edges])
    matcher = nx.algorithms.isomorphism.DiGraphMatcher(left, right)
    found = next(matcher.isomorphisms_iter(), None)
    return None if found is None else [found[unit] for unit in range(structure.num_units)]
