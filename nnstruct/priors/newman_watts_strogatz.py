"""Small worlds: rings with short cuts added."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import networkx as nx
import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Orientation, Prior, Probability
from nnstruct.priors.helpers import edge_array, log_uniform, log_uniform_int, networkx_seed, reordered


@PRIORS.register("newman-watts-strogatz")
class NewmanWattsStrogatz(Prior):
    """Each unit is joined to its nearest on a ring; short cuts are added with probability ``p`` an edge.

    No edge is removed, so that graphs are connected and nothing is redrawn. With the orientation
    ``index`` edges run along the ring from unit 0, so that every unit is a layer of its own; with
    ``random`` the units are put into a random order first, which gives shallower structures.

    :meth:`draw` takes an even ``k`` log-uniform in 2..n/2, ``p`` log-uniform in 0.01..1, and the
    orientation ``random`` three times out of four.

    Parameters
    ----------
    units : int
        n, at least 3.
    k : int
        Neighbours of each unit on the ring, in 2..n-1; an odd number counts as the even one below.
    p : float
        Probability, for each edge of the ring, that one short cut is added, in [0, 1].
    orientation : {"index", "random"}
        ``index`` by default.

    References
    ----------
    Newman and Watts, "Renormalization group analysis of the small-world network model", Physics
    Letters A 263, 1999.

    Examples
    --------
    >>> from nnstruct.priors import NewmanWattsStrogatz
    >>> NewmanWattsStrogatz(units=20, k=4, p=0.3).sample(0, family="mlp").num_layers
    20
    """

    name: ClassVar[str] = "newman-watts-strogatz"
    min_units: ClassVar[int] = 3

    units: Annotated[int, Field(ge=3)]
    k: Annotated[int, Field(ge=2)]
    p: Probability
    orientation: Orientation = "index"

    @model_validator(mode="after")
    def _fewer_neighbours_than_units(self) -> Self:
        if self.k >= self.units:
            raise InvalidInputError("k", f"be less than units, {self.units}", self.k)
        return self

    @property
    def expected_edges(self) -> float:
        """n (k // 2) (1 + p)."""
        return self.units * (self.k // 2) * (1 + self.p)

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """``k`` even and log-uniform in 2..n/2, ``p`` log-uniform in 0.01..1, mostly random order."""
        return {
            "units": units,
            "k": 2 * log_uniform_int(1, max(1, units // 4), rng),
            "p": log_uniform(0.01, 1, rng),
            "orientation": "index" if rng.random() < 0.25 else "random",
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        graph = nx.newman_watts_strogatz_graph(self.units, self.k, self.p, seed=networkx_seed(rng))
        return reordered(edge_array(graph), self.units, self.orientation, rng)
