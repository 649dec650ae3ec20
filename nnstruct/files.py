"""Files that are whole or absent: written aside, flushed to the disk, renamed; checked on reading."""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.errors import CorruptFileError
from nnstruct.reading import read_bytes, reading, with_name
from nnstruct.unpacking import read_parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAGIC = b"PAR1"
TMP_SUFFIX = ".tmp"


def sha256(data: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part.

    The bytes go to ``.<name>.tmp`` in the same folder, are flushed to the disk and renamed; then
    the folder's entry is flushed too. Where writing fails nothing is left beside the old file.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    data : bytes

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.files import write_atomically
    >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> write_atomically(path, b"r2,0.9")
    >>> path.read_bytes(), [entry.name for entry in path.parent.iterdir()]
    (b'r2,0.9', ['scores.csv'])
    """
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[str | bytes]) -> None:
    """As :func:`write_atomically`, of what comes part by part and is never held as a whole.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    parts : iterable of str or bytes
        Written one after the other, text as UTF-8.

    Raises
    ------
    OSError
        If the disk is full, say; it names the file.
    """
    tmp = path.with_name(f".{path.name}{TMP_SUFFIX}")
    try:
        _write_new(tmp, parts)
        move(tmp, path)
    except BaseException as error:
        with suppress(OSError):
            remove(tmp)
        if isinstance(error, OSError) and with_name(error, path) is not error:
            raise with_name(error, path) from error
        raise
    sync_folder(path.parent)


def cache_root() -> Path:
    """Where this user's compiled kernels and keys lie.

    Returns
    -------
    Path
        What ``NNSTRUCT_CACHE`` says, or ``nnstruct`` in ``XDG_CACHE_HOME`` or ``~/.cache``.

    Raises
    ------
    RuntimeError
        If nobody knows the home folder.
    """
    own, shared = os.environ.get("NNSTRUCT_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(shared) if os.path.isabs(shared) else Path("~/.cache")
    return (Path(own) if own else folder / "nnstruct").expanduser().absolute()


def write_secret(path: Path, data: bytes) -> None:
    """Write bytes to a new file that its owner alone may read.

    Parameters
    ----------
    path : Path
    data : bytes

    Raises
    ------
    FileExistsError
        If there is such a file.
    """
    _fill(path, [data], 0o600)


def _write_new(path: Path, parts: Iterable[str | bytes]) -> None:
    # A file of that name is a rest, or a link to a file elsewhere: neither is written into.
    remove(path)
    _fill(path, parts, 0o666)


def _fill(path: Path, parts: Iterable[str | bytes], mode: int) -> None:
    """Write a file that is not there yet, and wait until the disk has it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, mode), "wb") as file:
        for part in parts:
            file.write(part.encode() if isinstance(part, str) else part)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(source: Path, target: Path) -> None:
    """Rename a file that another program or library wrote, once the disk has all of it.

    Parameters
    ----------
    source, target : Path
        On one file system. A target that exists is replaced.
    """
    with open(source, "rb+") as file:
        os.fsync(file.fileno())
    move(source, target)
    sync_folder(target.parent)


def write_and_sync(path: Path, data: bytes) -> None:
    """Write bytes to a new file, in the place of one that was there, and wait until the disk has them."""
    try:
        _write_new(path, [data])
    except OSError as error:
        raise with_name(error, path) from error


def move(source: Path, target: Path) -> None:
    """Rename within one file system, over the target where it exists."""
    os.replace(source, target)


def remove(path: Path) -> None:
    """Delete a file; one that is already gone is no error."""
    path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's entries (a no-op where folders cannot be opened)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file with page checksums.

    Equal tables give equal bytes with one release of pyarrow: chunks are combined and the settings
    are fixed, and the file holds neither time nor place.
    """
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        buffer,
        version="2.6",
        compression="zstd",
        compression_level=3,
        row_group_size=65536,
        write_page_checksum=True,
    )
    return buffer.getvalue()


def frame_bytes(frame: pd.DataFrame) -> bytes:
    """A pandas table, with its index, as a Parquet file with page checksums."""
    import pyarrow as pa

    return parquet_bytes(pa.Table.from_pandas(frame))


def read_verified(path: Path, expected: str, remedy: str) -> pa.Table:
    """Read a Parquet file whose SHA-256 starts with ``expected``.

    Parameters
    ----------
    path : Path
    expected : str
        Leading hexadecimal digits of the SHA-256, at least 16.
    remedy : str
        What to do about a damaged file; it ends the error's message.

    Raises
    ------
    FileNotFoundError
    CorruptFileError
        If the file is of another kind, truncated or altered.
    """
    data = read_bytes(path)
    if data[:4] != MAGIC:
        raise CorruptFileError(f"{path} is not a Parquet file but {_kind(data)}. {remedy}")
    found = sha256(data)
    if not found.startswith(expected):
        what = "truncated" if data[-4:] != MAGIC else "altered"
        raise CorruptFileError(
            f"{path} is {what}: its SHA-256 starts with {found[:16]}, not {expected[:16]}. {remedy}"
        )
    with reading(path, "readable as Parquet", remedy):
        return read_parquet(path, data=data)


def _kind(data: bytes) -> str:
    if not data:
        return "empty"
    if data[:2] == b"PK":
        return "a zip archive (torch.save and numpy.savez write those)"
    try:
        # Names the opcodes and runs none of them.
        next(iter(pickletools.genops(data)))
        if data[:1] == b"\x80":
            return "a pickle"
    except (ValueError, StopIteration):
        pass
    return f"starts with {data[:4]!r}"
