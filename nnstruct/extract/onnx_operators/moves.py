"""ONNX operators that only move values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_types import held_type

Inputs = list[Any]
Options = dict[str, Any]


@handles("Identity")
def _identity(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [inputs[0]]


@handles("Dropout")
def _dropout(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    training = inputs[2] if len(inputs) > 2 else None
    ratio = inputs[1] if len(inputs) > 1 else None
    trains = training is not None and (isinstance(training, int) or np.any(training))
    if trains and (ratio is None or isinstance(ratio, int) or np.any(ratio)):
        raise reader.unsupported("be in evaluation mode")
    return [inputs[0], reader.keep(np.ones(reader.shape(inputs[0]), dtype=bool))]


@handles("Shape", direct=True)
def _shape(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    shape = np.array(reader.shape(inputs[0]), dtype=np.int64)
    return reader.keep(shape[slice(options.get("start", 0), options.get("end"))])


@handles("Size", direct=True)
def _size(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return reader.keep(np.array(math.prod(reader.shape(inputs[0])), dtype=np.int64))


@handles("EyeLike")
def _eye(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    dtype = held_type(options["dtype"]) if "dtype" in options else reader.kind(inputs[0])
    rows, columns = reader.shape(inputs[0])
    return reader.keep(np.eye(rows, columns, options.get("k", 0), dtype=dtype))


@handles("Reshape")
def _reshape(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, old = inputs[0], reader.shape(inputs[0])
    wanted = reader.integers(inputs[1], "have a constant shape")
    if not options.get("allowzero"):
        wanted = [old[place] if size == 0 else size for place, size in enumerate(wanted)]
    rest = math.prod(size for size in wanted if size != -1)
    shape = [math.prod(old) // max(rest, 1) if size == -1 else size for size in wanted]
    if math.prod(shape) != math.prod(old):
        raise reader.unsupported(f"keep the number of elements, from {tuple(old)} to {tuple(shape)}")
    return reader.reshaped(x, shape)


@handles("Flatten")
def _flatten(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    old = reader.shape(inputs[0])
    axis = options.get("axis", 1)
    axis = axis + len(old) if axis < 0 else axis
    return reader.reshaped(inputs[0], (math.prod(old[:axis]), math.prod(old[axis:])))


@handles("Squeeze")
def _squeeze(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    old = reader.shape(inputs[0])
    if len(inputs) > 1 and inputs[1] is not None:
        chosen = [axis % len(old) for axis in reader.integers(inputs[1], "have constant axes")]
        if any(old[axis] != 1 for axis in chosen):
            raise reader.unsupported("drop axes of length 1")
    else:
        chosen = [axis for axis, size in enumerate(old) if size == 1]
    return reader.reshaped(inputs[0], [size for axis, size in enumerate(old) if axis not in chosen])


@handles("Unsqueeze")
def _unsqueeze(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    old = reader.shape(inputs[0])
    axes = reader.integers(inputs[1] if len(inputs) > 1 else None, "have constant axes")
    ndim = len(old) + len(axes)
    places = {axis % ndim for axis in axes}
    left = iter(old)
    return reader.reshaped(inputs[0], [1 if place in places else next(left) for place in range(ndim)])


@handles("Transpose")
def _transpose(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    ndim = len(reader.shape(inputs[0]))
    return reader.builder.permute(inputs[0], options.get("perm", list(range(ndim))[::-1]))


@handles("Concat")
def _concat(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return joined(reader, inputs, int(options["axis"]))


def joined(reader: OnnxReader, values: Inputs, axis: int) -> Any:
    """Values and constants side by side along an axis that they have.

    Parameters
    ----------
    reader : OnnxReader
    values : list of operand
    axis : int

    Returns
    -------
    operand
    """
    axis %= max(len(reader.shape(values[0])), 1)
    if not any(isinstance(value, int) for value in values):
        return reader.keep(np.concatenate([np.asarray(value) for value in values], axis))
    filled = [value for value in values if math.prod(reader.shape(value))] or values[:1]
    if len(filled) == 1:
        return filled[0]
    return reader.builder.concat([reader.ref(value) for value in filled], axis)


@handles("Split")
def _split(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[int]:
    x, shape = inputs[0], reader.shape(inputs[0])
    axis = options.get("axis", 0) % len(shape)
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = reader.integers(inputs[1])
    else:
        count = options.get("num_outputs", len(node.output))
        each = -(-shape[axis] // count)
        sizes = [max(0, min(each, shape[axis] - each * place)) for place in range(count)]
    if sum(sizes) != shape[axis]:
        raise reader.unsupported(f"share out {shape[axis]} places, got {sizes}")
    stops = np.cumsum(sizes).tolist()
    return [cut(reader, x, axis, stop - size, stop) for size, stop in zip(sizes, stops, strict=True)]


def cut(reader: OnnxReader, value: int, axis: int, start: int, stop: int) -> Any:
    """Places from ``start`` to before ``stop``; a constant where there are none.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    axis, start, stop : int

    Returns
    -------
    operand
    """
    if stop > start:
        return reader.builder.cut(value, axis, start, stop)
    shape = list(reader.shape(value))
    shape[axis] = 0
    return reader.keep(np.zeros(shape, dtype=reader.kind(value)))


@handles("Slice")
def _slice(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x = inputs[0]
    parts = [
        None if value is None else reader.integers(value, "have constant ends") for value in inputs[1:]
    ] + [None] * 4
    starts, stops = parts[0] or [], parts[1] or []
    axes = parts[2] if parts[2] is not None else list(range(len(starts)))
    steps = parts[3] if parts[3] is not None else [1] * len(starts)
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        axis %= len(reader.shape(x))
        length = reader.shape(x)[axis]
        index = range(length)[_sliced(start, stop, step, length)]
        if len(index) == 0:
            shape = list(reader.shape(x))
            shape[axis] = 0
            return reader.keep(np.zeros(shape, dtype=reader.kind(x)))
        if step < 0:
            x = take(reader, x, axis, list(index))
        else:
            x = reader.builder.cut(x, axis, index.start, index.stop, step)
    return x


def _sliced(start: int, stop: int, step: int, length: int) -> slice:
    """ONNX's slice as Python's: an end before the first place of a falling one means the first place too."""
    if step < 0 and stop < -length:
        return slice(start, None, step)
    return slice(start, stop, step)


def take(reader: OnnxReader, value: int, axis: int, index: Any) -> int:
    """Chosen places along an axis.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    axis : int
    index : sequence of int
        From 0.

    Returns
    -------
    int
    """
    shape = list(reader.shape(value))
    shape[axis] = len(index)
    return reader.emit("take", [value], shape, axis=axis, indices=[int(place) for place in index])


@handles("Expand")
def _expand(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    sizes = reader.integers(inputs[1], "have a constant shape")
    return reader.builder.expand(inputs[0], np.broadcast_shapes(reader.shape(inputs[0]), tuple(sizes)))


@handles("Tile")
def _tile(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    repeats = reader.integers(inputs[1])
    shape = reader.shape(inputs[0])
    if all(repeat == 1 for repeat in repeats):
        return inputs[0]
    sizes = [size * repeat for size, repeat in zip(shape, repeats, strict=True)]
    return reader.emit("tile", [inputs[0]], sizes, repeats=repeats)


@handles("Pad")
def _pad(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x = inputs[0]
    mode = options.get("mode", "constant")
    ndim = len(reader.shape(x))
    both = reader.integers(inputs[1] if len(inputs) > 1 else None)
    axes = list(range(ndim))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = [axis % ndim for axis in reader.integers(inputs[3])]
    widths = [(0, 0)] * ndim
    for place, axis in enumerate(axes):
        widths[axis] = (both[place], both[place + len(axes)])
    if mode == "constant":
        fill = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros((), np.float32)
        number = float(np.ravel(reader.constant(fill, "pad with a constant"))[0])
        return padded(reader, x, widths, number)
    for axis, (low, high) in enumerate(widths):
        length = reader.shape(x)[axis]
        if (low, high) == (0, 0):
            continue
        name = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}[mode]
        grown = np.pad(np.arange(length), (max(low, 0), max(high, 0)), mode=name)  # type: ignore[call-overload]
        x = take(reader, x, axis, grown[max(-low, 0) : len(grown) - max(-high, 0)])
    return x


def padded(reader: OnnxReader, value: int, widths: Any, fill: float) -> int:
    """A value with constants before and after; negative widths cut off.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    widths : sequence of (int, int)
        For each axis.
    fill : float

    Returns
    -------
    int
    """
    for axis, (low, high) in enumerate(widths):
        length = reader.shape(value)[axis]
        if low < 0 or high < 0:
            value = reader.builder.cut(value, axis, max(-low, 0), length - max(-high, 0))
    grown = [[max(low, 0), max(high, 0)] for low, high in widths]
    if not any(low or high for low, high in grown):
        return value
    shape = [size + low + high for size, (low, high) in zip(reader.shape(value), grown, strict=True)]
    if not np.isfinite(fill):
        raise reader.unsupported("pad with a finite number")
    return reader.emit("pad", [value], shape, reader.kind(value), widths=grown, value=fill)


@handles("DepthToSpace", "SpaceToDepth")
def _depth(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    b, size = reader.builder, int(options["blocksize"])
    batch, channels, height, width = reader.shape(inputs[0])
    if node.op_type == "SpaceToDepth":
        parts = b.reshape(inputs[0], (batch, channels, height // size, size, width // size, size))
        crd = options.get("mode", "DCR") == "CRD"
        moved = b.permute(parts, [0, 1, 3, 5, 2, 4] if crd else [0, 3, 5, 1, 2, 4])
        return b.reshape(moved, (batch, channels * size * size, height // size, width // size))
    inner = channels // (size * size)
    if options.get("mode", "DCR") == "DCR":
        parts = b.reshape(inputs[0], (batch, size, size, inner, height, width))
        moved = b.permute(parts, [0, 3, 4, 1, 5, 2])
    else:
        parts = b.reshape(inputs[0], (batch, inner, size, size, height, width))
        moved = b.permute(parts, [0, 1, 4, 2, 5, 3])
    return b.reshape(moved, (batch, inner, height * size, width * size))


@handles("Trilu")
def _triangle(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    k = reader.integers(inputs[1])[0] if len(inputs) > 1 and inputs[1] is not None else 0
    shape = reader.shape(inputs[0])
    if not math.prod(shape):
        return inputs[0]
    ones = np.ones(shape, dtype=bool)
    kept = np.triu(ones, k) if options.get("upper", 1) else np.tril(ones, k)
    return reader.activation(inputs[0], "masked_fill", tensors={"mask": ("mask", ~kept)}, value=0.0)


@handles("ReverseSequence")
def _reversed(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, shape = inputs[0], reader.shape(inputs[0])
    lengths = reader.integers(inputs[1], "have constant lengths")
    time, batch = options.get("time_axis", 0) % len(shape), options.get("batch_axis", 1) % len(shape)
    parts = []
    for place, length in enumerate(lengths):
        part = reader.builder.cut(x, batch, place, place + 1)
        index = [*reversed(range(length)), *range(length, shape[time])]
        parts.append(take(reader, part, time, index))
    return parts[0] if len(parts) == 1 else reader.builder.concat(parts, batch)
