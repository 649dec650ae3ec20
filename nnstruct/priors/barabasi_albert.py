"""Graphs grown by preferential attachment."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import networkx as nx
import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Orientation, Prior
from nnstruct.priors.helpers import edge_array, log_uniform_int, networkx_seed, reordered


@PRIORS.register("barabasi-albert")
class BarabasiAlbert(Prior):
    """Units join one by one, each with ``m`` edges to units drawn in proportion to their degree.

    Growth starts from a star of ``m + 1`` units. Graphs are connected and have m (n - m) edges;
    nothing is redrawn. With the orientation ``index`` edges run from older to younger units: unit
    0 is the only source, hubs come early, and the youngest units are sinks. With ``random`` the
    units are put into a random order first, which gives several sources and hubs anywhere.

    :meth:`draw` takes ``m`` log-uniform in 1..n/3 and each orientation half of the time.

    Parameters
    ----------
    units : int
        n, at least 2.
    m : int
        Edges of each new unit, in 1..n-1.
    orientation : {"index", "random"}
        ``index`` by default, as in Stier et al. (2021).

    References
    ----------
    Barabasi and Albert, "Emergence of scaling in random networks", Science 286, 1999.

    Examples
    --------
    >>> from nnstruct.priors import BarabasiAlbert
    >>> structure = BarabasiAlbert(units=30, m=3).sample(0, family="mlp")
    >>> structure.num_edges, int(structure.inputs.sum())
    (81, 1)
    """

    name: ClassVar[str] = "barabasi-albert"

    units: Annotated[int, Field(ge=2)]
    m: Annotated[int, Field(ge=1)]
    orientation: Orientation = "index"

    @model_validator(mode="after")
    def _fewer_edges_than_units(self) -> Self:
        if self.m >= self.units:
            raise InvalidInputError("m", f"be less than units, {self.units}", self.m)
        return self

    @property
    def expected_edges(self) -> float:
        """m (n - m), exactly."""
        return float(self.m * (self.units - self.m))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """``m`` log-uniform in 1..n/3, each orientation half of the time."""
        m = log_uniform_int(1, max(1, units // 3), rng)
        return {"units": units, "m": m, "orientation": ("index", "random")[int(rng.integers(2))]}

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, m (n - m)]."""
        graph = nx.barabasi_albert_graph(self.units, self.m, seed=networkx_seed(rng))
        return reordered(edge_array(graph), self.units, self.orientation, rng)
