"""ATen operations that only move values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_affine import many, pad
from nnstruct.extract.lowering import Lowering, Ref, handles, shape_of

_SAME = (
    "aten.contiguous", "aten.clone", "aten.alias", "aten.detach", "aten.dropout",
    "aten.feature_dropout", "aten.alpha_dropout", "aten.feature_alpha_dropout", "aten.lift_fresh_copy",
    "aten.native_dropout", "aten.positive",
)  # fmt: skip


@handles(*_SAME)
def _same(low: Lowering, x: Any, *_: Any, **__: Any) -> Any:
    return [x, None] if "native_dropout" in str(low.node.target) else x


@handles(
    "aten.view", "aten.reshape", "aten._unsafe_view", "aten.flatten", "aten.unflatten", "aten.unsqueeze",
    "aten.squeeze", "aten._reshape_alias", "aten.view_copy", "aten.view_as", "aten.reshape_as",
)  # fmt: skip
def _reshape(low: Lowering, x: Any, *_: Any, **__: Any) -> Any:
    if isinstance(x, Tensor):
        return low.hold(x.reshape(low.out_shape), low.names.get(id(x), ""))
    return Ref(low.builder.reshape(x.value, low.out_shape))


@handles("aten.new_zeros", "aten.zeros_like", "aten.new_empty", "aten.empty_like")
def _zeros(low: Lowering, x: Any, *_: Any, **__: Any) -> Tensor:
    return torch.zeros(low.out_shape, dtype=shape_of(low.node)[1])


@handles("aten.new_ones", "aten.ones_like")
def _ones(low: Lowering, x: Any, *_: Any, **__: Any) -> Tensor:
    return torch.ones(low.out_shape, dtype=shape_of(low.node)[1])


@handles("aten.new_full", "aten.full_like")
def _full(low: Lowering, x: Any, *values: Any, **__: Any) -> Tensor:
    return torch.full(low.out_shape, values[-1], dtype=shape_of(low.node)[1])


@handles("aten.permute")
def _permute(low: Lowering, x: Any, dims: Any) -> Ref:
    return Ref(low.builder.permute(x.value, [d % len(dims) for d in dims]))


@handles("aten.transpose", "aten.swapaxes", "aten.swapdims")
def _transpose(low: Lowering, x: Any, first: int, second: int) -> Ref:
    ndim = len(low.shape(x))
    return Ref(low.builder.swap(x.value, first % ndim, second % ndim))


@handles("aten.t", "aten.numpy_T", "aten.mT")
def _turned(low: Lowering, x: Any) -> Ref:
    ndim = len(low.shape(x))
    return x if ndim < 2 else Ref(low.builder.swap(x.value, ndim - 2, ndim - 1))


@handles("aten.movedim")
def _movedim(low: Lowering, x: Any, source: Any, target: Any) -> Ref:
    ndim = len(low.shape(x))
    dims = np.moveaxis(np.arange(ndim).reshape([1] * 0 + [ndim]), 0, 0).tolist()
    sources, targets = many(source, 1), many(target, 1)
    rest = [d for d in dims if d not in [s % ndim for s in sources]]
    order = dict(zip([t % ndim for t in targets], [s % ndim for s in sources], strict=True))
    left = iter(rest)
    return Ref(low.builder.permute(x.value, [order[d] if d in order else next(left) for d in range(ndim)]))


@handles("aten.select")
def _select(low: Lowering, x: Any, axis: int, index: int) -> Ref:
    return Ref(low.builder.select(x.value, axis % len(low.shape(x)), index))


@handles("aten.slice")
def _slice(low: Lowering, x: Any, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Ref:
    axis %= len(low.shape(x))
    length = low.shape(x)[axis]
    return Ref(
        low.builder.cut(x.value, axis, start or 0, length if stop is None else min(stop, length), step)
    )


@handles("aten.narrow")
def _narrow(low: Lowering, x: Any, axis: int, start: int, length: int) -> Ref:
    axis %= len(low.shape(x))
    return Ref(low.builder.cut(x.value, axis, start, start + length))


@handles("aten.cat", "aten.concat", "aten.concatenate")
def _cat(low: Lowering, values: Any, axis: int = 0) -> Ref:
    values = [value for value in values if math.prod(low.shape(value))]
    if len(values) == 1:
        return values[0]
    return Ref(low.builder.concat([low.ref(value) for value in values], axis % len(low.shape(values[0]))))


@handles("aten.stack")
def _stack(low: Lowering, values: Any, axis: int = 0) -> Ref:
    b, axis = low.builder, axis % (len(low.shape(values[0])) + 1)
    parts = []
    for value in values:
        shape = list(low.shape(value))
        parts.append(b.reshape(low.ref(value), [*shape[:axis], 1, *shape[axis:]]))
    return Ref(b.concat(parts, axis))


@handles("aten.chunk", "aten.split", "aten.split_with_sizes")
def _split(low: Lowering, x: Any, sizes: Any, axis: int = 0) -> list[Ref]:
    axis %= len(low.shape(x))
    length, name = low.shape(x)[axis], str(low.node.target)
    if isinstance(sizes, int):
        each = -(-length // sizes) if "chunk" in name else sizes
        sizes = [min(each, length - start) for start in range(0, length, each)]
    stops = np.cumsum(sizes).tolist()
    return [
        Ref(low.builder.cut(x.value, axis, stop - size, stop))
        for size, stop in zip(sizes, stops, strict=True)
    ]


@handles("aten.unbind")
def _unbind(low: Lowering, x: Any, axis: int = 0) -> list[Ref]:
    axis %= len(low.shape(x))
    return [Ref(low.builder.select(x.value, axis, index)) for index in range(low.shape(x)[axis])]


@handles("aten.expand", "aten.expand_as", "aten.broadcast_to")
def _expand(low: Lowering, x: Any, *_: Any, **__: Any) -> Any:
    if isinstance(x, Tensor):  # only the other one's shape is asked for
        return low.hold(x.expand(low.out_shape), low.names.get(id(x), ""))
    return Ref(low.builder.expand(x.value, low.out_shape))


@handles("aten.repeat", "aten.tile")
def _repeat(low: Lowering, x: Any, repeats: Any) -> Ref:
    ndim = len(low.out_shape)
    repeats = [1] * (ndim - len(repeats)) + list(repeats)
    shape = (1,) * (ndim - len(low.shape(x))) + low.shape(x)
    value = low.builder.reshape(x.value, shape)
    return Ref(low.builder.one("tile", [value], low.out_shape, options={"repeats": repeats}))


@handles(
    "aten.pad", "aten.constant_pad_nd", "aten.zero_pad2d", "aten.reflection_pad1d", "aten.reflection_pad2d",
    "aten.replication_pad1d", "aten.replication_pad2d",
)  # fmt: skip
def _pad(low: Lowering, x: Any, sizes: Any, mode: Any = "constant", value: Any = 0.0) -> Ref:
    name = str(low.node.target)
    if "constant_pad" in name:
        mode, value = "constant", mode if isinstance(mode, int | float) else 0.0
    mode = "reflect" if "reflection" in name else "replicate" if "replication" in name else mode
    ndim = len(low.shape(x))
    widths = [(0, 0)] * ndim
    for place in range(len(sizes) // 2):
        widths[ndim - 1 - place] = (int(sizes[2 * place]), int(sizes[2 * place + 1]))
    if mode == "constant":
        return Ref(pad(low, x.value, widths, float(value or 0.0)))
    numpy_mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    moved = x.value
    for axis, width in enumerate(widths):
        if width != (0, 0):
            index = np.pad(np.arange(low.builder.shape[moved][axis]), width, mode=numpy_mode)  # type: ignore[call-overload]
            moved = take(low, moved, axis, index)
    return Ref(moved)


def take(low: Lowering, value: int, axis: int, index: np.ndarray) -> int:
    shape = list(low.builder.shape[value])
    shape[axis] = len(index)
    return low.builder.one("take", [value], shape, options={"axis": axis, "indices": index.tolist()})


@handles("aten.flip")
def _flip(low: Lowering, x: Any, dims: Any) -> Ref:
    axes = [d % len(low.shape(x)) for d in dims]
    return Ref(low.builder.one("flip", [x.value], low.shape(x), options={"axes": axes}))


@handles("aten.roll")
def _roll(low: Lowering, x: Any, shifts: Any, dims: Any = ()) -> Ref:
    if not dims:
        raise low.unsupported("name its axes")
    options = {"shifts": many(shifts, 1), "axes": [d % len(low.shape(x)) for d in many(dims, 1)]}
    return Ref(low.builder.one("roll", [x.value], low.shape(x), options=options))


@handles("aten.upsample_nearest1d", "aten.upsample_nearest2d", "aten.upsample_nearest3d")
def _upsample(low: Lowering, x: Any, *_: Any, **__: Any) -> Ref:
    value, target = x.value, low.out_shape
    for axis in range(2, len(target)):
        length = low.builder.shape[value][axis]
        if length != target[axis]:
            value = take(low, value, axis, np.arange(target[axis]) * length // target[axis])
    return Ref(value)


@handles("aten.pixel_shuffle")
def _pixel_shuffle(low: Lowering, x: Any, factor: int) -> Ref:
    b = low.builder
    *lead, channels, height, width = low.shape(x)
    n = len(lead)
    value = b.reshape(x.value, [*lead, channels // factor**2, factor, factor, height, width])
    value = b.permute(value, [*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return Ref(b.reshape(value, low.out_shape))


@handles("aten.channel_shuffle")
def _channel_shuffle(low: Lowering, x: Any, groups: int) -> Ref:
    b, (batch, channels, *rest) = low.builder, low.shape(x)
    value = b.reshape(x.value, [batch, groups, channels // groups, *rest])
    return Ref(b.reshape(b.swap(value, 1, 2), low.out_shape))
