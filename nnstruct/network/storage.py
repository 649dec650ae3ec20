"""Networks in safetensors files: plain numbers and JSON, no pickle.

The tensors ``weight``, ``bias`` and, below ``tensors/``, all others stand in the file as they are. Its
metadata hold one entry, ``nnstruct``: JSON with the structure and a SHA-256 over structure and tensors,
since a safetensors file does not notice a flipped bit by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, is_integer
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.files import write_atomically
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.network.network import Network
from nnstruct.reading import parse_json, read_bytes, reading
from nnstruct.structure.interchange import arrow_schema, from_arrow, to_arrow
from nnstruct.unpacking import read_safetensors

KEY = "nnstruct"
FORMAT = 1
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
LARGEST = {"float32": float(np.finfo(np.float32).max), "float16": float(np.finfo(np.float16).max)}
_TENSORS = "tensors/"
_LENGTH_BYTES = 8  # of the header's length, at the start of a safetensors file
_REMEDY = "Restore it from a copy."


def save_network(network: Network, path: str | PathLike[str], *, dtype: str = "float32") -> Path:
    """Write a network to one safetensors file; see :mod:`nnstruct.network.storage` for what it holds.

    Parameters
    ----------
    network : Network
        Not one that was extracted from a module, which has a program besides.
    path : path
        Of the file, which is replaced if it is there.
    dtype : {"float32", "float16"}
        ``float32`` keeps every bit; ``float16`` rounds to 11 significant bits and halves the file.

    Returns
    -------
    Path

    Raises
    ------
    InvalidInputError
        If ``network`` or ``dtype`` breaks its rule, or a value is beyond the range of float16.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([2, 1]), [[0.5], [0.1]], np.zeros((3, 1)))
    >>> path = save_network(network, tempfile.mkdtemp() + "/network.safetensors")
    >>> load_network(path).weight.tolist() == network.weight.tolist()
    True
    """
    from safetensors.numpy import save

    if not isinstance(network, Network) or isinstance(network, ModuleNetwork):
        hint = "Networks that extract() made hold a program; save the module that they came from."
        raise InvalidInputError("network", "be a plain Network", network, hint)
    check_choice(dtype, "dtype", list(DTYPES))
    arrays = {"weight": network.weight, "bias": network.bias}
    arrays |= {f"{_TENSORS}{name}": value for name, value in network.tensors.items()}
    stored = {name: in_dtype(name, value, dtype) for name, value in arrays.items()}
    (row,) = to_arrow([network.structure]).to_pylist()
    note = {"format": FORMAT, "structure": row, "sha256": _digest(row, stored)}
    target = Path(path)
    write_atomically(target, save(stored, {KEY: json.dumps(note, sort_keys=True)}))
    return target


def load_network(path: str | PathLike[str]) -> Network:
    """The network that :func:`save_network` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    Network

    Raises
    ------
    MissingDataError
        If there is no such file.
    CorruptFileError
        If the file is truncated, altered or of another kind.
    InvalidInputError
        If a newer release wrote it.
    """
    import pyarrow as pa

    place = Path(path)
    try:
        data = read_bytes(place)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingDataError(f"There is no file {place}.") from error
    arrays, note = read_tensors(data, place, _REMEDY)
    found = note.get("format")
    if is_integer(found) and found > FORMAT:
        hint = "Update nnstruct: a newer release wrote this file."
        raise InvalidInputError(f"{place}: format", f"be at most {FORMAT}", found, hint)
    row = note.get("structure")
    if not isinstance(row, dict) or note.get("sha256") != _digest(row, arrays):
        raise CorruptFileError(f"{place} is altered: its SHA-256 does not fit its content. {_REMEDY}")
    with reading(place, "a network", _REMEDY):
        (structure,) = from_arrow(pa.Table.from_pylist([row], schema=arrow_schema()))
        weight, bias = arrays.pop("weight"), arrays.pop("bias")
        tensors = {name.removeprefix(_TENSORS): value for name, value in arrays.items()}
        try:
            return Network(structure, weight, bias, tensors)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error


def in_dtype(name: str, value: np.ndarray, dtype: str) -> np.ndarray:
    """An array in the type that it is stored in; an error for a value beyond the type's range.

    Parameters
    ----------
    name : str
        Of the array, for the error.
    value : float32 array
    dtype : {"float32", "float16"}

    Returns
    -------
    array
        Contiguous.

    Raises
    ------
    InvalidInputError
        If a value would become infinite.
    """
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(value, dtype=DTYPES[dtype])
    if not np.isfinite(stored).all():
        rule = f"stay within the range of {dtype} ({LARGEST[dtype]:g})"
        raise InvalidInputError(name, rule, float(np.abs(value).max()), "Save it as float32.")
    return stored


def read_tensors(data: bytes, place: Path, remedy: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a safetensors file and what nnstruct noted in its metadata.

    Parameters
    ----------
    data : bytes
        Of the whole file.
    place : Path
        Where they were read, for the errors.
    remedy : str
        What to do about a damaged file; it ends the error's message.

    Returns
    -------
    arrays : dict of str to array
    note : dict
        JSON values.

    Raises
    ------
    CorruptFileError
        If the bytes are no safetensors file, or nnstruct did not write it.
    """
    with reading(place, "a safetensors file that nnstruct wrote", remedy):
        return read_safetensors(data, place), read_note(data)


def read_note(data: bytes) -> dict[str, Any]:
    """What nnstruct noted in the metadata of a safetensors file.

    Parameters
    ----------
    data : bytes
        Of the whole file, or of its header at least.

    Returns
    -------
    dict
        JSON values.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the bytes are something else.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = parse_json(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    note = parse_json(header["__metadata__"][KEY])
    if not isinstance(note, dict):
        raise TypeError("its note is no object")
    return note


def _digest(row: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode())
    for name, value in sorted(arrays.items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
