"""Edges of one step, made by index arithmetic when the graph is put together.

A block is counted first and written later, straight into the arrays of the whole graph, so that
no edge is held twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nnstruct.program.movement import NO_UNIT


class Block(Protocol):
    """Edges of one step and role.

    Attributes
    ----------
    step : int
        Place of the step in the program.
    role : str
        The tensor that the edges' values come from (``weight``, ``weight_hh``); ``identity`` for
        edges without parameters.
    recurrent : bool
    """

    step: int
    role: str
    recurrent: bool

    def prepare(self, threshold: float, silenced: np.ndarray | None) -> int:
        """Decide which edges exist and count them.

        Parameters
        ----------
        threshold : float
            An edge exists where the magnitude of one of its values is above it.
        silenced : bool [N] or None
            Units that get no edges, since their value is multiplied by zero later.

        Returns
        -------
        int
            How many edges :meth:`fill` will write.
        """
        ...

    def fill(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Write the ends of the edges that :meth:`prepare` counted.

        Parameters
        ----------
        source, target : int64 [e]
            Written in place.

        Returns
        -------
        float32 [e, k]
            The edges' values.
        """
        ...

    @property
    def upper_bound(self) -> int:
        """No more edges than this, known without looking at the weights."""
        ...


def above(values: np.ndarray, threshold: float) -> np.ndarray:
    """Where a value counts as a weight.

    Parameters
    ----------
    values : float array
    threshold : float
        Magnitudes up to this count as zero.

    Returns
    -------
    bool array
        Of the values' shape.
    """
    return values != 0 if threshold == 0 else np.abs(values) > threshold


@dataclass
class DenseBlock(Block):
    """Every source of a group with every target of it, where any of their values counts.

    Attributes
    ----------
    source : int64 [G, U]
    target : int64 [G, O]
    values : float32 [G or 1, U, O, k]
    """

    step: int
    role: str
    recurrent: bool
    source: np.ndarray
    target: np.ndarray
    values: np.ndarray
    _keep: np.ndarray | None = field(default=None, init=False)
    _threshold: float = field(default=0.0, init=False)

    @property
    def upper_bound(self) -> int:
        pairs = np.count_nonzero(self.values[..., 0]) if self.values.shape[-1] == 1 else self._pairs()
        return int(pairs) * (len(self.source) // len(self.values))

    def _pairs(self) -> int:
        return int(np.prod(self.values.shape[:-1]))

    def prepare(self, threshold: float, silenced: np.ndarray | None) -> int:
        """Keeps a mask [G, U, O] of the pairs, unless all of them are edges."""
        self._threshold = threshold
        if self.values.shape[-1] == 1:
            keep = above(self.values[..., 0], threshold)  # [G or 1, U, O]
        else:
            keep = np.asarray(above(self.values, threshold).any(axis=-1))
        if (self.source == NO_UNIT).any():
            keep = keep & (self.source != NO_UNIT)[:, :, None]
        if silenced is not None and silenced[self.target].any():
            keep = keep & ~silenced[self.target][:, None, :]
        shape = (*self.source.shape, self.target.shape[1])
        if keep.all():
            self._keep = None
            return int(np.prod(shape))
        self._keep = np.broadcast_to(keep, shape)
        return int(np.count_nonzero(self._keep))

    def fill(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """In the order of groups, sources and targets; values up to the threshold become zero."""
        k = self.values.shape[-1]
        shape = (*self.source.shape, self.target.shape[1])
        values = np.broadcast_to(self.values, (*shape, k))
        if self._keep is None:
            source.reshape(shape)[...] = self.source[:, :, None]
            target.reshape(shape)[...] = self.target[:, None, :]
            kept = np.ascontiguousarray(values).reshape(-1, k)
            if np.shares_memory(kept, self.values):
                kept = kept.copy()
        else:
            source[:] = np.broadcast_to(self.source[:, :, None], shape)[self._keep]
            target[:] = np.broadcast_to(self.target[:, None, :], shape)[self._keep]
            kept = values[self._keep]
        if self._threshold:
            kept[~above(kept, self._threshold)] = 0.0
        return kept


@dataclass
class ListBlock(Block):
    """Edges that are listed one by one.

    Attributes
    ----------
    source, target : int64 [e]
    values : float32 [e, k]
    """

    step: int
    role: str
    recurrent: bool
    source: np.ndarray
    target: np.ndarray
    values: np.ndarray

    @property
    def upper_bound(self) -> int:
        return len(self.source)

    def prepare(self, threshold: float, silenced: np.ndarray | None) -> int:
        """Drops and sorts the listed edges themselves; those without parameters all exist."""
        keep = self.source != NO_UNIT
        if self.role != "identity":
            keep &= above(self.values, threshold).any(axis=-1)
        if silenced is not None:
            keep &= ~silenced[self.target]
        if not keep.all():
            self.source, self.target, self.values = self.source[keep], self.target[keep], self.values[keep]
        order = np.lexsort((self.target, self.source))
        self.source, self.target, self.values = self.source[order], self.target[order], self.values[order]
        return len(self.source)

    def fill(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """In the order of sources and targets."""
        source[:], target[:] = self.source, self.target
        return self.values


def identity_edges(
    step: int, source: np.ndarray, target: np.ndarray, *, recurrent: bool = False, value: float = 1.0
) -> ListBlock:
    """Edges without parameters, each pair once, that carry a value times a fixed number.

    Parameters
    ----------
    step : int
        Place of the step in the program.
    source, target : int64 arrays
        Of one shape; the edges' ends.
    recurrent : bool
        Whether the edges are delayed by one time step.
    value : float
        The fixed number.

    Returns
    -------
    ListBlock
    """
    source, target = source.ravel(), target.ravel()
    pairs = np.unique(np.stack([source, target]), axis=1) if len(source) else np.zeros((2, 0), np.int64)
    ones = np.full((pairs.shape[1], 1), value, dtype=np.float32)
    return ListBlock(step, "identity", recurrent, pairs[0], pairs[1], ones)


def columns(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The units of a row of elements and where each unit's elements stand in it.

    Parameters
    ----------
    row : int64 [F]

    Returns
    -------
    unit : int64 [U]
        Ascending; constants are left out.
    place : int64 [U, T]
        A unit's elements in their order; -1 where it has fewer than T.
    """
    if len(row) and row[0] >= 0 and (len(row) == 1 or (row[1:] > row[:-1]).all()):
        return row, np.arange(len(row))[:, None]
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    unit, first, count = np.unique(row[order], return_index=True, return_counts=True)
    width = int(count.max()) if len(count) else 1
    slot = np.arange(width)
    place = order[np.minimum(first[:, None] + slot, len(order) - 1)] if len(order) else first[:, None]
    return unit, np.where(slot < count[:, None], place, -1)


def gathered(matrix: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The columns of a matrix that belong to each unit.

    Parameters
    ----------
    matrix : [O, F, k]
    place : int64 [U, T]
        Of each unit's elements along F, as :func:`columns` gives them; -1 for none.

    Returns
    -------
    [U, O, T * k]
        Zero where place is -1.
    """
    outputs, _, k = matrix.shape
    if place.shape[1] == 1 and np.array_equal(place[:, 0], np.arange(matrix.shape[1])):
        return matrix.transpose(1, 0, 2)
    taken = matrix[:, place]  # [O, U, T, k]
    if (place < 0).any():
        taken = np.where((place >= 0)[None, :, :, None], taken, np.float32(0))
    return taken.transpose(1, 0, 2, 3).reshape(len(place), outputs, place.shape[1] * k)
