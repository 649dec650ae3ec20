"""ONNX-Bench: networks of many spaces as ONNX files with their accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.extract.onnx_file import load_model
from nnstruct.reading import max_bytes
from nnstruct.structure import Structure
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_csv

_NAMES = {
    "Gemm": "linear",
    "MatMul": "linear",
    "BatchNormalization": "batchnorm",
    "GlobalAveragePool": "globalavgpool",
    "MaxPool": "maxpool",
    "AveragePool": "avgpool",
}
_HINT = "A folder of .onnx files that hold their accuracy, or a CSV with 'file' and 'accuracy', is wanted."


@TABLES.register("onnx-bench")
def read_onnx_bench(path: Path) -> Rows:
    """Read ONNX-Bench, or any collection of ONNX files with scores.

    Two formats: a **folder**, searched for ``*.onnx``, whose files hold their accuracy in their metadata,
    under a key with "acc" in it or else the first, as ONNX-Bench's do; or a **CSV** (``.csv``) with ``file``
    (relative to its folder), ``accuracy`` and, where known, ``dataset``. Accuracies above 1 anywhere
    mean per cent everywhere. The extra ``onnx`` has to be installed.

    Each node of a graph is a unit (family ``module``), named by its operator in small letters; convolutions
    and pools carry their kernel, as in ``conv3x3`` (``dwconv3x3`` where each channel has its own group, and
    ``conv3x3-g4`` with four groups), and ``Gemm`` and ``MatMul`` are ``linear``. Constants are no units. The
    attribute ``channels`` is that of the weights, or else of the first input. The weights are not kept:
    :func:`nnstruct.extract_onnx` does that. Twins have equal fingerprints.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        A task a data set: that of the CSV, else that under "dataset" in the metadata, else ``cifar10``;
        target ``test``; cost ``parameters``.

    Raises
    ------
    InvalidInputError
        If there is no accuracy, or onnx is not installed.
    MissingDataError
        If there is no ONNX file.
    CorruptFileError
        If a file holds no ONNX model.

    References
    ----------
    S. Qin et al. ONNX-Net: towards universal representations and instant performance prediction for neural
    architectures. 2025, arXiv 2510.04938. The format: github.com/shiwenqin/ONNX-Net,
    ``src/process/utils.py``.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.onnx"))
        given: list[dict[str, Any]] = [{} for _ in files]
    else:
        columns = read_csv(path, ["file", "accuracy"], _HINT)
        files = [path.parent / name for name in columns["file"]]
        accuracy = numbers(columns["accuracy"], "accuracy").tolist()
        datasets = columns.get("dataset", [""] * len(files))
        given = [{"accuracy": a, "dataset": d} for a, d in zip(accuracy, datasets, strict=True)]
    if not files:
        raise MissingDataError(f"{path} holds no ONNX file. {_HINT}")
    structures, parameters, scores, tasks = [], [], [], []
    for file, known in zip(files, given, strict=True):
        if not file.is_file():
            raise MissingDataError(f"There is no file {file}, which {path} names.")
        model, tensors = load_model(file, max_bytes())
        said = {entry.key: entry.value for entry in model.metadata_props}
        structures.append(graph_structure(model.graph, tensors, file.name))
        parameters.append(sum(tensor.size for tensor in tensors.values()))
        scores.append(known["accuracy"] if known else _accuracy(said, file))
        tasks.append(known.get("dataset") or said.get("dataset") or "cifar10")
    y = np.array(scores, dtype=np.float64)
    if (y > 1).any():
        y = y / 100
    here = np.array(tasks)
    labels = {
        (task, "test"): (np.where(here == task, y, np.nan), None, None) for task in dict.fromkeys(tasks)
    }
    return Rows.of_labels(structures, labels, costs={"parameters": parameters}, source="onnx-bench")


def graph_structure(graph: Any, tensors: dict[str, np.ndarray], name: str = "") -> Structure:
    """The structure of an ONNX graph, a unit a node.

    Parameters
    ----------
    graph : onnx.GraphProto
    tensors : dict of str to array
        The stored tensors.
    name : str
        For the origin.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If no output of the graph is made by a node or is an input.
    """
    made_by: dict[str, int] = {}
    operators: list[str] = []
    channels: list[int] = []
    edges: dict[tuple[int, int], None] = {}
    for value in graph.input:
        if value.name in tensors:
            continue
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        made_by[value.name] = len(operators)
        operators.append("input")
        channels.append(max(1, int(shape[1])) if len(shape) > 1 else 1)
    num_inputs = len(operators)
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        read = [made_by[source] for source in node.input if source in made_by]
        weights = [tensors[source] for source in node.input if source in tensors]
        unit = len(operators)
        operators.append(_operator(node, weights))
        channels.append(_channels(node, weights, [channels[source] for source in read]))
        edges |= dict.fromkeys((source, unit) for source in read)
        made_by |= dict.fromkeys(node.output, unit)
    outputs = [made_by[value.name] for value in graph.output if value.name in made_by]
    if not outputs or not num_inputs:
        raise InvalidInputError(name, "have inputs and outputs", [value.name for value in graph.output])
    index = np.arange(len(operators))
    return Structure(
        np.array([*edges], dtype=np.int64).reshape(-1, 2).T,
        len(operators),
        family="module",
        inputs=index < num_inputs,
        outputs=np.isin(index, outputs),
        attributes={"operator": tuple(operators), "channels": tuple(channels)},
        origin={"kind": "table", "table": "onnx-bench", "file": name},
    )


def _operator(node: Any, weights: list[np.ndarray]) -> str:
    name = _NAMES.get(node.op_type, node.op_type.lower())
    settings = {attribute.name: attribute for attribute in node.attribute}
    if "kernel_shape" in settings:
        kernel = "x".join(str(size) for size in settings["kernel_shape"].ints)
        groups = int(settings["group"].i) if "group" in settings else 1
        if groups > 1 and weights and weights[0].ndim > 1 and weights[0].shape[1] == 1:
            return f"dw{name}{kernel}"
        return f"{name}{kernel}-g{groups}" if groups > 1 else f"{name}{kernel}"
    return name


def _channels(node: Any, weights: list[np.ndarray], read: list[int]) -> int:
    settings = {attribute.name: attribute for attribute in node.attribute}
    matrix = [weight for weight in weights if weight.ndim > 1]
    if matrix and node.op_type == "Conv":
        return int(matrix[0].shape[0])
    if matrix and node.op_type == "Gemm":
        transposed = "transB" in settings and settings["transB"].i
        return int(matrix[0].shape[0 if transposed else 1])
    if matrix and node.op_type == "MatMul":
        return int(matrix[0].shape[-1])
    if node.op_type == "Concat" and read and "axis" in settings and settings["axis"].i == 1:
        return sum(read)
    return read[0] if read else 1


def _accuracy(said: dict[str, str], file: Path) -> float:
    named = [value for key, value in said.items() if "acc" in key.lower()] or list(said.values())
    try:
        return float(named[0])
    except (IndexError, ValueError) as error:
        raise InvalidInputError(str(file), "hold its accuracy in its metadata", said, _HINT) from error
