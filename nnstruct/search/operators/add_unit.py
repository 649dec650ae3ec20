"""Mutation: one more unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space


class AddUnit(Operator):
    """Adds a unit that takes its in- and out-degree and its attributes from a random unit.

    Its place in the order of units is random, and so are its neighbours, drawn from those
    before it and those after it. So the shape of the degree distribution stays, an input begets
    an input and a hidden unit a hidden one. Where few units stand on one side, or the space has
    little room for edges, the degrees are smaller. (NEAT, Stanley and Miikkulainen, 2002,
    splits an edge instead, which only ever adds units with one edge on either side.)
    """

    name = "add_unit"

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        size = genome.num_units
        if size >= space.units[1]:
            return None
        model = int(rng.integers(size))
        incoming = int(genome.adjacency[:, model].sum())
        outgoing = int(genome.adjacency[model].sum())
        if not incoming and not outgoing:
            incoming = 1
        place = int(rng.integers(min(1, incoming), size + 1 - min(1, outgoing)))
        room = space.units[1] * size if space.max_edges is None else space.max_edges - genome.num_edges
        if room < min(1, incoming) + min(1, outgoing):
            return None
        incoming = min(incoming, place, room - min(1, outgoing))
        outgoing = min(outgoing, size - place, room - incoming)

        before, after = np.arange(place), np.arange(place, size)
        grown = genome.take(np.concatenate([before, [model], after]))
        adjacency = np.zeros((size + 1, size + 1), dtype=bool)
        others = np.concatenate([before, after + 1])
        adjacency[np.ix_(others, others)] = genome.adjacency
        adjacency[rng.choice(place, incoming, replace=False), place] = True
        adjacency[place, place + 1 + rng.choice(size - place, outgoing, replace=False)] = True
        return grown.with_adjacency(adjacency)


OPERATORS.register(AddUnit.name)(AddUnit())
