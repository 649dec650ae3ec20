"""Fourier transforms: a complex value is its real and imaginary parts along an axis behind the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_graph import ComplexRef, Ref
from nnstruct.extract.aten_math import activation, combined
from nnstruct.extract.aten_moves import take
from nnstruct.extract.lowering import COMPLEX_HANDLERS, HANDLERS, Lowering, handles


def _axes(low: Lowering, x: Ref, sizes: Any, axes: Any, *, one_axis: bool) -> tuple[list[int], list[int]]:
    shape = low.shape(x)[: -1 if isinstance(x, ComplexRef) else None]
    if axes is None:
        axes = range(len(shape)) if sizes is None else range(len(shape) - len(sizes), len(shape))
    places = [int(axis) % len(shape) for axis in ([axes] if one_axis else axes)]
    lengths = [shape[place] for place in places]
    given = lengths if sizes is None else [int(n) for n in ([sizes] if one_axis else sizes)]
    return places, [length if n < 0 else n for n, length in zip(given, lengths, strict=True)]


def _step(
    low: Lowering, value: int, axis: int, length: int, *, inverse: bool, onesided: bool, real: bool, norm: Any
) -> int:
    b = low.builder
    shape = list(b.shape[value])
    shape[axis], shape[-1] = (length // 2 + 1 if onesided else length), (1 if real else 2)
    options = {
        "function": "fourier", "axis": axis, "length": length, "inverse": inverse, "onesided": onesided,
        "real": real, "kept": [[a, a] for a in range(len(shape) - 1) if a != axis], "fresh": [axis],
    }  # fmt: skip
    made = b.one("operation", [value], shape, options=options)
    share = {"ortho": 0.5, "forward": 1.0}.get(norm or "backward", 0.0)
    if not share:
        return made
    scale = float(length) ** (share if inverse else -share)
    return b.one("affine", [made], shape, options={"operator": "scale", "scale": scale})


def _transformed(
    low: Lowering,
    x: Any,
    sizes: Any,
    axes: Any,
    norm: Any,
    *,
    inverse: bool,
    real_input: bool,
    one_axis: bool,
) -> Ref:
    """A transform along some axes; of real input, half of the last one, as the other half repeats it."""
    places, lengths = _axes(low, x, sizes, axes, one_axis=one_axis)
    value = low.ref(x)
    if not isinstance(x, ComplexRef):
        value = low.builder.reshape(value, (*low.builder.shape[value], 1))
    for number in range(len(places) - 1, -1, -1):
        half = real_input and number == len(places) - 1
        value = _step(
            low, value, places[number], lengths[number], inverse=inverse, onesided=half, real=False, norm=norm
        )
    return ComplexRef(value)


def _to_real(low: Lowering, x: Any, sizes: Any, axes: Any, norm: Any, *, one_axis: bool) -> Ref:
    """The inverse of a transform of real input."""
    places, lengths = _axes(low, x, None, axes, one_axis=one_axis)
    whole = None if sizes is None else ([sizes] if one_axis else list(sizes))
    lengths[-1] = 2 * (lengths[-1] - 1) if whole is None or whole[-1] is None else int(whole[-1])
    value = low.ref(x)
    if not isinstance(x, ComplexRef):
        value = low.builder.reshape(value, (*low.builder.shape[value], 1))
    for number, (axis, length) in enumerate(zip(places, lengths, strict=True)):
        last = number == len(places) - 1
        value = _step(low, value, axis, length, inverse=True, onesided=False, real=last, norm=norm)
    return Ref(low.builder.reshape(value, low.builder.shape[value][:-1]))


@handles("aten.fft_fft", "aten.fft_ifft", "aten.fft_rfft", values="both")
def _one_axis(low: Lowering, x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Ref:
    name = str(low.node.target)
    return _transformed(
        low, x, n, dim, norm, inverse="_ifft" in name, real_input="_rfft" in name, one_axis=True
    )


@handles(
    "aten.fft_fft2", "aten.fft_ifft2", "aten.fft_rfft2", "aten.fft_fftn", "aten.fft_ifftn", "aten.fft_rfftn",
    values="both",
)  # fmt: skip
def _many_axes(
    low: Lowering, x: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None
) -> Ref:
    name = str(low.node.target)
    axes = (-2, -1) if dim is None and "2" in name else dim
    return _transformed(
        low, x, s, axes, norm, inverse="_ifft" in name, real_input="_rfft" in name, one_axis=False
    )


@handles("aten.fft_irfft", values="both")
def _irfft(low: Lowering, x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Ref:
    return _to_real(low, x, n, dim, norm, one_axis=True)


@handles("aten.fft_irfft2", "aten.fft_irfftn", values="both")
def _irfftn(
    low: Lowering, x: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None
) -> Ref:
    axes = (-2, -1) if dim is None and "2" in str(low.node.target) else dim
    return _to_real(low, x, s, axes, norm, one_axis=False)


@handles("aten.real", "aten.imag", values="complex")
def _part(low: Lowering, x: Ref) -> Ref:
    imaginary = "imag" in str(low.node.target)
    return Ref(low.builder.select(x.value, len(low.shape(x)) - 1, int(imaginary)))


def _parts(low: Lowering, x: Any) -> tuple[Any, Any]:
    """Real and imaginary part, of a constant too; None for an imaginary part that is 0."""
    if isinstance(x, ComplexRef):
        last = len(low.shape(x)) - 1
        return Ref(low.builder.select(x.value, last, 0)), Ref(low.builder.select(x.value, last, 1))
    if isinstance(x, Tensor) and x.is_complex():
        return low.hold(x.real.contiguous()), low.hold(x.imag.contiguous())
    return x, None


def _joined(low: Lowering, real: Any, imaginary: Any) -> ComplexRef:
    shape = np.broadcast_shapes(low.shape(real), low.shape(imaginary))
    b, sides = low.builder, [low.builder.expand(low.ref(part), shape) for part in (real, imaginary)]
    return ComplexRef(b.concat([b.reshape(side, (*shape, 1)) for side in sides], len(shape)))


def _combined(low: Lowering, function: str, left: Any, right: Any) -> Any:
    """Of parts: None stands for 0; two constants are computed at once."""
    if left is None or right is None:
        if function == "mul":
            return None
        return left if right is None else combined(low, function, 0.0, right)
    if isinstance(left, Ref) or isinstance(right, Ref):
        return combined(low, function, left, right)
    return low.hold(torch.as_tensor(getattr(torch, function)(torch.as_tensor(left), right)))


@handles("aten.mul", values="complex")
def _product(low: Lowering, left: Any, right: Any) -> Ref:
    (a, b), (c, d) = _parts(low, left), _parts(low, right)
    real = _combined(low, "sub", _combined(low, "mul", a, c), _combined(low, "mul", b, d))
    return _joined(low, real, _combined(low, "add", _combined(low, "mul", a, d), _combined(low, "mul", b, c)))


@handles("aten.div", "aten.true_divide", values="complex")
def _quotient(low: Lowering, left: Any, right: Any) -> Ref:
    (a, b), (c, d) = _parts(low, left), _parts(low, right)
    if d is None:
        return _joined(low, *(_combined(low, "div", part, c) for part in (a, b)))
    square = _combined(low, "add", _combined(low, "mul", c, c), _combined(low, "mul", d, d))
    real = _combined(low, "add", _combined(low, "mul", a, c), _combined(low, "mul", b, d))
    turned = _combined(low, "sub", _combined(low, "mul", b, c), _combined(low, "mul", a, d))
    return _joined(low, *(_combined(low, "div", part, square) for part in (real, turned)))


@handles("aten.reciprocal", values="complex")
def _inverted(low: Lowering, x: Any) -> Ref:
    return _quotient(low, 1.0, x)


@handles("aten.pow.Tensor_Scalar", values="complex")
def _power(low: Lowering, x: Ref, exponent: Any) -> Ref:
    if not isinstance(exponent, int) or not 1 <= exponent <= 8:
        raise low.unsupported("have an exponent from 1 to 8")
    made = x
    for _ in range(exponent - 1):
        made = _product(low, made, x)
    return made


@handles("aten.neg", "aten._conj", "aten.conj", "aten.conj_physical", values="complex")
def _turned(low: Lowering, x: Ref) -> Ref:
    real, imaginary = _parts(low, x)
    if low.operation == "neg":
        real = activation(low, real, "neg")
    return _joined(low, real, activation(low, imaginary, "neg"))


@handles("aten.angle", values="complex")
def _angle(low: Lowering, x: Ref) -> Ref:
    real, imaginary = _parts(low, x)
    return combined(low, "atan2", imaginary, real)


@handles("aten.exp", values="complex")
def _power_of_e(low: Lowering, x: Ref) -> Ref:
    real, imaginary = _parts(low, x)
    return _polar(low, activation(low, real, "exp"), imaginary)


# Operations that move or add up numbers: the two parts go by themselves.
_LINEAR = (
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t", "mT", "unsqueeze",
    "squeeze", "expand", "slice", "select", "cat", "stack", "flip", "roll", "clone", "contiguous", "narrow",
    "sum", "mean", "cumsum", "split", "split_with_sizes", "chunk", "unbind", "index_select", "repeat",
)  # fmt: skip


@handles(*(f"aten.{name}" for name in _LINEAR if f"aten.{name}" not in COMPLEX_HANDLERS), values="complex")
def _by_parts(low: Lowering, *args: Any, **named: Any) -> Any:
    def part(tree: Any, place: int) -> Any:
        if isinstance(tree, ComplexRef) or (isinstance(tree, Tensor) and tree.is_complex()):
            return _parts(low, tree)[place]
        return [part(item, place) for item in tree] if isinstance(tree, list | tuple) else tree

    handler = HANDLERS.get(str(low.node.target)) or HANDLERS[f"aten.{low.operation}"]
    real, imaginary = (handler(low, *part(args, place), **named) for place in (0, 1))
    if isinstance(real, list | tuple):
        return [_joined(low, *sides) for sides in zip(real, imaginary, strict=True)]
    return _joined(low, real, imaginary)


@handles("aten.matmul", "aten.bmm", "aten.mm", values="complex")
def _matrix_product(low: Lowering, left: Any, right: Any) -> Ref:
    (a, b), (c, d) = _parts(low, left), _parts(low, right)
    made = {}
    for name, one, other in (("ac", a, c), ("bd", b, d), ("ad", a, d), ("bc", b, c)):
        known = one is not None and other is not None
        made[name] = HANDLERS[f"aten.{low.operation}"](low, one, other) if known else None
    return _joined(
        low, _combined(low, "sub", made["ac"], made["bd"]), _combined(low, "add", made["ad"], made["bc"])
    )


@handles("aten.add", "aten.sub", values="complex")
def _sum(low: Lowering, left: Any, right: Any) -> Ref:
    (a, b), (c, d) = _parts(low, left), _parts(low, right)
    return _joined(low, *(_combined(low, low.operation, *sides) for sides in ((a, c), (b, d))))


@handles("aten.complex")
def _complex(low: Lowering, real: Any, imaginary: Any) -> Ref:
    return _joined(low, real, imaginary)


@handles("aten.polar")
def _polar(low: Lowering, length: Any, angle: Any) -> Ref:
    if not isinstance(angle, Ref):
        sides: list[Any] = [low.hold(function(angle)) for function in (torch.cos, torch.sin)]
    else:
        sides = [activation(low, angle, name) for name in ("cos", "sin")]
    return _joined(low, *(combined(low, "mul", length, side) for side in sides))


@handles("aten.stft.default")
def _short_time(
    low: Lowering, x: Any, size: int, hop: int | None = None, width: int | None = None, window: Any = None,
    normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None, *_: Any,
    **__: Any,
) -> Ref:  # fmt: skip
    """The transform of each windowed part of a series: [.., frequencies, parts]."""
    b, shape = low.builder, low.shape(x)
    width = size if width is None else int(width)
    places = np.arange(0, shape[-1] - size + 1, hop or size // 4)[:, None] + np.arange(size)  # [T, size]
    value = take(low, low.ref(x), len(shape) - 1, places.ravel())
    value = b.reshape(value, (*shape[:-1], *places.shape))
    if isinstance(window, Ref):
        raise low.unsupported("have a constant window")
    scale = np.ones(width, np.float32) if window is None else low.array(window, "window")[1]
    scale = np.pad(scale, ((size - width) // 2, size - width - (size - width) // 2))
    value = b.affine(value, scale=("window", scale.astype(np.float32)), operator="window")
    value = b.reshape(value, (*b.shape[value], 1))
    half = onesided is None or bool(onesided)
    last = len(shape)
    value = _step(
        low, value, last, size, inverse=False, onesided=half, real=False, norm="ortho" if normalized else None
    )
    value = b.swap(value, last - 1, last)
    return ComplexRef(value) if return_complex else Ref(value)


@handles("aten.view_as_real", values="complex")
def _view_as_real(low: Lowering, x: Ref) -> Ref:
    return Ref(x.value)


@handles("aten.view_as_complex")
def _view_as_complex(low: Lowering, x: Ref) -> Ref:
    return ComplexRef(x.value)


@handles("aten.abs", values="complex")
def _magnitude(low: Lowering, x: Ref) -> Ref:
    b, shape = low.builder, low.shape(x)[:-1]
    parts = [b.select(x.value, len(shape), place) for place in (0, 1)]
    squares = [b.one("join", [part, part], shape, options={"function": "mul"}) for part in parts]
    total = b.one("join", squares, shape, options={"function": "add"})
    return activation(low, Ref(total), "sqrt")
