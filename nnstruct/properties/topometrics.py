"""Measures of sparse networks from end to end: what is lost on the way, what hangs on one edge, what expands.

On the forward edges, from layer to layer. Where units are neurons this is the multipartite graph of Cunegatti
et al. (2024); where they are channels it is that of the channels, not of all their positions.

- density: edges over the pairs of units of all pairs of layers that an edge joins. It stands beside the rest
  because what the rest says is often what the density says.
- sources: units other than inputs with edges out and none in; sinks: other than outputs, with edges in and
  none out; disconnected: without any. Their edges are the removable ones; ``removable`` counts all edges
  that lie on no way from an input to an output.
- cut edges and cut units: without which a component falls apart, directions left out.
- motifs: triples of units that are connected, directions left out.
- core: the mean core number, directions left out (Seidman, 1983).
- hops: the mean number of other units that a unit reaches by 1 edge, and by 1 or 2.
- Ramanujan gap, iterative mean difference of bound, spectral gap: see :mod:`nnstruct.properties.bipartite`;
  means over the pairs of layers where they are defined, ``ramanujan_share`` that of gaps >= 0 among these.

NaN without edges (density, gaps), and where no pair of layers has a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.bipartite import mean_difference_of_bound, ramanujan_gap, spectral_gap
from nnstruct.properties.large import left_out
from nnstruct.structure import Structure

MEASURES = {
    "density": "edges over pairs of units of the pairs of layers that an edge joins",
    "sources": "units other than inputs that have edges out and none in",
    "sinks": "units other than outputs that have edges in and none out",
    "disconnected": "units without an edge",
    "removable_out": "edges out of sources",
    "removable_in": "edges into sinks",
    "removable": "edges on no way from an input to an output",
    "cut_edges": "edges without which a component falls apart",
    "cut_units": "units without which a component falls apart",
    "motifs": "connected triples of units",
    "core_mean": "core number of a unit: mean",
    "hop_1": "units that a unit feeds: mean",
    "hop_2": "units that a unit feeds directly or by one other: mean",
    "ramanujan_gap": "Ramanujan bound less the second singular value, over pairs of layers: mean",
    "ramanujan_share": "share of pairs of layers that are Ramanujan graphs",
    "bound_difference": "iterative mean difference of bound, over pairs of layers: mean",
    "spectral_gap": "largest singular value less the second one, over pairs of layers: mean",
}


def topometrics(structures: Sequence[Structure]) -> np.ndarray:
    """The measures of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 17]
        Columns in the order of ``MEASURES``.

    References
    ----------
    E. Cunegatti, M. Farina, D. Bucur, G. Iacca, Understanding sparse neural networks from their topology via
    multipartite graph representations, TMLR 2024, arXiv:2305.16886; the definitions were read in
    github.com/eliacunegatti/mge-snn, which counts motifs of four units by samples.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = topometrics([Structure([[0, 1, 2], [2, 2, 3]], num_units=4)])[0]
    >>> named = dict(zip(MEASURES, row.tolist()))
    >>> named["density"], named["cut_edges"], named["cut_units"], named["hop_2"]
    (1.0, 3.0, 1.0, 1.25)
    """
    return np.array([_row(structure) for structure in structures])


def layer_blocks(structure: Structure) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """The bipartite graphs of all pairs of layers that a forward edge joins.

    Parameters
    ----------
    structure : Structure

    Yields
    ------
    ((int, int), bool [targets, sources])
        The two layers, that of the sources first, and the edges between their units in order.
    """
    source, target = structure.graph_edges
    layer = structure.layer
    place = np.empty(structure.num_units, dtype=np.int64)
    sizes = np.bincount(layer)
    order = np.argsort(layer, kind="stable")
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pairs, group = np.unique(np.stack([layer[source], layer[target]]), axis=1, return_inverse=True)
    for number, (first, second) in enumerate(pairs.T):
        chosen = group.reshape(-1) == number
        links = np.zeros((sizes[second], sizes[first]), dtype=bool)
        links[place[target[chosen]], place[source[chosen]]] = True
        yield (int(first), int(second)), links


def _row(structure: Structure) -> list[float]:
    import rustworkx as rx

    n = structure.num_units
    source, target = structure.graph_edges
    out, into = np.bincount(source, minlength=n), np.bincount(target, minlength=n)
    sources = ~structure.inputs & (out > 0) & (into == 0)
    sinks = ~structure.outputs & (into > 0) & (out == 0)
    live = structure.reachability.from_input & structure.reachability.to_output
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(n))
    graph.add_edges_from_no_data(list(zip(source.tolist(), target.tolist(), strict=True)))
    directed = scipy.sparse.csr_array((np.ones(len(source)), (source, target)), shape=(n, n))
    near = directed + directed @ directed
    blocks = [links for _, links in layer_blocks(structure)]
    gaps = _defined(ramanujan_gap(links) for links in blocks)
    cores: Any = rx.core_number(graph)
    return [
        len(source) / sum(links.size for links in blocks) if blocks else np.nan,
        sources.sum(),
        sinks.sum(),
        ((out == 0) & (into == 0)).sum(),
        out[sources].sum(),
        into[sinks].sum(),
        len(source) - int((live[source] & live[target]).sum()),
        len(rx.bridges(graph)),
        len(rx.articulation_points(graph)),
        _connected_triples(directed),
        float(np.mean(list(cores.values()))),
        len(source) / n,
        near.nnz / n,
        _mean(gaps),
        float(np.mean([gap >= 0 for gap in gaps])) if gaps else np.nan,
        _mean(_defined(mean_difference_of_bound(links) for links in blocks)),
        _mean(_defined(spectral_gap(links) for links in blocks)),
    ]


def _connected_triples(directed: scipy.sparse.csr_array) -> float:
    """Pairs of neighbours of a unit, each triangle but once."""
    both = directed + directed.T
    degree = np.asarray(both.sum(axis=0)).reshape(-1)
    triangles = (both @ both).multiply(both).sum() / 6
    return float((degree * (degree - 1) / 2).sum() - 2 * triangles)


def _defined(values: Iterator[float]) -> list[float]:
    return [value for value in values if not np.isnan(value)]


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


TOPOMETRICS = PropertyFamily(
    name="topometrics",
    measures=MEASURES,
    compute=topometrics,
    large=partial(left_out, count=len(MEASURES)),
    cost="cubic",
    source="Cunegatti et al., 2024; Hoang et al., 2023",
)
PROPERTY_FAMILIES.register(TOPOMETRICS.name)(TOPOMETRICS)
