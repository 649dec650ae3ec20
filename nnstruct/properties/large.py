"""Measures of graphs that are too large for a search from every unit.

A graph is large beyond :data:`LARGE_UNITS` units. Units that colour refinement by predecessors and successors
(Weisfeiler and Leman, 1968) does not tell apart count as alike, as all channels of a dense or residual layer
do: a search from one of them stands for all, and what it finds is shared out evenly among those that are
alike, and among the edges between two kinds. That is exact where these can be exchanged for each other (edges
need not be, then their mean is exact). Where a search for each kind takes more than
:data:`MOST_ARCS` steps along edges, searches start from as many units as that allows, evenly spaced in the
order of their layers, and each stands for those around it (Brandes and Pich, 2007, "Centrality estimation in
large networks"): then distances and shares of paths are estimates, and largest distances lower bounds. Which
units of a layer are taken depends on their numbers: estimates change a little when units get other numbers.
Measures that take n^3 steps are left out: they are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnstruct.structure import Structure

LARGE_UNITS = 5_000
MOST_ARCS = 1_000_000_000
LEAST_ROOTS = 16
_AT_ONCE = 16
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Roots:
    """Units from which searches start.

    Attributes
    ----------
    unit : int32 [K]
    weight : float64 [K]
        How many units each stands for.
    home : int64 [N]
        For each unit the place of the root that stands for it.
    kinds : int64 [N]
        For each unit its kind.
    whole : bool
        Whether there is a root of each kind.
    """

    unit: np.ndarray
    weight: np.ndarray
    home: np.ndarray
    kinds: np.ndarray
    whole: bool


def is_large(structure: Structure) -> bool:
    """Whether a search from every unit is too much.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool
    """
    return structure.num_units > LARGE_UNITS


def kinds_of_units(structure: Structure) -> np.ndarray:
    """Kinds of units that rounds of colour refinement tell apart, numbered from 0.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    int64 [N]

    Examples
    --------
    >>> from nnstruct import Structure
    >>> kinds = kinds_of_units(Structure([[0, 0, 1, 2], [1, 2, 3, 3]], 4))
    >>> int(kinds[1] == kinds[2]), len(set(kinds.tolist()))
    (1, 3)
    """
    edges, n = structure.graph_edges, structure.num_units
    ways = []
    for here, there in ((edges[0], edges[1]), (edges[1], edges[0])):
        order = np.argsort(here, kind="stable")
        at, starts = np.unique(here[order], return_index=True)
        ways.append((at, starts, there[order]))
    flags = structure.inputs.astype(np.uint64) + 2 * structure.outputs.astype(np.uint64)
    colour = _mixed(flags + 4 * structure.layer.astype(np.uint64))
    kinds, count = np.unique(colour, return_inverse=True)[1], 0
    while kinds.max(initial=-1) + 1 > count:
        count = int(kinds.max()) + 1
        seen = colour
        for place, (at, starts, read) in enumerate(ways):
            around = np.zeros(n, dtype=np.uint64)
            if len(at):
                around[at] = np.add.reduceat(colour[read], starts)
            seen = _mixed(seen + _mixed(around + np.uint64(place)))
        colour = seen
        kinds = np.unique(colour, return_inverse=True)[1]
    return kinds.reshape(-1)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Scattered 64-bit numbers, uint64 (the finaliser of SplitMix64; Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        made = values + np.uint64(0x9E3779B97F4A7C15)
        made = (made ^ (made >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        made = (made ^ (made >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return made ^ (made >> np.uint64(31))


def roots_of(structure: Structure, most_arcs: int = MOST_ARCS) -> Roots:
    """Where searches start in a large graph.

    Parameters
    ----------
    structure : Structure
    most_arcs : int
        Steps along edges that all searches together may take.

    Returns
    -------
    Roots
    """
    kinds = kinds_of_units(structure)
    order = np.lexsort((kinds, structure.layer))
    _, first, home = np.unique(kinds, return_index=True, return_inverse=True)
    most = max(LEAST_ROOTS, most_arcs // max(1, 2 * structure.num_edges))
    if len(first) <= most:
        return Roots(first.astype(np.int32), np.bincount(home).astype(float), home, kinds, whole=True)
    starts = np.linspace(0, len(order), most, endpoint=False).astype(int)
    sizes = np.diff([*starts, len(order)])
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.repeat(np.arange(most), sizes)
    middle = order[starts + sizes // 2]
    return Roots(middle.astype(np.int32), sizes.astype(float), place, kinds, whole=False)


@dataclass(frozen=True)
class Searched:
    """What searches from all roots found, as if there had been one from each unit.

    Attributes
    ----------
    along, against : float64 [4, N]
        Units that a unit reaches (that reach it), the sum of their distances, that of inverses, the largest.
    node_share : float64 [N]
    edge_share : float64 [E]
        Shares of shortest paths over ordered pairs, not normalised.
    """

    along: np.ndarray
    against: np.ndarray
    node_share: np.ndarray
    edge_share: np.ndarray


def searched(
    structure: Structure, roots: Roots, advance: Advance, *, directed: bool, shares: bool = True
) -> Searched:
    """Searches from all roots.

    Parameters
    ----------
    structure : Structure
    roots : Roots
    advance : callable
        Told the share of the roots that are done, after each batch.
    directed : bool
        Whether edges are followed in their direction only.
    shares : bool
        Whether shares of shortest paths are wanted.

    Returns
    -------
    Searched
    """
    from nnstruct.properties.large_kernel import sums_from

    (source, target), n = structure.graph_edges.astype(np.int32), structure.num_units
    per_root, against = np.zeros((4, len(roots.unit))), np.zeros((4, n))
    node, edge = np.zeros(n), np.zeros(len(source))
    source, target = np.ascontiguousarray(source), np.ascontiguousarray(target)
    for start in range(0, len(roots.unit), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        found = np.zeros((4, len(roots.unit[here])))
        sums_from(
            source,
            target,
            n,
            roots.unit[here],
            roots.weight[here],
            directed,
            shares,
            found,
            against,
            node,
            edge,
        )
        per_root[:, here] = found
        advance(len(roots.unit[here]) / len(roots.unit))
    if roots.whole:
        node = _shared_out(node, roots.kinds)
        against[:3] = [_shared_out(row, roots.kinds) for row in against[:3]]
        furthest = np.zeros(len(roots.unit))
        np.maximum.at(furthest, roots.kinds, against[3])
        against[3] = furthest[roots.kinds]
        if shares:
            pairs = roots.kinds[source] * (int(roots.kinds.max()) + 1) + roots.kinds[target]
            edge = _shared_out(edge, np.unique(pairs, return_inverse=True)[1])
    along = per_root[:, roots.home]
    return Searched(along, against if directed else along, node, edge)


def _shared_out(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The mean over each group in place of its values."""
    if not len(values):
        return values
    return (np.bincount(groups, values) / np.bincount(groups))[groups]


def left_out(structure: Structure, advance: Advance, count: int) -> np.ndarray:
    """The row of a family that is left out for large graphs.

    Parameters
    ----------
    structure : Structure
    advance : callable
    count : int
        Its measures.

    Returns
    -------
    float64 [count]
        NaN.
    """
    advance(1.0)
    return np.full(count, np.nan)


# ---- the families


def paper_row(structure: Structure, advance: Advance) -> np.ndarray:
    """The measures of Stier et al. of a large graph.

    Parameters
    ----------
    structure : Structure
    advance : callable

    Returns
    -------
    float64 [23]
        As :func:`nnstruct.properties.paper.paper_measures` orders them.
    """
    edges, n = structure.graph_edges, structure.num_units
    m = edges.shape[1]
    found = searched(structure, roots_of(structure), advance, directed=False)
    outgoing, incoming = np.bincount(edges[0], minlength=n), np.bincount(edges[1], minlength=n)
    reached, total, _, furthest = found.along
    connected = bool((reached == n - 1).all())
    closeness = np.divide(reached, total, out=np.zeros(n), where=total > 0) * reached / (n - 1)
    row = [
        structure.layer.max() + 1, n, m, (incoming == 0).sum(), (outgoing == 0).sum(),
        furthest.max() if connected else np.nan, 2.0 * m / (n * (n - 1)),
        total.sum() / (n * (n - 1)) if connected else np.nan,
    ]  # fmt: skip
    for values in (
        furthest if connected else np.zeros(0),
        outgoing + incoming,
        closeness,
        found.node_share / ((n - 1) * (n - 2)),
        found.edge_share / (n * (n - 1)),
    ):
        variance = values.var(ddof=1) if len(values) > 1 else np.nan
        row += [values.mean() if len(values) else np.nan, variance, np.sqrt(variance)]
    return np.array(row, dtype=np.float64)


def centrality_row(structure: Structure, advance: Advance) -> np.ndarray:
    """The centralities' distributions of a large graph.

    Parameters
    ----------
    structure : Structure
    advance : callable

    Returns
    -------
    float64 [91]
        As :func:`nnstruct.properties.centrality.centrality_measures` orders them.
    """
    roots, n = roots_of(structure), structure.num_units
    both = searched(structure, roots, lambda done: advance(done / 2), directed=False)
    one = searched(structure, roots, lambda done: advance(done / 2), directed=True)
    own, into, out = (_centralities(values, n) for values in (both.along, one.against, one.along))
    columns = [both.node_share / ((n - 1) * (n - 2)), both.edge_share / (n * (n - 1)), *own]
    columns += [one.node_share / ((n - 1) * (n - 2)), one.edge_share / (n * (n - 1))]
    for towards, away in zip(into, out, strict=True):
        columns += [towards, away]
    return np.concatenate([_described(values) for values in columns])


def _centralities(found: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Closeness, harmonic centrality and eccentricity, float64 [N] each."""
    reached, total, inverse, furthest = found
    closeness = np.divide(reached, total, out=np.zeros(n), where=total > 0) * reached / (n - 1)
    return closeness, inverse / (n - 1), furthest


def _described(values: np.ndarray) -> np.ndarray:
    if not len(values):
        return np.full(7, np.nan)
    quartiles = np.quantile(values, [0.25, 0.5, 0.75])
    return np.array([values.mean(), values.std(), values.min(), *quartiles, values.max()])


def path_row(structure: Structure, advance: Advance) -> np.ndarray:
    """The measures of paths of a large graph; communicability is left out.

    Parameters
    ----------
    structure : Structure
    advance : callable

    Returns
    -------
    float64 [28]
        As :func:`nnstruct.properties.paths.path_measures` orders them.
    """
    from nnstruct.properties.large_kernel import distances_from
    from nnstruct.properties.packing import pack
    from nnstruct.properties.paths_kernel import path_rows

    roots, n = roots_of(structure), structure.num_units
    rows = np.full((1, 28), np.nan)
    path_rows(*pack([structure]), structure.inputs, structure.outputs, False, rows)
    found = searched(structure, roots, advance, directed=True, shares=False)
    begins = np.flatnonzero(structure.inputs)
    homes = roots.kinds if roots.whole else roots.home
    _, first, sizes = np.unique(homes[begins], return_index=True, return_counts=True)
    source, target = (np.ascontiguousarray(end, dtype=np.int32) for end in structure.graph_edges)
    counts = np.zeros(6)
    total = distances_from(
        source, target, n, begins[first].astype(np.int32), sizes.astype(float), structure.outputs, counts
    )
    pairs, reach = counts.sum(), found.along[0]
    rows[0, 14] = total / pairs if pairs else np.nan
    rows[0, 15] = pairs / (len(begins) * structure.outputs.sum())
    rows[0, 16:22] = counts / pairs if pairs else np.nan
    rows[0, 22] = (reach.max() * n - reach.sum()) / (n - 1.0) ** 2
    rows[0, 23] = reach.sum() / (n * (n - 1.0))
    return rows[0]
