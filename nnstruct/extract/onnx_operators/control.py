"""ONNX's control flow, where it is decided by constants, and its sequences and optional values."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_operators.moves import cut, joined

Inputs = list[Any]
Options = dict[str, Any]
_MAX_STEPS = 1000


@handles("If", direct=True)
def _if(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[Any]:
    condition = reader.constant(inputs[0], "have a constant condition")
    branch = options["then_branch" if bool(np.ravel(condition)[0]) else "else_branch"]
    return reader.subgraph(branch, [])


@handles("Loop", direct=True)
def _loop(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[Any]:
    body = options["body"]
    count, condition, *carried = inputs
    limit = _MAX_STEPS + 1
    if count is not None:
        limit = reader.integers(count, "run a constant number of times")[0]
    goes = True
    if condition is not None:
        goes = bool(np.ravel(reader.constant(condition, "have a constant condition"))[0])
    scanned: list[list[Any]] = [[] for _ in range(len(body.output) - 1 - len(carried))]
    step = 0
    while goes and step < limit:
        if step == _MAX_STEPS:
            raise reader.unsupported(f"run at most {_MAX_STEPS} times")
        first = reader.keep(np.array(step, dtype=np.int64))
        held, *made = reader.subgraph(body, [first, reader.keep(np.array(True)), *carried])
        goes = bool(np.ravel(reader.constant(held, "have a condition that no input decides"))[0])
        carried = made[: len(carried)]
        for rows, value in zip(scanned, made[len(carried) :], strict=True):
            rows.append(value)
        step += 1
    return [*carried, *(_stacked(reader, rows, 0) for rows in scanned)]


def _stacked(reader: OnnxReader, rows: list[Any], axis: int) -> Any:
    if not rows:
        raise reader.unsupported("run at least once")
    parts = []
    for row in rows:
        shape = list(reader.shape(row))
        shape.insert(axis % (len(shape) + 1), 1)
        parts.append(reader.reshaped(row, shape))
    return joined(reader, parts, axis % (len(reader.shape(rows[0])) + 1))


@handles("Scan", direct=True)
def _scan(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[Any]:
    body, count = options["body"], int(options["num_scan_inputs"])
    carried, read = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    axes = options.get("scan_input_axes", [0] * count)
    backward = options.get("scan_input_directions", [0] * count)
    length = reader.shape(read[0])[axes[0]]
    if length > _MAX_STEPS:
        raise reader.unsupported(f"run at most {_MAX_STEPS} times")
    outputs = len(body.output) - len(carried)
    scanned: list[list[Any]] = [[] for _ in range(outputs)]
    for step in range(length):
        slices: list[Any] = []
        for value, axis, late in zip(read, axes, backward, strict=True):
            at = length - 1 - step if late else step
            axis %= len(reader.shape(value))
            if isinstance(value, int):
                slices.append(reader.builder.select(value, axis, at))
            else:
                slices.append(reader.keep(np.take(value, at, axis)))
        made = reader.subgraph(body, [*carried, *slices])
        carried = made[: len(carried)]
        for rows, value in zip(scanned, made[len(carried) :], strict=True):
            rows.append(value)
    places = options.get("scan_output_axes", [0] * outputs)
    late_out = options.get("scan_output_directions", [0] * outputs)
    stacked = [
        _stacked(reader, rows[::-1] if late else rows, axis)
        for rows, axis, late in zip(scanned, places, late_out, strict=True)
    ]
    return [*carried, *stacked]


# ---- sequences are lists of operands


def _sequence(reader: OnnxReader, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise reader.unsupported("read a sequence that the network makes")
    return value


@handles("SequenceConstruct", direct=True)
def _construct(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [list(inputs)]


@handles("SequenceEmpty", direct=True)
def _empty(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [[]]


@handles("SequenceInsert", "SequenceErase", "SequenceAt", direct=True)
def _at(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    sequence = list(_sequence(reader, inputs[0]))
    if node.op_type == "SequenceInsert":
        place = inputs[2] if len(inputs) > 2 else None
        at = len(sequence) if place is None else reader.integers(place, "have a constant place")[0]
        sequence.insert(at, inputs[1])
        return [sequence]
    place = inputs[1] if len(inputs) > 1 else None
    at = -1 if place is None else reader.integers(place, "have a constant place")[0]
    value = sequence.pop(at)
    return [value] if node.op_type == "SequenceAt" else [sequence]


@handles("SequenceLength", direct=True)
def _length(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [reader.keep(np.array(len(_sequence(reader, inputs[0])), dtype=np.int64))]


@handles("ConcatFromSequence", direct=True)
def _concat(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    sequence = _sequence(reader, inputs[0])
    axis = int(options["axis"])
    return [_stacked(reader, sequence, axis) if options.get("new_axis") else joined(reader, sequence, axis)]


@handles("SplitToSequence", direct=True)
def _split(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, shape = inputs[0], reader.shape(inputs[0])
    axis = options.get("axis", 0) % len(shape)
    sizes, drop = [1] * shape[axis], not options.get("keepdims", 1)
    if len(inputs) > 1 and inputs[1] is not None:
        drop = False
        given = reader.integers(inputs[1])
        sizes = given
        if reader.shape(inputs[1]) == ():
            each = given[0]
            sizes = [min(each, shape[axis] - start) for start in range(0, shape[axis], each)]
    stops = np.cumsum(sizes).tolist()
    parts = []
    for size, stop in zip(sizes, stops, strict=True):
        if isinstance(x, int):
            part: Any = cut(reader, x, axis, stop - size, stop)
        else:
            part = reader.keep(np.take(x, np.arange(stop - size, stop), axis))
        if drop:
            part = reader.reshaped(part, [s for a, s in enumerate(shape) if a != axis])
        parts.append(part)
    return [parts]


@handles("Optional", "OptionalGetElement", direct=True)
def _optional(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    if not inputs or inputs[0] is None:
        raise reader.unsupported("hold something")
    return [inputs[0]]


@handles("OptionalHasElement", direct=True)
def _has_element(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [reader.keep(np.array(bool(inputs) and inputs[0] is not None))]
