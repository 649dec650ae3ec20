"""Files are whole or absent, and nothing in the package writes one by another way."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pandas as pd
import pytest

import nnstruct
from nnstruct import files
from nnstruct.files import frame_bytes, put_in_place, write_atomically

PACKAGE = Path(nnstruct.__file__).parent
WRITES = {"write_text", "write_bytes", "to_parquet", "to_pickle", "write_table", "copyfile", "tofile"}
WRITES_TO_A_PATH = {"to_csv", "to_json", "savefig"}  # with no path, or with a buffer, they write no file
RENAMES = {"os.replace", "os.rename", "shutil.move"}

# The only other writers, each with its reason.
ALLOWED = {
    "files.py": {"open", "os.replace", "pq.write_table"},  # the one home; the table goes to memory
    "report/images.py": {"savefig"},  # to memory
}


def writers(source: str) -> list[str]:
    """The calls that write or rename a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name = called.split(".")[-1]
        modes = [*node.args[:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
        writes = any(
            isinstance(m, ast.Constant) and str(m.value).strip("bt+") in {"w", "a", "x"} for m in modes
        )
        if called in RENAMES or name == "write_table":
            found.append(called)
        elif name in WRITES or (name in WRITES_TO_A_PATH and node.args) or (name == "open" and writes):
            found.append(name)
    return found


def test_every_file_is_written_by_the_one_home() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): set(writers(path.read_text())) for path in PACKAGE.rglob("*.py")
    }
    assert {name: calls for name, calls in found.items() if calls - ALLOWED.get(name, set())} == {}


@pytest.mark.parametrize(("place", "calls"), ALLOWED.items())
def test_every_exception_is_in_use(place: str, calls: set[str]) -> None:
    assert calls <= set(writers((PACKAGE / place).read_text()))


@pytest.mark.parametrize(
    "source",
    [
        "path.write_text('x')", "(a / 'b').write_bytes(b'')", "t.to_parquet(p)", "t.to_csv(p, index=False)",
        "figure.savefig(path)", "os.replace(a, b)", "open(p, 'w')", "path.open('ab')", "open(p, mode='xb')",
    ],
)  # fmt: skip
def test_a_writer_is_found(source: str) -> None:
    assert len(writers(source)) == 1


def test_what_only_reads_or_stays_in_memory_is_no_writer() -> None:
    assert (
        writers("open(p)\np.open('rb')\nt.to_csv(index=False)\np.read_text()\ntext.replace('a', 'b')") == []
    )


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_where_writing_fails_the_old_file_stays_alone(
    step: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(type(failure)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_disk_has_the_bytes_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the file, the rename, fsync of the folder: in this order, for both ways of writing."""
    told: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        told.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        told.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(files.os, "fsync", fsync)
    monkeypatch.setattr(files.os, "replace", replace)
    write_atomically(tmp_path / "a.txt", b"1")
    assert told == ["file", "rename", "folder"]
    told.clear()
    put_in_place(tmp_path / "a.txt", tmp_path / "b.txt")
    assert told == ["file", "rename", "folder"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.txt"]


def test_a_pandas_table_comes_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"r2": [0.5, float("nan")], "name": ["a", "b"]}, index=["x", "y"]).rename_axis("who")
    write_atomically(tmp_path / "t.parquet", frame_bytes(table))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
