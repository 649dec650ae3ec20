"""Small worlds of any number of edges."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Orientation, Probability
from nnstruct.priors.helpers import log_uniform, reordered
from nnstruct.priors.redrawn import RedrawnPrior


@PRIORS.register("small-world-flex")
class SmallWorldFlex(RedrawnPrior):
    """Watts and Strogatz' graph with a mean degree that may be any number (WS-flex).

    round(n k / 2) edges are shared out over the units as evenly as can be, the first having one more where
    they are no multiple; each unit is joined to as many of those that follow it on a ring. Then the far end
    of each edge is moved with probability ``p`` to a random unit that its near end is not joined to. Drawn as
    ``family="relational"`` it is a relational graph of the paper. :func:`nnstruct.priors.sample` takes it
    where it is named.

    :meth:`draw` takes a degree log-uniform in 2..n-1, ``p`` log-uniform in 0.01..1, and each orientation half
    of the time.

    Parameters
    ----------
    units : int
        n, at least 3.
    degree : float
        k, in 2..n-1.
    p : float
        Probability that an edge is moved, in [0, 1].
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    orientation : {"index", "random"}
        ``index`` by default.

    References
    ----------
    You, Leskovec, He and Xie, "Graph structure of neural networks", ICML 2020, arXiv 2007.06559; the
    definition was read in github.com/facebookresearch/graph2nn.

    Examples
    --------
    >>> from nnstruct.priors import SmallWorldFlex
    >>> SmallWorldFlex(units=16, degree=3.5, p=0.2).sample(0, family="relational").graph_edges.shape
    (2, 28)
    """

    name: ClassVar[str] = "small-world-flex"
    min_units: ClassVar[int] = 3
    in_turn: ClassVar[bool] = False

    units: Annotated[int, Field(ge=3)]
    degree: Annotated[float, Field(ge=2)]
    p: Probability
    orientation: Orientation = "index"

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Self:
        if self.degree > self.units - 1:
            raise InvalidInputError("degree", f"be at most {self.units - 1}, all other units", self.degree)
        return self

    @property
    def expected_edges(self) -> float:
        """round(n k / 2), exactly."""
        return float(round(self.units * self.degree / 2))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Degree, ``p`` and orientation as the class describes them."""
        return {
            "units": units,
            "degree": log_uniform(2, units - 1, rng),
            "p": log_uniform(0.01, 1, rng),
            "orientation": ("index", "random")[int(rng.integers(2))],
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, round(n k / 2)]."""
        n, edges = self.units, int(self.expected_edges)
        counts = edges // n + (np.arange(n) < edges % n)
        near = np.repeat(np.arange(n), counts)
        far = (near + np.concatenate([np.arange(1, count + 1) for count in counts])) % n
        joined = np.zeros((n, n), dtype=bool)
        joined[near, far] = joined[far, near] = True
        for edge in np.flatnonzero(rng.random(edges) < self.p):
            u, v = int(near[edge]), int(far[edge])
            free = np.flatnonzero(~joined[u])
            free = free[free != u]
            if len(free):
                w = int(rng.choice(free))
                joined[u, v] = joined[v, u] = False
                joined[u, w] = joined[w, u] = True
                far[edge] = w
        return reordered(np.stack([near, far]), n, self.orientation, rng)
