"""How many samples a structure may memorise, by the number and the layout of its connections.

A connection is live where it lies on a way from an input unit to an output unit (over forward or
recurrent edges); W is the number of live forward edges, L that of layers and w_min the width of the
narrowest layer.

- Vershynin (2020): a network of threshold or ReLU units can memorise K points on the sphere that are not
  too near to each other where its deep connections, those behind its first layers, number at least
  ``C K log(K)^5``, provided that no layer is much wider than the narrowest:
  ``w_max <= exp(c w_min^(1/5))``. C and c are absolute constants that nobody has put numbers to, so that
  they and the logarithms are left out here. Input weights are no edges of a Structure; W counts all that
  are. ``width_ratio`` is w_min / log(W), and :func:`width_exponent` the least c that a structure needs.
- Bartlett et al. (2019): the VC dimension of a piecewise linear network grows as W L log(W).

:func:`memory_load` sets samples against W. Logarithms, ratios and shares are NaN where undefined:
without a live connection, or, for logarithms of W below them, with one only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.families import FAMILIES

MEASURES = {
    "connections": "live forward edges but residual ones, W: samples memorised, up to constants and logs",
    "connections_recurrent": "live recurrent edges",
    "log_connections": "natural logarithm of W",
    "live_share": "live edges as a share of all edges",
    "connections_per_unit": "W over the number of live units",
    "width_ratio": "width of the narrowest layer over log(W)",
    "log_vc_dimension": "natural logarithm of W L log(W)",
    "live_parameters": "weights on live edges (gates of the family times edges)",
}


def capacity_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The capacity of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 8]
        Columns in the order of ``MEASURES``.

    References
    ----------
    Vershynin, 2020, "Memory capacity of neural networks with threshold and ReLU activations",
    arXiv 2001.06938. Bartlett, Harvey, Liaw and Mehrabian, 2019, "Nearly-tight VC-dimension and
    pseudodimension bounds for piecewise linear neural networks".

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = capacity_measures([Structure.from_layers([4, 5, 3])])[0]
    >>> named = dict(zip(MEASURES, row.tolist()))
    >>> named["connections"], round(named["width_ratio"], 3)
    (35.0, 0.844)
    """
    return np.array([_row(structure) for structure in structures])


def _row(structure: Structure) -> list[float]:
    alive = structure.reachability.from_input & structure.reachability.to_output
    live = alive[structure.edge_index].all(axis=0)
    connections = int((live & ~structure.recurrent & ~structure.residual).sum())
    delayed = int((live & structure.recurrent).sum())
    log = float(np.log(connections)) if connections else np.nan
    positive_log = log if connections > 1 else np.nan
    return [
        connections,
        delayed,
        log,
        float(live.mean()) if structure.num_edges else np.nan,
        connections / int(alive.sum()) if alive.any() else np.nan,
        int(structure.layer_sizes.min()) / positive_log,
        float(np.log(connections * structure.num_layers * positive_log)) if connections else np.nan,
        FAMILIES[structure.family].gates * (connections + delayed),
    ]


def memory_load(structures: Sequence[Structure], samples: int) -> np.ndarray:
    """Samples for each live forward connection; far below 1, memorising them is possible.

    Parameters
    ----------
    structures : sequence of S Structures
    samples : int
        Of the training data.

    Returns
    -------
    float64 [S]
        Infinite without a live connection.

    Raises
    ------
    InvalidInputError
        If ``samples`` is not a positive integer.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> memory_load([Structure.from_layers([4, 5])], samples=100).tolist()
    [5.0]
    """
    samples = check_integer(samples, "samples")
    connections = np.array([_row(structure)[0] for structure in check_structures(structures)])
    with np.errstate(divide="ignore"):
        return samples / connections


def width_exponent(structures: Sequence[Structure]) -> np.ndarray:
    """What the theorem's condition on the widths asks of its constant: ``log(w_max) / w_min^(1/5)``.

    Parameters
    ----------
    structures : sequence of S Structures

    Returns
    -------
    float64 [S]
        The theorem speaks of structures for which that is at most an absolute constant c. It is small where
        no layer is narrow, and grows where a narrow layer stands beside wide ones.

    References
    ----------
    Vershynin, 2020, arXiv 2001.06938, Theorem 1.1.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> even, narrow = Structure.from_layers([64, 64, 64]), Structure.from_layers([64, 2, 64])
    >>> width_exponent([even, narrow]).round(2).tolist()
    [1.81, 3.62]
    """
    sizes = [structure.layer_sizes for structure in check_structures(structures)]
    return np.array([np.log(size.max()) / size.min() ** 0.2 for size in sizes])


CAPACITY = PropertyFamily(
    name="capacity",
    measures=MEASURES,
    compute=capacity_measures,
    cost="linear",
    source="Vershynin, 2020, arXiv 2001.06938; Bartlett et al., 2019",
)
PROPERTY_FAMILIES.register(CAPACITY.name)(CAPACITY)
