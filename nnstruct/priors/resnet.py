"""Residual networks in stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS
from nnstruct.priors.editions import EditedPrior
from nnstruct.priors.helpers import log_uniform, log_uniform_int
from nnstruct.priors.layers import (
    MOST_LAYERS,
    Counts,
    LayeredPrior,
    between_layers,
    block_edges,
    identity_edges,
)
from nnstruct.structure.space import Space

MOST_STAGES = 4
_OPERATORS = {2: ("conv3x3", "conv3x3"), 3: ("conv1x1", "conv3x3", "conv1x1")}


@PRIORS.register("resnet")
class ResNet(LayeredPrior, EditedPrior):
    """A stem, then stages of residual blocks: the skeleton of a ResNet.

    A block has ``depth`` layers: with 2 both are of the stage's width, with 3 the first two are
    half as wide (a bottleneck). A shortcut leads from what enters a block to its last layer: one
    edge from each unit to its like within a stage, and a projection, whose pairs of units are
    joined with probability ``density``, where a block opens a stage (the first one does so only where
    the stem is of another width). Shortcuts are residual edges, which
    add the value of their source, as it is, to what the block has made; of projections that holds in
    the family ``cnn``, where they bring a map to the next stage's size and channels, and in others they
    are ordinary edges, which have weights. In the family ``cnn`` each stage is one of the cells', and
    convolutions are 3x3 (in a bottleneck 1x1, 3x3, 1x1).

    :meth:`draw` takes basic blocks or bottlenecks, a width log-uniform from 2 (in the family ``cnn``
    from 1), 1 to 4 stages whose width doubles or stays, and adds blocks to random stages as long as
    units are left; the stem takes the rest. The density is log-uniform in 0.1..1.

    Parameters
    ----------
    stem : int
        Units of the first layer.
    blocks : sequence of int
        Blocks in each stage.
    widths : sequence of int
        Units in each layer of a stage.
    depth : {2, 3}
        Layers in a block; 2 by default.
    density : float
        In (0, 1]; 1 by default.
    edition : int
        In edition 1 shortcuts are ordinary edges, and in the family ``cnn`` a block's last layer sums its
        inputs before it convolves them.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016.

    Examples
    --------
    >>> from nnstruct.priors import ResNet
    >>> structure = ResNet(stem=1, blocks=[1, 1], widths=[1, 2]).sample(0, family="cnn")
    >>> structure.attributes["stage"], structure.num_edges
    ((0, 0, 0, 1, 1, 1, 1), 11)
    """

    name: ClassVar[str] = "resnet"
    min_units: ClassVar[int] = 3

    stem: Annotated[int, Field(ge=1)]
    blocks: Counts
    widths: Counts
    depth: Annotated[int, Field(ge=2, le=3)] = 2

    @model_validator(mode="after")
    def _a_width_a_stage(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise InvalidInputError("widths", f"be {len(self.blocks)}, one a stage", list(self.widths))
        return self

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer, the stem first."""
        return [
            self.stem,
            *(size for stage in self._stages() for size in _block(self.depth, self.widths[stage])),
        ]

    @property
    def expected_long_edges(self) -> float:
        """Shortcuts within stages, one edge a unit, and the expected edges of the projections."""
        before, total = self.stem, 0.0
        for index, stage in enumerate(self._stages()):
            width = self.widths[stage]
            total += self.density * before * width if self._opens(index) else width
            before = width
        return total

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Blocks, widths and density as the class describes them."""
        return cls._parameters(units, 2, rng)

    @classmethod
    def parameters_in(cls, space: Space, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """As :meth:`parameters_for`; layers of a single cell come up, too."""
        return cls._parameters(units, 1 if space.family == "cnn" else 2, rng)

    @classmethod
    def _parameters(cls, units: int, narrowest: int, rng: np.random.Generator) -> dict[str, Any]:
        depth = int(rng.integers(2, 4)) if units >= 4 else 2
        most = max(1, 2 * (units - 1) // (3 * depth))
        width = log_uniform_int(min(most, max(narrowest, units // MOST_LAYERS)), most, rng)
        widths = [width]
        for _ in range(int(rng.integers(MOST_STAGES))):
            widths.append(widths[-1] * int(rng.integers(1, 3)))
        costs = [sum(_block(depth, width)) for width in widths]
        while sum(costs) > units - 1:
            costs.pop()
        blocks, stem = np.ones(len(costs), dtype=int), units - sum(costs)
        while affordable := [stage for stage, cost in enumerate(costs) if cost < stem]:
            stage = int(rng.choice(affordable))
            blocks[stage] += 1
            stem -= costs[stage]
        return {
            "stem": stem,
            "blocks": blocks.tolist(),
            "widths": widths[: len(costs)],
            "depth": depth,
            "density": log_uniform(0.1, 1, rng),
        }

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """A shortcut a block."""
        for index in range(sum(self.blocks)):
            start, end = layers[index * self.depth], layers[(index + 1) * self.depth]
            if self._opens(index):
                yield block_edges(start, end, self.density, rng)
            else:
                yield identity_edges(start, end)

    def residual_edges(self, edges: np.ndarray, family: str) -> np.ndarray:
        """Shortcuts; projections in the family ``cnn`` alone."""
        found = [
            (index * self.depth, (index + 1) * self.depth)
            for index in range(sum(self.blocks))
            if self.edition > 1 and (family == "cnn" or not self._opens(index))
        ]
        return between_layers(edges, self.layer_sizes, found)

    def _stages(self) -> list[int]:
        """The stage of each block."""
        return np.repeat(np.arange(len(self.blocks)), self.blocks).tolist()

    def _opens(self, block: int) -> bool:
        stages = self._stages()
        if block == 0:
            return self.edition == 1 or self.stem != self.widths[0]
        return stages[block] != stages[block - 1]

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """Stages, the convolutions of the two kinds of blocks, and in edition 1 sums at their ends."""
        stage: list[str | int | None] = [0] * self.stem
        join: list[str | int | None] = [None] * self.stem
        operator: list[str | int | None] = ["conv3x3"] * self.stem
        for number in self._stages():
            for place, size in enumerate(_block(self.depth, self.widths[number])):
                stage += [number] * size
                join += ["sum" if place == self.depth - 1 and self.edition == 1 else None] * size
                operator += [_OPERATORS[self.depth][place]] * size
        return {"stage": tuple(stage), "join": tuple(join), "operator": tuple(operator)}


def _block(depth: int, width: int) -> list[int]:
    """Units in each layer of a block."""
    return [width, width] if depth == 2 else [max(1, width // 2)] * 2 + [width]
