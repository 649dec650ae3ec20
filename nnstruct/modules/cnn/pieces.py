"""Where the named arrays of a convolutional network lie in the tensors of its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstruct.network.cell_layout import CellLayout, input_row

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Piece:
    """A part of a named array and the part of a tensor that holds it.

    Attributes
    ----------
    array : str
    row : int
        Of the array; for the weights of the image, the unit.
    rows : int
        Into how many rows that row is cut: the source's channels, or 1.
    columns : slice
        The part of each of them.
    tensor : str
        The block's attribute.
    where : tuple of slices
        The part of it.
    swapped : bool
        Whether the tensor's second axis comes first in the array.
    """

    array: str
    row: int
    rows: int
    columns: slice
    tensor: str
    where: tuple[slice, ...]
    swapped: bool = False


def load_piece(piece: Piece, tensor: Tensor, arrays: Arrays, layout: CellLayout) -> None:
    """Copy a part of an array into its place in the tensor.

    Parameters
    ----------
    piece : Piece
    tensor : Tensor
        The block's attribute ``piece.tensor``; changed in place.
    arrays : mapping of str to float32 array
        The named arrays of the whole network.
    layout : CellLayout
    """
    part = tensor[piece.where]
    shape = (part.shape[1], part.shape[0], *part.shape[2:]) if piece.swapped else part.shape
    values = torch.tensor(_row(piece, arrays, layout)[:, piece.columns]).reshape(shape)
    part.copy_(values.transpose(0, 1) if piece.swapped else values)


def save_piece(piece: Piece, tensor: Tensor, arrays: Arrays, layout: CellLayout) -> None:
    """Copy a part of the tensor into its place in an array.

    Parameters
    ----------
    piece : Piece
    tensor : Tensor
        The block's attribute ``piece.tensor``.
    arrays : mapping of str to float32 array
        The named arrays of the whole network; changed in place.
    layout : CellLayout
    """
    part = tensor[piece.where].detach().float().cpu()
    values = (part.transpose(0, 1) if piece.swapped else part).reshape(piece.rows, -1)
    _row(piece, arrays, layout)[:, piece.columns] = values.numpy()


def _row(piece: Piece, arrays: Arrays, layout: CellLayout) -> np.ndarray:
    """A view on the row of the array, without its padding, [rows, .]."""
    if piece.array == "input_weight":
        return input_row(arrays, layout.structure, piece.row)
    row = arrays[piece.array][piece.row]
    sizes = {"weight": layout.edge_size, "unit_weight": layout.own_size[layout.own_units]}
    size = sizes.get(piece.array, layout.cells.channels)[piece.row]
    return row[:size].reshape(piece.rows, -1)
