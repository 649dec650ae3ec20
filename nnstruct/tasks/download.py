"""Published files come into the data directory: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import IO

from nnstruct.errors import CorruptFileError, MissingDataError
from nnstruct.tasks.published import Published

TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 20


def fetch(published: Published, folder: Path) -> None:
    """Download a published file (and unpack it, if it is an archive), unless it is there already.

    Everything happens in a scratch folder inside ``folder`` that is removed whatever happens; files
    are moved to their places once their checksums are right. Mirrors are tried in turn.

    Parameters
    ----------
    published : Published
    folder : Path
        The data directory, which exists.

    Raises
    ------
    CorruptFileError
        If no mirror has the published bytes and at least one has others.
    MissingDataError
        If no mirror can be read.
    """
    if all((folder / name).is_file() for name in published.files):
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        got = Path(scratch) / "download"
        _fetch_from_a_mirror(published, got)
        if not published.members:
            _move(got, folder / published.path)
        for name, part in _unpacked(published, got, Path(scratch)).items():
            _move(part, folder / name)


def _fetch_from_a_mirror(published: Published, target: Path) -> None:
    failures, corrupt = [], False
    for url in published.urls:
        try:
            _retrieve(url, target, published)
        except CorruptFileError as error:
            corrupt = True
            failures.append(str(error))
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{url}: {error or type(error).__name__}.")
        else:
            return
    kind = CorruptFileError if corrupt else MissingDataError
    raise kind(
        f"{published.path} could not be downloaded, and nothing was kept. {' '.join(failures)} "
        f"Try again, or put the file ({published.checksum}) into the data directory by other means."
    )


def _retrieve(url: str, target: Path, published: Published) -> None:
    from rich.console import Console
    from rich.progress import wrap_file

    request = urllib.request.Request(url, headers={"User-Agent": "nnstruct"})
    console = Console(stderr=True)
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT) as response,
        wrap_file(
            response,
            total=published.size,
            description=published.path,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as source,
    ):
        _copy_checked(source, target, published.checksum, published.size, url)


def _copy_checked(source: IO[bytes], target: Path, checksum: str, size: int | None, name: str) -> None:
    """Copy a stream to a file; its size and its checksum must be right."""
    algorithm, _, expected = checksum.partition(":")
    digest, copied = hashlib.new(algorithm, usedforsecurity=False), 0
    with target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            copied += len(chunk)
            if size is not None and copied > size:
                raise CorruptFileError(f"{name} must have {size:,} bytes, got more.")
            digest.update(chunk)
            sink.write(chunk)
    if size is not None and copied < size:
        raise CorruptFileError(f"{name} must have {size:,} bytes, got {copied:,}.")
    if digest.hexdigest() != expected:
        raise CorruptFileError(f"{name} must have the sum {checksum}, got {digest.hexdigest()}.")


def _unpacked(published: Published, archive: Path, scratch: Path) -> dict[str, Path]:
    """The wanted members, each in a file of its own; no path of the archive is ever used as a path."""
    parts: dict[str, Path] = {}
    if not published.members:
        return parts
    try:
        with tarfile.open(archive, "r:*") as tar:
            for number, (name, checksum) in enumerate(published.members.items()):
                member = tar.extractfile(name)
                if member is None:
                    raise CorruptFileError(f"{published.path}: {name} must be a file.")
                parts[name] = scratch / f"member-{number}"
                _copy_checked(member, parts[name], checksum, None, f"{published.path}: {name}")
    except KeyError as error:
        raise CorruptFileError(f"{published.path} must hold {error.args[0]}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorruptFileError(f"{published.path} must be a tar archive, got: {error}.") from error
    return parts


def _move(part: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, target)
