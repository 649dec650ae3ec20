"""Mutation: one unit fewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome, chain_components
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space


class RemoveUnit(Operator):
    """Removes a random unit and its edges.

    Where the rest falls apart, its parts are joined by a chain through one former neighbour of
    the unit in each; that takes fewer edges than went with the unit.
    """

    name = "remove_unit"

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        size = genome.num_units
        if size <= max(2, space.units[0]):
            return None
        gone = int(rng.integers(size))
        neighbours = np.flatnonzero(genome.adjacency[gone] | genome.adjacency[:, gone])
        rest = genome.take(np.delete(np.arange(size), gone))
        among = neighbours - (neighbours > gone)
        return rest.with_adjacency(chain_components(rest.adjacency, among, rng))


OPERATORS.register(RemoveUnit.name)(RemoveUnit())
