"""Large arrays that workers of one machine share: files in memory, swept once their owner is gone.

Each process that needs one has a folder of its own, which holds the file ``owner``. The process keeps that
file locked as long as it lives, and the system lets go of the lock however the process ends. A folder whose
owner's file can be locked is therefore nobody's, and the next build removes it.
"""

from __future__ import annotations

import atexit
import mmap
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nnstruct.files import remove

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEAST_BYTES = 1 << 20
_MEMORY = Path("/dev/shm")
_OWNER = "owner"
_GRACE = 60.0  # seconds that a folder without an owner's file is left alone: it may be just being made
_held: dict[int, tuple[Path, int]] = {}  # by process, so that a forked one does not take it for its own


def places() -> list[Path]:
    """Where folders may lie: in memory, or else among temporary files.

    Returns
    -------
    list of Path
    """
    return [place for place in (_MEMORY, Path(tempfile.gettempdir())) if place.is_dir()]


@contextmanager
def shared_file(parts: Sequence[Any]) -> Iterator[Path | None]:
    """A file with some runs of bytes, one after the other, as long as it is needed.

    Parameters
    ----------
    parts : sequence of bytes-like

    Yields
    ------
    Path or None
        None where they are too few to be worth a file, or the system has no locks.
    """
    size = sum(memoryview(part).nbytes for part in parts)
    if size < LEAST_BYTES or fcntl is None:
        yield None
        return
    path = _folder(size) / secrets.token_hex(8)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
        yield path
    finally:
        remove(path)


def mapped(path: str | Path, lengths: Sequence[int]) -> list[memoryview]:
    """The runs of bytes of a shared file; writing into them changes this process's copy only.

    Parameters
    ----------
    path : path
    lengths : sequence of int
        Bytes of each run.

    Returns
    -------
    list of memoryview
    """
    with open(path, "rb") as file:
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def sweep() -> list[Path]:
    """Remove this user's folders whose owner is gone.

    Returns
    -------
    list of Path
        Those removed.
    """
    swept: list[Path] = []
    if fcntl is None:
        return swept
    for place in places():
        for folder in place.glob(f"{_prefix()}*"):
            with suppress(OSError):
                if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _is_nobodys(folder):
                    shutil.rmtree(folder)
                    swept.append(folder)
    return swept


def _is_nobodys(folder: Path) -> bool:
    try:
        handle = os.open(folder / _OWNER, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > _GRACE
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _prefix() -> str:
    return f"nnstruct-{os.getuid()}-"


def _folder(size: int) -> Path:
    """This process's folder, made when it is first needed, where there is room for so many bytes."""
    if os.getpid() not in _held:
        roomy = [place for place in places() if shutil.disk_usage(place).free > 2 * size]
        folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=(roomy or places())[0]))
        # Locked before it has the name that others look for.
        mark = folder / f".{_OWNER}"
        handle = os.open(mark, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        mark.rename(folder / _OWNER)
        _held[os.getpid()] = (folder, handle)
    return _held[os.getpid()][0]


@atexit.register
def _leave() -> None:
    folder, handle = _held.pop(os.getpid(), (None, -1))
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
