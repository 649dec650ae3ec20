"""Forward paths: their lengths, distances from input to output, reach and communicability.

All measures follow forward edges. A path from input to output begins in an input unit and ends in an
output unit; one unit that is both is a path of length 0.

- ``length``: over all such paths, each counted once. Shares of lengths 0 to 8 and of 9 or more.
- ``distance``: the least length from an input to an output, over the pairs with a path.
- reaching centrality (Mones, Vicsek and Vicsek, 2012): sum over units of (C_max - C(v)) / (n - 1), with
  C(v) the share of other units that v reaches.
- communicability (Estrada and Hatano, 2008): log of the mean entry of exp(A), over all pairs of units or
  over those of an input and an output; a path of length k counts 1 / k!.

A measure is NaN exactly where it is undefined: lengths and distances where no input reaches an output,
the logarithm of no path.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.large import path_row
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure

MEASURES = {
    "length_mean": "edges on a path from input to output: mean over paths",
    "length_sd": "edges on a path from input to output: population standard deviation over paths",
    "length_min": "edges on the shortest path from input to output",
    "length_max": "edges on the longest path from input to output",
    **{f"length_{k}": f"share of the paths from input to output with {k} edges" for k in range(9)},
    "length_9_or_more": "share of the paths from input to output with 9 edges or more",
    "distance_mean": "distance from an input to an output that it reaches: mean over pairs",
    "pairs_connected": "share of the pairs of an input and an output with a path",
    **{f"distance_{k}": f"share of the connected input-output pairs at distance {k}" for k in range(5)},
    "distance_5_or_more": "share of the connected input-output pairs at distance 5 or more",
    "reaching_centrality": "global reaching centrality",
    "reach_mean": "share of the other units that a unit reaches: mean",
    "log_all_paths": "natural logarithm of the number of paths with one edge or more between any units",
    "communicability_undirected": "log of the mean entry of exp(A), A the undirected adjacency matrix",
    "communicability_directed": "log of the mean entry of exp(A), A the directed adjacency matrix",
    "communicability_input_output": "log of the mean of exp(A) over pairs of an input and an output",
}


def path_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The measures of paths of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 28]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = path_measures([Structure([[0, 1, 0], [1, 2, 2]], num_units=3)])[0]  # one skip
    >>> named = dict(zip(MEASURES, row.round(9).tolist()))
    >>> named["length_mean"], named["length_1"], named["distance_mean"]
    (1.5, 0.5, 1.0)
    """
    from nnstruct.properties.paths_kernel import path_rows

    inputs = np.concatenate([s.inputs for s in structures])
    outputs = np.concatenate([s.outputs for s in structures])
    rows = np.empty((len(structures), len(MEASURES)))
    path_rows(*pack(structures), inputs, outputs, True, rows)
    return rows


PATHS = PropertyFamily(
    name="paths",
    measures=MEASURES,
    compute=path_measures,
    large=path_row,
    cost="units x edges",
    source="Mones, Vicsek and Vicsek, 2012; Estrada and Hatano, 2008",
)
PROPERTY_FAMILIES.register(PATHS.name)(PATHS)
