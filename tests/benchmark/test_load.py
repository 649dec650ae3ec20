"""Benchmarks by name, folder and address."""

from __future__ import annotations

import hashlib
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nnstruct import Benchmark, load_benchmark
from nnstruct.benchmark import benchmark_names
from nnstruct.benchmark.load import SHIPPED
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError

DATASETS = Path(__file__).parents[2] / "datasets"


def test_what_is_shipped_is_what_the_repository_has() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        assert path.read_bytes() == (DATASETS / path.relative_to(SHIPPED)).read_bytes(), path


def test_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_benchmark("reber-mini", target="val_last").target == "val_last"
    shutil.copytree(SHIPPED / "reber-mini", tmp_path / "mine")
    assert len(load_benchmark("mine", folder=tmp_path)) == len(load_benchmark(tmp_path / "mine")) == 240
    with pytest.raises(
        MissingDataError,
        match=r"no benchmark 'mine' here; known by name are .*reber-mini.* holds it\.$",
    ):
        load_benchmark("mine")
    monkeypatch.setenv("NNSTRUCT_BENCHMARKS", str(tmp_path))
    assert len(load_benchmark("mine")) == 240
    assert {"mine", "reber-mini"} <= set(benchmark_names())


@pytest.fixture
def address(tmp_path: Path):
    """Of a folder that is served to this machine alone."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    (tmp_path / "served").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("kind", "suffix"), [("zip", ".zip"), ("gztar", ".tar.gz")])
def test_by_address(tmp_path: Path, address: str, kind: str, suffix: str) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "served" / "reber"), kind, SHIPPED))
    checksum = f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    url = f"{address}/reber{suffix}"
    bench = load_benchmark(url, checksum=checksum, folder=tmp_path / "kept")
    assert bench.fingerprints == load_benchmark("reber-mini").fingerprints
    archive.unlink()
    assert len(load_benchmark(url, checksum=checksum, folder=tmp_path / "kept")) == 240  # from the disk
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"benchmark-{checksum[7:23]}"]


def test_other_bytes_are_refused(tmp_path: Path, address: str) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "served" / "reber"), "zip", SHIPPED))
    with pytest.raises(CorruptFileError, match="has other bytes than its checksum says"):
        load_benchmark(f"{address}/reber.zip", checksum="sha256:" + "0" * 64, folder=tmp_path / "kept")
    (archive.parent / "no.zip").write_bytes(b"PK")
    checksum = f"sha256:{hashlib.sha256(b'PK').hexdigest()}"
    with pytest.raises(CorruptFileError, match="not a readable archive"):
        load_benchmark(f"{address}/no.zip", checksum=checksum, folder=tmp_path / "kept")
    with pytest.raises(MissingDataError, match="cannot be read"):
        load_benchmark(f"{address}/none.zip", checksum=checksum, folder=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    with pytest.raises(InvalidInputError, match="checksum must be given with an address"):
        load_benchmark(f"{address}/reber.zip")
    with pytest.raises(InvalidInputError, match="be the address of an archive"):
        load_benchmark(f"{address}/reber.parquet", checksum=checksum)
    with pytest.raises(InvalidInputError, match="checksum must be given with the address of an archive only"):
        load_benchmark("reber-mini", checksum=checksum)


def test_a_benchmark_is_read_as_by_its_class() -> None:
    assert load_benchmark("reber-mini").y.tolist() == Benchmark.load(DATASETS / "reber-mini").y.tolist()
