"""Blocks in which every layer sees all layers before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Probability, Sizes
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import Counts, LayeredPrior, block_edges

MOST_LAYERS, MOST_BLOCKS = 12, 4


@PRIORS.register("dense-net")
class DenseNet(LayeredPrior):
    """Layers fall into blocks; each layer sees every earlier one of its block.

    The last layer of a block is its transition: it sees the whole block, and the layers of the next
    block see it and no earlier one. Two layers of a block that are not neighbours are left
    unconnected with probability ``drop``; otherwise their pairs of units are joined with
    probability ``density``, each unit at least once. In the family ``cnn`` each block is a stage,
    and cells concatenate their inputs.

    :meth:`draw` takes 3 to 12 layers in 1 to 4 blocks, every way to fill them with equal
    likelihood, a density log-uniform in 0.1..1, and drops in half of the cases (uniform in 0..0.7).

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer (the growth rate), at least two layers.
    blocks : sequence of int
        Layers in each block; they sum to the number of layers.
    density : float
        In (0, 1]; 1 by default.
    drop : float
        In [0, 1]; 0 by default.

    References
    ----------
    Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR 2017.

    Examples
    --------
    >>> from nnstruct.priors import DenseNet
    >>> structure = DenseNet(sizes=[2, 1, 1, 1], blocks=[3, 1]).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3], [3, 4]]
    """

    name: ClassVar[str] = "dense-net"
    min_units: ClassVar[int] = 3

    sizes: Sizes
    blocks: Counts
    drop: Probability = 0.0

    @model_validator(mode="after")
    def _every_layer_in_a_block(self) -> Self:
        if sum(self.blocks) != len(self.sizes):
            raise InvalidInputError("blocks", f"sum to the {len(self.sizes)} layers", list(self.blocks))
        return self

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer."""
        return self.sizes

    @property
    def expected_long_edges(self) -> float:
        """Pairs of units in layers that see each other and are no neighbours, times their probability."""
        pairs = sum(self.sizes[a] * self.sizes[b] for a, b in self._sights())
        return (1 - self.drop) * self.density * pairs

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Layers, blocks, density and drops as the class describes them."""
        layers = int(rng.integers(3, min(units, MOST_LAYERS) + 1))
        blocks = int(rng.integers(1, min(layers // 2, MOST_BLOCKS) + 1))
        return {
            "sizes": random_sizes(units, layers, rng),
            "blocks": random_sizes(layers, blocks, rng),
            "density": log_uniform(0.1, 1, rng),
            "drop": rng.uniform(0, 0.7) if rng.random() < 0.5 else 0.0,
        }

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Between layers of a block, its entrance included, that are no neighbours."""
        for earlier, later in self._sights():
            if rng.random() >= self.drop:
                yield block_edges(layers[earlier], layers[later], self.density, rng)

    def _sights(self) -> Iterator[tuple[int, int]]:
        """Pairs of layers, two or more apart, of which the later sees the earlier."""
        end = 0
        for block in self.blocks:
            entrance, end = max(0, end - 1), end + block
            for later in range(entrance + 2, end):
                yield from ((earlier, later) for earlier in range(entrance, later - 1))

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """Each block is a stage, and all cells concatenate."""
        stage = np.repeat(np.repeat(np.arange(len(self.blocks)), self.blocks), self.sizes)
        return {"join": ("concat",) * self.num_units, "stage": tuple(stage.tolist())}
