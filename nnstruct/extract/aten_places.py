"""ATen operations that put, choose or mix places: writes, top k, running sums, norms, upsampling, patches."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.extract.aten_affine import many, pad
from nnstruct.extract.aten_logic import combined
from nnstruct.extract.aten_math import activation, join
from nnstruct.extract.aten_moves import take
from nnstruct.extract.lowering import Lowering, Ref, handles, shape_of


@handles("aten.copy")
def _copy(low: Lowering, x: Any, source: Any, *_: Any) -> Any:
    if isinstance(source, Ref):
        return Ref(low.builder.expand(source.value, low.out_shape))
    return low.hold(torch.as_tensor(source).expand(low.out_shape).clone())


@handles("aten.fill")
def _fill(low: Lowering, x: Any, value: Any) -> Any:
    if isinstance(value, Ref):
        return Ref(low.builder.expand(value.value, low.out_shape))
    return low.hold(torch.full(low.out_shape, float(value)))


@handles("aten.zero")
def _zero(low: Lowering, x: Any) -> Any:
    return low.hold(torch.zeros(low.out_shape))


@handles("aten.index_put", "aten._unsafe_index_put")
def _index_put(low: Lowering, x: Any, indices: Any, values: Any, accumulate: bool = False) -> Ref:
    known = [index for index in indices if index is not None]
    if len(indices) == 1 and isinstance(known[0], Ref) and math.prod(low.shape(values)) == 1:
        source: Any = low.node.args[1]
        if shape_of(source[0])[1] == torch.bool and not accumulate:
            flags = low.shape(known[0])
            own = low.builder.reshape(known[0].value, flags + (1,) * (len(low.shape(x)) - len(flags)))
            fill = low.builder.reshape(low.ref(values), (1,) * len(low.shape(x)))
            options = {"function": "where"}
            return Ref(low.builder.one("join", [own, fill, low.ref(x)], low.shape(x), options=options))
    if accumulate and all(isinstance(index, Tensor) for index in (*known, values)):
        put = torch.zeros(low.shape(x)).index_put(tuple(indices), values.cpu().float(), accumulate=True)
        return combined(low, "add", x, low.hold(put))
    if accumulate or not all(isinstance(index, Tensor) for index in known):
        raise low.unsupported("write at constant places")
    shape = low.shape(x)
    places = torch.arange(int(np.prod(shape))).reshape(shape)
    chosen = places[tuple(slice(None) if index is None else index for index in indices)]
    b, size = low.builder, int(np.prod(shape))
    part = b.reshape(b.expand(low.ref(values), tuple(chosen.shape)), (chosen.numel(),))
    both = b.concat([b.reshape(low.ref(x), (size,)), part], 0)
    order = np.arange(size)
    order[chosen.reshape(-1).numpy()] = size + np.arange(chosen.numel())
    return Ref(b.reshape(take(low, both, 0, order), shape))


@handles("aten.topk", "aten.sort")
def _top(low: Lowering, x: Any, *numbers: Any, **named: Any) -> list[Ref]:
    shape = list(low.shape(x))
    if "sort" in str(low.node.target):
        given = dict(zip(("dim", "descending"), [n for n in numbers if n is not None], strict=False)) | named
        axis, largest = int(given.get("dim", -1)), bool(given.get("descending", False))
        k = shape[axis]
    else:
        given = dict(zip(("k", "dim", "largest"), numbers, strict=False)) | named
        k, axis, largest = int(given["k"]), int(given.get("dim", -1)), bool(given.get("largest", True))
    axis %= len(shape)
    shape[axis] = k
    kept = [[a, a] for a in range(len(shape)) if a != axis]
    options = {
        "function": "topk", "axis": axis, "k": k, "largest": largest, "kept": kept, "fresh": [axis],
    }  # fmt: skip
    return [Ref(v) for v in low.builder.emit("operation", [x.value], shape, shape, options=options)]


@handles("aten.argmax", "aten.argmin", "aten.any", "aten.all")
def _place(low: Lowering, x: Any, axis: Any = None, keepdim: bool = False) -> Ref:
    shape = low.shape(x)
    axes = list(range(len(shape))) if axis is None else sorted(a % len(shape) for a in many(axis, 1))
    name = low.operation
    if name.startswith("arg") and len(axes) != 1:
        flat = low.builder.reshape(x.value, (math.prod(shape),))
        options = {"function": name, "axes": [0], "keepdim": False}
        return Ref(low.builder.reshape(low.builder.one("reduce", [flat], (), options=options), low.out_shape))
    options = {"function": name, "axes": axes, "keepdim": bool(keepdim)}
    return Ref(low.builder.one("reduce", [x.value], low.out_shape, options=options))


@handles("aten.cumsum", "aten.cumprod", "aten.logcumsumexp")
def _accumulate(low: Lowering, x: Any, axis: int, **_: Any) -> Ref:
    return activation(low, x, low.operation, axis=axis % len(low.shape(x)))


@handles("aten.linalg_vector_norm", "aten.norm", "aten.frobenius_norm")
def _norm(low: Lowering, x: Any, p: Any = 2, axes: Any = None, keepdim: bool = False, **_: Any) -> Ref:
    if "frobenius" in str(low.node.target):
        p, axes, keepdim = 2, p, bool(axes)
    shape = low.shape(x)
    chosen = list(range(len(shape))) if axes in (None, []) else sorted(a % len(shape) for a in many(axes, 1))
    order = float(2 if p is None else p)
    options: dict[str, Any] = {"function": "norm", "axes": chosen, "keepdim": bool(keepdim), "p": order}
    if math.isinf(order):  # the largest, or the smallest, of the absolute values
        x = activation(low, x, "abs")
        options = {"function": "max" if order > 0 else "min", "axes": chosen, "keepdim": bool(keepdim)}
    return Ref(low.builder.one("reduce", [x.value], low.out_shape, options=options))


@handles("aten.cosine_similarity")
def _cosine(low: Lowering, left: Any, right: Any, axis: int = 1, eps: float = 1e-8) -> Ref:
    product = join(low, "mul", left, right)
    axis %= len(low.shape(product))
    options = {"axes": [axis], "keepdim": False}
    total = reduced(low, product, {"function": "sum", **options})
    lengths = []
    for side in (left, right):
        own = Ref(low.builder.expand(low.ref(side), low.shape(product)))
        length = reduced(low, own, {"function": "norm", "p": 2.0, **options})
        lengths.append(activation(low, length, "clamp", min=float(eps)))
    return join(low, "div", total, join(low, "mul", *lengths))


def reduced(low: Lowering, x: Ref, options: dict[str, Any]) -> Ref:
    """A reduction that drops the axes that it takes.

    Parameters
    ----------
    low : Lowering
    x : Ref
    options : dict
        ``function``, ``axes`` and others of a step of that kind.

    Returns
    -------
    Ref
    """
    shape = [size for axis, size in enumerate(low.shape(x)) if axis not in options["axes"]]
    return Ref(low.builder.one("reduce", [x.value], shape, options=options))


@handles("aten.addcmul", "aten.addcdiv")
def _added(low: Lowering, x: Any, left: Any, right: Any, *, value: float = 1) -> Ref:
    name = "mul" if "mul" in str(low.node.target) else "div"
    made = combined(low, name, left, right)
    if value != 1:
        made = Ref(low.builder.affine(made.value, scale=float(value), operator="scale"))
    return combined(low, "add", x, made)


@handles("aten.lerp")
def _lerp(low: Lowering, start: Any, end: Any, weight: Any) -> Ref:
    return combined(low, "add", start, combined(low, "mul", combined(low, "sub", end, start), weight))


_MODES = {"linear1d": "linear", "bilinear2d": "linear", "trilinear3d": "linear", "bicubic2d": "cubic"}
_SMOOTHED = ("bilinear2d_aa", "bicubic2d_aa")


@handles(*(f"aten.upsample_{name}" for name in _MODES), *(f"aten._upsample_{name}" for name in _SMOOTHED))
def _upsample(low: Lowering, x: Any, sizes: Any, corners: bool, *rest: Any) -> Ref:
    """Linear in each axis: what it does to the axis's unit vectors is its matrix."""
    name = low.operation.lstrip("_").removeprefix("upsample_")
    mode, smoothed = _MODES[name.removesuffix("_aa")], name.endswith("_aa")
    value, target = x.value, low.out_shape
    nd = len(target) - 2
    factors = [factor for part in rest for factor in (part if isinstance(part, list | tuple) else [part])]
    for place in range(nd):
        axis, length = place + 2, low.builder.shape[value][place + 2]
        factor = factors[place] if place < len(factors) and factors[place] is not None else None
        matrix = _weights(mode, length, target[axis], bool(corners), factor, smoothed)
        shape = list(low.builder.shape[value])
        shape[axis] = target[axis]
        options = {"operator": f"resize_{mode}", "axis": axis}
        value = low.builder.one(
            "resample", [value], shape, options=options, tensors={"matrix": ("resize", matrix)}
        )
    return Ref(value)


def _weights(
    mode: str, length: int, size: int, corners: bool, factor: float | None, smoothed: bool
) -> np.ndarray:
    """The weights of each place of the result, float32 [O, I]."""
    unit = torch.eye(length, dtype=torch.float64)
    given: dict[str, Any] = {"size": size} if factor is None else {"scale_factor": float(factor)}
    if mode == "linear" and not smoothed:
        made = functional.interpolate(unit[None], mode="linear", align_corners=corners, **given)[0]
    else:
        grown: dict[str, Any] = {
            key: (number, length) if key == "size" else (number, 1.0) for key, number in given.items()
        }
        grown |= {"mode": {"linear": "bilinear", "cubic": "bicubic"}[mode], "antialias": smoothed}
        made = functional.interpolate(unit[None, None], align_corners=corners, **grown)[0, 0].T
    return made.T.float().contiguous().numpy()


@handles("aten.pixel_unshuffle")
def _pixel_unshuffle(low: Lowering, x: Any, factor: int) -> Ref:
    b = low.builder
    *lead, channels, height, width = low.shape(x)
    n = len(lead)
    sizes = [*lead, channels, height // factor, factor, width // factor, factor]
    value = b.permute(b.reshape(x.value, sizes), [*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return Ref(b.reshape(value, low.out_shape))


@handles("aten.im2col")
def _patches(low: Lowering, x: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Ref:
    b = low.builder
    *lead, height, width = low.shape(x)
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (many(v, 2) for v in (kernel, dilation, padding, stride))
    value = x.value
    if ph or pw:
        value = pad(low, value, [(0, 0)] * len(lead) + [(ph, ph), (pw, pw)], 0.0)
    height, width = height + 2 * ph, width + 2 * pw
    rows = np.arange(0, height - dh * (kh - 1), sh)[None] + np.arange(kh)[:, None] * dh  # [kh, h]
    columns = np.arange(0, width - dw * (kw - 1), sw)[None] + np.arange(kw)[:, None] * dw  # [kw, w]
    places = rows[:, None, :, None] * width + columns[None, :, None, :]  # [kh, kw, h, w]
    flat = b.reshape(value, (*lead, height * width))
    return Ref(b.reshape(take(low, flat, len(lead), places.ravel()), low.out_shape))


@handles("aten.col2im")
def _folded(low: Lowering, x: Any, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Ref:
    """Patches put back, summed where they overlap."""
    b, single = low.builder, len(low.shape(x)) == 2
    value = b.reshape(x.value, (1, *low.shape(x))) if single else x.value
    shape = (1, *low.out_shape) if single else low.out_shape
    (ph, pw) = many(padding, 2)
    options = {
        "function": "col2im", "image": many(size, 2), "kernel": many(kernel, 2), "stride": many(stride, 2),
        "dilation": many(dilation, 2), "padding": [ph, pw], "padding_after": [ph, pw], "kept": [[0, 0]],
        "fresh": [1],
    }  # fmt: skip
    return Ref(b.reshape(b.one("operation", [value], shape, options=options), low.out_shape))


_GRID_MODES, _GRID_PADDING = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


@handles("aten.grid_sampler", "aten.grid_sampler_2d", "aten.grid_sampler_3d")
def _sampled(low: Lowering, x: Any, grid: Any, mode: int, padding: int, corners: bool) -> Ref:
    """Linear in the map where the grid is a constant: what it does to unit vectors is its matrix."""
    b, shape, sizes = low.builder, low.shape(x), low.shape(grid)[1:-1]
    names = _GRID_MODES[mode], _GRID_PADDING[padding]
    inputs, outputs = math.prod(shape[2:]), math.prod(sizes)
    alike = isinstance(grid, Tensor) and bool((grid == grid[:1]).all())
    if not alike or inputs * outputs > 1 << 24 or not isinstance(x, Ref):
        options = {
            "function": "grid_sample", "mode": names[0], "padding": names[1], "corners": bool(corners),
            "kept": [[0, 0], [1, 1]], "fresh": [],
        }  # fmt: skip
        return Ref(b.one("operation", [low.ref(x), low.ref(grid)], low.out_shape, options=options))
    unit = torch.eye(inputs).reshape(1, inputs, *shape[2:])
    made = functional.grid_sample(unit, grid[:1].float(), *names, align_corners=bool(corners))
    matrix = made.reshape(inputs, outputs).T.contiguous().numpy()
    flat = b.reshape(x.value, (*shape[:2], inputs))
    options = {"operator": "grid_sample", "axis": 2}
    tensors = {"matrix": ("grid", matrix)}
    value = b.one("resample", [flat], (*shape[:2], outputs), options=options, tensors=tensors)
    return Ref(b.reshape(value, low.out_shape))


@handles("aten.embedding_bag", "aten._embedding_bag")
def _embedding_bag(
    low: Lowering, weight: Any, indices: Any, offsets: Any, scale: bool = False, mode: int = 0, *rest: Any
) -> list[Any]:
    named = [value for value in rest if value is not None and not isinstance(value, bool)]
    if (
        isinstance(weight, Ref)
        or not isinstance(offsets, Tensor)
        or (named and isinstance(named[0], Tensor | Ref))
    ):
        raise low.unsupported("have constant weights and bags, and no weight for each symbol")
    b, count = low.builder, low.shape(indices)[0]
    ends = [*offsets.tolist(), count]
    sizes = {stop - start for start, stop in pairwise(ends)}
    if len(sizes) != 1 or 0 in sizes:
        raise low.unsupported("have bags of one size")
    (length,) = sizes
    bags = b.reshape(indices.value, (len(offsets), length))
    width = weight.shape[1]
    tensors = {"weight": low.array(weight, "weight")}
    made = b.one("embedding", [bags], (len(offsets), length, width), tensors=tensors)
    function = ("sum", "mean", "max")[mode]
    options = {"function": function, "axes": [1], "keepdim": False}
    return [Ref(b.one("reduce", [made], (len(offsets), width), options=options)), None, None, None]


@handles("aten.embedding_renorm")
def _renormed(low: Lowering, weight: Any, indices: Any, limit: float, p: float) -> Tensor:
    length = torch.linalg.vector_norm(weight, p, dim=1, keepdim=True)
    kept = weight * torch.where(length > limit, limit / (length + 1e-7), torch.ones_like(length))
    return low.hold(kept, low.names.get(id(weight), ""))
