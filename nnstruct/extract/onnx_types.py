"""Types of ONNX values: how they are held here, and what an operator makes of those that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Numbers that are not whole are held as float32, whatever the file says.
_KNOWN = {
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 12: "uint32",
    13: "uint64", 21: "uint8", 22: "int8", 25: "uint8", 26: "int8",
}  # fmt: skip
_CODES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9,
    "uint32": 12, "uint64": 13,
}  # fmt: skip
_FLOATS = frozenset({1, 10, 11, 16, 17, 18, 19, 20, 23, 24})
NARROW = frozenset({17, 18, 19, 20, 21, 22, 23, 24, 25, 26})
# Types that some of torch's functions cannot take are held in wider ones.
WIDER = {"uint16": "int64", "uint32": "int64", "uint64": "int64"}
_MAX_DATA = 1024


def held_type(code: int) -> str | None:
    """The name of the type in which values of an ONNX type are held; None for strings and others.

    Parameters
    ----------
    code : int
        ``TensorProto.DataType``.

    Returns
    -------
    str or None
    """
    return "float32" if code in _FLOATS else _KNOWN.get(code)


def held(value: np.ndarray) -> np.ndarray:
    """A constant in the type in which it is held.

    Parameters
    ----------
    value : array

    Returns
    -------
    array
        Other floating-point numbers as float32; integers, booleans and strings as they are.
    """
    value = np.asarray(value)
    if value.dtype.kind in "iub":
        return value if value.dtype.itemsize > 1 or value.dtype.name in _CODES else value.astype(np.int8)
    if value.dtype.kind in "OSU" or value.dtype == np.float32:
        return value
    return value.astype(np.float32)


def type_of(shape: Sequence[int], dtype: str) -> Any:
    """The ``TypeProto`` of a value.

    Parameters
    ----------
    shape : sequence of int
    dtype : str

    Returns
    -------
    onnx.TypeProto
    """
    from onnx import helper

    return helper.make_tensor_type_proto(_CODES[dtype], list(shape))


def made_by(
    schema: Any, node: Any, types: dict[str, Any], constants: dict[str, np.ndarray], opsets: dict[str, int]
) -> list[tuple[tuple[int | None, ...] | None, str | None]]:
    """Shape and type of what a node makes, as far as its schema tells.

    Parameters
    ----------
    schema : onnx.defs.OpSchema
    node : onnx.NodeProto
    types : dict of str to onnx.TypeProto
        Of its inputs.
    constants : dict of str to array
        Inputs that are constants.
    opsets : dict of str to int

    Returns
    -------
    list of (tuple, str)
        For each output the shape, with None for a size that is not known, and the type's name; None for a
        shape or type that is not known.
    """
    from onnx import helper, numpy_helper
    from onnx.shape_inference import infer_node_outputs

    data = {
        name: numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if value.size <= _MAX_DATA and value.dtype.name in _CODES
    }
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        found = infer_node_outputs(schema, node, types, data, opset_imports=imports)
    except Exception:  # the library raises errors of several kinds where it cannot tell
        return [(None, None)] * len(node.output)
    return [_told(found.get(name)) for name in node.output]


def _told(proto: Any) -> tuple[tuple[int | None, ...] | None, str | None]:
    if proto is None or not proto.HasField("tensor_type"):
        return None, None
    tensor = proto.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None
            for dim in tensor.shape.dim
        )
    return shape, held_type(tensor.elem_type)
