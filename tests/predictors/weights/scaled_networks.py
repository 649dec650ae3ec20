"""Networks whose label only their weights tell."""

from __future__ import annotations

import numpy as np

from nnstruct import Network, Structure


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
