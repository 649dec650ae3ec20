"""Blocks of a convolutional network as modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.modules.cnn.operators import ACTIVATION, convolved, gradient_flow, hamiltonian, separable
from nnstruct.modules.cnn.pieces import Arrays, Piece, load_piece, save_piece
from nnstruct.modules.cnn.pooling import pool
from nnstruct.modules.cnn.wiring import IMAGE, CellsTogether, Reading, Span
from nnstruct.network.cell_layout import CONVOLUTIONS, POOLS, POSITIONS, CellLayout
from nnstruct.structure.units import FLOWS, GRADIENT_FLOW, HAMILTONIAN

NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.1
RUNNING = ("norm_mean", "norm_var")


class CellBlock(nn.Module, ABC):
    """What all blocks share: kernels for edges, and what follows a convolution.

    Parameters
    ----------
    block : CellsTogether
        The units that the block computes, and what they read.
    layout : CellLayout
        Of the whole structure.
    normalised : bool
        Whether convolutions are followed by batch normalisation (Ioffe and Szegedy, 2015,
        arXiv:1502.03167).
    """

    bias: nn.Parameter
    norm_scale: nn.Parameter
    norm_mean: Tensor
    norm_var: Tensor

    def __init__(self, block: CellsTogether, layout: CellLayout, normalised: bool) -> None:
        super().__init__()
        self.block, self.layout = block, layout
        first, cells = block.units[0], layout.cells
        self.operator, self.activation = cells.operator[first], cells.activation[first]
        self.stage, self.channels = int(cells.stage[first]), int(cells.channels[list(block.units)].sum())
        self.normalised = normalised and bool(layout.has_norm[first])
        self.pieces: list[Piece] = []
        if layout.has_bias[first]:
            self.bias = nn.Parameter(torch.zeros(self.channels))
            self._add_vector_pieces("bias")
        if self.normalised:
            self.norm_scale = nn.Parameter(torch.ones(self.channels))
            self.register_buffer("norm_mean", torch.zeros(self.channels))
            self.register_buffer("norm_var", torch.ones(self.channels))
            for name in ("norm_scale", *RUNNING):
                self._add_vector_pieces(name)

        for shortcut in (s for s in block.shortcuts if s.projected):
            name, wide = f"shortcut_{shortcut.edge}", shortcut.span.stop - shortcut.span.start
            self.register_parameter(name, nn.Parameter(torch.zeros(self.channels, wide, 1, 1)))
            where = (slice(None), slice(None))
            self.pieces.append(Piece("weight", shortcut.edge, wide, slice(None), name, where, swapped=True))

    def forward(self, maps: Sequence[Tensor], image: Tensor) -> Tensor:
        """The block's map.

        Parameters
        ----------
        maps : list of Tensor [B, ., ., .]
            Of the blocks before this one, in their order.
        image : Tensor [B, C, H, W]
            The network's input.

        Returns
        -------
        Tensor [B, c, H', W']
            The channels of the block's units, one unit after the other; residual edges are added.
        """
        made = self.made(maps, image)
        for shortcut in self.block.shortcuts:
            x = _part(maps[shortcut.span.block], shortcut.span)
            if shortcut.projected:
                x = convolved(x, getattr(self, f"shortcut_{shortcut.edge}"), shortcut.stride)
            made = made + x
        return made

    @abstractmethod
    def made(self, maps: Sequence[Tensor], image: Tensor) -> Tensor:
        """The block's map without what residual edges bring.

        Parameters
        ----------
        maps, image
            As for :meth:`forward`.

        Returns
        -------
        Tensor [B, c, H', W']
        """

    def _add_vector_pieces(self, name: str) -> None:
        start = 0
        for unit in self.block.units:
            stop = start + int(self.layout.cells.channels[unit])
            self.pieces.append(Piece(name, unit, 1, slice(None), name, (slice(start, stop),)))
            start = stop

    def add_edge_kernels(self, name: str, size: int, columns: slice, *, depthwise: bool = False) -> None:
        """Kernels for all that is read with weights, one tensor ``name``_i for the i-th reading.

        Parameters
        ----------
        name : str
        size : int
            Of the kernel's sides.
        columns : slice
            The part of the rows of weights that they are.
        depthwise : bool
            One kernel for each channel read, [width, 1, size, size], and not for each pair of channels,
            [channels, width, size, size].
        """
        for number, reading in enumerate(self.block.readings):
            shape = (reading.width, 1) if depthwise else (self.channels, reading.width)
            kernel, tensor = torch.zeros(*shape, size, size), f"{name}_{number}"
            mask = torch.zeros_like(kernel)
            for piece in self._edge_pieces(reading, tensor, columns, depthwise):
                self.pieces.append(piece)
                mask[piece.where] = 1.0
            self.register_parameter(tensor, nn.Parameter(kernel))
            self.register_buffer(f"{tensor}_mask", None if mask.all() else mask)

    def _edge_pieces(self, reading: Reading, tensor: str, columns: slice, depthwise: bool) -> list[Piece]:
        layout, found, start = self.layout, [], 0
        sources, channels = layout.structure.edge_index[0], layout.cells.channels
        for unit in self.block.units:
            stop = start + int(channels[unit])
            origins = [
                ("weight", int(e), int(sources[e])) for e in layout.incoming[unit] if layout.carries[e]
            ]
            if layout.structure.inputs[unit]:
                origins.append(("input_weight", unit, IMAGE))
            for array, row, source in origins:
                if source in reading.columns:
                    first = reading.columns[source]
                    wide = reading.spans[0].stop if source == IMAGE else int(channels[source])
                    span = slice(first, first + wide)
                    where = (span,) if depthwise else (slice(start, stop), span)
                    found.append(Piece(array, row, wide, columns, tensor, where, swapped=not depthwise))
            start = stop
        return found

    def edge_kernel(self, tensor: str) -> Tensor:
        """A kernel for edges with its mask applied.

        Parameters
        ----------
        tensor : str
            Its attribute, as :meth:`add_edge_kernels` named it: ``kernel_0``, ``align_1`` ...

        Returns
        -------
        Tensor [channels, width, size, size], or [width, 1, size, size] where it is depthwise
            Zero where there is no edge.
        """
        value, mask = getattr(self, tensor), getattr(self, f"{tensor}_mask")
        return value if mask is None else value * mask

    def finish(self, convolved: Tensor | None, image: Tensor) -> Tensor:
        """Normalisation, bias and activation on the result of a convolution.

        Parameters
        ----------
        convolved : Tensor [B, c, H', W'] or None
            None where nothing feeds the units; it counts as zeros.
        image : Tensor [B, C, H, W]
            The network's input; gives the map its size where ``convolved`` is None.

        Returns
        -------
        Tensor [B, c, H', W']
        """
        if convolved is None:
            convolved = self.nothing(image)
        if self.normalised:
            convolved = functional.batch_norm(
                convolved,
                self.norm_mean,
                self.norm_var,
                self.norm_scale,
                self.bias,
                # The variance of a single value is undefined.
                self.training and convolved.numel() > convolved.shape[1],
                NORM_MOMENTUM,
                NORM_EPSILON,
            )
        else:
            convolved = convolved + self.bias.to(convolved.dtype)[:, None, None]
        return ACTIVATION[self.activation](convolved)

    def nothing(self, image: Tensor) -> Tensor:
        """A map of zeros, for a unit that nothing feeds.

        Parameters
        ----------
        image : Tensor [B, C, H, W]
            The network's input.

        Returns
        -------
        Tensor [B, c, H', W']
            H and W are halved once for each stage before the block's, and rounded up.
        """
        height, width = (-(-size // 2**self.stage) for size in image.shape[2:])
        return image.new_zeros(len(image), self.channels, height, width)

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        units = list(self.block.units)
        return f"units={units}, operator={self.operator!r}, channels={self.channels}, stage={self.stage}"

    @torch.no_grad()
    def load(self, arrays: Arrays) -> None:
        """Take the values of the named arrays; running statistics may be missing.

        Parameters
        ----------
        arrays : mapping of str to float32 array
            As :meth:`nnstruct.modules.CNN.parameters_by_name` gives them, of the whole network.
        """
        for piece in self.pieces:
            if piece.array in arrays or piece.array not in (*RUNNING, "norm_scale"):
                load_piece(piece, getattr(self, piece.tensor), arrays, self.layout)

    def save(self, arrays: Arrays) -> None:
        """Write the current values into the named arrays.

        Parameters
        ----------
        arrays : mapping of str to float32 array
            Of the whole network; the rows of this block are changed in place.
        """
        for piece in self.pieces:
            save_piece(piece, getattr(self, piece.tensor), arrays, self.layout)


class SideBySide(CellBlock):
    """Convolutions of maps side by side: one kernel for each edge, summed.

    Shapes
    ------
    maps : list of float32 [B, ., ., .]
    image : float32 [B, C, H, W]
    output : float32 [B, c, H', W']
    """

    def __init__(self, block: CellsTogether, layout: CellLayout, normalised: bool) -> None:
        super().__init__(block, layout, normalised)
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
                made = separable(x, self.edge_kernel(f"depthwise_{number}"), kernel, reading.stride)
            else:
                made = convolved(x, kernel, reading.stride)
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

    def __init__(self, block: CellsTogether, layout: CellLayout, normalised: bool) -> None:
        super().__init__(block, layout, normalised)
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
        if self.operator == GRADIENT_FLOW:
            return gradient_flow(x, self.own_kernel, self.bias, self.activation)
        if self.operator == HAMILTONIAN:
            return hamiltonian(x, self.own_kernel, self.bias, self.activation)
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
            parts.append(convolved(x, self.edge_kernel(f"align_{number}"), stride))
        passed = [self._passed(maps, span, stride) for span, stride in self.block.passing]
        parts += passed if self.summed or not passed else [_concatenated(passed)]
        return sum(parts[1:], parts[0]) if parts else None

    def _passed(self, maps: Sequence[Tensor], span: Span, stride: int) -> Tensor:
        x = _part(maps[span.block], span)
        return pool(self.operator, x, stride) if self.pools_first else x


def make_block(block: CellsTogether, layout: CellLayout, normalised: bool) -> SideBySide | Aligned:
    """The module of a block.

    Parameters
    ----------
    block : CellsTogether
    layout : CellLayout
        Of the whole structure.
    normalised : bool
        Whether convolutions are followed by batch normalisation.

    Returns
    -------
    SideBySide or Aligned
        With weights of zero; :meth:`CellBlock.load` brings the values.
    """
    kind = SideBySide if layout.side_by_side[block.units[0]] else Aligned
    return kind(block, layout, normalised)


def side_by_side(maps: Sequence[Tensor], image: Tensor, spans: Sequence[Span]) -> Tensor:
    """The channels of several spans as one map.

    Parameters
    ----------
    maps : sequence of Tensor [B, ., H, W]
    image : Tensor [B, C, H, W]
    spans : sequence of Span
        All of one resolution.

    Returns
    -------
    Tensor [B, width, H, W]
    """
    return _concatenated([_part(image if s.block == IMAGE else maps[s.block], s) for s in spans])


def _concatenated(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _part(source: Tensor, span: Span) -> Tensor:
    whole = span.start == 0 and span.stop == source.shape[1]
    return source if whole else source[:, span.start : span.stop]
