"""All parameters of a population in one array: one row a network, one padded block a tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor

Slots = dict[str, np.ndarray]


class Blocks:
    """Where each padded tensor stands in a network's row.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of each block, without the population.

    Examples
    --------
    >>> blocks = Blocks({"weight": (2, 3), "bias": (3,)})
    >>> blocks.size, blocks.position("bias", 1).tolist()
    (9, 7)
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]
        starts = np.cumsum([0, *self.sizes])
        self.size = int(starts[-1])
        self._start = dict(zip(self.shapes, starts.tolist(), strict=False))

    def position(self, name: str, *index: int | np.ndarray) -> np.ndarray:
        """Places in the row of a block's elements.

        Parameters
        ----------
        name : str
            Of the block.
        *index : int or int64 array
            Indices into the block's first axes; arrays are broadcast against each other. Axes without an
            index are taken whole.

        Returns
        -------
        int64 array
            Of the broadcast shape of the indices, followed by the axes taken whole.
        """
        shape = self.shapes[name]
        missing = shape[len(index) :]
        whole = np.arange(math.prod(missing), dtype=np.int64).reshape(missing)
        place = np.zeros((), dtype=np.int64)
        for axis, one in enumerate(index):
            place = place * shape[axis] + np.asarray(one, dtype=np.int64)
        place = place * math.prod(missing)
        return self._start[name] + place[(...,) + (None,) * len(missing)] + whole

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """All blocks of a population as views.

        PyTorch puts the gradients of all views together at once, so that this costs one pass over the rows.

        Parameters
        ----------
        rows : Tensor [P, M]
            M is :attr:`size`.

        Returns
        -------
        dict of str to Tensor [P, ...]
            By name, each of its block's shape behind the P networks.
        """
        parts = rows.split(self.sizes, dim=1)
        return {
            name: part.view(len(rows), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


def pack(slots: list[Slots], named: list[dict[str, np.ndarray]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of each network as rows, and where a row holds one.

    Parameters
    ----------
    slots : list of P mappings of str to int64 array
        For each named parameter the place of each element in the row.
    named : list of P mappings of str to float32 array
    size : int
        M, the length of a row.

    Returns
    -------
    rows : float32 [P, M]
    trained : bool [P, M]
    """
    rows = np.zeros((len(slots), size), dtype=np.float32)
    trained = np.zeros((len(slots), size), dtype=bool)
    for row, mask, places, values in zip(rows, trained, slots, named, strict=True):
        for name, place in places.items():
            row[place] = values[name]
            mask[place] = True
    return rows, trained


def unpack(slots: Slots, row: np.ndarray) -> dict[str, np.ndarray]:
    """The named parameters in a row.

    Parameters
    ----------
    slots : mapping of str to int64 array
        As for :func:`pack`, of one network.
    row : float32 [M]

    Returns
    -------
    dict of str to float32 array
        Of the shapes of ``slots``.
    """
    return {name: row[place] for name, place in slots.items()}
