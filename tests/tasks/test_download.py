"""Downloads, from files and a server on this machine; nothing here leaves it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from nnstruct.cli.options import Download
from nnstruct.errors import CorruptFileError, MissingDataError
from nnstruct.tasks import download, image_files, images, load_task
from nnstruct.tasks.download import fetch
from nnstruct.tasks.published import CIFAR10, FASHION_MNIST, MNIST, Published

CONTENT = b"bytes of a published file" * 100


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class CutHandler(QuietHandler):
    """Promises all bytes and closes the connection half way."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])


def served(handler: object) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of the folder ``site``."""
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "site").mkdir()
    yield from served(partial(QuietHandler, directory=str(tmp_path / "site")))


@pytest.fixture
def cutting_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    yield from served(CutHandler)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty data directory."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def published(*urls: str, content: bytes = CONTENT) -> Published:
    return Published("some/folder/file.bin", urls, len(content), sha256(content))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_comes_whole_and_leaves_no_scratch(site: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site/a.bin").write_bytes(CONTENT)
    fetch(published(f"{site}/a.bin"), folder)
    assert (folder / "some/folder/file.bin").read_bytes() == CONTENT
    assert everything(folder) == ["some", "some/folder", "some/folder/file.bin"]


def test_a_file_that_is_there_is_not_fetched_again(folder: Path) -> None:
    (folder / "some/folder").mkdir(parents=True)
    (folder / "some/folder/file.bin").write_bytes(b"own")
    fetch(published("http://127.0.0.1:9/none"), folder)
    assert (folder / "some/folder/file.bin").read_bytes() == b"own"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1] + b"?", r"must have the sum sha256:[0-9a-f]{64}, got [0-9a-f]{64}\."),
        (CONTENT[:-1], r"must have 2,500 bytes, got 2,499\."),
        (CONTENT + b"?", r"must have 2,500 bytes, got 2,501\."),
        (b"", r"must have 2,500 bytes, got 0\."),
    ],
)
def test_other_bytes_are_refused_and_nothing_is_kept(
    content: bytes, message: str, site: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "site/a.bin").write_bytes(content)
    with pytest.raises(CorruptFileError, match=rf"file\.bin could not be .* {site}/a\.bin {message}"):
        fetch(published(f"{site}/a.bin"), folder)
    assert everything(folder) == []


def test_the_next_mirror_is_tried(site: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site/wrong.bin").write_bytes(b"?" * len(CONTENT))
    (tmp_path / "site/right.bin").write_bytes(CONTENT)
    fetch(published(f"{site}/none.bin", f"{site}/wrong.bin", f"{site}/right.bin"), folder)
    assert (folder / "some/folder/file.bin").read_bytes() == CONTENT


def test_each_mirrors_failure_is_told(site: str, folder: Path, tmp_path: Path) -> None:
    absent = (tmp_path / "absent").as_uri()
    with pytest.raises(
        MissingDataError, match=rf"{site}/none\.bin: .*404.* {absent}: .*sha256:.*other means"
    ):
        fetch(published(f"{site}/none.bin", absent), folder)
    assert everything(folder) == []


def test_a_connection_cut_half_way(cutting_site: str, folder: Path) -> None:
    with pytest.raises(
        (CorruptFileError, MissingDataError), match="could not be downloaded, and nothing was"
    ):
        fetch(published(f"{cutting_site}/a.bin"), folder)
    assert everything(folder) == []


def test_an_interrupt_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(url: str, target: Path, one: Published) -> None:
        target.write_bytes(CONTENT[:7])
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_retrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(published("https://nowhere.invalid/a.bin"), folder)
    assert everything(folder) == []


def test_an_interrupt_while_bytes_arrive_leaves_nothing(
    site: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(bar: object, size: int) -> None:
        assert [path.name for path in folder.glob("*/*")] == ["download"]
        raise KeyboardInterrupt

    (tmp_path / "site/a.bin").write_bytes(CONTENT)
    monkeypatch.setattr(download._Bar, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(published(f"{site}/a.bin"), folder)
    assert everything(folder) == []


def test_a_server_that_says_nothing_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin"
        with pytest.raises(MissingDataError, match="timed out"):
            fetch(published(url), folder)
    assert everything(folder) == []


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archived(site: str, tmp_path: Path, content: bytes, wanted: dict[str, str]) -> Published:
    (tmp_path / "site" / "a.tar.gz").write_bytes(content)
    return Published("a.tar.gz", (f"{site}/a.tar.gz",), len(content), sha256(content), wanted)


def test_an_archive_gives_what_is_wanted_and_nothing_else(site: str, folder: Path, tmp_path: Path) -> None:
    content = archive({"../evil": b"?", "in/readme": b"text", "in/one": b"1", "in/two": b"22"})
    fetch(archived(site, tmp_path, content, {"in/one": sha256(b"1"), "in/two": sha256(b"22")}), folder)
    assert everything(folder) == ["in", "in/one", "in/two"]
    assert (folder / "in/two").read_bytes() == b"22"
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive({"in/one": b"1", "in/two/file": b"22"}), r"a\.tar\.gz must hold .*in/two"),
        (archive({"in/one": b"1"}), r"a\.tar\.gz must hold .*in/two"),
        (archive({"in/one": b"1", "in/two": b"23"}), r"a\.tar\.gz: in/two must have the sum"),
        (b"no archive", r"a\.tar\.gz must be a tar archive"),
        (archive({"in/one": b"1", "in/two": np.random.default_rng(0).bytes(4000)})[:-900], "tar archive"),
    ],
)
def test_a_wrong_archive_is_refused_whole(
    content: bytes, message: str, site: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorruptFileError, match=message):
        fetch(archived(site, tmp_path, content, {"in/one": sha256(b"1"), "in/two": sha256(b"22")}), folder)
    assert everything(folder) == []


def labelled(n: int) -> tuple[bytes, bytes]:
    pixels = np.random.default_rng(n).integers(0, 256, n * 784, dtype=np.uint8).tobytes()
    size = n.to_bytes(4, "big")
    header = b"\x00\x00\x08\x03" + size + (28).to_bytes(4, "big") * 2
    labels = b"\x00\x00\x08\x01" + size + (np.arange(n) % 10).astype(np.uint8).tobytes()
    return gzip.compress(header + pixels), gzip.compress(labels)


def moved(one: Published, content: bytes, site: str, root: Path) -> Published:
    """The same file with other bytes, on the server of this test."""
    name = Path(one.path).name
    (root / name).write_bytes(content)
    return replace(one, urls=(f"{site}/{name}",), size=len(content), checksum=sha256(content))


@pytest.mark.parametrize(("name", "constant"), [("mnist", "MNIST"), ("fashion-mnist", "FASHION_MNIST")])
def test_a_task_downloads_what_it_lacks(
    name: str, constant: str, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [*labelled(50), *labelled(20)]
    files = [
        moved(one, content, site, tmp_path / "site")
        for one, content in zip(getattr(images, constant), contents, strict=True)
    ]
    monkeypatch.setattr(images, constant, files)
    data = tmp_path / "new" / "folder"
    task = load_task(name, data=data, val=10, download=True)
    assert [len(task.train), len(task.val), len(task.test)] == [40, 10, 20]
    assert [(data / one.path).read_bytes() for one in files] == contents
    for path in (tmp_path / "site").iterdir():
        path.unlink()
    # One unpacked file counts as there; all is read without the server.
    packed = data / files[1].path
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert load_task(name, data=data, val=10, download=True).fingerprint == task.fingerprint


def test_cifar10_comes_out_of_its_archive(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "CIFAR_RECORDS", 10)
    rng = np.random.default_rng(0)
    members = {
        name: np.c_[np.arange(10), rng.integers(0, 256, (10, 3072))].astype(np.uint8).tobytes()
        for name in CIFAR10[0].members
    }
    (one,) = CIFAR10
    one = moved(
        one, archive({"cifar-10-batches-bin/readme.html": b"text", **members}), site, tmp_path / "site"
    )
    one = replace(one, members={name: sha256(content) for name, content in members.items()})
    monkeypatch.setattr(images, "CIFAR10", [one])
    task = load_task("cifar10", data=tmp_path / "data", val=10, download=True)
    assert [len(task.train), len(task.val), len(task.test)] == [40, 10, 10]
    assert everything(tmp_path / "data") == ["cifar-10-batches-bin", *sorted(members)]


def test_the_published_files_are_the_known_ones() -> None:
    files = [*MNIST, *FASHION_MNIST, *CIFAR10]
    assert len({one.checksum for one in files}) == len(files) == 9
    for one in files:
        assert len(one.urls) >= 2
        assert one.urls[0].startswith("https://")
        assert {Path(url).name for url in one.urls} == {Path(one.path).name}
        for checksum in (one.checksum, *one.members.values()):
            algorithm, digits = checksum.split(":")
            assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
    assert len(CIFAR10[0].files) == 6


@pytest.mark.skipif(not os.environ.get("NNSTRUCT_DATA"), reason="NNSTRUCT_DATA is not set")
@pytest.mark.parametrize("one", [*MNIST, *FASHION_MNIST, *CIFAR10], ids=lambda one: one.path)
def test_real_files_have_the_published_sums(one: Published) -> None:
    sums = one.members or {one.path: one.checksum}
    for name, checksum in sums.items():
        path = Path(os.environ["NNSTRUCT_DATA"]) / name
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        algorithm, digits = checksum.split(":")
        with path.open("rb") as file:
            assert hashlib.file_digest(file, algorithm).hexdigest() == digits
        assert one.members or path.stat().st_size == one.size


fetching = typer.Typer()


@fetching.command()
def make(name: str, download: Download = False) -> None:
    load_task(name, val=10)


def test_a_command_may_be_allowed_to_download(tmp_path, monkeypatch) -> None:
    fetched = []
    monkeypatch.setattr("nnstruct.tasks.download.fetch", lambda one, folder: fetched.append(one.path))
    monkeypatch.setenv("NNSTRUCT_DATA", str(tmp_path))
    for words, expected in ((["mnist"], 0), (["mnist", "--download"], 4)):
        fetched.clear()
        result = CliRunner().invoke(fetching, words)
        assert isinstance(result.exception, MissingDataError), "what was fetched is not there in this test"
        assert len(fetched) == expected
        assert "NNSTRUCT_DOWNLOAD" not in os.environ, "for the length of the command alone"
