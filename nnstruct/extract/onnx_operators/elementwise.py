"""ONNX operators that act on each element: activations, arithmetic, comparisons, choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_types import NARROW, WIDER, held_type

Inputs = list[Any]
Options = dict[str, Any]

# Operator -> the function's name, and its numbers: what ONNX calls them, with ONNX's default.
_ACTIVATIONS: dict[str, tuple[str, dict[str, tuple[str, float]]]] = {
    **{name: (name.lower(), {}) for name in (
        "Relu", "Tanh", "Sigmoid", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Erf", "Sin", "Cos",
        "Mish", "Sign", "Floor", "Ceil", "Round", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh",
        "Acosh", "Atanh", "HardSwish", "Softsign", "IsNaN",
    )},
    "Not": ("logical_not", {}),
    "BitwiseNot": ("bitwise_not", {}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": ("alpha", 0.01)}),
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "Celu": ("celu", {"alpha": ("alpha", 1.0)}),
    "Softplus": ("softplus", {}),
    "Shrink": ("shrink", {"lambd": ("lambd", 0.5), "bias": ("bias", 0.0)}),
    "ThresholdedRelu": ("thresholded_relu", {"alpha": ("alpha", 1.0)}),
}  # fmt: skip
_DEFAULTS = {"elu": {"scale": 1.0, "input_scale": 1.0}, "softplus": {"beta": 1.0, "threshold": 20.0}}
_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
_WIDTH = {"uint8": 8, "uint16": 16, "uint32": 32}
_TRUTH = frozenset({"IsNaN", "IsInf", "Not"})


@handles(*_ACTIVATIONS)
def _activation(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    name, numbers = _ACTIVATIONS[node.op_type]
    given = {key: float(options.get(theirs, value)) for key, (theirs, value) in numbers.items()}
    dtype = "bool" if node.op_type in _TRUTH else None
    made = reader.activation(inputs[0], name, dtype, **given, **_DEFAULTS.get(name, {}))
    own = reader.kind(inputs[0])
    if node.op_type == "BitwiseNot" and own in _WIDTH and own in WIDER:
        made = reader.activation(made, "bits", own, mask=2 ** _WIDTH[own] - 1)
    return made


@handles("Selu")
def _selu(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    alpha, gamma = options.get("alpha", _SELU[0]), options.get("gamma", _SELU[1])
    if np.allclose((alpha, gamma), _SELU, rtol=1e-4):
        return reader.activation(inputs[0], "selu")
    return reader.activation(inputs[0], "elu", alpha=float(alpha), scale=float(gamma), input_scale=1.0)


@handles("Swish")
def _swish(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    alpha = float(options.get("alpha", 1.0))
    return reader.activation(inputs[0], "silu") if alpha == 1.0 else reader.activation(
        inputs[0], "swish", alpha=alpha
    )  # fmt: skip


@handles("Gelu")
def _gelu(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    extra = {} if options.get("approximate", "none") == "none" else {"approximate": options["approximate"]}
    return reader.activation(inputs[0], "gelu", **extra)


@handles("HardSigmoid")
def _hard_sigmoid(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    alpha, beta = float(options.get("alpha", 0.2)), float(options.get("beta", 0.5))
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return reader.activation(inputs[0], "hardsigmoid")
    return reader.activation(inputs[0], "hard_sigmoid", alpha=alpha, beta=beta)


@handles("IsInf")
def _is_infinite(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    signs = {
        "negative": bool(options.get("detect_negative", 1)),
        "positive": bool(options.get("detect_positive", 1)),
    }
    return reader.activation(inputs[0], "isinf", "bool", **signs)


@handles("Softmax", "LogSoftmax", "Hardmax")
def _softmax(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    name = {"LogSoftmax": "log_softmax"}.get(node.op_type, node.op_type.lower())
    shape = reader.shape(inputs[0])
    axis = options.get("axis", -1) % max(len(shape), 1)
    if not options.get("flatten") or all(size == 1 for size in shape[axis + 1 :]):
        return reader.activation(inputs[0], name, axis=axis)
    rows = reader.reshaped(inputs[0], (int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))))
    return reader.reshaped(reader.activation(rows, name, axis=1), shape)


@handles("Clip")
def _clip(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, ends = inputs[0], dict(zip(("min", "max"), inputs[1:], strict=False))
    moving = [(name, end) for name, end in ends.items() if isinstance(end, int)]
    given = {
        name: np.ravel(end)[0].item()
        for name, end in ends.items()
        if end is not None and not isinstance(end, int)
    }
    if reader.kind(x) == "float32":
        bound = float(np.finfo(np.float32).max)
        given = {name: float(end) for name, end in given.items() if abs(end) < bound}
    if moving:
        for name, function in (("min", "maximum"), ("max", "minimum")):
            if ends.get(name) is not None:
                x = combined(reader, function, [x, ends[name]])
        return x
    if not given:
        return x
    if given == {"min": 0.0, "max": 6.0} and reader.kind(x) == "float32":
        return reader.activation(x, "relu6")
    if given.get("min", 0) > given.get("max", given.get("min", 0)):
        given["min"] = given["max"]
    return reader.activation(x, "clamp", **given)


@handles("PRelu")
def _prelu(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, slope = inputs
    if isinstance(slope, int):
        low = combined(reader, "mul", [x, slope])
        zero = np.zeros((), dtype=np.float32)
        return chosen(reader, combined(reader, "lt", [x, reader.keep(zero)]), low, x)
    shape = np.broadcast_shapes(reader.shape(x), reader.shape(slope))
    if shape != reader.shape(x):
        raise reader.unsupported("have a slope of no more axes than its input")
    return reader.activation(x, "prelu", tensors={"slope": reader.named(slope, "slope")})


@handles("Cast", "CastLike")
def _cast(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x = inputs[0]
    code = int(options["to"]) if node.op_type == "Cast" else 0
    target = held_type(code) if code else reader.kind(inputs[1])
    if target is None or code in NARROW or (not code and node.input[1] in reader.narrow):
        raise reader.unsupported("be to a type of numbers of 8 bits or more, or 16 where they are not whole")
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "fiub":
            raise reader.unsupported("be from numbers")
        return reader.keep(
            np.trunc(x).astype(target)
            if target != "bool" and x.dtype.kind == "f" and target != "float32"
            else x.astype(target)
        )
    return cast(reader, x, target)


def cast(reader: OnnxReader, value: int, target: str) -> int:
    """A value in another type; the value itself where nothing changes.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    target : str

    Returns
    -------
    int
    """
    own = reader.kind(value)
    if own == target or (own in WIDER and WIDER[own] == target):
        return value
    if own not in ("float32", "bool") and target in ("int64", "int32"):
        return value  # whole numbers stay what they are
    return reader.activation(value, "cast", target, to=WIDER.get(target, target))


# ---- two operands and more

_COMPARISONS = {
    "Equal": "eq", "Less": "lt", "LessOrEqual": "le", "Greater": "gt", "GreaterOrEqual": "ge",
    "And": "logical_and", "Or": "logical_or", "Xor": "logical_xor",
}  # fmt: skip
_BITS = {"BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor"}


def combined(reader: OnnxReader, function: str, operands: Inputs, dtype: str | None = None) -> int:
    """A function of two operands, of which one at least is a value.

    Parameters
    ----------
    reader : OnnxReader
    function : str
        One of those of joins.
    operands : list
        Values and constants.
    dtype : str, optional
        What it makes.

    Returns
    -------
    int
    """
    left, right = operands
    shape = np.broadcast_shapes(reader.shape(left), reader.shape(right))
    if isinstance(left, int) and isinstance(right, int):
        return reader.emit("join", [left, right], shape, dtype, function=function)
    value, constant = (left, right) if isinstance(left, int) else (right, left)
    array = np.asarray(constant)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return reader.emit("join", [reader.ref(left), reader.ref(right)], shape, dtype, function=function)
    if array.dtype.name in WIDER:
        array = array.astype(np.int64)
    if reader.shape(value) != shape:
        own = reader.kind(value)
        value = reader.builder.expand(value, shape)
        reader.dtype[value] = own
    extra = {"swapped": True} if constant is left else {}
    name = reader.names.get(id(constant), "constant")
    return reader.activation(value, function, dtype, {"other": (name, array)}, **extra)


def chosen(reader: OnnxReader, condition: Any, left: Any, right: Any) -> int:
    """One operand where a condition holds, the other elsewhere.

    Parameters
    ----------
    reader : OnnxReader
    condition, left, right : operand

    Returns
    -------
    int
    """
    shape = np.broadcast_shapes(*(reader.shape(value) for value in (condition, left, right)))
    dtype = reader.kind(left)
    if isinstance(condition, np.ndarray):
        for value, fill, mask in ((left, right, ~condition), (right, left, condition)):
            if isinstance(value, int) and isinstance(fill, np.ndarray) and fill.size == 1:
                own = reader.kind(value)
                value = reader.builder.expand(value, shape)
                reader.dtype[value] = own
                number = float(fill.ravel()[0])
                given = number if np.isfinite(number) else str(number)
                named = (reader.names.get(id(condition), "mask"), np.asarray(mask))
                return reader.activation(value, "masked_fill", None, {"mask": named}, value=given)
    values = [reader.ref(value) for value in (condition, left, right)]
    return reader.emit("join", values, shape, dtype, function="where")


@handles("Where")
def _where(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    return chosen(reader, *inputs)


@handles(*_COMPARISONS)
def _comparison(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    return combined(reader, _COMPARISONS[node.op_type], inputs, "bool")


@handles(*_BITS)
def _bitwise(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    return combined(reader, _BITS[node.op_type], inputs)


@handles("BitShift")
def _shift(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    left = options.get("direction") == "LEFT"
    dtype = reader.kind(inputs[0])
    made = combined(reader, f"bitwise_{'left' if left else 'right'}_shift", inputs)
    if left and dtype in ("uint16", "uint32"):
        made = reader.activation(made, "bits", dtype, mask=2 ** _WIDTH[dtype] - 1)
    return made


@handles("Mod")
def _modulo(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    return combined(reader, "fmod" if options.get("fmod") else "remainder", inputs)


@handles("Pow")
def _power(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    left, right = inputs
    if isinstance(right, np.ndarray) and right.size == 1 and len(reader.shape(left)) >= right.ndim:
        exponent = right.ravel()[0].item()
        return reader.activation(
            left, "pow", exponent=float(exponent) if reader.kind(left) == "float32" else exponent
        )
    return combined(reader, "pow", inputs, reader.kind(left))


@handles("Max", "Min", "Sum", "Mean")
def _many(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    function = {"Max": "maximum", "Min": "minimum"}.get(node.op_type, "add")
    value = inputs[0]
    for other in inputs[1:]:
        if isinstance(value, int) or isinstance(other, int):
            if function == "add":
                value = arithmetic(reader, "Add", value, other)
            else:
                value = combined(reader, function, [value, other])
        else:
            numpy = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}[function]
            value = reader.keep(numpy(value, other))
    if node.op_type == "Mean" and len(inputs) > 1:
        value = reader.builder.affine(value, scale=1.0 / len(inputs), operator="scale")
    return value


@handles("Add", "Sub", "Mul", "Div")
def _arithmetic(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    if node.op_type == "Mul":
        for product, scale in (inputs, inputs[::-1]):
            if isinstance(product, int) and isinstance(scale, int) and product in reader.products:
                own, make = reader.products[product]
                factor = reader.factors.get(scale, (scale, np.ones((), np.float32)))
                if factor[0] == own:
                    return make(factor[1])
    made = arithmetic(reader, node.op_type, *inputs)
    scales = {scale for _, scale, _ in reader.grids.values()}
    for value, constant in (inputs, inputs[::-1]):
        if (
            node.op_type == "Mul"
            and isinstance(value, int)
            and value in scales
            and not isinstance(constant, int)
        ):
            reader.factors[made] = (value, constant)
    return made


def arithmetic(reader: OnnxReader, kind: str, left: Any, right: Any) -> int:
    """A sum, difference, product or quotient.

    Parameters
    ----------
    reader : OnnxReader
    kind : {"Add", "Sub", "Mul", "Div"}
    left, right : operand

    Returns
    -------
    int
    """
    b, name = reader.builder, kind.lower()
    whole = reader.kind(left) != "float32" and reader.kind(right) != "float32"
    if whole:
        return combined(reader, "div_trunc" if kind == "Div" else name, [left, right])
    if isinstance(left, int) and isinstance(right, int):
        shape = np.broadcast_shapes(b.shape[left], b.shape[right])
        return reader.emit("join", [left, right], shape, function=name)
    data, other = (left, right) if isinstance(left, int) else (right, left)
    if not np.isfinite(other).all():
        return _with_infinities(reader, kind, data, np.asarray(other), data is left)
    constant = _number(reader, other, data)
    if kind == "Add":
        return b.affine(data, shift=constant, operator="shift")
    if kind == "Mul":
        return b.affine(data, scale=constant, operator="scale")
    if kind == "Sub":
        if data is left:
            return b.affine(data, shift=_changed(constant, np.negative), operator="shift")
        return b.affine(data, scale=-1.0, shift=constant, operator="shift")
    if data is left:
        if not np.all(other):
            return combined(reader, "div", [left, right])
        return b.affine(data, scale=_changed(constant, np.reciprocal), operator="scale")
    return b.affine(reader.activation(data, "reciprocal"), scale=constant, operator="scale")


def _with_infinities(reader: OnnxReader, kind: str, value: int, other: np.ndarray, first: bool) -> int:
    """A mask of minus infinities that is added: its places are filled."""
    shape = np.broadcast_shapes(reader.shape(value), other.shape)
    if kind == "Add" or (kind == "Sub" and first):
        finite = reader.keep(np.where(np.isfinite(other), other, 0).astype(np.float32))
        value = (
            arithmetic(reader, kind, value, finite) if finite.any() else reader.builder.expand(value, shape)
        )
        return reader.filled(value, -other if kind == "Sub" else other)
    sides = [value, reader.ref(other)]
    return reader.emit("join", sides if first else sides[::-1], shape, function=kind.lower())


def _number(reader: OnnxReader, constant: np.ndarray, value: int) -> Any:
    if constant.size == 1 and constant.ndim <= len(reader.shape(value)):
        return float(constant.item())
    return reader.named(constant)


def _changed(constant: Any, function: Any) -> Any:
    return (
        (constant[0], function(constant[1]))
        if isinstance(constant, tuple)
        else float(function(np.float64(constant)))
    )
