"""Structures to hold parts to their laws with: drawn by seeds, small, of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.recurrence import RECURRENCES

ATTRIBUTE_VALUES: dict[str, tuple[Any, ...]] = {
    "operator": ("add", "concat"),
    "activation": ("tanh", "relu", "gelu"),
    "stage": (0, 1, 2),
}


def draw_structures(count: int, *, seed: int, family: str = "rnn_tanh") -> list[Structure]:
    """Random structures of 6 to 20 units, distinct by fingerprint.

    Parameters
    ----------
    count : int
    seed : int
    family : str

    Returns
    -------
    list of Structure

    Examples
    --------
    >>> from nnstruct.testing.structures import draw_structures
    >>> len({structure.fingerprint for structure in draw_structures(10, seed=0)})
    10
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Structure] = {}
    while len(found) < count:
        units = int(rng.integers(6, 21))
        graph_seed = int(rng.integers(2**31))
        if len(found) % 2:
            graph = nx.barabasi_albert_graph(units, int(rng.integers(1, 4)), seed=graph_seed)
        else:
            graph = nx.connected_watts_strogatz_graph(units, 4, 0.5, 20, seed=graph_seed)
        structure = Structure.from_networkx(graph, family=family)
        found[structure.fingerprint] = structure
    return list(found.values())


def depth_and_edges(structures: Sequence[Structure]) -> np.ndarray:
    """A label that a structure's depth and edges decide.

    Parameters
    ----------
    structures : sequence of Structure, length n

    Returns
    -------
    float64 [n]
    """
    depth = np.array([s.num_layers for s in structures], dtype=float)
    edges = np.array([s.forward_edges.shape[1] for s in structures], dtype=float)
    return 0.9 - 0.02 * depth + 0.05 * np.log(edges)


def any_structure(
    rng: np.random.Generator, family: str, *, min_units: int = 1, max_units: int = 9
) -> Structure:
    """Any acyclic graph, connected or not, with any recurrent edges, extra flags and attributes.

    Flags are only ever added to those by default, so that every output is reached.

    Parameters
    ----------
    rng : numpy.random.Generator
    family : str
    min_units, max_units : int

    Returns
    -------
    Structure

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.testing.structures import any_structure
    >>> any_structure(np.random.default_rng(0), "gru", min_units=3, max_units=3).num_units
    3
    """
    size = int(rng.integers(min_units, max_units + 1))
    order = rng.permutation(size)
    above = np.triu(rng.random((size, size)) < rng.choice([0.15, 0.5, 0.85]), k=1)
    structure = Structure(order[np.stack(np.nonzero(above))], size, family=family)
    if FAMILIES[family].recurrent:
        recurrence = str(rng.choice(sorted(RECURRENCES)))
        density = float(rng.choice([0.1, 0.5]))
        structure = structure.with_recurrence(recurrence, seed=int(rng.integers(100)), density=density)
    more = rng.random((2, size)) < 0.5 * (rng.random() < 0.5)
    names = [name for name in sorted(ATTRIBUTE_VALUES) if rng.random() < 0.4]
    return Structure(
        structure.edge_index,
        size,
        recurrent=structure.recurrent,
        residual=~structure.recurrent & (rng.random(structure.num_edges) < 0.3 * (rng.random() < 0.3)),
        family=family,
        inputs=structure.inputs | more[0],
        outputs=structure.outputs | more[1],
        attributes={
            name: tuple(
                ATTRIBUTE_VALUES[name][i] for i in rng.integers(len(ATTRIBUTE_VALUES[name]), size=size)
            )
            for name in names
        },
        origin={"prior": "test", "parameters": {"p": 0.5, "sizes": [1, 2]}} if rng.random() < 0.5 else {},
    )
