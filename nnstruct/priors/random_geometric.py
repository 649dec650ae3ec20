"""Graphs of points that are near to each other."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Annotated, Any, ClassVar, Literal

import networkx as nx
import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS
from nnstruct.priors.helpers import edge_array, log_uniform, networkx_seed, reordered
from nnstruct.priors.redrawn import RedrawnPrior


@PRIORS.register("random-geometric")
class RandomGeometric(RedrawnPrior):
    """Units are random points of the unit square; those at most ``radius`` apart are joined.

    Disconnected graphs are drawn again, at most ``tries`` times. With the orientation
    ``position`` edges run from left to right (along the first coordinate), as a wave crosses a
    sheet of tissue, so that the depth reflects the distance that a signal covers. With ``random``
    they follow a random order of the points.

    :meth:`draw` takes the radius log-uniform between 1.2 and 2.5 times sqrt(log(n) / (pi n)), the
    threshold of connectedness, and each orientation half of the time.

    Parameters
    ----------
    units : int
        n, at least 2.
    radius : float
        Longest edge, in (0, 1].
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    orientation : {"position", "random"}
        ``position`` by default.

    References
    ----------
    Gilbert, "Random plane networks", Journal of the Society for Industrial and Applied Mathematics
    9, 1961; Penrose, "Random Geometric Graphs", Oxford University Press, 2003.

    Examples
    --------
    >>> from nnstruct.priors import RandomGeometric
    >>> RandomGeometric(units=20, radius=0.4).sample(0, family="mlp").num_units
    20
    """

    name: ClassVar[str] = "random-geometric"

    units: Annotated[int, Field(ge=2)]
    radius: Annotated[float, Field(gt=0, le=1)]
    orientation: Literal["position", "random"] = "position"

    @property
    def expected_edges(self) -> float:
        """Pairs times the probability that two points of the square are at most r apart."""
        r = self.radius
        near = pi * r**2 - 8 * r**3 / 3 + r**4 / 2
        return near * self.units * (self.units - 1) / 2

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """The radius around the threshold of connectedness, either orientation."""
        threshold = sqrt(log(units) / (pi * units))
        return {
            "units": units,
            "radius": min(1.0, log_uniform(1.2, 2.5, rng) * threshold),
            "orientation": ("position", "random")[int(rng.integers(2))],
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, E]."""
        graph = nx.random_geometric_graph(self.units, self.radius, seed=networkx_seed(rng))
        first = np.array([position[0] for _, position in graph.nodes(data="pos")])
        rank = np.argsort(np.argsort(first, kind="stable"))
        return reordered(rank[edge_array(graph)], self.units, self.orientation, rng)
