"""What all blocks of a convolutional network share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.modules.cnn.operators import ACTIVATION, convolved
from nnstruct.modules.cnn.pieces import Arrays, Piece, load_piece, save_piece
from nnstruct.modules.cnn.wiring import IMAGE, CellsTogether, Reading, Span
from nnstruct.network.cell_layout import CellLayout

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
    pools : bool
        Whether smaller maps are made of the largest values of convolutions with stride 1.
    """

    bias: nn.Parameter
    norm_scale: nn.Parameter
    norm_mean: Tensor
    norm_var: Tensor

    def __init__(
        self, block: CellsTogether, layout: CellLayout, normalised: bool, pools: bool = False
    ) -> None:
        super().__init__()
        self.block, self.layout, self.pools = block, layout, pools
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
            x = part(maps[shortcut.span.block], shortcut.span)
            if shortcut.projected:
                x = self.smaller(convolved, x, getattr(self, f"shortcut_{shortcut.edge}"), shortcut.stride)
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

    def smaller(self, convolution: Callable[..., Tensor], x: Tensor, *kernels_and_stride: Any) -> Tensor:
        """A convolution that makes a map smaller, by its stride or by the largest values.

        Parameters
        ----------
        convolution : callable (x, *kernels, stride) -> Tensor
        x : Tensor [B, i, H, W]
        *kernels_and_stride : Tensor, ..., int

        Returns
        -------
        Tensor [B, o, H / stride, W / stride], rounded up
        """
        *kernels, stride = kernels_and_stride
        if self.pools and stride > 1:
            return functional.max_pool2d(convolution(x, *kernels, 1), stride, ceil_mode=True)
        return convolution(x, *kernels, stride)

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
    return concatenated([part(image if s.block == IMAGE else maps[s.block], s) for s in spans])


def concatenated(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def part(source: Tensor, span: Span) -> Tensor:
    whole = span.start == 0 and span.stop == source.shape[1]
    return source if whole else source[:, span.start : span.stop]
