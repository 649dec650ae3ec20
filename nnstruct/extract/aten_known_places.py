"""ATen operations that show, take or write elements by a rule that tells their places beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_affine import many
from nnstruct.extract.aten_index import flat_take, written
from nnstruct.extract.aten_math import activation, combined, join
from nnstruct.extract.aten_moves import take
from nnstruct.extract.aten_places import reduced
from nnstruct.extract.lowering import Lowering, Ref, handles


def _as_places(low: Lowering, x: Any, show: Callable[[Tensor], Tensor]) -> np.ndarray:
    """What an operation shows of the elements' own numbers."""
    shape = low.shape(x)
    return show(torch.arange(math.prod(shape)).reshape(shape)).numpy()


@handles("aten.diagonal", "aten.diagonal_copy", "aten.linalg_diagonal")
def _diagonal(low: Lowering, x: Any, *args: Any, **named: Any) -> Ref:
    first = {"aten.linalg_diagonal": (0, -2, -1)}.get(f"aten.{low.operation}", (0, 0, 1))
    given = dict(zip(("offset", "dim1", "dim2"), first, strict=True))
    given |= dict(zip(given, args, strict=False)) | named
    return flat_take(low, x, _as_places(low, x, lambda t: torch.diagonal(t, **given)))


@handles("aten.as_strided", "aten.as_strided_copy")
def _strided(low: Lowering, x: Any, size: Any, stride: Any, offset: Any = None) -> Ref:
    source = low.node.args[0]
    memory = source.meta.get("val") if isinstance(source, torch.fx.Node) else None
    if not isinstance(memory, Tensor) or not memory.is_contiguous():
        raise low.unsupported("show memory that lies in order")
    return flat_take(low, x, _as_places(low, x, lambda t: t.as_strided(size, stride, offset or 0)))


@handles("aten.unfold", "aten.unfold_copy")
def _unfold(low: Lowering, x: Any, axis: int, size: int, step: int) -> Ref:
    """Windows along an axis, behind the other axes."""
    b, shape = low.builder, low.shape(x)
    axis %= len(shape)
    places = np.arange(shape[axis])[: shape[axis] - size + 1 : step, None] + np.arange(size)  # [N, size]
    value = take(low, x.value, axis, places.ravel())
    value = b.reshape(value, (*shape[:axis], *places.shape, *shape[axis + 1 :]))
    order = [place for place in range(len(shape) + 1) if place != axis + 1]
    return Ref(b.permute(value, [*order, axis + 1]))


@handles("aten.masked_select")
def _masked_select(low: Lowering, x: Any, mask: Any) -> Ref:
    if isinstance(mask, Ref):
        raise low.unsupported("have a constant mask")
    shape = np.broadcast_shapes(low.shape(x), tuple(mask.shape))
    value = Ref(low.builder.expand(low.ref(x), shape))
    return flat_take(low, value, np.flatnonzero(mask.expand(shape).cpu().numpy()))


@handles("aten.diagonal_scatter", "aten.as_strided_scatter")
def _written_at(low: Lowering, x: Any, source: Any, *args: Any, **named: Any) -> Ref:
    show = getattr(torch, low.operation.removesuffix("_scatter"))
    places = _as_places(low, x, lambda t: show(t, *args, **named))
    return written(low, x, low.ref(source), places.ravel())


@handles("aten.median.dim", "aten.kthvalue", "aten.median.default", "aten.median")
def _ranked(low: Lowering, x: Any, *numbers: Any, **named: Any) -> Any:
    """A place in the ascending order: of a median the lower one of the two in the middle."""
    b, names = low.builder, ("k", "dim", "keepdim") if low.operation == "kthvalue" else ("dim", "keepdim")
    given = dict(zip(names, numbers, strict=False)) | named
    whole = low.operation == "median" and "dim" not in given
    value = b.reshape(x.value, (math.prod(low.shape(x)),)) if whole else x.value
    shape = list(b.shape[value])
    axis = int(given.get("dim", -1)) % max(len(shape), 1)
    k = int(given.get("k", (shape[axis] + 1) // 2))
    options = {
        "function": "topk", "axis": axis, "k": shape[axis], "largest": False,
        "kept": [[a, a] for a in range(len(shape)) if a != axis], "fresh": [axis],
    }  # fmt: skip
    made = []
    for part in b.emit("operation", [value], shape, shape, options=options):
        chosen = b.select(part, axis, k - 1)
        sizes = [1 if a == axis else size for a, size in enumerate(shape)]
        made.append(Ref(b.reshape(chosen, sizes) if given.get("keepdim") else chosen))
    return made[0] if whole else made


@handles("aten.cdist", "aten._cdist_forward")
def _distances(low: Lowering, left: Any, right: Any, p: float = 2.0, *_: Any) -> Ref:
    """The norm of each row's difference from each other row."""
    b, sides = low.builder, []
    for side, place in ((left, 2), (right, 3)):
        shape = list(low.shape(side))
        shape.insert(len(shape) - (place - 1), 1)
        sides.append(Ref(b.reshape(low.ref(side), shape)))
    difference = join(low, "sub", *sides)
    options = {"function": "norm", "axes": [len(low.shape(difference)) - 1], "keepdim": False, "p": float(p)}
    if math.isinf(p):
        difference = activation(low, difference, "abs")
        options = options | {"function": "max"}
        del options["p"]
    return reduced(low, difference, options)


@handles("aten.pdist", "aten._pdist_forward")
def _own_distances(low: Lowering, x: Any, p: float = 2.0) -> Ref:
    made = _distances(low, x, x, p)
    rows, columns = np.triu_indices(low.shape(x)[0], 1)
    return flat_take(low, made, rows * low.shape(x)[0] + columns)


@handles("aten.masked_scatter")
def _masked_scatter(low: Lowering, x: Any, mask: Any, source: Any) -> Ref:
    """The source's elements in their order where a constant mask is true."""
    if isinstance(mask, Ref):
        raise low.unsupported("have a constant mask")
    shape = low.out_shape
    places = np.flatnonzero(np.broadcast_to(mask.cpu().numpy(), shape))
    own = Ref(low.builder.expand(low.ref(x), shape))
    flat = low.builder.reshape(low.ref(source), (math.prod(low.shape(source)),))
    return written(low, own, low.builder.cut(flat, 0, 0, len(places)), places)


@handles("aten.put")
def _put(low: Lowering, x: Any, index: Any, source: Any, accumulate: bool = False) -> Ref:
    places = None if isinstance(index, Ref) else index.reshape(-1).cpu().numpy() % math.prod(low.shape(x))
    if places is None or (accumulate and not isinstance(source, Tensor)):
        raise low.unsupported("write at constant places")
    if accumulate:
        added = torch.zeros(low.shape(x)).put(torch.from_numpy(places), source.reshape(-1).float(), True)
        return combined(low, "add", x, low.hold(added))
    return written(low, x, low.builder.reshape(low.ref(source), (len(places),)), places)


@handles("aten.count_nonzero")
def _counted(low: Lowering, x: Any, axes: Any = None) -> Ref:
    ndim = len(low.shape(x))
    chosen = sorted(a % ndim for a in many(axes, 1)) if axes not in (None, []) else list(range(ndim))
    options = {"function": "ne"}
    tensors = {"other": ("zero", np.zeros((), dtype=np.float32))}
    found = low.builder.one("activation", [x.value], low.shape(x), options=options, tensors=tensors)
    return reduced(low, Ref(found), {"function": "sum", "axes": chosen, "keepdim": False})
