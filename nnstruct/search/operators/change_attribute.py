"""Mutation: another operator, activation or join for one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import SPACE_ATTRIBUTES, Space
from nnstruct.structure.units import UNIT_DEFAULTS, operator_fits

_FIELDS = ("operators", "activations", "joins")


class ChangeAttribute(Operator):
    """Gives a random unit another operator, activation or join among those of the space.

    None where the space leaves no choice. Every change that the space allows is equally likely.
    """

    name = "change_attribute"

    def applies_to(self, space: Space) -> bool:
        """Whether the space leaves a choice of operators, activations or joins."""
        return any(len(getattr(space, field)) > 1 for field in _FIELDS)

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        values = {
            name: genome.attributes.get(name, (default,) * genome.num_units)
            for name, default in UNIT_DEFAULTS.items()
        }
        changes = [
            (SPACE_ATTRIBUTES[field], unit, value)
            for field in _FIELDS
            for unit, present in enumerate(values[SPACE_ATTRIBUTES[field]])
            for value in getattr(space, field)
            if value != present and operator_fits(value, values["channels"][unit])
        ]
        if not changes:
            return None
        name, unit, value = changes[int(rng.integers(len(changes)))]
        changed = (*values[name][:unit], value, *values[name][unit + 1 :])
        return replace(genome, attributes={**genome.attributes, name: changed})


OPERATORS.register(ChangeAttribute.name)(ChangeAttribute())
