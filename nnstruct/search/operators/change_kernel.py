"""Mutation: a larger or a smaller kernel for one convolution, or for all of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space
from nnstruct.structure.units import UNIT_DEFAULTS

# Operators that are one but for the kernel.
KERNELS = {"conv1x1": "conv3x3", "conv3x3": "conv1x1"}


class ChangeKernel(Operator):
    """Gives a random convolution, or with the same chance all convolutions of its stage, another kernel.

    A 1 x 1 kernel becomes 3 x 3 and the other way round, so that one step changes how far a stage sees;
    kernels of mobile nets are searched likewise (Cai et al., 2019, arXiv 1812.00332). None where the space
    has not both, or no unit is a convolution.
    """

    name = "change_kernel"

    def applies_to(self, space: Space) -> bool:
        """Whether the space has convolutions of two kernels."""
        return space.family == "cnn" and set(KERNELS) <= set(space.operators)

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        (genome,) = genomes
        size = genome.num_units
        operator = list(genome.attributes.get("operator", (UNIT_DEFAULTS["operator"],) * size))
        stage = genome.attributes.get("stage", (UNIT_DEFAULTS["stage"],) * size)
        able = [unit for unit in range(size) if operator[unit] in KERNELS]
        if not self.applies_to(space) or not able:
            return None
        unit = able[int(rng.integers(len(able)))]
        together = bool(rng.random() < 0.5)
        wanted = KERNELS[operator[unit]]
        for other in able:
            if other == unit or (together and stage[other] == stage[unit]):
                operator[other] = wanted
        return replace(genome, attributes={**genome.attributes, "operator": tuple(operator)})


OPERATORS.register(ChangeKernel.name)(ChangeKernel())
