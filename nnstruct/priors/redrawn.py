"""Priors whose graph models give disconnected graphs too."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from nnstruct.errors import StructureError
from nnstruct.priors.base import Prior
from nnstruct.priors.helpers import components


class RedrawnPrior(Prior):
    """A prior whose graph model gives disconnected graphs too; these are drawn again.

    What is sampled is the model conditioned on connectedness, so that every unit is kept.

    Parameters
    ----------
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    """

    tries: Annotated[int, Field(ge=1)] = 100

    def connected_pairs(self, rng: np.random.Generator) -> np.ndarray:
        for _ in range(self.tries):
            pairs = self.pairs(rng)
            if not components(pairs, self.num_units).any():
                return pairs
        raise StructureError(
            "graph",
            f"be connected within {self.tries} tries",
            f"disconnected graphs from {self!r}",
            "Choose parameters that give more edges, or raise tries.",
        )
