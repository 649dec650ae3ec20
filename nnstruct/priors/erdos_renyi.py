"""Uniformly random graphs."""

from __future__ import annotations

from math import log
from typing import Annotated, Any, ClassVar

import networkx as nx
import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Probability
from nnstruct.priors.helpers import edge_array, log_uniform, networkx_seed
from nnstruct.priors.redrawn import RedrawnPrior


@PRIORS.register("erdos-renyi")
class ErdosRenyi(RedrawnPrior):
    """Each pair of units is joined with the same probability, independently.

    Edges run from the lower to the higher index. All orders of the units are equally likely in
    this model, so that a random order would change nothing; the depth grows with ``p``.
    Disconnected graphs are drawn again, at most ``tries`` times.

    :meth:`draw` takes ``p`` log-uniform between the threshold of connectedness, log(n) / n, and
    one half.

    Parameters
    ----------
    units : int
        n, at least 2.
    p : float
        Probability of an edge, in [0, 1].
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.

    References
    ----------
    Erdos and Renyi, "On random graphs I", Publicationes Mathematicae 6, 1959; in this form Gilbert,
    "Random graphs", Annals of Mathematical Statistics 30, 1959.

    Examples
    --------
    >>> from nnstruct.priors import ErdosRenyi
    >>> ErdosRenyi(units=6, p=1).sample(0, family="mlp").num_edges
    15
    """

    name: ClassVar[str] = "erdos-renyi"

    units: Annotated[int, Field(ge=2)]
    p: Probability

    @property
    def expected_edges(self) -> float:
        """p n (n - 1) / 2."""
        return self.p * self.units * (self.units - 1) / 2

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """``p`` log-uniform between log(n) / n and one half."""
        return {"units": units, "p": log_uniform(log(units) / units, 0.5, rng)}

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, E]."""
        return edge_array(nx.gnp_random_graph(self.units, self.p, seed=networkx_seed(rng)))
