"""Small patterns: triads, bi-fans, clustering, assortativity, cores, communities and colours.

Directions count for triads, bi-fans, colours and directed assortativity; all else is taken on the
undirected graph of the forward edges.

- Triads bear their usual names (Holland and Leinhardt, 1976). A graph without cycles has six of the
  sixteen: 003 (no edge), 012 (one), 021D (one unit feeds two), 021U (two feed one), 021C (a chain) and
  030T (the feed-forward loop; Milo et al., 2002). ``feed_forward_share`` is 030T among the connected four.
- Clustering of a unit: edges among its k neighbours / (k (k - 1) / 2), 0 for k < 2 (Watts and Strogatz,
  1998). Transitivity: 3 triangles / wedges, 0 without a wedge.
- Assortativity: Pearson's correlation of degrees over edges (Newman, 2003).
- Core number: the largest k for which a unit stays when units with fewer than k neighbours are taken
  away again and again (Seidman, 1983).
- Colours: classes of units after rounds of Weisfeiler and Leman's refinement (1968) by the colours of
  predecessors and successors, starting from one colour.
- Modularity (Newman and Girvan, 2004) of the layers as groups, and of groups found by greedy joining
  (Clauset, Newman and Moore, 2004), in which ties are resolved by colour and joined at once where even
  that is equal, so that a relabelling changes nothing.

In a relational graph, whose edges have no direction, triangles stand for 030T, colours follow from all
neighbours alike, and what counts directions or layers is NaN.

A measure is NaN exactly where it is undefined: shares and modularities without edges, a correlation of
degrees that do not vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.large import left_out
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

MEASURES = {
    "triad_003": "triples of units without an edge",
    "triad_012": "triples of units with one edge",
    "triad_021D": "triples with two edges out of one unit",
    "triad_021U": "triples with two edges into one unit",
    "triad_021C": "triples with a chain of two edges",
    "triad_030T": "feed-forward loops: triples with a chain and its shortcut",
    "feed_forward_share": "feed-forward loops among triples with two edges or more",
    "clustering_mean": "clustering of a unit: mean",
    "clustering_sd": "clustering of a unit: population standard deviation",
    "clustering_max": "clustering of a unit: maximum",
    "transitivity": "share of wedges that are closed",
    "bifans": "pairs of units that both feed the same pair of units",
    "assortativity": "correlation of the degrees at an edge's ends",
    "assortativity_in_in": "correlation of the source's fan-in with the target's fan-in",
    "assortativity_in_out": "correlation of the source's fan-in with the target's fan-out",
    "assortativity_out_in": "correlation of the source's fan-out with the target's fan-in",
    "assortativity_out_out": "correlation of the source's fan-out with the target's fan-out",
    "core_mean": "core number of a unit: mean",
    "core_max": "core number of a unit: maximum",
    "core_share": "share of units in the innermost core",
    "colours_1": "colours of the units after one round of refinement",
    "colours_2": "colours of the units after two rounds",
    "colours_3": "colours of the units after three rounds",
    "colours_final": "colours of the units once a round adds none",
    "modularity_layers": "modularity of the layers",
    "modularity_greedy": "modularity of the groups found by greedy joining",
    "groups_greedy": "groups found by greedy joining",
}
_WITH_DIRECTIONS = (
    "triad_021D", "triad_021U", "triad_021C", "bifans", "assortativity_in_in", "assortativity_in_out",
    "assortativity_out_in", "assortativity_out_out", "modularity_layers",
)  # fmt: skip


def motif_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The patterns of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 27]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = motif_measures([Structure([[0, 1, 0, 2], [1, 2, 2, 3]], num_units=4)])[0]
    >>> named = dict(zip(MEASURES, row.tolist()))
    >>> named["triad_030T"], named["triad_021C"], named["transitivity"]
    (1.0, 2.0, 0.6)
    """
    from nnstruct.properties.motifs_kernel import motif_rows

    rows = np.empty((len(structures), len(MEASURES)))
    without = np.array([FAMILIES[structure.family].undirected for structure in structures])
    motif_rows(*pack(structures), without, rows)
    return rows


MOTIFS = PropertyFamily(
    name="motifs",
    measures=MEASURES,
    compute=motif_measures,
    large=partial(left_out, count=len(MEASURES)),
    cost="cubic",
    undirected=[name for name in MEASURES if name not in _WITH_DIRECTIONS],
    source="Milo et al., 2002; Newman, 2003; Clauset, Newman and Moore, 2004; Seidman, 1983",
)
PROPERTY_FAMILIES.register(MOTIFS.name)(MOTIFS)
