"""Measures of sparse networks from end to end: what is lost on the way, what hangs on one edge, what expands.

On the forward edges, from layer to layer. Where units are neurons this is the multipartite graph of Cunegatti
et al. (2024); where they are channels it is that of the channels, and :func:`nnstruct.properties.unrolled`
gives that of all their positions.

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
from nnstruct.properties.bipartite_graphs import BipartiteGraphs
from nnstruct.properties.large import left_out
from nnstruct.structure import Structure

# Up to so many units neighbourhoods are counted in dense matrices.
_DENSE = 300
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
    triples, near = _neighbourhoods(source, target, n)
    cores: Any = rx.core_number(graph)
    density, *of_layers = _of_layers(structure)
    return [
        density,
        sources.sum(),
        sinks.sum(),
        ((out == 0) & (into == 0)).sum(),
        out[sources].sum(),
        into[sinks].sum(),
        len(source) - int((live[source] & live[target]).sum()),
        len(rx.bridges(graph)),
        len(rx.articulation_points(graph)),
        triples,
        float(np.mean(list(cores.values()))),
        len(source) / n,
        near / n,
        *of_layers,
    ]


def _of_layers(structure: Structure) -> list[float]:
    """Density, and means over pairs of layers: gap, share of gaps >= 0, bound difference, spectral gap."""
    (source, target), layer = structure.graph_edges, structure.layer
    if not len(source):
        return [np.nan] * 5
    sizes = np.bincount(layer)
    pairs, group = np.unique(layer[source] * len(sizes) + layer[target], return_inverse=True)
    pair_sizes = sizes[pairs // len(sizes)] * sizes[pairs % len(sizes)]
    whole = BipartiteGraphs(group, source, target, structure.num_units)
    gaps = whole.gaps()
    alike, kind = whole.by_degree_of_source()
    parts = BipartiteGraphs(kind, source[alike], target[alike], structure.num_units)
    by_kind, home = parts.gaps(), np.zeros(parts.count, dtype=np.int64)
    home[kind] = group[alike]
    defined = ~np.isnan(by_kind)
    # The mean over a pair's subgraphs, then that over pairs.
    total, number = (
        np.bincount(home[defined], weights=weights, minlength=len(pairs))
        for weights in (by_kind[defined], None)
    )
    gaps = gaps[~np.isnan(gaps)]
    return [
        len(source) / int(pair_sizes.sum()),
        _mean(gaps),
        _mean(gaps >= 0),
        _mean(total[number > 0] / number[number > 0]),
        _mean(whole.first - whole.second),
    ]


def _neighbourhoods(source: np.ndarray, target: np.ndarray, n: int) -> tuple[float, int]:
    """Connected triples, directions left out, and pairs of units that one or two edges lead from and to."""
    directed: Any
    if n <= _DENSE:
        directed = np.zeros((n, n))
        directed[source, target] = 1.0
        both = directed + directed.T
        closed, near = float(((both @ both) * both).sum()), directed + directed @ directed
    else:
        directed = scipy.sparse.csr_array((np.ones(len(source)), (source, target)), shape=(n, n))
        both = directed + directed.T
        closed, near = float((both @ both).multiply(both).sum()), directed + directed @ directed
    # Pairs of neighbours of a unit, each triangle but once.
    degree = np.bincount(source, minlength=n) + np.bincount(target, minlength=n)
    triples = float((degree * (degree - 1) / 2).sum() - closed / 3)
    return triples, int(np.count_nonzero(near) if n <= _DENSE else near.nnz)


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else np.nan


TOPOMETRICS = PropertyFamily(
    name="topometrics",
    measures=MEASURES,
    compute=topometrics,
    large=partial(left_out, count=len(MEASURES)),
    cost="cubic",
    source="Cunegatti et al., 2024; Hoang et al., 2023",
)
PROPERTY_FAMILIES.register(TOPOMETRICS.name)(TOPOMETRICS)
