"""Encoders and decoders with lateral connections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Probability
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import Counts, LayeredPrior, identity_edges

MOST_LEVELS = 6


@PRIORS.register("ladder")
class Ladder(LayeredPrior):
    """An encoder, a middle layer, and a decoder that mirrors the encoder, with laterals between them.

    Each unit of the encoder has a lateral edge to its like in the decoder's layer of the same level
    with probability ``lateral``.

    :meth:`draw` takes 1 to 6 levels that hold a quarter to a half of the units each side, every way
    to fill them with equal likelihood, a density log-uniform in 0.1..1, and laterals for all units in
    half of the cases, otherwise for a share uniform in 0.2..1.

    Parameters
    ----------
    encoder : sequence of int
        Units in each layer of the encoder, at least one layer.
    middle : int
        Units between encoder and decoder.
    lateral : float
        In [0, 1]; 1 by default.
    density : float
        Of the edges between consecutive layers, in (0, 1]; 1 by default.

    References
    ----------
    Rasmus et al., "Semi-supervised learning with ladder networks", NeurIPS 2015; Ronneberger,
    Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.

    Examples
    --------
    >>> from nnstruct.priors import Ladder
    >>> structure = Ladder(encoder=[1, 1], middle=1).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 4], [1, 2], [1, 3], [2, 3], [3, 4]]
    """

    name: ClassVar[str] = "ladder"
    min_units: ClassVar[int] = 3

    encoder: Counts
    middle: Annotated[int, Field(ge=1)]
    lateral: Probability = 1.0

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer: encoder, middle, decoder."""
        return [*self.encoder, self.middle, *self.encoder[::-1]]

    @property
    def expected_long_edges(self) -> float:
        """The encoder's units times the share of laterals."""
        return self.lateral * sum(self.encoder)

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Levels, laterals and density as the class describes them."""
        most = (units - 1) // 2
        side = int(rng.integers(max(1, units // 4), most + 1))
        levels = int(rng.integers(1, min(side, MOST_LEVELS) + 1))
        return {
            "encoder": random_sizes(side, levels, rng),
            "middle": units - 2 * side,
            "lateral": rng.uniform(0.2, 1) if rng.random() < 0.5 else 1.0,
            "density": log_uniform(0.1, 1, rng),
        }

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The laterals of each level."""
        for level, size in enumerate(self.encoder):
            kept = rng.random(size) < self.lateral
            yield identity_edges(layers[level], layers[-1 - level])[:, kept]
