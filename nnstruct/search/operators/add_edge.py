"""Mutation: one more edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator, room_for_edges
from nnstruct.structure.space import Space


class AddEdge(Operator):
    """Connects two random units that no edge connects yet.

    The direction follows a random order of the units that the present edges allow, so that
    every edge that closes no cycle can come up.
    """

    name = "add_edge"

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        if room_for_edges(genome, space) < 1:
            return None
        sources, targets = np.nonzero(np.triu(~genome.adjacency, k=1))
        chosen = rng.integers(len(sources))
        adjacency = genome.adjacency.copy()
        adjacency[sources[chosen], targets[chosen]] = True
        return genome.with_adjacency(adjacency)


OPERATORS.register(AddEdge.name)(AddEdge())
