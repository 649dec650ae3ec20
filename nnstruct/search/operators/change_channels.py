"""Mutation: another width for one cell, or for all cells of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space
from nnstruct.structure.units import UNIT_DEFAULTS


class ChangeChannels(Operator):
    """Gives a random unit, or with the same chance its whole stage, more or fewer channels.

    The factor is drawn from 1/2, 3/4, 4/3 and 2 (network morphism widens by such steps; Wei et al., 2016,
    arXiv 1603.01670), and what it gives is kept within the space's range for the stage. None where that
    changes nothing.
    """

    name = "change_channels"
    factors = (0.5, 0.75, 4 / 3, 2.0)

    def applies_to(self, space: Space) -> bool:
        """Whether the space leaves a choice of channels."""
        return space.family == "cnn" and space.channels is not None and space.channels[0] < space.channels[1]

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        if not self.applies_to(space) or space.channels is None:
            return None
        size = genome.num_units
        channels = list(genome.attributes.get("channels", (UNIT_DEFAULTS["channels"],) * size))
        stage = genome.attributes.get("stage", (UNIT_DEFAULTS["stage"],) * size)
        unit = int(rng.integers(size))
        together = bool(rng.random() < 0.5)
        factor = self.factors[int(rng.integers(len(self.factors)))]
        low, high = (bound << stage[unit] for bound in space.channels)
        before = list(channels)
        for other in range(size):
            if other == unit or (together and stage[other] == stage[unit]):
                channels[other] = min(max(round(channels[other] * factor), low), high)
        if channels == before:
            return None
        return replace(genome, attributes={**genome.attributes, "channels": tuple(channels)})


OPERATORS.register(ChangeChannels.name)(ChangeChannels())
