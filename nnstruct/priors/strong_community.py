"""Graphs with communities in the strong sense."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Orientation
from nnstruct.priors.helpers import reordered
from nnstruct.priors.redrawn import RedrawnPrior

MOST_COMMUNITIES = 5


@PRIORS.register("strong-community")
class StrongCommunity(RedrawnPrior):
    """Every unit has more edges inside its community than out of it.

    The units fall into communities of sizes that differ by at most one. Of the round(n k / 2) edges the share
    ``mixing`` joins random pairs of units of two communities, none of which may come to have as many edges
    out as in; the rest joins random pairs inside. Where no pair across is left that may have an edge, it goes
    inside. Disconnected graphs are drawn again, at most ``tries`` times. Drawn as ``family="relational"`` it
    is a relational graph. :func:`nnstruct.priors.sample` takes it where it is named.

    :meth:`draw` takes 1 to 5 communities, at most n/6, a degree uniform between three quarters and all of
    what fits, ``mixing`` uniform from two edges a community to 0.35, and each orientation half of the time.

    Parameters
    ----------
    units : int
        n, at least 3.
    communities : int
        At most n/3; 1 gives a random graph.
    degree : float
        k, the mean number of edges of a unit.
    mixing : float
        In [0, 0.5).
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    orientation : {"index", "random"}
        ``index`` by default: communities stand one behind the other.

    References
    ----------
    Radicchi, Castellano, Cecconi, Loreto and Parisi, "Defining and identifying communities in networks",
    PNAS 101, 2004, for the strong sense; as relational graphs: You, Leskovec, He and Xie, "Graph structure of
    neural networks", ICML 2020, arXiv 2007.06559.

    Examples
    --------
    >>> from nnstruct.priors import StrongCommunity
    >>> StrongCommunity(units=16, communities=2, degree=5, mixing=0.1).sample(0, family="mlp").num_edges
    40
    """

    name: ClassVar[str] = "strong-community"
    min_units: ClassVar[int] = 3
    in_turn: ClassVar[bool] = False

    units: Annotated[int, Field(ge=3)]
    communities: Annotated[int, Field(ge=1)]
    degree: Annotated[float, Field(gt=0)]
    mixing: Annotated[float, Field(ge=0, lt=0.5)]
    orientation: Orientation = "index"

    @model_validator(mode="after")
    def _room_inside(self) -> Self:
        if 3 * self.communities > self.units:
            raise InvalidInputError("communities", f"be at most {self.units // 3}", self.communities)
        if self.degree > (most := most_degree(self.units, self.communities)):
            raise InvalidInputError("degree", f"be at most {most:.6g}, all pairs inside", self.degree)
        return self

    @property
    def expected_edges(self) -> float:
        """round(n k / 2)."""
        return float(round(self.units * self.degree / 2))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Communities, degree, mixing and orientation as the class describes them."""
        communities = int(rng.integers(1, max(1, min(MOST_COMMUNITIES, units // 6)) + 1))
        degree = float(rng.uniform(0.75, 1)) * most_degree(units, communities)
        least = min(0.3, 2 * communities / (units * degree / 2))
        return {
            "units": units,
            "communities": communities,
            "degree": degree,
            "mixing": float(rng.uniform(least, 0.35)),
            "orientation": ("index", "random")[int(rng.integers(2))],
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, round(n k / 2)]."""
        group = np.sort(np.arange(self.units) % self.communities)
        rows, columns = np.triu_indices(self.units, 1)
        same = group[rows] == group[columns]
        total = int(self.expected_edges)
        inside, across = (rng.permutation(np.flatnonzero(side)) for side in (same, ~same))
        wanted = round(self.mixing * total) if self.communities > 1 else 0
        chosen = inside[: total - wanted]
        within = np.bincount(np.concatenate([rows[chosen], columns[chosen]]), minlength=self.units)
        out = np.zeros(self.units, dtype=np.int64)
        taken: list[int] = []
        for pair in across:
            ends = [rows[pair], columns[pair]]
            if len(taken) < wanted and (out[ends] + 1 < within[ends]).all():
                out[ends] += 1
                taken.append(int(pair))
        whole = np.concatenate([inside[: total - len(taken)], np.array(taken, dtype=np.int64)])
        return reordered(np.stack([rows[whole], columns[whole]]), self.units, self.orientation, rng)


def most_degree(units: int, communities: int) -> float:
    """The mean degree where all pairs inside are joined.

    Parameters
    ----------
    units : int
    communities : int

    Returns
    -------
    float
    """
    sizes = np.bincount(np.arange(units) % communities)
    return float((sizes * (sizes - 1)).sum() / units)
