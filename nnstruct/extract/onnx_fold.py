"""Computing what depends on no input of the network, within limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.extract.onnx_types import held
from nnstruct.program import UnsupportedOperationError

MAX_FOLDED = 2**28
# What they make is another thing each time.
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def folded(
    node: Any,
    inputs: list[Any],
    options: dict[str, Any],
    opsets: dict[str, int],
    shapes: list[Any],
    room: float = math.inf,
) -> list[Any]:
    """The outputs of a node whose operands are all constants.

    Parameters
    ----------
    node : onnx.NodeProto
    inputs : list of (array or None)
    options : dict
        Attributes, in the form that ``opsets`` have.
    opsets : dict of str to int
        Versions at which it is computed.
    shapes : list
        What is known of the outputs' shapes.
    room : float
        Bytes that they may take.

    Returns
    -------
    list of array

    Raises
    ------
    InvalidInputError
        If they would be too large.
    UnsupportedOperationError
        If they cannot be computed.
    """
    if node.op_type in _RANDOM:
        raise UnsupportedOperationError(node.op_type, node.name, "make the same values each time")
    _limit(node, inputs, options, shapes, room)
    flatten = options.pop("flatten", False)
    if flatten:
        value = np.asarray(inputs[0])
        axis = options.pop("axis") % max(value.ndim, 1)
        rows = value.reshape(int(np.prod(value.shape[:axis])), -1)
        return [folded(node, [rows], {"axis": 1}, opsets, [])[0].reshape(value.shape)]
    return [held(value) for value in _computed(node, inputs, options, opsets)]


def _computed(
    node: Any, inputs: list[Any], options: dict[str, Any], opsets: dict[str, int]
) -> list[np.ndarray]:
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [f"i{place}" if value is not None else "" for place, value in enumerate(inputs)]
    outputs = [f"o{place}" for place in range(len(node.output))]
    given = {name: value for name, value in options.items() if value is not None}
    own = helper.make_node(node.op_type, names, outputs, domain=node.domain, **given)
    function = helper.make_function(
        "nnstruct", "folded", [name for name in names if name], outputs, [own],
        [helper.make_opsetid(domain, version) for domain, version in opsets.items()],
    )  # fmt: skip
    named = {name: value for name, value in zip(names, inputs, strict=True) if name}
    try:
        with np.errstate(all="ignore"):
            made = ReferenceEvaluator(function).run(None, named, attributes={})
    except Exception as error:  # the evaluator raises whatever an operator of it raises
        raise UnsupportedOperationError(
            node.op_type, node.name, f"be computed from its constants ({type(error).__name__}: {error})"[:200]
        ) from error
    if any(isinstance(value, list) or value is None for value in made):
        raise UnsupportedOperationError(node.op_type, node.name, "make tensors")
    return [np.asarray(value) for value in made]


def check_room(name: str, size: float, room: float) -> None:
    """Refuse a constant for which there is no room, before it is made.

    Parameters
    ----------
    name : str
    size : float
        Its bytes.
    room : float
        Those that are left to all constants of the file.

    Raises
    ------
    InvalidInputError
        If it is larger.
    """
    if size > room:
        hint = "Constants together may take max_bytes, or NNSTRUCT_MAX_BYTES."
        raise InvalidInputError(f"constant {name!r}", f"take at most {room:,.0f} bytes", size, hint)


def _limit(node: Any, inputs: list[Any], options: dict[str, Any], shapes: list[Any], room: float) -> None:
    """Refuse what could take any amount of time or memory before it is computed."""
    size = 0.0
    for shape in shapes:
        if shape is not None and None not in shape:
            size = max(size, float(np.prod(np.asarray(shape, dtype=np.float64))))
    if node.op_type in ("ConstantOfShape", "Expand", "Tile"):
        wanted = float(np.prod(np.maximum(np.ravel(inputs[-1]).astype(np.float64), 1)))
        size = max(size, wanted * (np.asarray(inputs[0]).size if node.op_type == "Tile" else 1))
    elif node.op_type == "Range":
        start, stop, step = (float(np.ravel(value)[0]) for value in inputs)
        size = max(size, abs(stop - start) / max(abs(step), 1e-30))
    elif node.op_type == "Pad" and len(inputs) > 1 and inputs[1] is not None:
        pads = np.ravel(inputs[1]).astype(np.float64)
        sides = np.abs(pads[: len(pads) // 2]) + np.abs(pads[len(pads) // 2 :])
        old = np.array(np.shape(inputs[0]), dtype=np.float64)
        size = max(size, float(np.prod(old + (sides if len(sides) == len(old) else sides.sum()))))
    elif node.op_type == "OneHot":
        size = max(size, float(np.asarray(inputs[0]).size) * float(np.abs(np.ravel(inputs[1])[0])))
    elif node.op_type in ("Resize", "Upsample"):
        factors = [np.ravel(value).astype(np.float64) for value in inputs[1:] if value is not None]
        size = max(size, *(np.asarray(inputs[0]).size * float(np.prod(f[f > 1])) for f in factors if len(f)))
    elif node.op_type in ("MatMul", "Gemm", "Einsum") and not shapes:
        size = max(size, float(np.prod([float(np.asarray(v).size) for v in inputs if v is not None])))
    if size > MAX_FOLDED:
        raise InvalidInputError(f"constant {node.output[0]!r}", f"have at most {MAX_FOLDED:,} elements", size)
    # Booleans and bytes are held in fewer, yet all are computed in eight somewhere.
    check_room(node.output[0], 8.0 * size if size > 2**20 else 0.0, room)
