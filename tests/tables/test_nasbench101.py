"""NAS-Bench-101: TFRecords and their messages, read without TensorFlow."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest

from nnstruct import tables
from nnstruct.errors import CorruptFileError, InvalidInputError

CELL_A = "0110000100010000", "input,conv3x3-bn-relu,maxpool3x3,output"
CELL_B = "011001000", "input,conv1x1-bn-relu,output"


def varint(value):
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def evaluation(seconds, train, val, test):
    """EvaluationData: doubles in fields 1 to 5, a string in 6."""
    doubles = zip((1, 2, 3, 4, 5), (108.0, seconds, train, val, test), strict=True)
    message = b"".join(varint(tag << 3 | 1) + struct.pack("<d", value) for tag, value in doubles)
    return message + varint(6 << 3 | 2) + varint(3) + b"abc"


def metrics(parameters, seconds, val, test):
    """ModelMetrics: three EvaluationData in field 1, an int32 in 2, a double in 3."""
    parts = [
        evaluation(0.0, 0.1, 0.1, 0.1),
        evaluation(seconds / 2, 0.8, 0.5, 0.5),
        evaluation(seconds, 0.99, val, test),
    ]
    message = b"".join(varint(1 << 3 | 2) + varint(len(part)) + part for part in parts)
    return message + varint(2 << 3) + varint(parameters) + varint(3 << 3 | 1) + struct.pack("<d", 1e4)


def record(name, epochs, cell, *numbers):
    row = [name, epochs, *cell, base64.b64encode(metrics(*numbers)).decode()]
    body = json.dumps(row).encode()
    return struct.pack("<QI", len(body), 0) + body + struct.pack("<I", 0)


@pytest.fixture
def table(tmp_path):
    records = [
        record("a", 108, CELL_A, 2_690_000, 1000.0, 0.91, 0.90),
        record("b", 108, CELL_B, 300, 500.0, 0.80, 0.79),
        record("a", 108, CELL_A, 2_690_000, 1200.0, 0.93, 0.92),
        record("a", 4, CELL_A, 2_690_000, 40.0, 0.51, 0.50),
    ]
    path = tmp_path / "nasbench_full.tfrecord"
    path.write_bytes(b"".join(records))
    return path


def test_repeats_are_pooled(table):
    bench = tables.read("nasbench101", table)
    np.testing.assert_allclose(bench.y, [0.91, 0.79])
    np.testing.assert_allclose(bench.y_std, [np.sqrt(2) / 100, np.nan])
    assert bench.y_count.tolist() == [2, 1]
    assert bench.targets == ["test", "val", "test_4", "val_4"]
    np.testing.assert_allclose(bench.with_target("val").y, [0.92, 0.80])
    early = bench.with_target("test_4")
    assert early.structures == bench.structures[:1]
    np.testing.assert_allclose(early.y, [0.50])
    assert bench.costs.to_dict("list") == {"parameters": [2_690_000, 300], "seconds": [1100.0, 500.0]}
    assert bench.noise_ceiling.value < 1


def test_vertices_are_units(table):
    first, second = tables.read("nasbench101", table).structures
    assert first.attributes["operator"] == ("input", "conv3x3", "maxpool3x3", "output")
    assert set(map(tuple, first.edge_index.T.tolist())) == {(0, 1), (0, 2), (1, 3), (2, 3)}
    assert second.num_units == 3
    assert [np.flatnonzero(flags).tolist() for flags in (first.inputs, first.outputs)] == [[0], [3]]


def test_a_file_that_ends_early_is_found(table):
    data = table.read_bytes()
    for size in (len(data) - 1, 5):
        table.write_bytes(data[:size])
        with pytest.raises(CorruptFileError, match="ends within a record"):
            tables.read("nasbench101", table)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must hold records of cells"),
        (b"arch,acc\n0,1\n0,1\n", "must be a TFRecord file of cells"),
        (struct.pack("<QI", 2, 0) + b"{}" + bytes(4), r"must hold \[hash, epochs"),
        (record("a", 108, ("01", "input,output"), 1, 1.0, 0.1, 0.1), "adjacency must be a square matrix"),
        (record("a", 108, ("0100", "input,gelu"), 1, 1.0, 0.1, 0.1), "operations of a must be among"),
        (record("a", 108, ("0100", "input"), 1, 1.0, 0.1, 0.1), "adjacency of a must hold 1 digits"),
    ],
)
def test_what_is_no_such_table(tmp_path, data, message):
    path = tmp_path / "t.tfrecord"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=message):
        tables.read("nasbench101", path)


def test_metrics_that_are_no_message(tmp_path):
    body = json.dumps(["a", 108, *CELL_B, base64.b64encode(b"\x0a\x7f").decode()]).encode()
    path = tmp_path / "t.tfrecord"
    path.write_bytes(struct.pack("<QI", len(body), 0) + body + bytes(4))
    with pytest.raises(InvalidInputError, match="record 0: metrics must be a ModelMetrics"):
        tables.read("nasbench101", path)
