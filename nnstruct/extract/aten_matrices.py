"""ATen operations on matrices and on ranks: inverses, factorisations, running extremes, counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nnstruct.extract.aten_logic import combined
from nnstruct.extract.aten_math import activation
from nnstruct.extract.aten_places import reduced
from nnstruct.extract.lowering import HANDLERS, Lowering, Ref, handles


def _makes_many(low: Lowering) -> bool:
    return isinstance(low.node.meta["val"], list | tuple)


def _shapes(low: Lowering) -> list[tuple[int, ...]]:
    """Of all that the node makes."""
    made: Any = low.node.meta["val"]
    return [tuple(value.shape) for value in (made if _makes_many(low) else [made])]


def _called(low: Lowering, name: str, values: list[Any], options: dict[str, Any]) -> list[Ref]:
    """A step that calls one function of torch; a result for each that the node makes."""
    inputs, options = [low.ref(value) for value in values], {"function": name, **options}
    return [Ref(v) for v in low.builder.emit("operation", inputs, *_shapes(low), options=options)]


def _others(ndim: int, *axes: int) -> list[list[int]]:
    return [[axis, axis] for axis in range(ndim) if axis not in axes]


@handles("aten.cummax", "aten.cummin")
def _running(low: Lowering, x: Any, axis: int) -> list[Ref]:
    ndim = len(low.shape(x))
    axis %= max(ndim, 1)
    options = {"given": {"dim": axis}, "kept": _others(ndim, axis), "fresh": [axis] if ndim else []}
    return _called(low, low.operation, [x], options)


@handles("aten.mode", "aten.nanmedian.dim", "aten.nanmedian.default", "aten.nanmedian")
def _common(low: Lowering, x: Any, axis: int | None = None, keepdim: bool = False) -> Any:
    """The most common value, or the one in the middle, along an axis or of all."""
    ndim = len(low.shape(x))
    if low.operation == "nanmedian" and not _makes_many(low):
        return _called(low, "nanmedian", [x], {"given": {}, "kept": [], "fresh": []})[0]
    axis = (-1 if axis is None else int(axis)) % max(ndim, 1)
    left = [place for place in range(ndim) if place != axis]
    kept = [[place if keepdim else number, place] for number, place in enumerate(left)]
    options = {"given": {"dim": axis, "keepdim": bool(keepdim)}, "kept": kept, "fresh": []}
    return _called(low, low.operation, [x], options)


@handles("aten.histc")
def _counts(low: Lowering, x: Any, bins: int = 100, least: float = 0, most: float = 0) -> Ref:
    """How many values fall into each of some intervals of one width."""
    given = {"bins": int(bins), "min": float(least), "max": float(most)}
    return _called(low, "histc", [x], {"given": given, "kept": [], "fresh": [0]})[0]


# ATen's name -> the function that computes it. Each makes as many results as its node.
_MATRICES = {
    "inverse": "inv", "linalg_inv": "inv", "linalg_det": "det", "det": "det", "linalg_slogdet": "slogdet",
    "slogdet": "slogdet", "logdet": "logdet", "linalg_cholesky": "cholesky", "cholesky": "cholesky",
    "linalg_qr": "qr", "linalg_svd": "svd", "linalg_svdvals": "svdvals", "linalg_eigh": "eigh",
    "linalg_eigvalsh": "eigvalsh", "linalg_pinv": "pinv", "linalg_matrix_exp": "matrix_exp",
    "matrix_exp": "matrix_exp", "linalg_lu": "lu",
}  # fmt: skip
_NAMES: dict[str, tuple[str, ...]] = {
    "cholesky": ("upper",), "qr": ("mode",), "svd": ("full_matrices",), "eigh": ("UPLO",),
    "eigvalsh": ("UPLO",), "lu": ("pivot",),
}  # fmt: skip
_SAID = ("upper", "mode", "full_matrices", "UPLO", "pivot", "hermitian")


@handles(*(f"aten.{name}" for name in _MATRICES))
def _matrix(low: Lowering, x: Any, *numbers: Any, **named: Any) -> Any:
    """A function of each matrix: all of its numbers decide each result."""
    name = _MATRICES[low.operation]
    given = dict(zip(_NAMES.get(name, ()), numbers, strict=False)) | named
    said = {
        key: value for key, value in given.items() if key in _SAID and not isinstance(value, Ref | Tensor)
    }
    batch = len(low.shape(x)) - 2
    options = {"given": said, "kept": _others(batch)}
    shapes, found = _shapes(low), []
    if len({len(shape) for shape in shapes}) == 1:
        found = _called(low, name, [x], options | {"fresh": list(range(batch, len(shapes[0])))})
    else:  # results of other numbers of axes are units of their own
        for place in range(len(shapes)):
            fresh = list(range(batch, len(shapes[place])))
            own = {"function": name, **options, "fresh": fresh, "result": place}
            found.append(Ref(low.builder.one("operation", [x.value], shapes[place], options=own)))
    return found if _makes_many(low) else found[0]


@handles("aten.linalg_solve", "aten.linalg_solve_triangular", "aten.cholesky_solve", "aten.linalg_lstsq")
def _solved(low: Lowering, matrix: Any, right: Any, *numbers: Any, **named: Any) -> Any:
    """What a matrix maps to the right-hand side: linear where the matrix is a constant."""
    name = low.operation.removeprefix("linalg_")
    if name == "solve" and isinstance(matrix, Tensor) and matrix.dim() == 2 and named.get("left", True):
        inverse = low.hold(torch.linalg.inv(matrix.detach().float()), low.names.get(id(matrix), ""))
        return HANDLERS["aten.matmul"](low, inverse, right)
    given = {key: value for key, value in named.items() if isinstance(value, bool)}
    if name == "cholesky_solve":
        given = {"upper": bool(numbers[0])} if numbers else given
    shape, *others = _shapes(low)
    batch = len(low.shape(matrix)) - 2
    alike = isinstance(matrix, Ref) and shape[:batch] == low.shape(matrix)[:batch]
    kept = _others(batch) if alike else []
    options = {"function": name, "given": given, "kept": kept, "fresh": list(range(len(kept), len(shape)))}
    inputs = [low.ref(matrix), low.ref(right)]
    found = Ref(low.builder.one("operation", inputs, shape, options=options))
    return [found, *(None for _ in others)] if _makes_many(low) else found


@handles("aten.isclose")
def _is_close(
    low: Lowering, left: Any, right: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Ref:
    """|left - right| <= atol + rtol |right|, or equal; infinities of one sign are equal."""
    away = activation(low, combined(low, "sub", left, right), "abs")
    size = activation(low, right, "abs") if isinstance(right, Ref) else low.hold(torch.as_tensor(right).abs())
    if isinstance(size, Ref):
        bound: Any = Ref(
            low.builder.affine(size.value, scale=float(rtol), shift=float(atol), operator="scale")
        )
    else:
        bound = low.hold(size * rtol + atol)
    near = combined(low, "le", away, bound)
    near = combined(low, "logical_or", near, combined(low, "eq", left, right))
    if not equal_nan:
        return near
    sides = [
        activation(low, side, "isnan")
        if isinstance(side, Ref)
        else low.hold(torch.isnan(torch.as_tensor(side)))
        for side in (left, right)
    ]
    return combined(low, "logical_or", near, combined(low, "logical_and", *sides))


@handles("aten.linalg_matrix_norm")
def _matrix_norm(
    low: Lowering, x: Any, order: Any = "fro", axes: Any = (-2, -1), keepdim: bool = False, **_: Any
) -> Ref:
    ndim = len(low.shape(x))
    chosen = [int(axis) % ndim for axis in axes]
    left = [axis for axis in range(ndim) if axis not in chosen]
    kept = [[axis if keepdim else number, axis] for number, axis in enumerate(left)]
    given = {"ord": order, "dim": chosen, "keepdim": bool(keepdim)}
    return _called(low, "matrix_norm", [x], {"given": given, "kept": kept, "fresh": []})[0]


@handles("aten.linalg_cond")
def _condition(low: Lowering, x: Any, order: Any = None) -> Ref:
    options = {"given": {"p": order}, "kept": _others(len(low.shape(x)) - 2), "fresh": []}
    return _called(low, "cond", [x], options)[0]


@handles("aten.cov", "aten.corrcoef")
def _covariance(low: Lowering, x: Any, *, correction: int = 1, **weights: Any) -> Ref:
    if any(weight is not None for weight in weights.values()):
        raise low.unsupported("weigh all rows alike")
    given = {"correction": int(correction)} if low.operation == "cov" else {}
    fresh = list(range(len(low.out_shape)))
    return _called(low, low.operation, [x], {"given": given, "kept": [], "fresh": fresh})[0]


@handles("aten.searchsorted", "aten.bucketize")
def _interval(low: Lowering, first: Any, second: Any, *_: Any, right: bool = False, **named: Any) -> Ref:
    """How many bounds lie below each value: before it, or at it too."""
    bounds, x = (first, second) if low.operation == "searchsorted" else (second, first)
    right = right or named.get("side") == "right"
    if not isinstance(bounds, Tensor) or bounds.dim() != 1 or not isinstance(x, Ref):
        raise low.unsupported("have one row of constant bounds")
    shape = low.shape(x)
    values = low.builder.expand(low.builder.reshape(x.value, (*shape, 1)), (*shape, len(bounds)))
    below = combined(low, "ge" if right else "gt", Ref(values), bounds)
    return reduced(low, below, {"function": "sum", "axes": [len(shape)], "keepdim": False})
