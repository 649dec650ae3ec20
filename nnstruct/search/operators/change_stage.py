"""Mutation: a cell moves to another stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.search.attributes import width_in_stage
from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space
from nnstruct.structure.units import UNIT_DEFAULTS


class ChangeStage(Operator):
    """Moves a random unit to the stage before or after its own, so that maps shrink elsewhere.

    Units that follow one that has moved on move with it as far as edges ask for that. Channels double with
    each stage, or are halved. None where no unit can move.
    """

    name = "change_stage"

    def applies_to(self, space: Space) -> bool:
        """Whether the space has more than one stage."""
        return space.family == "cnn" and space.stages > 1

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        if not self.applies_to(space):
            return None
        size = genome.num_units
        stage = list(genome.attributes.get("stage", (UNIT_DEFAULTS["stage"],) * size))
        moves = []
        for unit in range(size):
            before = [stage[source] for source in np.flatnonzero(genome.adjacency[:, unit])]
            if stage[unit] + 1 < space.stages:
                moves.append((unit, stage[unit] + 1))
            if stage[unit] > max(before, default=0):
                moves.append((unit, stage[unit] - 1))
        if not moves:
            return None
        unit, target = moves[int(rng.integers(len(moves)))]
        moved = dict(genome.attributes)
        if "channels" in moved:
            channels = list(moved["channels"])
            channels[unit] = width_in_stage(channels[unit], stage[unit], target, space)
            moved["channels"] = tuple(channels)
        stage[unit] = target
        return replace(genome, attributes={**moved, "stage": tuple(stage)})


OPERATORS.register(ChangeStage.name)(ChangeStage())
