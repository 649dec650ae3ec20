"""Graphs with a power law of degrees."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import networkx as nx
import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS
from nnstruct.priors.helpers import edge_array, networkx_seed
from nnstruct.priors.redrawn import RedrawnPrior


@PRIORS.register("power-law-configuration")
class PowerLawConfiguration(RedrawnPrior):
    """Each unit draws a degree from a power law; half-edges are then matched at random.

    Degrees d in min_degree..n-1 have a probability proportional to d ** -exponent; where their
    sum is odd, one random unit gets one more (or one less, where it is joined to all others).
    Self-loops and repeated edges of the matching are erased, so that a few units end below their
    degree. Disconnected graphs are drawn again, degrees included, at most ``tries`` times; with
    ``min_degree=1`` that is nearly all of them.

    Edges run from the lower to the higher index. All orders of the units are equally likely in
    this model, so that a random order would change nothing: hubs stand anywhere, unlike in
    Barabasi-Albert graphs by index.

    :meth:`draw` takes the exponent uniform in 1.5..3.5 and the least degree in 2..4.

    Parameters
    ----------
    units : int
        n, at least 2.
    exponent : float
        Positive; the larger, the rarer are hubs.
    min_degree : int
        Least degree, in 1..n-1; 2 by default.
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.

    References
    ----------
    Molloy and Reed, "A critical point for random graphs with a given degree sequence", Random
    Structures and Algorithms 6, 1995; Newman, Strogatz and Watts, "Random graphs with arbitrary
    degree distributions and their applications", Physical Review E 64, 2001; erased as in Britton,
    Deijfen and Martin-Lof, "Generating simple random graphs with prescribed degree distribution",
    Journal of Statistical Physics 124, 2006.

    Examples
    --------
    >>> from nnstruct.priors import PowerLawConfiguration
    >>> PowerLawConfiguration(units=20, exponent=2.5).sample(0, family="mlp").num_units
    20
    """

    name: ClassVar[str] = "power-law-configuration"
    min_units: ClassVar[int] = 3

    units: Annotated[int, Field(ge=2)]
    exponent: Annotated[float, Field(gt=0)]
    min_degree: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _degrees_below_units(self) -> Self:
        if self.min_degree >= self.units:
            raise InvalidInputError("min_degree", f"be less than units, {self.units}", self.min_degree)
        return self

    @property
    def expected_edges(self) -> float:
        """Half of n times the mean degree, before the erasure of loops and repeats."""
        degrees, weights = self._degrees()
        return float(self.units * (degrees * weights).sum() / 2)

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """The exponent uniform in 1.5..3.5, the least degree in 2..4 and at most half of n - 1."""
        most = min(4, max(2, (units - 1) // 2))
        return {
            "units": units,
            "exponent": float(rng.uniform(1.5, 3.5)),
            "min_degree": int(rng.integers(2, most + 1)),
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one simple graph, connected or not, int64 [2, E]."""
        degrees, weights = self._degrees()
        sequence = rng.choice(degrees, self.units, p=weights)
        if sequence.sum() % 2:
            unit = rng.integers(self.units)
            sequence[unit] += 1 if sequence[unit] < self.units - 1 else -1
        matched = edge_array(nx.configuration_model(sequence.tolist(), seed=networkx_seed(rng)))
        matched = np.sort(matched[:, matched[0] != matched[1]], axis=0)
        return np.unique(matched, axis=1)

    def _degrees(self) -> tuple[np.ndarray, np.ndarray]:
        degrees = np.arange(self.min_degree, self.units)  # [D]
        # Ratios to the least degree keep large exponents from underflow to all zeros.
        weights = (degrees / self.min_degree) ** -self.exponent
        return degrees, weights / weights.sum()
