"""Layers that each feed the output by long connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, log_uniform, random_sizes
from nnstruct.priors.layers import LayeredPrior, block_edges

MOST_LAYERS = 12


@PRIORS.register("auto-compressing")
class AutoCompressing(LayeredPrior):
    """A chain of layers, each of which also feeds the last one; no layer skips to any other.

    The last layer stands for the network's output, to which an auto-compressing network adds what
    every layer gives: ``y = x_0 + x_1 + ... + x_L`` with ``x_(i+1) = f_i(x_i)``. Edges from a layer
    to the last one are drawn with probability ``density``, as those to the next layer; each layer's
    units have at least one, and each unit of the last layer has at least one from each layer. In
    the family ``cnn`` the last layer's cells sum their inputs and change nothing else.

    :meth:`draw` takes 3 to 12 layers, every way to fill them with equal likelihood, and a density
    log-uniform in 0.1..1.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least three layers.
    density : float
        In (0, 1]; 1 by default.

    References
    ----------
    Dorovatas, Paraskevopoulos and Potamianos, "Auto-Compressing Networks", arXiv:2506.09714, 2025.

    Examples
    --------
    >>> from nnstruct.priors import AutoCompressing
    >>> structure = AutoCompressing(sizes=[1, 1, 1, 1]).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 3], [1, 2], [1, 3], [2, 3]]
    """

    name: ClassVar[str] = "auto-compressing"
    min_units: ClassVar[int] = 3

    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=3, strict=False)]

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer."""
        return self.sizes

    @property
    def expected_long_edges(self) -> float:
        """Pairs of a unit two or more layers before the last and one in it, times the density."""
        return self.density * sum(self.sizes[:-2]) * self.sizes[-1]

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Layers, sizes and density as the class describes them."""
        layers = int(rng.integers(3, min(units, MOST_LAYERS) + 1))
        return {"sizes": random_sizes(units, layers, rng), "density": log_uniform(0.1, 1, rng)}

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """From each layer to the last."""
        for layer in layers[:-2]:
            yield block_edges(layer, layers[-1], self.density, rng)

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """The last layer sums what reaches it."""
        hidden, last = sum(self.sizes[:-1]), self.sizes[-1]
        return {
            "operator": (None,) * hidden + ("identity",) * last,
            "join": (None,) * hidden + ("sum",) * last,
        }
