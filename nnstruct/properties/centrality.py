"""Distributions of centralities over units and edges, on the undirected and the directed graph.

Of n units, d(u, v) is the least number of forward edges from u to v (``undirected``: in either
direction). For a unit v, with R the r units it reaches (``out``), that reach it (``in``), or that
share its component (``undirected``):

- closeness, r / (n - 1) * r / (sum of distances over R) (Wasserman and Faust, 1994; 0 where R is empty);
- harmonic centrality, (sum of 1 / distance over R) / (n - 1) (Marchiori and Latora, 2000);
- eccentricity, the largest distance over R (0 where R is empty, so that it is defined for every graph);
- betweenness of a unit or an edge, the mean over ordered pairs of other units of the share of shortest
  paths that lead through it (Freeman, 1977; computed as in Brandes, 2001).

Each is given by mean, population standard deviation, minimum, quartiles (linear between neighbours)
and maximum. Measures of edges are NaN without forward edges; all else is defined for every graph, and
0 for one unit alone. Recurrent edges do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.large import centrality_row
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure

_STATISTICS = {
    "mean": "mean",
    "sd": "population standard deviation",
    "min": "minimum",
    "q25": "lower quartile",
    "median": "median",
    "q75": "upper quartile",
    "max": "maximum",
}
_CENTRALITIES = {
    "undirected_betweenness": "share of undirected shortest paths through a unit",
    "undirected_edge_betweenness": "share of undirected shortest paths through an edge",
    "undirected_closeness": "closeness of a unit, undirected",
    "undirected_harmonic": "harmonic centrality of a unit, undirected",
    "undirected_eccentricity": "largest undirected distance to a unit of the same component",
    "directed_betweenness": "share of directed shortest paths through a unit",
    "directed_edge_betweenness": "share of directed shortest paths through an edge",
    "directed_closeness_in": "closeness of a unit by distances towards it",
    "directed_closeness_out": "closeness of a unit by distances from it",
    "directed_harmonic_in": "harmonic centrality of a unit by distances towards it",
    "directed_harmonic_out": "harmonic centrality of a unit by distances from it",
    "directed_eccentricity_in": "largest directed distance to a unit from one that reaches it",
    "directed_eccentricity_out": "largest directed distance from a unit to one that it reaches",
}
MEASURES = {
    f"{name}_{statistic}": f"{meaning}: {words}"
    for name, meaning in _CENTRALITIES.items()
    for statistic, words in _STATISTICS.items()
}


def centrality_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The centralities' distributions of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 91]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = centrality_measures([Structure([[0, 1], [1, 2]], num_units=3)])[0]
    >>> named = dict(zip(MEASURES, row.tolist()))
    >>> named["undirected_betweenness_max"], named["directed_betweenness_max"]
    (1.0, 0.5)
    """
    from nnstruct.properties.centrality_kernel import centrality_rows

    packed = pack(structures)
    rows = np.empty((len(structures), len(MEASURES)))
    centrality_rows(packed.source, packed.target, packed.edge_start, packed.unit_start, rows)
    return rows


CENTRALITY = PropertyFamily(
    name="centrality",
    measures=MEASURES,
    compute=centrality_measures,
    large=centrality_row,
    cost="units x edges",
    undirected=[name for name in MEASURES if name.startswith("undirected_")],
    source="Freeman, 1977; Wasserman and Faust, 1994; Marchiori and Latora, 2000; Brandes, 2001",
)
PROPERTY_FAMILIES.register(CENTRALITY.name)(CENTRALITY)
