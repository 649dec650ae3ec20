"""NAS-Bench-101: cells of up to seven vertices on CIFAR-10."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.structure import Structure
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import stacked_scores

OPERATORS = {
    "input": "input",
    "output": "output",
    "conv1x1-bn-relu": "conv1x1",
    "conv3x3-bn-relu": "conv3x3",
    "maxpool3x3": "maxpool3x3",
}
# Fields of the authors' messages: of ModelMetrics, and of the EvaluationData in its first one.
_EVALUATIONS, _PARAMETERS = 1, 2
_SECONDS, _VALIDATION, _TEST = 2, 4, 5


@TABLES.register("nasbench101")
def read_nasbench101(path: Path) -> Rows:
    """Read NAS-Bench-101 from the authors' ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``.

    A TFRecord is a length (uint64), a check of it (uint32), so many bytes and a check of those (uint32);
    the checks are not verified. The bytes are JSON, ``[hash, epochs, adjacency, operations, metrics]``, where
    ``metrics`` is a protobuf message ``ModelMetrics`` in base64. Neither TensorFlow nor protobuf is needed.

    Each cell is a Structure with its vertices as units (family ``module``) named ``input``, ``conv1x1``,
    ``conv3x3``, ``maxpool3x3`` and ``output``. Accuracies after the last epoch are pooled over the repeats
    of a cell: their mean, spread and count. Twins are cells of one hash, which the authors have merged.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the task ``cifar10``: targets ``test`` and ``val`` after 108 epochs, and, in the full table,
        ``test_36``, ``val_36`` and so on; costs ``parameters`` and ``seconds`` (of the longest training).

    Raises
    ------
    InvalidInputError
        If the file holds no such records.
    CorruptFileError
        If it ends within a record.

    References
    ----------
    C. Ying et al. NAS-Bench-101: towards reproducible neural architecture search. ICML 2019,
    arXiv 1902.09635. The format: github.com/google-research/nasbench, ``nasbench/api.py`` and
    ``nasbench/lib/model_metrics.proto``.
    """
    cells: dict[str, _Cell] = {}
    for number, record in enumerate(_records(path)):
        name, epochs, adjacency, operations, metrics = _fields(path, number, record)
        cell = cells.setdefault(name, _Cell(adjacency, operations))
        parameters, seconds, val, test = _metrics(path, number, metrics)
        cell.parameters = parameters
        cell.runs.setdefault(epochs, []).append((test, val, seconds))
    if not cells:
        raise InvalidInputError(str(path), "hold records of cells", "an empty file")
    return _rows(cells)


@dataclass
class _Cell:
    adjacency: str
    operations: str
    parameters: int = 0
    runs: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)


def _rows(cells: dict[str, _Cell]) -> Rows:
    longest = max(epochs for cell in cells.values() for epochs in cell.runs)
    labels: dict[tuple[str, str], Any] = {}
    for epochs in sorted({epochs for cell in cells.values() for epochs in cell.runs}, reverse=True):
        for place, name in enumerate(("test", "val")):
            target = name if epochs == longest else f"{name}_{epochs}"
            runs = [[run[place] for run in cell.runs.get(epochs, [])] for cell in cells.values()]
            labels["cifar10", target] = stacked_scores(runs, "accuracy")
    seconds = [
        float(np.mean([run[2] for run in cell.runs[longest]])) if longest in cell.runs else np.nan
        for cell in cells.values()
    ]
    return Rows.of_labels(
        [cell_structure(cell.adjacency, cell.operations, name) for name, cell in cells.items()],
        labels,
        costs={"parameters": [cell.parameters for cell in cells.values()], "seconds": seconds},
        source="nasbench101",
        groups=list(cells),
    )


def cell_structure(adjacency: str, operations: str, name: str = "") -> Structure:
    """The structure of a cell as the table writes it.

    Parameters
    ----------
    adjacency : str
        The matrix row by row, a digit an entry.
    operations : str
        Of the vertices, with commas between them.
    name : str
        For the origin and the errors.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If the two do not fit, or an operation is unknown.

    Examples
    --------
    >>> cell = cell_structure("011001000", "input,conv3x3-bn-relu,output")
    >>> cell.attributes["operator"], cell.edge_index.tolist()
    (('input', 'conv3x3', 'output'), [[0, 0, 1], [1, 2, 2]])
    """
    given = operations.split(",")
    n = len(given)
    if len(adjacency) != n * n or set(adjacency) - {"0", "1"}:
        raise InvalidInputError(f"adjacency of {name}", f"hold {n * n} digits of 0 and 1", adjacency)
    for operation in given:
        if operation not in OPERATORS:
            raise InvalidInputError(f"operations of {name}", f"be among {', '.join(OPERATORS)}", operation)
    place = np.arange(n)
    return Structure(
        np.argwhere(np.array(list(adjacency)).reshape(n, n) == "1").T,
        n,
        family="module",
        inputs=place == 0,
        outputs=place == n - 1,
        attributes={"operator": tuple(OPERATORS[operation] for operation in given)},
        origin={"kind": "table", "table": "nasbench101", "hash": name},
    )


def _records(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while head := file.read(12):
            size = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
            # A length that no record has means another format; reading on would take all memory.
            if len(head) == 12 and size > 1 << 20:
                hint = "nasbench_only108.tfrecord of github.com/google-research/nasbench is wanted."
                raise InvalidInputError(str(path), "be a TFRecord file of cells", head[:8], hint)
            body = file.read(size + 4)
            if len(head) < 12 or len(body) < size + 4:
                raise CorruptFileError(f"{path} ends within a record: it is truncated. Download it again.")
            yield body[:-4]


def _fields(path: Path, number: int, record: bytes) -> tuple[str, int, str, str, bytes]:
    try:
        name, epochs, adjacency, operations, metrics = json.loads(record)
        known = str(name), int(epochs), str(adjacency), str(operations), base64.b64decode(metrics)
    except (ValueError, TypeError) as error:
        rule = "hold [hash, epochs, adjacency, operations, metrics]"
        raise InvalidInputError(f"{path}: record {number}", rule, record[:80]) from error
    if isqrt(len(known[2])) ** 2 != len(known[2]):
        raise InvalidInputError(f"{path}: record {number}: adjacency", "be a square matrix", known[2])
    return known


def _metrics(path: Path, number: int, message: bytes) -> tuple[int, float, float, float]:
    """Parameters, and seconds, validation and test accuracy of the last evaluation."""
    try:
        fields = list(_message(message))
        parameters = [value for tag, value in fields if tag == _PARAMETERS]
        last = dict(_message([value for tag, value in fields if tag == _EVALUATIONS][-1]))
        return int(parameters[-1]), _double(last[_SECONDS]), _double(last[_VALIDATION]), _double(last[_TEST])
    except (IndexError, KeyError, TypeError, struct.error) as error:
        raise InvalidInputError(
            f"{path}: record {number}: metrics", "be a ModelMetrics", message[:40]
        ) from error


def _double(value: bytes) -> float:
    return float(struct.unpack("<d", value)[0])


def _message(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message (protobuf.dev, "Encoding"): an int for a varint, else bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        tag, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        else:
            size = {1: 8, 5: 4}[kind]
        if place + size > len(data):
            raise IndexError(place)
        yield tag, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
