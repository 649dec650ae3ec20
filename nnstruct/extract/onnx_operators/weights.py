"""ONNX operators that multiply with weights: Gemm, MatMul, Conv, Einsum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_operators.elementwise import arithmetic
from nnstruct.extract.onnx_operators.moves import padded
from nnstruct.extract.products import by_matrix

Inputs = list[Any]
Options = dict[str, Any]


@handles("Gemm")
def _gemm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, weight, bias = (*inputs, None)[:3]
    alpha, beta = float(options.get("alpha", 1.0)), float(options.get("beta", 1.0))
    b = reader.builder
    sides: Inputs = []
    for value, name in ((x, "transA"), (weight, "transB")):
        turned = value
        if options.get(name):
            turned = b.swap(value, 0, 1) if isinstance(value, int) else reader.renamed(value.T, value)
        sides.append(turned)
    if isinstance(sides[0], int) and isinstance(sides[1], np.ndarray):
        name, values = reader.named(sides[1], "weight")
        values = values.T * np.float32(alpha)
        given = None
        if (
            isinstance(bias, np.ndarray)
            and bias.size in (1, len(values))
            and bias.shape[-1:] in ((len(values),), (1,), ())
        ):
            bias_name, constant = reader.named(bias, "bias")
            given = (bias_name, np.broadcast_to(constant.ravel(), (len(values),)) * np.float32(beta))
            bias = None
        made = linear(reader, sides[0], (name, values), given, weight)
    else:
        made = product(reader, *sides)
        if alpha != 1.0:
            made = b.affine(made, scale=alpha, operator="scale")
    if bias is None:
        return made
    if isinstance(bias, np.ndarray):
        return arithmetic(reader, "Add", made, reader.renamed(bias * np.float32(beta), bias))
    scaled = bias if beta == 1.0 else b.affine(bias, scale=beta, operator="scale")
    return arithmetic(reader, "Add", made, scaled)


def linear(reader: OnnxReader, x: int, weight: tuple[str, np.ndarray], bias: Any, source: Any = None) -> int:
    """A linear layer with constant weights.

    Parameters
    ----------
    reader : OnnxReader
    x : int
        [..., F]
    weight : (str, float32 [O, F])
    bias : (str, float32 [O]) or None
    source : array, optional
        The stored constant that the weight was made of.

    Returns
    -------
    int
    """
    shape = (*reader.shape(x)[:-1], len(weight[1]))
    extra = reader.quantised_options(source)
    return reader.emit("linear", [x], shape, "float32", {"weight": weight, "bias": bias}, **extra)


@handles("MatMul")
def _matmul(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    left, right = inputs
    shapes = reader.shape(left), reader.shape(right)
    one = [len(shape) == 1 for shape in shapes]
    if one[0]:
        left = reader.reshaped(left, (1, *shapes[0]))
    if one[1]:
        right = reader.reshaped(right, (*shapes[1], 1))
    made = product(reader, left, right)
    if any(one):
        shape = list(reader.shape(made))
        if one[1]:
            del shape[-1]
        if one[0]:
            del shape[-1 if one[1] else -2]
        made = reader.reshaped(made, shape)
    return made


def product(reader: OnnxReader, left: Any, right: Any) -> int:
    """The matrix product of two operands of two axes or more, one of them a value.

    Parameters
    ----------
    reader : OnnxReader
    left, right : operand

    Returns
    -------
    int
    """
    b = reader.builder
    whole = reader.kind(left) != "float32"
    if isinstance(left, int) and isinstance(right, np.ndarray) and right.ndim == 2 and not whole:
        name, values = reader.named(right, "weight")
        return linear(reader, left, (name, values.T), None, right)
    if isinstance(right, int) and isinstance(left, np.ndarray) and left.ndim == 2 and not whole:
        last = len(b.shape[right]) - 1
        turned = b.swap(right, last - 1, last)
        return b.swap(linear(reader, turned, reader.named(left, "weight"), None, left), last - 1, last)
    made = None
    if isinstance(left, int) and isinstance(right, np.ndarray) and not whole:
        made = by_matrix(b, left, *reader.named(right, "weight"))
    elif isinstance(right, int) and isinstance(left, np.ndarray) and not whole:
        name, values = reader.named(left, "weight")
        turned = b.swap(right, len(b.shape[right]) - 2, len(b.shape[right]) - 1)
        made = by_matrix(b, turned, name, np.swapaxes(values, -1, -2))
        made = None if made is None else b.swap(made, len(b.shape[made]) - 2, len(b.shape[made]) - 1)
    if made is not None:
        return made
    shapes = reader.shape(left), reader.shape(right)
    lead = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    return reader.emit("matmul", [reader.ref(left), reader.ref(right)], (*lead, shapes[0][-2], shapes[1][-1]))


@handles("Conv", "ConvTranspose")
def _conv(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, weight, bias = (*inputs, None)[:3]
    transposed = node.op_type == "ConvTranspose"
    return convolution(reader, x, weight, bias, options, transposed=transposed)


def convolution(
    reader: OnnxReader, x: int, weight: Any, bias: Any, options: Options, *, transposed: bool = False
) -> int:
    """A convolution; its kernel may be a value of the network.

    Parameters
    ----------
    reader : OnnxReader
    x : int
        [B, C, *positions]
    weight, bias : operand
    options : dict
        ONNX's attributes.
    transposed : bool

    Returns
    -------
    int
    """
    sizes = reader.shape(weight)
    nd = len(sizes) - 2
    groups = int(options.get("group", 1))
    stride, dilation = list(options.get("strides", [1] * nd)), list(options.get("dilations", [1] * nd))
    kernel = list(sizes[2:])
    extra = list(options.get("output_padding", [0] * nd))
    inputs = reader.shape(x)[-nd:]
    cut: list[tuple[int, int]] = []
    if transposed:
        low, high, extra, cut = _transposed_pads(options, inputs, kernel, stride, dilation, extra)
    else:
        low, high = pads(options, inputs, kernel, stride, dilation)
        if low != high:
            widths = [(0, 0)] * (len(reader.shape(x)) - nd) + list(zip(low, high, strict=True))
            x = padded(reader, x, widths, 0.0)
            inputs, low = reader.shape(x)[-nd:], [0] * nd
    spans = list(zip(inputs, kernel, stride, low, dilation, extra, strict=True))
    if transposed:
        outputs = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in spans]
    else:
        outputs = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d, _ in spans]
    channels = sizes[1] * groups if transposed else sizes[0]
    step: Options = {
        "operator": f"conv_transpose{nd}d" if transposed else f"conv{nd}d",
        "nd": nd,
        "kernel": kernel,
        "stride": stride,
        "padding": list(low),
        "dilation": dilation,
        "groups": groups,
        "transposed": transposed,
    }
    if transposed:
        step["output_padding"] = extra
    shape = (*reader.shape(x)[: -nd - 1], channels, *outputs)
    if isinstance(weight, np.ndarray) and not isinstance(bias, int):
        tensors = {"weight": reader.named(weight, "weight"), "bias": reader.maybe(bias, "bias")}
        step |= reader.quantised_options(weight)
        made = reader.emit("conv", [x], shape, "float32", tensors, **step)
    else:
        values = [x, reader.ref(weight), *([] if bias is None else [reader.ref(bias)])]
        made = reader.emit(
            "operation", values, shape, "float32", function="conv", kept=[[0, 0]], fresh=[1], **step
        )
    for place, (before, after) in enumerate(cut):
        axis = len(shape) - nd + place
        if before or after:
            made = reader.builder.cut(made, axis, before, reader.shape(made)[axis] - after)
    return made


def _transposed_pads(
    options: Options, sizes: Any, kernel: Any, stride: Any, dilation: Any, extra: list[int]
) -> tuple[list[int], list[int], list[int], list[tuple[int, int]]]:
    """Padding on both sides, more at the ends, and what is cut off where the sides differ."""
    nd = len(kernel)
    full = [
        s * (n - 1) + e + (k - 1) * d + 1
        for n, k, s, d, e in zip(sizes, kernel, stride, dilation, extra, strict=True)
    ]
    mode = options.get("auto_pad", "NOTSET")
    wanted = options.get("output_shape")
    if wanted is not None or mode in ("SAME_UPPER", "SAME_LOWER"):
        shape = (
            list(wanted)[-nd:] if wanted is not None else [n * s for n, s in zip(sizes, stride, strict=True)]
        )
        totals = [f - w for f, w in zip(full, shape, strict=True)]
        half = [total // 2 for total in totals]
        rest = [total - part for total, part in zip(totals, half, strict=True)]
        low, high = (half, rest) if mode == "SAME_UPPER" else (rest, half)
    elif mode == "VALID":
        low, high = [0] * nd, [0] * nd
    else:
        both = list(options.get("pads", [0] * (2 * nd)))
        low, high = both[:nd], both[nd:]
    if low == high and min(low) >= 0:
        return low, high, extra, []
    grown = [max(0, -end) for end in high]
    if any(begin < 0 for begin in low):
        low = [max(0, begin) for begin in low]
    cut = [(begin, max(0, end)) for begin, end in zip(low, high, strict=True)]
    return [0] * nd, [0] * nd, [e + g for e, g in zip(extra, grown, strict=True)], cut


def pads(
    options: Options, sizes: Any, kernel: Any, stride: Any, dilation: Any
) -> tuple[list[int], list[int]]:
    """Padding before and after each axis.

    Parameters
    ----------
    options : dict
        ONNX's attributes.
    sizes, kernel, stride, dilation : sequence of int
        For each axis.

    Returns
    -------
    list of int, list of int
    """
    nd, mode = len(kernel), options.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        both = list(options.get("pads", [0] * (2 * nd)))
        return both[:nd], both[nd:]
    if mode == "VALID":
        return [0] * nd, [0] * nd
    totals = [
        max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    small = [total // 2 for total in totals]
    large = [total - half for total, half in zip(totals, small, strict=True)]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


@handles("Einsum")
def _einsum(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    equation = options["equation"].replace(" ", "")
    ranks = [len(reader.shape(value)) for value in inputs]
    terms, wanted = _terms(equation, ranks)
    done = inputs[0], terms[0]
    done = _reduced_term(reader, *done, keep=set("".join(terms[1:])) | set(wanted))
    for place, (value, term) in enumerate(zip(inputs[1:], terms[1:], strict=True), start=1):
        later = set("".join(terms[place + 1 :])) | set(wanted)
        value, term = _reduced_term(reader, value, term, keep=later | set(done[1]))
        own, own_term = _reduced_term(reader, *done, keep=later | set(term))
        done = _contracted(reader, own, own_term, value, term, later)
    value, term = _reduced_term(reader, *done, keep=set(wanted))
    return _ordered(reader, value, term, wanted)


def _terms(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The letters of each operand's axes and of the result's, with letters for an ellipsis."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    free = [letter for letter in map(chr, range(192, 400)) if letter not in equation]
    broadest = max(
        [
            rank - len(term.replace("...", ""))
            for term, rank in zip(terms, ranks, strict=True)
            if "..." in term
        ],
        default=0,
    )
    dots = "".join(free[:broadest])
    full = []
    for term, rank in zip(terms, ranks, strict=True):
        missing = rank - len(term.replace("...", ""))
        full.append(term.replace("...", dots[len(dots) - missing :] if missing else ""))
    if not arrow:
        letters = "".join(full)
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1 and letter not in dots)
        return full, dots + "".join(once)
    return full, right.replace("...", dots)


def _reduced_term(reader: OnnxReader, value: Any, term: str, keep: set[str]) -> tuple[Any, str]:
    """Repeated axes as their diagonal, and sums over axes that nothing else needs."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            value = _diagonal(reader, value, first, second)
            term = term[:second] + term[second + 1 :]
    gone = [axis for axis, letter in enumerate(term) if letter not in keep]
    if gone:
        if isinstance(value, int):
            shape = [size for axis, size in enumerate(reader.shape(value)) if axis not in gone]
            value = reader.emit("reduce", [value], shape, function="sum", axes=gone, keepdim=False)
        else:
            value = reader.keep(np.sum(value, axis=tuple(gone)))
        term = "".join(letter for axis, letter in enumerate(term) if axis not in gone)
    return value, term


def _diagonal(reader: OnnxReader, value: Any, first: int, second: int) -> Any:
    if not isinstance(value, int):
        return reader.keep(np.moveaxis(np.diagonal(value, axis1=first, axis2=second), -1, first))
    shape = reader.shape(value)
    size, ndim = shape[first], len(shape)
    rest = [axis for axis in range(ndim) if axis not in (first, second)]
    moved = reader.builder.permute(value, [first, second, *rest])
    flat = reader.builder.reshape(moved, (size * size, *[shape[axis] for axis in rest]))
    index = [place * (size + 1) for place in range(size)]
    taken = reader.emit("take", [flat], (size, *[shape[a] for a in rest]), axis=0, indices=index)
    left = [axis for axis in range(ndim) if axis != second]
    order = [0 if axis == first else 1 + rest.index(axis) for axis in left]
    return reader.builder.permute(taken, order)


def _contracted(
    reader: OnnxReader, left: Any, left_term: str, right: Any, right_term: str, later: set[str]
) -> tuple[Any, str]:
    """Two operands as one matrix product over the axes that both have and nothing else needs."""
    if not isinstance(left, int) and not isinstance(right, int):
        both = dict.fromkeys(left_term + right_term)
        out = "".join(letter for letter in both if letter in later)
        letters = {letter: chr(97 + place) for place, letter in enumerate(both)}

        def plain(term: str) -> str:
            return "".join(letters[letter] for letter in term)

        equation = f"{plain(left_term)},{plain(right_term)}->{plain(out)}"
        return reader.keep(np.einsum(equation, left, right)), out
    shared = [letter for letter in left_term if letter in right_term]
    batch = [letter for letter in shared if letter in later]
    inner = [letter for letter in shared if letter not in later]
    only = [letter for letter in left_term if letter not in right_term]
    other = [letter for letter in right_term if letter not in left_term]
    size: dict[str, int] = {}
    for value, term in ((left, left_term), (right, right_term)):
        for letter, length in zip(term, reader.shape(value), strict=True):
            size[letter] = max(length, size.get(letter, 1))

    def arranged(value: Any, term: str, groups: list[list[str]]) -> Any:
        order = [term.index(letter) for group in groups for letter in group]
        own = dict(zip(term, reader.shape(value), strict=True))
        lead = [own[letter] for letter in groups[0]]
        shape = [*lead, *(math.prod(own[letter] for letter in group) for group in groups[1:])]
        if isinstance(value, int):
            return reader.builder.reshape(reader.builder.permute(value, order), shape)
        return reader.renamed(np.transpose(value, order).reshape(shape), value)

    a = arranged(left, left_term, [batch, only, inner])
    b = arranged(right, right_term, [batch, inner, other])
    made = product(reader, a, b)
    shape = [size[letter] for letter in [*batch, *only, *other]]
    return reader.reshaped(made, shape), "".join([*batch, *only, *other])


def _ordered(reader: OnnxReader, value: Any, term: str, wanted: str) -> Any:
    order = [term.index(letter) for letter in wanted]
    return reader.builder.permute(value, order) if isinstance(value, int) else np.transpose(value, order)
