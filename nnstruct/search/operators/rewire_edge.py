"""Mutation: one end of an edge moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome, components
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space


class RewireEdge(Operator):
    """Moves one end of a random edge to another unit, keeping the number of edges.

    The step of Watts and Strogatz (1998), held to acyclic and connected graphs: where the edge
    was the only link between two parts, its new end lies so that it links them again.
    """

    name = "rewire_edge"

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        for source, target in rng.permutation(genome.edges(), axis=1).T:
            adjacency = genome.adjacency.copy()
            adjacency[source, target] = False
            labels = components(adjacency)
            if labels.max() > 1:  # more than two parts: no single edge joins them
                return None
            free = np.triu(~genome.adjacency, k=1)  # [N, N]
            if labels.any():
                free &= labels[:, None] != labels[None, :]
            kept_source, kept_target = np.flatnonzero(free[source]), np.flatnonzero(free[:, target])
            choices = len(kept_source) + len(kept_target)
            if not choices:
                continue
            chosen = int(rng.integers(choices))
            if chosen < len(kept_source):
                adjacency[source, kept_source[chosen]] = True
            else:
                adjacency[kept_target[chosen - len(kept_source)], target] = True
            return genome.with_adjacency(adjacency)
        return None


OPERATORS.register(RewireEdge.name)(RewireEdge())
