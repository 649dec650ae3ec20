"""Reading an ONNX file without trusting it."""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.extract.onnx_types import held
from nnstruct.reading import open_file, reading


def load_model(path: str | PathLike[str], max_bytes: int) -> tuple[Any, dict[str, np.ndarray]]:
    """The model and its stored tensors by name.

    Parameters
    ----------
    path : path
    max_bytes : int
        Refuse a file, or tensors together, that are larger.

    Returns
    -------
    onnx.ModelProto, dict of str to array

    Raises
    ------
    InvalidInputError
        If onnx is not installed, the tensors are too large, or one of them lies outside the
        folder of the file.
    CorruptFileError
        If the file holds no ONNX model, or a tensor's data does not fit its shape.
    """
    try:
        import onnx
    except ImportError as error:
        raise InvalidInputError(
            "onnx", "be installed to read ONNX files", "nothing", "Run: pip install 'nnstruct[onnx]'"
        ) from error
    file = Path(path)
    if not file.is_file():
        raise InvalidInputError("path", "be an ONNX file", str(path))
    _check_size("the file", file.stat().st_size, max_bytes)
    with reading(file, "an ONNX model that can be read"):
        with open_file(file) as stream:
            model = onnx.load_model_from_string(stream.read())
        if not model.graph.node and not model.graph.output:
            raise ValueError("the graph is empty")
    total, tensors = 0, {}
    for tensor in _stored_tensors(model):
        total += _declared_bytes(tensor, file)
        _check_size(f"tensors up to {tensor.name!r}", total, max_bytes)
    for tensor in model.graph.initializer:
        tensors[tensor.name] = read_tensor(tensor, file.parent, file)
    return model, tensors


def _stored_tensors(model: Any) -> list[Any]:
    found = _in_graph(model.graph)
    for function in model.functions:
        found += [tensor for node in function.node for tensor in _in_node(node)]
    return found


def _in_graph(graph: Any) -> list[Any]:
    found = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        found += [sparse.values, sparse.indices]
    return found + [tensor for node in graph.node for tensor in _in_node(node)]


def _in_node(node: Any) -> list[Any]:
    found = []
    for attribute in node.attribute:
        found += [attribute.t] if attribute.HasField("t") else []
        found += list(attribute.tensors)
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            found += _in_graph(graph)
    return found


def _check_size(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise InvalidInputError(what, f"take at most max_bytes={limit:,} bytes", size)


def _declared_bytes(tensor: Any, file: Path) -> int:
    import onnx

    if any(size < 0 for size in tensor.dims):
        raise CorruptFileError(f"{file}: tensor {tensor.name!r} has a negative size.")
    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptFileError(f"{file}: tensor {tensor.name!r} has no known type.") from error
    return math.prod(tensor.dims) * itemsize


def read_tensor(tensor: Any, folder: Path, file: Path) -> np.ndarray:
    """Values of a stored tensor; data in another file is read from the model's own folder only."""
    import onnx
    from onnx import numpy_helper

    try:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raw = _external(tensor, folder, file)
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            value = np.frombuffer(raw, dtype=dtype).reshape(tuple(tensor.dims))
        else:
            value = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise CorruptFileError(
            f"{file}: the data of {tensor.name!r} does not fit its shape: {error}"
        ) from error
    return held(value)


def _external(tensor: Any, folder: Path, file: Path) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    root = folder.resolve()
    place = (root / location).resolve()
    if not location or Path(location).is_absolute() or not place.is_relative_to(root):
        raise InvalidInputError(
            f"external data of {tensor.name!r}", "lie in the folder of the ONNX file", location
        )
    if not place.is_file():
        raise CorruptFileError(f"{file}: the external data {location!r} of {tensor.name!r} is missing.")
    size = place.stat().st_size
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
    except ValueError as error:
        raise CorruptFileError(
            f"{file}: {tensor.name!r} has an offset or length that is no number."
        ) from error
    if length != _declared_bytes(tensor, file) or offset < 0 or offset + length > size:
        raise CorruptFileError(f"{file}: the external data of {tensor.name!r} does not fit its shape.")
    with place.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
