"""Mutation: recurrent edges by another rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space


class ChangeRecurrence(Operator):
    """Makes the recurrent edges anew by another of the space's recurrences.

    Forward edges and attributes stay. Where two rules give the same edges, as in a chain of single units, the
    structure stays the same. None where the space has one rule.
    """

    name = "change_recurrence"

    def applies_to(self, space: Space) -> bool:
        """Whether the space leaves a choice of recurrences."""
        return len(space.recurrences) > 1

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        others = [rule for rule in space.recurrences if rule != genome.recurrence]
        if not self.applies_to(space):
            return None
        return replace(genome, recurrence=others[int(rng.integers(len(others)))])


OPERATORS.register(ChangeRecurrence.name)(ChangeRecurrence())
