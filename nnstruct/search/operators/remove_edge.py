"""Mutation: one edge fewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome, components
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space


class RemoveEdge(Operator):
    """Removes a random edge among those without which the units still hang together.

    None where every edge is needed for that, as in a tree.
    """

    name = "remove_edge"

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        if genome.num_edges < genome.num_units:  # a tree, or not connected to begin with
            return None
        for source, target in rng.permutation(genome.edges(), axis=1).T:
            adjacency = genome.adjacency.copy()
            adjacency[source, target] = False
            if not components(adjacency).any():
                return genome.with_adjacency(adjacency)
        return None


OPERATORS.register(RemoveEdge.name)(RemoveEdge())
