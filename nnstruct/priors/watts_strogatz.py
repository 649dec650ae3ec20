"""Small worlds: rings whose edges are rewired."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import networkx as nx
import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Orientation, Probability
from nnstruct.priors.helpers import edge_array, log_uniform, log_uniform_int, networkx_seed, reordered
from nnstruct.priors.redrawn import RedrawnPrior


@PRIORS.register("watts-strogatz")
class WattsStrogatz(RedrawnPrior):
    """Each unit is joined to its nearest on a ring, then each edge is rewired with probability ``p``.

    Disconnected graphs are drawn again, at most ``tries`` times, which makes this the connected
    Watts-Strogatz graph of networkx. With the orientation ``index`` edges run along the ring from
    unit 0: with a small ``p`` nearly every unit is a layer of its own. With ``random`` the units
    are put into a random order first, which gives wide and shallow structures.

    :meth:`draw` takes an even ``k`` log-uniform in 2..n/2, ``p`` log-uniform in 0.01..1, and each
    orientation half of the time.

    Parameters
    ----------
    units : int
        n, at least 3.
    k : int
        Neighbours of each unit on the ring, in 2..n-1; an odd number counts as the even one below.
    p : float
        Probability that an edge is rewired, in [0, 1].
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    orientation : {"index", "random"}
        ``index`` by default, as in Stier et al. (2021).

    References
    ----------
    Watts and Strogatz, "Collective dynamics of 'small-world' networks", Nature 393, 1998.

    Examples
    --------
    >>> from nnstruct.priors import WattsStrogatz
    >>> WattsStrogatz(units=20, k=4, p=0.5).sample(0, family="mlp").num_edges
    40
    """

    name: ClassVar[str] = "watts-strogatz"
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
        """n times k // 2, exactly."""
        return float(self.units * (self.k // 2))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """``k`` even and log-uniform in 2..n/2, ``p`` log-uniform in 0.01..1, either orientation."""
        return {
            "units": units,
            "k": 2 * log_uniform_int(1, max(1, units // 4), rng),
            "p": log_uniform(0.01, 1, rng),
            "orientation": ("index", "random")[int(rng.integers(2))],
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, n (k // 2)]."""
        graph = nx.watts_strogatz_graph(self.units, self.k, self.p, seed=networkx_seed(rng))
        return reordered(edge_array(graph), self.units, self.orientation, rng)
