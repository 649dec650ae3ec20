"""A folder of JSON and safetensors, checksummed; no pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nnstruct.errors import CorruptFileError
from nnstruct.files import sha256, write_atomically
from nnstruct.reading import read_bytes, read_json, reading
from nnstruct.unpacking import read_safetensors

T = TypeVar("T")
VALUES, ARRAYS = "sources.json", "sources.safetensors"
FORMAT = 1


def write_folder(folder: Path, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write both files, the one with the checksum last.

    Parameters
    ----------
    folder : Path
    values : mapping of str to JSON values
    arrays : mapping of str to array

    Returns
    -------
    Path
        The folder.
    """
    import safetensors.numpy

    folder.mkdir(parents=True, exist_ok=True)
    data = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    told = {"format": FORMAT, "sha256": sha256(data), **values}
    write_atomically(folder / ARRAYS, data)
    write_atomically(folder / VALUES, (json.dumps(told, indent=1, allow_nan=False) + "\n").encode())
    return folder


def read_folder(folder: Path, make: Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], T]) -> T:
    """Read both files, check them, and make of them what they hold.

    Parameters
    ----------
    folder : Path
    make : callable
        From values and arrays; raises ValueError, KeyError or TypeError where they are not whole.

    Returns
    -------
    what ``make`` returns

    Raises
    ------
    CorruptFileError
        If a file is missing, altered or not whole.
    """
    for name in (VALUES, ARRAYS):
        if not (folder / name).exists():
            raise CorruptFileError(f"{folder / name} is missing.")
    with reading(folder, "a folder of models of benchmarks"):
        values = read_json(folder / VALUES)
        data = read_bytes(folder / ARRAYS)
        if sha256(data) != values.pop("sha256"):
            raise CorruptFileError(f"{folder / ARRAYS} was altered: its SHA-256 is not the one in {VALUES}.")
        if values.pop("format") != FORMAT:
            raise CorruptFileError(f"{folder / VALUES} has another format than {FORMAT}.")
        return make(values, read_safetensors(data, folder / ARRAYS))
