"""The 23 measures of Stier et al. (2021).

They are taken on the undirected simple graph of the forward edges, except the counts of layers,
sources and sinks, which need directions and are NaN in relational graphs. Values equal those of
networkx with its defaults: normalised betweenness, closeness with the Wasserman-Faust factor for
several components, plain degree. Variances are sample variances (divisor n - 1), standard deviations
their roots.

Else a measure is NaN exactly where it is undefined, which is where networkx raises an error: diameter,
average path length and eccentricity of a disconnected graph, a mean over no edge, a sample variance
of fewer than two values. One unit alone has density, diameter, average path length, eccentricity,
closeness and betweenness 0, as in networkx.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.large import paper_row
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure

MEASURES = {
    "layers": "layers by longest path",
    "nodes": "units",
    "edges": "forward edges",
    "sources": "units without an incoming forward edge",
    "sinks": "units without an outgoing forward edge",
    "diameter": "largest distance between two units",
    "density": "forward edges as a share of all pairs of units",
    "average_path_length": "mean distance over all pairs of units",
}
_CENTRALITIES = {
    "eccentricity": "largest distance from a unit",
    "degree": "neighbours of a unit",
    "closeness": "closeness centrality of a unit",
    "node_betweenness": "share of shortest paths through a unit",
    "edge_betweenness": "share of shortest paths through an edge",
}
for _name, _meaning in _CENTRALITIES.items():
    MEASURES[f"{_name}_mean"] = f"{_meaning}: mean"
    MEASURES[f"{_name}_var"] = f"{_meaning}: sample variance"
    MEASURES[f"{_name}_sd"] = f"{_meaning}: root of the sample variance"


def paper_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The 23 measures of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 23]
        Columns in the order of ``MEASURES``.

    References
    ----------
    Stier, Darji and Granitzer, 2021, "Experiments on Properties of Hidden Structures of Sparse Neural
    Networks", arXiv 2107.12917.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> path = Structure([[0, 1], [1, 2]], num_units=3)
    >>> paper_measures([path])[0, :8].round(3).tolist()
    [3.0, 3.0, 2.0, 1.0, 1.0, 2.0, 0.667, 1.333]
    """
    from nnstruct.properties.kernel import paper_rows

    rows = np.empty((len(structures), len(MEASURES)))
    paper_rows(*pack(structures), rows)
    return rows


PAPER = PropertyFamily(
    name="paper",
    measures=MEASURES,
    compute=paper_measures,
    large=paper_row,
    cost="units x edges",
    undirected=[name for name in MEASURES if name not in ("layers", "sources", "sinks")],
    source="Stier, Darji and Granitzer, 2021, arXiv 2107.12917",
)
PROPERTY_FAMILIES.register(PAPER.name)(PAPER)
