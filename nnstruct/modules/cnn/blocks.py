"""Blocks of a convolutional network as modules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.cnn.cell_block import CellBlock, concatenated, part, side_by_side
from nnstruct.modules.cnn.operators import (
    contraction,
    convolved,
    expansion,
    gradient_flow,
    hamiltonian,
    separable,
)
from nnstruct.modules.cnn.pieces import Piece
from nnstruct.modules.cnn.pooling import pool
from nnstruct.modules.cnn.wiring import CellsTogether, Span
from nnstruct.network.cell_layout import CONVOLUTIONS, POOLS, POSITIONS, CellLayout
from nnstruct.structure.units import CONTRACTION, EXPANSION, FLOWS, GRADIENT_FLOW, HAMILTONIAN

_STEPS = {
    GRADIENT_FLOW: gradient_flow, HAMILTONIAN: hamiltonian, EXPANSION: expansion, CONTRACTION: contraction,
}  # fmt: skip


class SideBySide(CellBlock):
    """Convolutions of maps side by side: one kernel for each edge, summed.

    Shapes
    ------
    maps : list of float32 [B, ., ., .]
    image : float32 [B, C, H, W]
    output : float32 [B, c, H', W']
    """

    def __init__(
        self, block: CellsTogether, layout: CellLayout, normalised: bool, pools: bool = False
    ) -> None:
        super().__init__(block, layout, normalised, pools)
        self.separable = self.operator == "sepconv3x3"
        if self.separable:
            self.add_edge_kernels("depthwise", 3, slice(0, POSITIONS), depthwise=True)
            self.add_edge_kernels("kernel", 1, slice(POSITIONS, None))
        else:
            self.add_edge_kernels("kernel", CONVOLUTIONS[self.operator], slice(None))

    def made(self, maps: Sequence[Tensor], image: Tensor) -> Tensor:
        """The sum of the convolutions, normalised and activated."""
        total = None
        for number, reading in enumerate(self.block.readings):
            x, kernel = side_by_side(maps, image, reading.spans), self.edge_kernel(f"kernel_{number}")
            if self.separable:
                depthwise = self.edge_kernel(f"depthwise_{number}")
                made = self.smaller(separable, x, depthwise, kernel, reading.stride)
            else:
                made = self.smaller(convolved, x, kernel, reading.stride)
            total = made if total is None else total + made
        return self.finish(total, image)


class Aligned(CellBlock):
    """A unit that brings its inputs to its own channels and resolution and then acts on them.

    Shapes
    ------
    maps : list of float32 [B, ., ., .]
    image : float32 [B, C, H, W]
    output : float32 [B, c, H', W']
    """

    own_kernel: nn.Parameter
    own_depthwise: nn.Parameter

    def __init__(
        self, block: CellsTogether, layout: CellLayout, normalised: bool, pools: bool = False
    ) -> None:
        super().__init__(block, layout, normalised, pools)
        self.summed = layout.cells.join[block.units[0]] == "sum"
        self.pools_first = self.operator in POOLS and not self.summed
        self.add_edge_kernels("align", 1, slice(None))
        c = self.channels
        if self.operator == "sepconv3x3":
            self._add_own_kernel("own_depthwise", (c, 1, 3, 3), slice(0, POSITIONS * c))
            self._add_own_kernel("own_kernel", (c, c, 1, 1), slice(POSITIONS * c, None))
        elif self.operator in CONVOLUTIONS or self.operator in FLOWS:
            width, size = c // 2 if self.operator == HAMILTONIAN else c, CONVOLUTIONS.get(self.operator, 3)
            self._add_own_kernel("own_kernel", (width, width, size, size), slice(None))

    def _add_own_kernel(self, name: str, shape: tuple[int, ...], columns: slice) -> None:
        self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        row = int(np.searchsorted(self.layout.own_units, self.block.units[0]))
        self.pieces.append(Piece("unit_weight", row, 1, columns, name, (slice(None),)))

    def made(self, maps: Sequence[Tensor], image: Tensor) -> Tensor:
        """The operator on the joined inputs."""
        x = self._joined(maps, image)
        if self.operator in CONVOLUTIONS:
            return self.finish(None if x is None else self._convolved(x), image)
        if x is None:
            return self.nothing(image)
        if self.operator in _STEPS:
            return _STEPS[self.operator](x, self.own_kernel, self.bias, self.activation)
        return pool(self.operator, x) if self.operator in POOLS and not self.pools_first else x

    def _convolved(self, x: Tensor) -> Tensor:
        if self.operator == "sepconv3x3":
            return separable(x, self.own_depthwise, self.own_kernel)
        return convolved(x, self.own_kernel)

    def _joined(self, maps: Sequence[Tensor], image: Tensor) -> Tensor | None:
        """The inputs in the unit's channels and resolution; None where nothing feeds it."""
        parts = []
        for number, reading in enumerate(self.block.readings):
            x, stride = side_by_side(maps, image, reading.spans), reading.stride
            if self.pools_first:
                x, stride = pool(self.operator, x, stride), 1
            parts.append(self.smaller(convolved, x, self.edge_kernel(f"align_{number}"), stride))
        passed = [self._passed(maps, span, stride) for span, stride in self.block.passing]
        parts += passed if self.summed or not passed else [concatenated(passed)]
        return sum(parts[1:], parts[0]) if parts else None

    def _passed(self, maps: Sequence[Tensor], span: Span, stride: int) -> Tensor:
        x = part(maps[span.block], span)
        return pool(self.operator, x, stride) if self.pools_first else x


def make_block(
    block: CellsTogether, layout: CellLayout, normalised: bool, pools: bool = False
) -> SideBySide | Aligned:
    """The module of a block.

    Parameters
    ----------
    block : CellsTogether
    layout : CellLayout
        Of the whole structure.
    normalised : bool
        Whether convolutions are followed by batch normalisation.
    pools : bool
        Whether smaller maps are made of the largest values of convolutions with stride 1.

    Returns
    -------
    SideBySide or Aligned
        With weights of zero; :meth:`CellBlock.load` brings the values.
    """
    kind = SideBySide if layout.side_by_side[block.units[0]] else Aligned
    return kind(block, layout, normalised, pools)
