"""ONNX's quantised operators, read as the real numbers that their integers stand for.

Stored integers become real weights at once, and the steps that use them say in their option
``quantised`` which type they were stored in. What is quantised while the network runs is a rounding to
a grid.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import HANDLERS, OnnxReader, handles
from nnstruct.extract.onnx_operators.elementwise import arithmetic
from nnstruct.extract.onnx_operators.weights import convolution, product

Inputs = list[Any]
Options = dict[str, Any]
_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def _spread(values: Any, ndim: int, axis: int, shape: tuple[int, ...], block: int = 0) -> np.ndarray:
    """A scale or a zero point in a shape that is broadcast to its tensor's."""
    array = np.asarray(values, dtype=np.float32)
    if array.size == 1:
        return array.reshape(())
    if block:
        grown = np.repeat(array, block, axis)
        return np.take(grown, np.arange(shape[axis]), axis)
    return array.reshape([-1 if a == axis else 1 for a in range(ndim)])


@handles("DequantizeLinear", direct=True)
def _dequantize(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, scale, zero = (*inputs, None)[:3]
    shape = reader.shape(x)
    axis = options.get("axis", 1) % max(len(shape), 1)
    block = int(options.get("block_size", 0))
    own = _spread(reader.constant(scale, "have a constant scale"), len(shape), axis, shape, block)
    point = np.zeros((), np.float32)
    if zero is not None:
        point = _spread(reader.constant(zero, "have a constant zero point"), len(shape), axis, shape, block)
    if isinstance(x, int):
        shifted = x if not point.any() else arithmetic(reader, "Sub", _real(reader, x), reader.keep(point))
        return arithmetic(reader, "Mul", _real(reader, shifted), reader.keep(own))
    made = reader.renamed((np.asarray(x, dtype=np.float32) - point) * own, x)
    reader.quantised[id(made)] = np.asarray(x).dtype.name
    return made


def _real(reader: OnnxReader, value: int) -> int:
    """Grid points are held as numbers, whatever the file says."""
    if reader.kind(value) == "float32":
        return value
    return reader.activation(value, "cast", "float32", to="float32")


@handles("QuantizeLinear")
def _quantize(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, scale, zero = (*inputs, None)[:3]
    if options.get("output_dtype") not in (None, 0, 2, 3, 4, 5):
        raise reader.unsupported("be to integers of 8 or 16 bits")
    kind = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}.get(options.get("output_dtype", 0), "uint8")
    if zero is not None:
        kind = reader.kind(zero)
    narrow = len(node.input) > 2 and node.input[2] in reader.narrow
    if kind not in _RANGES or int(options.get("block_size", 0)) or narrow:
        raise reader.unsupported("be to integers of 8 or 16 bits, with one scale for each channel")
    if isinstance(scale, int) or isinstance(zero, int):
        return _moving_grid(reader, x, scale, zero, kind)
    return quantize(reader, x, scale, zero, kind, options.get("axis", 1))


def _moving_grid(reader: OnnxReader, value: int, scale: Any, zero: Any, kind: str) -> int:
    """A rounding whose scale and zero point are values of the network: one of each."""
    if any(part is not None and int(np.prod(reader.shape(part))) != 1 for part in (scale, zero)):
        raise reader.unsupported("have a constant scale, or a single one")
    low, high = _RANGES[kind]
    shape = reader.shape(value)
    parts: Inputs = [_real(reader, value) if isinstance(value, int) else value]
    for part in (scale, zero):
        alone = part if part is None else reader.reshaped(part, (1,) * len(shape))
        parts.append(_real(reader, alone) if isinstance(alone, int) else alone)
    made = reader.activation(arithmetic(reader, "Div", *parts[:2]), "round")
    if parts[2] is not None:
        made = arithmetic(
            reader,
            "Add",
            made,
            np.asarray(parts[2], np.float32) if not isinstance(parts[2], int) else parts[2],
        )
    return reader.activation(made, "clamp", min=float(low), max=float(high))


@handles("DynamicQuantizeLinear")
def _dynamic(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[int]:
    x = inputs[0]
    axes = list(range(len(reader.shape(x))))
    ends = []
    for function, end in (("min", "max"), ("max", "min")):
        found = reader.emit("reduce", [x], (), "float32", function=function, axes=axes, keepdim=False)
        bound: Options = {end: 0.0}
        ends.append(reader.activation(found, "clamp", **bound))
    low, high = ends
    span = reader.emit("join", [high, low], (), "float32", function="sub")
    scale = reader.builder.affine(span, scale=1 / 255, operator="scale")
    lowest = reader.emit("join", [low, scale], (), "float32", function="div")
    rounded = reader.activation(reader.activation(lowest, "neg"), "round")
    zero = reader.activation(rounded, "clamp", min=0.0, max=255.0)
    made = _moving_grid(reader, x, scale, zero, "uint8")
    reader.grids[made] = (x, scale, zero)
    return [made, scale, zero]


def _remember(reader: OnnxReader, made: int, grid: Any, zero: Any, weight: Any, real: Any) -> int:
    """A product that a scale will turn into one of real numbers, with the real weights."""
    known = reader.grids.get(grid) if isinstance(grid, int) else None
    if known is None or known[2] != zero or not isinstance(weight, np.ndarray):
        return made
    x, scale, _ = known

    def make(factor: np.ndarray) -> int:
        value = reader.activation(x, "dynamic_quantize", "float32", real=True)
        return real(value, np.asarray(factor, dtype=np.float32))

    reader.products[made] = (scale, make)
    return made


def _times(reader: OnnxReader, weight: Any, factor: np.ndarray) -> np.ndarray:
    made = reader.renamed(weight * factor, weight)
    stored = reader.quantised.get(id(weight))
    if stored is not None:
        reader.quantised[id(made)] = stored
    return made


def quantize(reader: OnnxReader, value: int, scale: Any, zero: Any, kind: str, axis: int = 1) -> int:
    """The grid points that the elements of a value are nearest to.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    scale, zero : array
        One for all, or one for each place along the axis.
    kind : {"uint8", "int8", "uint16", "int16"}
    axis : int

    Returns
    -------
    int
        Numbers that are whole.
    """
    shape = reader.shape(value)
    axis %= max(len(shape), 1)
    own = _spread(reader.constant(scale, "have a constant scale"), len(shape), axis, shape)
    point = np.zeros((), np.float32)
    if zero is not None:
        point = _spread(reader.constant(zero, "have a constant zero point"), len(shape), axis, shape)
    low, high = _RANGES[kind]
    tensors = {"scale": ("scale", own), "zero": ("zero_point", point)}
    return reader.activation(
        _real(reader, value), "fake_quantize", "float32", tensors, low=low, high=high, real=False
    )


def _shifted(reader: OnnxReader, value: Any, zero: Any, axis: int | None) -> Any:
    """Integers without their zero point, as real numbers."""
    shape = reader.shape(value)
    point = np.zeros((), np.float32)
    if zero is not None and not isinstance(zero, int):
        point = np.asarray(zero, dtype=np.float32)
        if point.ndim == 1:
            point = _spread(point, len(shape), 0 if axis is None else axis % len(shape), shape)
    if isinstance(value, np.ndarray):
        made = reader.renamed(np.asarray(value, dtype=np.float32) - point, value)
        reader.quantised[id(made)] = value.dtype.name
        return made
    value = _real(reader, value)
    if isinstance(zero, int):
        sizes = reader.shape(zero)
        if len(sizes) == 1 and sizes != (1,):
            place = (0 if axis is None else axis) % len(shape)
            zero = reader.reshaped(zero, [sizes[0] if a == place else 1 for a in range(len(shape))])
        return arithmetic(reader, "Sub", value, _real(reader, zero))
    return value if not point.any() else arithmetic(reader, "Sub", value, reader.keep(point))


@handles("MatMulInteger")
def _matmul(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    left, right, left_zero, right_zero = (*inputs, None, None)[:4]
    a = _shifted(reader, left, left_zero, -2)
    b = _shifted(reader, right, right_zero, -1)
    made = product(reader, a, b)
    reader.dtype[made] = "float32"
    return _remember(
        reader, made, left, left_zero, b, lambda x, factor: product(reader, x, _times(reader, b, factor))
    )


@handles("com.microsoft:MatMulIntegerToFloat", "com.microsoft:DynamicQuantizeMatMul")
def _matmul_to_float(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    if node.op_type == "DynamicQuantizeMatMul":
        left, right, right_scale, right_zero, bias = (*inputs, None, None)[:5]
        a = reader.activation(left, "dynamic_quantize", "float32", real=True)
    else:
        left, right, left_scale, right_scale, left_zero, right_zero, bias = (*inputs, None, None, None)[:7]
        known = reader.grids.get(left) if isinstance(left, int) else None
        if known is not None and known[1:] == (left_scale, left_zero):
            a = reader.activation(known[0], "dynamic_quantize", "float32", real=True)
        else:
            a = _scaled(reader, left, left_scale, left_zero, -2)
    made = product(reader, a, _scaled(reader, right, right_scale, right_zero, -1))
    return made if bias is None else arithmetic(reader, "Add", made, bias)


@handles("ConvInteger")
def _conv(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, weight, zero, weight_zero = (*inputs, None, None)[:4]
    a = _shifted(reader, x, zero, None)
    b = _shifted(reader, weight, weight_zero, 0)
    made = convolution(reader, a, b, None, options)

    def real(value: int, factor: np.ndarray) -> int:
        if factor.size == 1:
            return convolution(reader, value, _times(reader, b, factor.reshape(())), None, options)
        whole = convolution(reader, value, b, None, options)
        return arithmetic(reader, "Mul", whole, reader.keep(factor))

    return _remember(reader, made, x, zero, b, real)


def _scaled(reader: OnnxReader, value: Any, scale: Any, zero: Any, axis: int | None = None) -> Any:
    """The real numbers that integers stand for."""
    shifted = _shifted(reader, value, zero, axis)
    own = np.asarray(reader.constant(scale, "have a constant scale"), dtype=np.float32)
    if own.ndim == 1 and own.size > 1:
        ndim = len(reader.shape(value))
        own = own.reshape([-1 if a == (axis or 0) % ndim else 1 for a in range(ndim)])
    elif own.size == 1:
        own = own.reshape(())
    if isinstance(shifted, np.ndarray):
        made = reader.renamed(shifted * own, shifted)
        reader.quantised[id(made)] = np.asarray(value).dtype.name
        return made
    return arithmetic(reader, "Mul", shifted, reader.keep(own))


@handles("QLinearConv")
def _qlinear_conv(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = (*inputs, None)[:9]
    a = _scaled(reader, x, x_scale, x_zero)
    b = _scaled(reader, w, w_scale, w_zero, 0)
    given = None
    if bias is not None:
        unit = np.ravel(np.asarray(x_scale, np.float32)) * np.ravel(np.asarray(w_scale, np.float32))
        given = reader.renamed(np.asarray(bias, dtype=np.float32) * unit, bias)
    made = convolution(reader, a, b, given, options)
    return quantize(reader, made, y_scale, y_zero, reader.kind(y_zero))


@handles("QLinearMatMul")
def _qlinear_matmul(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = inputs
    made = product(reader, _scaled(reader, a, a_scale, a_zero, -2), _scaled(reader, b, b_scale, b_zero, -1))
    return quantize(reader, made, y_scale, y_zero, reader.kind(y_zero), -1)


@handles("com.microsoft:DynamicQuantizeLSTM")
def _lstm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, w, r, bias, lengths, h, c, peephole, w_scale, w_zero, r_scale, r_zero = (*inputs, *[None] * 12)[:12]
    weights = []
    for value, scale, zero in ((w, w_scale, w_zero), (r, r_scale, r_zero)):
        matrix = np.asarray(reader.constant(value, "have constant weights"), dtype=np.float32)
        size, point = (
            np.asarray(reader.constant(v, "have constant scales"), dtype=np.float32) for v in (scale, zero)
        )
        # Weights are stored as [directions, inputs, 4 * hidden], with a scale for a direction or a column.
        size, point = (
            v.reshape(len(matrix), 1, -1) if v.size > 1 else v.reshape(1, 1, 1) for v in (size, point)
        )
        real = reader.renamed(((matrix - point) * size).transpose(0, 2, 1), value)
        reader.quantised[id(real)] = np.asarray(value).dtype.name
        weights.append(real)

    plain = SimpleNamespace(op_type="LSTM", name=node.name, output=node.output)
    return HANDLERS["LSTM"](reader, plain, [x, *weights, bias, lengths, h, c, peephole], options)
