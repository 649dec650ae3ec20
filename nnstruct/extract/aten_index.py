"""ATen operations that choose or gather places by index: constant ones move values, others are operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_math import add, combined
from nnstruct.extract.aten_moves import take
from nnstruct.extract.lowering import Lowering, Ref, handles, shape_of

_MOST_COEFFICIENTS = 1 << 26


@handles("aten.index_select")
def _index_select(low: Lowering, x: Any, axis: int, index: Any) -> Ref:
    axis %= len(low.shape(x))
    return _taken(low, x, axis, index.reshape(-1) if isinstance(index, Tensor) else index)


def _taken(low: Lowering, x: Any, axis: int, index: Any) -> Ref:
    """Places along one axis, in the index's shape."""
    b, shape = low.builder, low.shape(x)
    sizes = (*shape[:axis], *low.shape(index), *shape[axis + 1 :])
    if isinstance(index, Tensor):
        places = index.reshape(-1).cpu().numpy() % shape[axis]
        return Ref(b.reshape(take(low, low.ref(x), axis, places), sizes))
    if isinstance(x, Tensor) and axis == 0 and x.dim() == 2 and x.is_floating_point():
        tensors = {"weight": low.array(x, "weight")}
        return Ref(b.one("embedding", [index.value], sizes, tensors=tensors))
    moved = len(low.shape(index))
    kept = [[a if a < axis else a + moved - 1, a] for a in range(len(shape)) if a != axis]
    options = {"function": "gather", "axis": axis, "kept": kept, "fresh": []}
    return Ref(b.one("operation", [low.ref(x), index.value], sizes, options=options))


@handles("aten.index", "aten._unsafe_index")
def _index(low: Lowering, x: Any, indices: Any) -> Ref:
    chosen = [axis for axis, index in enumerate(indices) if index is not None]
    if not all(isinstance(indices[axis], Tensor) for axis in chosen):
        if len(chosen) != 1 or shape_of(low.node.args[1][chosen[0]])[1] == torch.bool:  # type: ignore
            raise low.unsupported("take constant places, or integer ones along one axis")
        return _taken(low, x, chosen[0], indices[chosen[0]])
    if len(chosen) == 1 and indices[chosen[0]].dim() == 1:
        (axis,) = chosen
        index = indices[axis]
        return _taken(low, x, axis, index.nonzero()[:, 0] if index.dtype == torch.bool else index)
    shape = low.shape(x)
    places = torch.arange(math.prod(shape)).reshape(shape)
    found = places[tuple(slice(None) if index is None else index.cpu() for index in indices)]
    return flat_take(low, x, found.numpy())


def flat_take(low: Lowering, x: Any, places: np.ndarray) -> Ref:
    """Elements by their flat place, in the places' shape.

    Parameters
    ----------
    low : Lowering
    x : Ref or Tensor
    places : int64 array

    Returns
    -------
    Ref
    """
    b = low.builder
    flat = b.reshape(low.ref(x), (math.prod(low.shape(x)),))
    return Ref(b.reshape(take(low, flat, 0, places.ravel()), places.shape))


@handles("aten.gather", "aten.take_along_dim")
def _gather(low: Lowering, x: Any, axis: int, index: Any = None, **_: Any) -> Any:
    if "take_along" in str(low.node.target):
        axis, index = index, axis
        if low.shape(index) != low.out_shape:
            raise low.unsupported("have an index of the result's shape")
    shape, sizes = low.shape(x), low.shape(index)
    axis %= len(shape)
    if isinstance(index, Tensor):
        places = np.indices(sizes)
        places[axis] = index.cpu().numpy() % shape[axis]
        return flat_take(low, x, np.ravel_multi_index(tuple(places), shape))
    if isinstance(x, Tensor) and bool((x == x.reshape(-1)[0]).all()):
        return low.hold(x.reshape(-1)[:1].expand(sizes).clone())  # whatever place is read
    same = [[a, a] for a in range(len(shape)) if a != axis and sizes[a] == shape[a]]
    options = {
        "function": "gather_elements", "axis": axis, "kept": same if isinstance(x, Ref) else [], "fresh": [],
    }  # fmt: skip
    return Ref(low.builder.one("operation", [low.ref(x), index.value], sizes, options=options))


@handles("aten.index_add")
def _index_add(low: Lowering, x: Any, axis: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    if isinstance(index, Ref):
        raise low.unsupported("add at constant places")
    axis %= len(low.shape(x))
    total = _summed(low, low.ref(source), axis, index.cpu().numpy(), low.shape(x)[axis])
    if isinstance(x, Tensor) and not x.any() and alpha == 1:
        return total
    return add(low, x, total, alpha=alpha)


@handles("aten.index_copy")
def _index_copy(low: Lowering, x: Any, axis: int, index: Any, source: Any) -> Any:
    if isinstance(index, Ref):
        raise low.unsupported("copy to constant places")
    axis %= len(low.shape(x))
    size, places = low.shape(x)[axis], index.cpu().numpy()
    order = np.arange(size)
    order[places] = size + np.arange(len(places))
    joined = low.builder.concat([low.ref(x), low.ref(source)], axis)
    return Ref(take(low, joined, axis, order))


def _summed(low: Lowering, value: int, axis: int, places: np.ndarray, size: int) -> Ref:
    """Slices of a value summed at the places that they are sent to.

    Where no two are sent to one place nothing is summed: they move, with zeros between them.
    """
    if len(np.unique(places)) == len(places):
        b, sizes = low.builder, [1 if a == axis else n for a, n in enumerate(low.builder.shape[value])]
        zero = b.one("constant", [], sizes, tensors={"value": ("zeros", np.zeros(sizes, dtype=np.float32))})
        order = np.full(size, len(places))
        order[places] = np.arange(len(places))
        return Ref(take(low, b.concat([value, zero], axis), axis, order))
    if len(places) * size > _MOST_COEFFICIENTS:
        raise low.unsupported(f"add at most {_MOST_COEFFICIENTS} pairs of places")
    matrix = np.zeros((size, len(places)), dtype=np.float32)
    matrix[places, np.arange(len(places))] = 1.0
    shape = list(low.builder.shape[value])
    shape[axis] = size
    options = {"operator": "aggregate", "axis": axis}
    tensors = {"matrix": ("aggregate", matrix)}
    return Ref(low.builder.one("resample", [value], shape, options=options, tensors=tensors))


def _along(index: Tensor, axis: int) -> np.ndarray | None:
    """The places of an index that is the same along all other axes."""
    rows = index.movedim(axis, 0).reshape(index.shape[axis], -1)
    return rows[:, 0].cpu().numpy() if bool((rows == rows[:, :1]).all()) else None


@handles("aten.scatter", "aten.scatter_add", "aten.scatter_reduce")
def _scatter(
    low: Lowering, x: Any, axis: int, index: Any, source: Any, reduce: str = "none", *,
    include_self: bool = True,
) -> Any:  # fmt: skip
    name, shape = low.operation, low.shape(x)
    if isinstance(index, Ref):
        return _scatter_by_values(
            low, x, axis, index, source, "sum" if name == "scatter_add" else reduce, include_self
        )
    reduce = "sum" if name == "scatter_add" else reduce
    axis %= len(shape)
    held = source if isinstance(source, Ref | Tensor) else torch.tensor(float(source)).expand(index.shape)
    sizes = tuple(index.shape)
    value = low.ref(held)
    for other, size in enumerate(sizes):
        value = low.builder.cut(value, other, 0, size)
    if reduce == "none":
        places = np.indices(sizes)
        places[axis] = index.cpu().numpy()
        return written(low, x, value, np.ravel_multi_index(tuple(places), shape).ravel())
    if reduce == "sum" and isinstance(source, Tensor) and isinstance(x, Ref):  # a constant is added
        added = torch.zeros(shape).scatter_add(axis, index.cpu(), source.cpu().float())
        return combined(low, "add", x, low.hold(added))
    places_along = _along(index, axis)
    rest = [size for other, size in enumerate(sizes) if other != axis]
    if places_along is None or rest != [size for other, size in enumerate(shape) if other != axis]:
        raise low.unsupported("send whole slices to their places")
    empty = isinstance(x, Tensor) and (not x.any() if reduce == "sum" else not include_self)
    if reduce == "sum":
        total = _summed(low, value, axis, places_along, shape[axis])
        return total if empty else add(low, x, total)
    if reduce == "mean":
        count = np.bincount(places_along, minlength=shape[axis]) + (1 if include_self else 0)
        total = _summed(low, value, axis, places_along, shape[axis])
        broad = [-1 if a == axis else 1 for a in range(len(shape))]
        if not include_self:  # where nothing is sent, what stood there stays
            if not isinstance(x, Tensor) or x.any():
                raise low.unsupported("take the mean with its own value, or into zeros")
        elif not isinstance(x, Tensor) or x.any():
            total = add(low, x, total)
        share = (1.0 / np.maximum(count, 1)).astype(np.float32).reshape(broad)
        return Ref(low.builder.affine(total.value, scale=("shares", share), operator="scale"))
    if reduce not in ("amax", "amin") or not empty:
        raise low.unsupported("sum, or take the largest or smallest without its own value")
    return _extreme(low, x, value, axis, places_along, reduce)


_REDUCED = {
    "none": "none",
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
}


def _scatter_by_values(
    low: Lowering, x: Any, axis: int, index: Ref, source: Any, reduce: str, include_self: bool
) -> Ref:
    """Writes at places that the network itself computes."""
    if reduce not in _REDUCED or not include_self:
        raise low.unsupported("write, add, multiply or take extremes where its places are computed")
    shape, sizes = low.shape(x), low.shape(index)
    axis %= len(shape)
    held = source if isinstance(source, Ref | Tensor) else torch.tensor(float(source)).expand(sizes)
    value = low.ref(held)
    for other, size in enumerate(sizes):
        value = low.builder.cut(value, other, 0, size)
    same = [[a, a] for a in range(len(shape)) if a != axis and sizes[a] == shape[a]]
    options = {
        "function": "scatter_elements", "axis": axis, "reduction": _REDUCED[reduce],
        "kept": same if isinstance(x, Ref) else [], "fresh": [],
    }  # fmt: skip
    read = [low.ref(x), index.value, value]
    return Ref(low.builder.one("operation", read, shape, options=options))


def written(low: Lowering, x: Any, value: int, places: np.ndarray) -> Ref:
    """A value with other elements at constant places: both side by side, and then taken in order.

    Parameters
    ----------
    low : Lowering
    x : Ref or Tensor
    value : int
        The other elements.
    places : int64 [n]
        Their flat places.

    Returns
    -------
    Ref
    """
    b, shape = low.builder, low.shape(x)
    size = math.prod(shape)
    both = b.concat([b.reshape(low.ref(x), (size,)), b.reshape(value, (len(places),))], 0)
    order = np.arange(size)
    order[places] = size + np.arange(len(places))
    return Ref(b.reshape(take(low, both, 0, order), shape))


def _extreme(low: Lowering, x: Tensor, value: int, axis: int, places: np.ndarray, name: str) -> Ref:
    """The largest or smallest of the slices that are sent to each place; where none is, what stood there."""
    b, size = low.builder, x.shape[axis]
    members = [np.flatnonzero(places == place) for place in range(size)]
    widest = max(len(found) for found in members)
    joined = b.concat([value, low.ref(x)], axis)  # [.., sent + size, ..]
    chosen = np.stack(
        [np.resize(found if len(found) else [len(places) + at], widest) for at, found in enumerate(members)]
    )
    shape = list(b.shape[joined])
    shape[axis : axis + 1] = [size, widest]
    spread = b.reshape(take(low, joined, axis, chosen.ravel()), shape)
    options = {"function": name.removeprefix("a"), "axes": [axis + 1], "keepdim": False}
    return Ref(b.one("reduce", [spread], [*shape[: axis + 1], *shape[axis + 2 :]], options=options))
