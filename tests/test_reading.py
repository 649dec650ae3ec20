"""Whatever is wrong in a file is one error that names it, and no file takes more memory than it may."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nnstruct import Structure
from nnstruct.errors import CorruptFileError, FileTooLargeError, InvalidInputError, StructureError
from nnstruct.files import write_atomically
from nnstruct.reading import (
    check_bytes,
    check_depth,
    max_bytes,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
    reading,
)
from nnstruct.structure.interchange import from_arrow, to_arrow
from nnstruct.unpacking import inflated, read_npz, read_parquet


class ForeignError(Exception):
    """As a library that nobody thought of raises it."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), KeyError("x"), TypeError(), IndexError("x"), RecursionError(), pa.ArrowInvalid("x"),
        zlib.error("x"), EOFError(), UnicodeDecodeError("utf-8", b"", 0, 1, "x"), MemoryError(),
        OverflowError(), SyntaxError("x"), ForeignError("x"), OSError("no thrift"), NotImplementedError(),
        zipfile.BadZipFile("x"), OSError(22, "Invalid argument"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_is_raised_about_the_content_is_one_error_that_names_the_file(error):
    with (
        pytest.raises(CorruptFileError, match=r"a/b\.bin is not a table: .*\. Copy it\.$") as caught,
        reading("a/b.bin", "a table", "Copy it."),
    ):
        raise error
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)


def test_errors_of_the_program_and_of_the_system_stay_what_they_are():
    for error in (NameError("x"), ImportError("x"), AssertionError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), reading("a.bin"):
            raise error
    for number, kind in ((2, FileNotFoundError), (13, PermissionError), (28, OSError)):
        with pytest.raises(kind) as caught, reading("a.bin"):
            raise OSError(number, os.strerror(number))
        assert caught.value.filename == "a.bin"
        assert not isinstance(caught.value, CorruptFileError)


def test_errors_on_purpose_get_the_name_of_the_file_once():
    with pytest.raises(StructureError, match=r"^a\.bin: edges must be few, got 3"), reading("a.bin"):
        raise StructureError("edges", "be few", 3)
    with pytest.raises(CorruptFileError, match=r"^a\.bin: row 1$"), reading("a.bin"), reading("a.bin"):
        raise CorruptFileError("row 1")


def test_the_budget_follows_the_environment(monkeypatch):
    assert max_bytes() == 2**30
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", "1000")
    check_bytes("a.bin", 1000)
    with pytest.raises(FileTooLargeError, match=r"^a\.bin: its content would take 1,001 bytes of memory"):
        check_bytes("a.bin", 1001)
    with pytest.raises(FileTooLargeError, match="very many"):
        check_bytes("a.bin", float("inf"))
    for wrong in ("0", "-1", "many", "1e9", "9" * 30):
        monkeypatch.setenv("NNSTRUCT_MAX_BYTES", wrong)
        with pytest.raises(InvalidInputError, match="NNSTRUCT_MAX_BYTES must be a positive integer"):
            max_bytes()


def test_only_regular_files_within_the_budget_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(CorruptFileError, match="is no regular file"):
            read_bytes(special)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a") == b"12345"
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", "4")
    with pytest.raises(FileTooLargeError, match="the file would take 5 bytes"):
        read_bytes(tmp_path / "a")


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300])
def test_deep_nesting_is_no_json(text, tmp_path):
    with pytest.raises(ValueError, match=r"nested|Expecting"):
        parse_json(text)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CorruptFileError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")


def test_toml_of_any_depth_and_length_is_a_value_error():
    for text in ("x = " + "[" * 5000 + "]" * 5000, "x = " + "9" * 5000, "x = " + "[" * 300 + "]" * 300):
        with pytest.raises(ValueError, match=r"nested|limit"):
            parse_toml(text)
    check_depth(json.loads("[" * 150 + "]" * 150))


def test_gzip_stops_at_the_budget_and_reads_several_members():
    assert inflated(gzip.compress(b"ab") + gzip.compress(b"c"), "a.gz") == b"abc"
    packed = gzip.compress(bytes(10**7))
    with pytest.raises(FileTooLargeError, match=r"a\.gz: more than 1,000,000 bytes come out"):
        inflated(packed, "a.gz", limit=10**6)
    for damaged in (packed[:-9], b"", b"nothing", packed[:20] + b"??????" + packed[26:]):
        with pytest.raises(CorruptFileError, match=r"a\.gz is not gzip data"):
            inflated(damaged, "a.gz")


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_arrays_of_an_archive_are_counted_before_they_are_made(tmp_path, monkeypatch):
    whole = npy(np.arange(4))
    np.testing.assert_array_equal(read_npz(npz(tmp_path / "a.npz", x=whole))["x"], np.arange(4))
    huge = whole.replace(b"(4,)", b"(2**40,)"[:4]).replace(b"(4,), }  ", b"(4000000000,), }"[:9])
    wrong = {
        "longer": whole.replace(b"(4,), }          ", b"(4000000000,), } "),
        "objects": npy(np.array([{}], dtype=object)),
        "cut": whole[:-8],
        "empty": b"",
        "other": huge[:20],
    }
    for name, data in wrong.items():
        with pytest.raises(CorruptFileError, match=rf"{name}\.npz"):
            read_npz(npz(tmp_path / f"{name}.npz", x=data))
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", "100000")
    with pytest.raises(FileTooLargeError, match=r"bomb\.npz: its 2 members would take"):
        read_npz(npz(tmp_path / "bomb.npz", x=npy(np.zeros(10_000)), y=npy(np.zeros(10_000))))


def test_columns_of_parquet_are_counted_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": pa.array(np.zeros(100_000)), "text": ["a" * 1000] * 100_000}), path)
    assert path.stat().st_size < 50_000
    assert read_parquet(path).num_rows == 100_000
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", str(2 * 10**7))
    assert read_parquet(path, columns=["x"]).num_rows == 100_000
    with pytest.raises(FileTooLargeError, match="the text of its 1 columns would take 100,000,000 bytes"):
        read_parquet(path)
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", "60000")
    with pytest.raises(FileTooLargeError, match="its 2 columns would take"):
        read_parquet(path)


@pytest.mark.parametrize("units", [2**31 - 1, 6])
def test_a_number_of_units_is_compared_with_their_flags(units):
    table = to_arrow([Structure.from_layers([2, 3])])
    rows = table.to_pylist()
    rows[0]["num_units"] = units
    with pytest.raises(CorruptFileError, match=f"row 0: .*num_units is {units}, though 5 units have flags"):
        from_arrow(pa.Table.from_pylist(rows, schema=table.schema))


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*scores\.csv'"):
        write_atomically(tmp_path / "scores.csv", b"1,2")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".a.json.tmp", "a.json"):
        (tmp_path / name).symlink_to(victim)
    write_atomically(tmp_path / "a.json", b"{}")
    assert victim.read_text() == "precious"
    assert (tmp_path / "a.json").read_text() == "{}"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_bomb_takes_no_memory(tmp_path):
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(bytes(2**26)) * 40)  # 2.5 GiB
    code = (
        "import resource, sys\nfrom nnstruct.reading import read_bytes\n"
        "from nnstruct.unpacking import inflated\n"
        "try:\n    inflated(read_bytes(sys.argv[1]), sys.argv[1], limit=2**27)\n"
        "except OSError as error:\n    print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, packed], capture_output=True, text=True, check=True)
    name, peak = done.stdout.split()
    assert name == "FileTooLargeError"
    # Of a child of this process the peak is at least this process's own.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert int(peak) < own + 2**28 // 1024


@pytest.mark.parametrize("text", ["[" + "[]," * 9000 + "[]]", "[" + '{"a":1},' * 2000 + "{}]"])
def test_json_is_counted_before_its_values_are_made(text, tmp_path, monkeypatch):
    """Short texts may stand for long lists: some twenty times as much memory."""
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", str(2**18))
    assert len(text) < 2**15
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FileTooLargeError, match=r"a\.json: .*its values would take"):
        read_json(tmp_path / "a.json")


def test_tables_and_images_and_programs_keep_to_the_budget(tmp_path, monkeypatch):
    from nnstruct.extract import extract_pt2
    from nnstruct.tables.files import read_csv, read_text
    from nnstruct.tasks.image_files import read_idx_pair

    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", str(2**16))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(2**20)))
    (tmp_path / "cells.csv").write_text("a,b\n" + "1,2\n" * 1000)
    header = bytes.fromhex("00000803 00000400 0000001c 0000001c")
    (tmp_path / "images").write_bytes(gzip.compress(header + bytes(2**10 * 28 * 28)))
    with zipfile.ZipFile(tmp_path / "a.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/models/model.json", bytes(2**20))
    os.mkfifo(tmp_path / "pipe")
    readers = {
        "bomb.gz": read_text, "cells.csv": lambda path: read_csv(path, ["a"]), "a.pt2": extract_pt2,
        "images": lambda path: read_idx_pair(path, path, (28, 28)),
    }  # fmt: skip
    for name, read in readers.items():
        with pytest.raises(FileTooLargeError, match=name):
            read(tmp_path / name)
    for read in (readers["a.pt2"], readers["images"]):
        with pytest.raises(CorruptFileError, match="pipe is no regular file"):
            read(tmp_path / "pipe")


def test_tensors_that_lie_at_one_place_are_counted_as_if_each_had_its_own(tmp_path, monkeypatch):
    import torch

    from nnstruct.extract.exported import load_exported

    wide = torch.nn.Linear(2, 2)
    given = torch.zeros(1, 2).expand(2**20, 2)
    torch.export.save(torch.export.export(wide, (given,)), tmp_path / "a.pt2")
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", str(2**22))
    with pytest.raises(FileTooLargeError, match="its tensors would take 8,388,6"):
        load_exported(tmp_path / "a.pt2")
