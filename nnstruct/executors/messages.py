"""Messages between a process and its workers: a count, lengths, and that many runs of bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any, BinaryIO

_COUNT, _LENGTH = struct.Struct("<I"), struct.Struct("<Q")
_OF_SCRIPT = b"__main__"
Parts = list[Any]


def write_message(stream: BinaryIO, parts: Sequence[Any]) -> None:
    """Send some runs of bytes.

    Parameters
    ----------
    stream : file
        Open for writing bytes.
    parts : sequence of bytes-like
    """
    stream.write(_COUNT.pack(len(parts)) + b"".join(_LENGTH.pack(memoryview(part).nbytes) for part in parts))
    for part in parts:
        stream.write(part)
    stream.flush()


def read_message(stream: BinaryIO) -> list[bytearray] | None:
    """The next message; None where the other side has left.

    Parameters
    ----------
    stream : file
        Open for reading bytes.

    Returns
    -------
    list of bytearray, or None
    """
    head = _read(stream, _COUNT.size)
    if head is None:
        return None
    (count,) = _COUNT.unpack(head)
    lengths = _read(stream, count * _LENGTH.size)
    if lengths is None:
        return None
    parts = []
    for (length,) in _LENGTH.iter_unpack(lengths):
        part = _read(stream, length)
        if part is None:
            return None
        parts.append(part)
    return parts


def _read(stream: BinaryIO, length: int) -> bytearray | None:
    data = bytearray(length)
    view, got = memoryview(data), 0
    while got < length:
        size = stream.readinto(view[got:])  # type: ignore[attr-defined]
        if not size:
            return None
        got += size
    return data


def packed(value: Any) -> Parts:
    """A value as runs of bytes: how to put it together, then its arrays as they lie in memory.

    Parameters
    ----------
    value : object
        What a script defines itself, as no worker can import it, is sent with its code.

    Returns
    -------
    list of bytes-like
    """
    try:
        parts = _pickled(value)
    except (AttributeError, TypeError, ValueError):  # such as a function within a function
        return _pickled(_with_code(value))
    return _pickled(_with_code(value)) if _OF_SCRIPT in parts[0] else parts


def unpacked(parts: Sequence[Any]) -> Any:
    """The value of :func:`packed`; arrays share the memory of the parts.

    Parameters
    ----------
    parts : sequence of bytes-like

    Returns
    -------
    object
    """
    return ForkingPickler.loads(parts[0], buffers=parts[1:])


def _pickled(value: Any) -> Parts:
    head, arrays = io.BytesIO(), Parts()
    pickler: Any = ForkingPickler
    pickler(head, 5, True, lambda buffer: arrays.append(buffer.raw())).dump(value)
    return [head.getvalue(), *arrays]


def _with_code(value: Any) -> Any:
    from joblib import wrap_non_picklable_objects

    return wrap_non_picklable_objects(value, keep_wrapper=False)
