"""Mutation: another number of units in one layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome, chain_components
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space
from nnstruct.structure.topology import longest_path_layers


class ChangeWidth(Operator):
    """Makes a random layer wider or narrower by a factor of 1/2, 3/4, 4/3 or 2.

    A wider layer gets copies of random units of its own, with the edges of each, as Net2Net widens one (Chen,
    Goodfellow and Shlens, 2016, arXiv 1511.05641); all other layers keep their width. A narrower one loses
    random units with their edges, and what no longer hangs together is chained. Both keep the space's range
    of units, and a wider one its most edges. None where that leaves nothing to change.
    """

    name = "change_width"
    by_depth = True
    factors = (0.5, 0.75, 4 / 3, 2.0)

    def applies_to(self, space: Space) -> bool:
        """Whether the space leaves a choice of units."""
        return space.units[0] < space.units[1]

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        size = genome.num_units
        layer = longest_path_layers(genome.edges(), size)
        units = np.flatnonzero(layer == layer[int(rng.integers(size))])
        width = len(units)
        for factor in rng.permutation(self.factors).tolist():
            if factor > 1:
                more = max(round(width * factor) - width, 1)
                child = _widened(genome, rng.choice(units, more), space)
            else:
                fewer = min(width - round(width * factor), width - 1, size - max(2, space.units[0]))
                child = _narrowed(genome, rng.permutation(units)[:fewer], rng) if fewer > 0 else None
            if child is not None:
                return child
        return None


def _widened(genome: Genome, models: np.ndarray, space: Space) -> Genome | None:
    """With copies of units, as many of them as there is room for."""
    edges = (genome.adjacency.sum(axis=0) + genome.adjacency.sum(axis=1))[models].cumsum()
    room = np.arange(1, len(models) + 1) <= space.units[1] - genome.num_units
    if space.max_edges is not None:
        room &= genome.num_edges + edges <= space.max_edges
    kept = models[: int(room.cumprod().sum())]
    if not len(kept):
        return None
    # Copies stand beside their models: an order that edges follow. Units of a layer share no edge.
    return genome.take(np.sort(np.concatenate([np.arange(genome.num_units), kept]), kind="stable"))


def _narrowed(genome: Genome, gone: np.ndarray, rng: np.random.Generator) -> Genome:
    rest = genome.take(np.delete(np.arange(genome.num_units), gone))
    return rest.with_adjacency(chain_components(rest.adjacency, np.arange(rest.num_units), rng))


OPERATORS.register(ChangeWidth.name)(ChangeWidth())
