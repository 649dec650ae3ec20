"""How far two sparse networks with the same layers are apart, whatever the order of their units."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.properties.topometrics import layer_blocks
from nnstruct.structure import Structure

Topology = Structure | Sequence[np.ndarray]


def topology_distance(first: Topology, second: Topology) -> list[float]:
    """The sparse topology distance (NNSTD) of each layer of two networks.

    A unit is the set of units that feed it. Two are ``|A xor B| / |A or B|`` apart, the edits that make one
    set of the other over their union. Layer after layer, the units of the second network are matched to
    those of the first so that the sum is least, and then bear their numbers for the layer behind. The inputs
    are the same in both. A layer is matched without a look at those behind it: where units are fed by the
    same ones, another choice among them could bring later layers nearer.

    Parameters
    ----------
    first, second : Structure or sequence of bool [outputs, inputs]
        Structures whose edges join consecutive layers, or masks of layers in a row. Layers of the same sizes.

    Returns
    -------
    list of float
        For each layer behind the inputs the mean distance of matched units, in [0, 1]; their mean is that of
        the networks.

    Raises
    ------
    InvalidInputError
        If the layers differ in their sizes, or an edge skips a layer.

    References
    ----------
    S. Liu, T. Van der Lee, A. Yaman, Z. Atashgahi, D. Ferraro, G. Sokar, M. Pechenizkiy, D. C. Mocanu,
    Topological insights into sparse neural networks (ECML PKDD 2020), arXiv:2006.14085; the definition was
    read in github.com/Shiweiliuiiiiiii/Sparse_Topology_Distance.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.properties import topology_distance
    >>> links = np.array([[True, True, False], [False, True, True]])
    >>> topology_distance([links], [links[::-1]])
    [0.0]
    >>> topology_distance([links], [np.array([[True, False, False], [False, True, True]])])
    [0.25]
    """
    from scipy.optimize import linear_sum_assignment

    mine, yours = _layers(first, "first"), _layers(second, "second")
    sizes = [[links.shape for links in layers] for layers in (mine, yours)]
    if sizes[0] != sizes[1]:
        raise InvalidInputError("second", f"have layers of {sizes[0]}, as the first", sizes[1])
    distances = []
    order = np.arange(mine[0].shape[1])  # the unit of the second network that bears each number
    for ours, theirs in zip(mine, yours, strict=True):
        cost = _edits(ours, theirs[:, order])
        rows, order = linear_sum_assignment(cost)
        distances.append(float(cost[rows, order].mean()))
    return distances


def _edits(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    common = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1)[None, :] - common
    return np.where(union > 0, 1 - common / np.maximum(union, 1), 0.0)


def _layers(topology: Topology, name: str) -> list[np.ndarray]:
    if not isinstance(topology, Structure):
        layers = [np.asarray(links, dtype=bool) for links in topology]
        if not layers or any(links.ndim != 2 for links in layers):
            raise InvalidInputError(name, "hold a matrix [outputs, inputs] for each layer", len(layers))
        for before, after in pairwise(layers):
            if len(before) != after.shape[1]:
                rule = "have as many inputs in a layer as outputs in the one before"
                raise InvalidInputError(name, rule, [links.shape for links in layers])
        return layers
    blocks = dict(layer_blocks(topology))
    skipping = [pair for pair in blocks if pair[1] - pair[0] > 1]
    if skipping or not blocks:
        raise InvalidInputError(name, "join consecutive layers, and nothing else", skipping)
    return [blocks[place, place + 1] for place in range(topology.num_layers - 1)]
