"""Networks whose label only their weights tell."""

from __future__ import annotations

import numpy as np

from nnstruct import Network, Structure
from nnstruct.network.cell_layout import CellLayout


def drawn(count: int, seed: int = 0) -> tuple[list[Network], np.ndarray]:
    """Networks of three structures; the label is the scale of their weights."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.2, 2.0, count)
    made = []
    for number, scale in enumerate(scales):
        structure = Structure.from_layers([3, 3 + number % 3, 2])
        tensors = {
            "input_weight": rng.normal(size=(3, 4, 1)),
            "readout_weight": rng.normal(size=(2, 2)),
            "readout_bias": rng.normal(size=2),
        }
        weight = scale * rng.normal(size=(structure.num_edges, 1))
        made.append(Network(structure, weight, 0.1 * rng.normal(size=(structure.num_units, 1)), tensors))
    return made, scales


def relabelled(network: Network, permutation: np.ndarray) -> Network:
    """The same network with other names for its units."""
    old, new = network.structure, network.structure.relabel(permutation)
    place = {
        (*permutation[edge].tolist(), bool(late)): row
        for row, (edge, late) in enumerate(zip(old.edge_index.T, old.recurrent, strict=True))
    }
    edges = [
        place[u, v, bool(late)] for (u, v), late in zip(new.edge_index.T.tolist(), new.recurrent, strict=True)
    ]
    units = np.argsort(permutation)
    tensors = dict(network.tensors)
    for name, flags, axis in (("input_weight", old.inputs, 0), ("readout_weight", old.outputs, 1)):
        rank = np.cumsum(flags) - 1
        tensors[name] = np.take(tensors[name], [rank[unit] for unit in units if flags[unit]], axis=axis)
    if "unit_weight" in tensors:  # of the units that have a kernel of their own
        own = CellLayout(old).own_units.tolist()
        moved = np.argsort(permutation[own])
        tensors["unit_weight"] = tensors["unit_weight"][moved]
    tensors |= {name: value[units] for name, value in tensors.items() if name.startswith("norm_")}
    return Network(new, network.weight[edges], network.bias[units], tensors)
