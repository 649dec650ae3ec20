"""ONNX operators that choose places by index: constant ones move values, others are operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_operators.moves import take

Inputs = list[Any]
Options = dict[str, Any]


@handles("Gather")
def _gather(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index = inputs
    b = reader.builder
    shape = reader.shape(x)
    axis = options.get("axis", 0) % len(shape)
    if not isinstance(x, int):
        if axis == 0 and x.ndim == 2 and x.dtype.kind == "f":
            wrapped = b.shape[index]
            tensors = {"weight": reader.named(x, "weight")}
            extra = reader.quantised_options(x)
            return reader.emit("embedding", [index], (*wrapped, x.shape[1]), "float32", tensors, **extra)
        x = reader.ref(x)
    if isinstance(index, int):
        sizes = (*shape[:axis], *reader.shape(index), *shape[axis + 1 :])
        moved = len(reader.shape(index))
        kept = [[a if a < axis else a + moved - 1, a] for a in range(len(shape)) if a != axis]
        return reader.emit(
            "operation", [x, index], sizes, reader.kind(x), function="gather", axis=axis, kept=kept, fresh=[]
        )
    places = np.asarray(index)
    if places.ndim == 0:
        return b.select(x, axis, int(places))
    length = shape[axis]
    flat = take(reader, x, axis, [int(place) % length for place in places.ravel()])
    return b.reshape(flat, (*shape[:axis], *places.shape, *shape[axis + 1 :]))


@handles("GatherElements")
def _gather_elements(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index = inputs
    shape, sizes = reader.shape(x), reader.shape(index)
    axis = options.get("axis", 0) % len(shape)
    if isinstance(x, int) and isinstance(index, np.ndarray):
        places = np.indices(sizes)
        places[axis] = np.where(index < 0, index + shape[axis], index)
        return _flat_take(reader, x, np.ravel_multi_index(tuple(places), shape))
    same = [[a, a] for a in range(len(shape)) if a != axis and sizes[a] == shape[a]]
    kept = same if isinstance(x, int) else []
    return reader.emit(
        "operation", [reader.ref(x), reader.ref(index)], sizes, reader.kind(x), function="gather_elements",
        axis=axis, kept=kept, fresh=[],
    )  # fmt: skip


def _flat_take(reader: OnnxReader, value: int, places: np.ndarray) -> int:
    """Elements by their flat index, in the index's shape."""
    shape = reader.shape(value)
    flat = reader.builder.reshape(value, (math.prod(shape),))
    return reader.builder.reshape(take(reader, flat, 0, places.ravel().tolist()), places.shape)


@handles("GatherND")
def _gather_nd(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index = inputs
    shape, sizes = reader.shape(x), reader.shape(index)
    batch, depth = int(options.get("batch_dims", 0)), sizes[-1]
    made = (*sizes[:-1], *shape[batch + depth :])
    if isinstance(x, int) and isinstance(index, np.ndarray):
        inner = math.prod(shape[batch + depth :])
        places = np.zeros(sizes[:-1], dtype=np.int64)
        for axis in range(batch):
            lead = np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(sizes) - 1)])
            places = places * shape[axis] + lead
        for axis in range(depth):
            part, length = index[..., axis], shape[batch + axis]
            places = places * length + np.where(part < 0, part + length, part)
        flat = places[..., None] * inner + np.arange(inner)
        return reader.builder.reshape(_flat_take(reader, x, flat), made)
    return reader.emit(
        "operation", [reader.ref(x), reader.ref(index)], made, reader.kind(x), function="gather_nd",
        batch_dims=batch, kept=[], fresh=[],
    )  # fmt: skip


@handles("ScatterElements", "Scatter", "ScatterND")
def _scatter(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index, update = inputs
    shape = reader.shape(x)
    dtype = reader.kind(x)
    kind = "scatter_nd" if node.op_type == "ScatterND" else "scatter_elements"
    extra: Options = {"reduction": options.get("reduction", "none")}
    axis = options.get("axis", 0) % max(len(shape), 1)
    if kind == "scatter_elements":
        extra["axis"] = axis
    simple = extra["reduction"] == "none" and isinstance(index, np.ndarray)
    if simple:
        index = np.asarray(index)
        if kind == "scatter_elements":
            places = np.indices(index.shape)
            places[axis] = np.where(index < 0, index + shape[axis], index)
            flat = np.ravel_multi_index(tuple(places), shape).ravel()
        else:
            depth = index.shape[-1]
            parts = [
                np.where(index[..., a] < 0, index[..., a] + shape[a], index[..., a]) for a in range(depth)
            ]
            inner = math.prod(shape[depth:])
            rows = (
                np.ravel_multi_index(tuple(parts), shape[:depth])
                if depth
                else np.zeros(index.shape[:-1], int)
            )
            flat = (rows[..., None] * inner + np.arange(inner)).ravel()
        return _written(reader, x, update, flat, shape)
    values = [reader.ref(value) for value in (x, index, update)]
    return reader.emit("operation", values, shape, dtype, function=kind, kept=[], fresh=[], **extra)


def _written(reader: OnnxReader, x: Any, update: Any, flat: np.ndarray, shape: tuple[int, ...]) -> int:
    """A value with other elements at constant places: both side by side, and then taken in order."""
    size = math.prod(shape)
    if not len(flat):
        return x
    sides = [
        reader.builder.reshape(reader.ref(x), (size,)),
        reader.builder.reshape(reader.ref(update), (len(flat),)),
    ]
    both = reader.builder.concat(sides, 0)
    order = np.arange(size)
    order[flat] = size + np.arange(len(flat))
    return reader.builder.reshape(take(reader, both, 0, order.tolist()), shape)


@handles("TopK")
def _top(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[int]:
    x, shape = inputs[0], list(reader.shape(inputs[0]))
    axis = options.get("axis", -1) % len(shape)
    k = reader.integers(inputs[1], "take a constant number")[0]
    shape[axis] = k
    step = {
        "function": "topk", "axis": axis, "k": k, "largest": bool(options.get("largest", 1)),
        "kept": [[a, a] for a in range(len(shape)) if a != axis], "fresh": [axis],
    }  # fmt: skip
    made = reader.builder.emit("operation", [x], shape, shape, options=step)
    reader.dtype.update({made[0]: reader.kind(x), made[1]: "int64"})
    return list(made)


@handles("OneHot")
def _one_hot(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x = inputs[0]
    depth = reader.integers(inputs[1], "have a constant depth")[0]
    off, on = (float(v) for v in np.ravel(reader.constant(inputs[2], "have constant values")))
    shape = list(reader.shape(x))
    axis = options.get("axis", -1) % (len(shape) + 1)
    shape.insert(axis, depth)
    kept = [[a if a < axis else a + 1, a] for a in range(len(shape) - 1)]
    return reader.emit(
        "operation", [x], shape, reader.kind(inputs[2]), function="one_hot", axis=axis, depth=depth, on=on,
        off=off, kept=kept, fresh=[],
    )  # fmt: skip


@handles("Compress")
def _compress(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, shape = inputs[0], reader.shape(inputs[0])
    places = np.flatnonzero(reader.constant(inputs[1], "have a constant condition")).tolist()
    if "axis" not in options:
        return take(reader, reader.builder.reshape(x, (math.prod(shape),)), 0, places)
    return take(reader, x, options["axis"] % len(shape), places)


@handles("MaxUnpool")
def _unpool(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index = inputs[:2]
    shape = reader.shape(x)
    kernel = options["kernel_shape"]
    nd = len(kernel)
    stride, both = options.get("strides", [1] * nd), options.get("pads", [0] * (2 * nd))
    own = [
        (n - 1) * s - both[i] - both[i + nd] + k
        for i, (n, s, k) in enumerate(zip(shape[2:], stride, kernel, strict=True))
    ]
    sizes = own
    places = np.asarray(reader.constant(index, "have constant places"))
    if len(inputs) > 2 and inputs[2] is not None:
        sizes = reader.integers(inputs[2])[2:]
        grid = np.unravel_index(places % math.prod(own), own)
        places = np.asarray(np.ravel_multi_index(grid, sizes))
    places = reader.keep(places % math.prod(sizes))
    return reader.emit(
        "operation", [reader.ref(x), reader.ref(places)], (*shape[:2], *sizes), function="max_unpool",
        kept=[[0, 0], [1, 1]], fresh=[],
    )  # fmt: skip


@handles("GridSample")
def _grid_sample(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.shape(inputs[0])
    if (len(shape) != 4 and options.get("mode", "linear") == "cubic") or len(shape) not in (4, 5):
        raise reader.unsupported("sample maps of two axes, or of three without cubic weights")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(options.get("mode", "linear"), "nearest")
    grid = reader.shape(inputs[1])
    return reader.emit(
        "operation", [reader.ref(value) for value in inputs], (*shape[:2], *grid[1:-1]), "float32",
        function="grid_sample", mode=mode, padding=options.get("padding_mode", "zeros"),
        corners=bool(options.get("align_corners", 0)), kept=[[0, 0], [1, 1]], fresh=[],
    )  # fmt: skip


@handles("RoiAlign")
def _region_align(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, boxes, batch = inputs
    size = [int(options.get("output_height", 1)), int(options.get("output_width", 1))]
    half = options.get("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    return reader.emit(
        "operation", [reader.ref(value) for value in (x, boxes, batch)],
        (reader.shape(boxes)[0], reader.shape(x)[1], *size), "float32", function="region_pool", size=size,
        ratio=int(options.get("sampling_ratio", 0)), scale=float(options.get("spatial_scale", 1.0)),
        half_pixel=half, max=options.get("mode", "avg") == "max", kept=[[1, 1]], fresh=[],
    )  # fmt: skip


@handles("Col2Im")
def _col2im(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x = inputs[0]
    image = reader.integers(inputs[1])
    kernel = reader.integers(inputs[2])
    nd = len(image)
    both = list(options.get("pads", [0] * (2 * nd)))
    batch, channels = reader.shape(x)[0], reader.shape(x)[1] // math.prod(kernel)
    return reader.emit(
        "operation", [x], (batch, channels, *image), None, function="col2im", image=image, kernel=kernel,
        stride=list(options.get("strides", [1] * nd)), dilation=list(options.get("dilations", [1] * nd)),
        padding=both[:nd], padding_after=both[nd:], kept=[[0, 0]], fresh=[1],
    )  # fmt: skip
