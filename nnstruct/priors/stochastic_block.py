"""Graphs with communities."""

from __future__ import annotations

from math import log
from typing import Any, ClassVar

import networkx as nx
import numpy as np

from nnstruct.priors.base import PRIORS, Orientation, Probability, Sizes
from nnstruct.priors.helpers import edge_array, log_uniform, networkx_seed, random_sizes, reordered
from nnstruct.priors.redrawn import RedrawnPrior

MOST_BLOCKS = 5


@PRIORS.register("stochastic-block")
class StochasticBlock(RedrawnPrior):
    """Units fall into blocks; pairs within a block and pairs across blocks have own probabilities.

    Disconnected graphs are drawn again, at most ``tries`` times. With the orientation ``index``
    the blocks stand one behind the other, and edges across run from earlier blocks to later ones:
    modules in a chain. With ``random`` the units are put into a random order first: modules side
    by side.

    :meth:`draw` takes 2 to 5 blocks, a mean density log-uniform between 1.5 log(n) / n and one
    half, across-block pairs 0.05 to 1 times as likely as pairs within (log-uniform), and each
    orientation half of the time.

    Parameters
    ----------
    sizes : sequence of int
        Units in each block, at least two blocks.
    p_within, p_across : float
        Probability of an edge within a block and across blocks, in [0, 1].
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.
    orientation : {"index", "random"}
        ``index`` by default.

    References
    ----------
    Holland, Laskey and Leinhardt, "Stochastic blockmodels: first steps", Social Networks 5, 1983.

    Examples
    --------
    >>> from nnstruct.priors import StochasticBlock
    >>> StochasticBlock(sizes=[3, 4], p_within=1, p_across=1).sample(0, family="mlp").num_edges
    21
    """

    name: ClassVar[str] = "stochastic-block"

    sizes: Sizes
    p_within: Probability
    p_across: Probability
    orientation: Orientation = "index"

    @property
    def num_units(self) -> int:
        """N, the sum of the sizes."""
        return sum(self.sizes)

    @property
    def expected_edges(self) -> float:
        """The number of pairs within and across blocks, each times its probability."""
        within = _pairs_within(self.sizes)
        across = self.num_units * (self.num_units - 1) / 2 - within
        return self.p_within * within + self.p_across * across

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Blocks, mean density and contrast of the blocks, as the class describes them."""
        sizes = random_sizes(units, int(rng.integers(2, min(units, MOST_BLOCKS) + 1)), rng)
        density = log_uniform(min(0.5, 1.5 * log(units) / units), 0.5, rng)
        contrast = log_uniform(0.05, 1, rng)
        share = _pairs_within(sizes) / (units * (units - 1) / 2)
        within = min(1.0, density / (share + contrast * (1 - share)))
        # Where the blocks hold too few pairs for the mean density, pairs across make up for it.
        across = (density - within * share) / (1 - share)
        return {
            "sizes": sizes,
            "p_within": within,
            "p_across": min(1.0, max(0.0, across)),
            "orientation": ("index", "random")[int(rng.integers(2))],
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, E]."""
        blocks = len(self.sizes)
        probabilities = np.full((blocks, blocks), self.p_across)
        np.fill_diagonal(probabilities, self.p_within)
        graph = nx.stochastic_block_model(self.sizes, probabilities.tolist(), seed=networkx_seed(rng))
        return reordered(edge_array(graph), self.num_units, self.orientation, rng)


def _pairs_within(sizes: tuple[int, ...] | list[int]) -> float:
    return sum(size * (size - 1) / 2 for size in sizes)
