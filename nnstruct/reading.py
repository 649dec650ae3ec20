"""What every loader stands on: one error that names the file, and no more memory than a stated budget."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any

from nnstruct.errors import CorruptFileError, FileTooLargeError, InvalidInputError, NnstructError

VARIABLE = "NNSTRUCT_MAX_BYTES"
DEFAULT_BYTES = 2**30
MAX_DEPTH = 200
_SIZE_OF = {"[": 64, "{": 184, ":": 100, ",": 48}  # bytes of memory for each such sign of JSON
# Errors that a library raises about the content: without a number, or for a place that no file has.
_CONTENT = (None, errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
# What a fault of the program raises, not the file.
_OWN = (NameError, ImportError, AssertionError)


def max_bytes() -> int:
    """How much memory the content of one file may take.

    Returns
    -------
    int
        1 GiB, or what the environment variable ``NNSTRUCT_MAX_BYTES`` says.

    Raises
    ------
    InvalidInputError
        If the variable is no positive integer.

    Examples
    --------
    >>> from nnstruct.reading import max_bytes
    >>> max_bytes() == 2**30
    True
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT_BYTES
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise InvalidInputError(VARIABLE, "be a positive integer, in bytes", text)
    return int(text)


def check_bytes(path: str | PathLike[str], size: float, what: str = "its content") -> None:
    """Refuse what would take more memory than :func:`max_bytes`, before any of it is taken.

    Parameters
    ----------
    path : path
        Of the file that asks for it.
    size : float
        In bytes.
    what : str
        What asks, for the error.

    Raises
    ------
    FileTooLargeError
        If it is more.

    Examples
    --------
    >>> from nnstruct.reading import check_bytes
    >>> check_bytes("table.parquet", 2**40, "its 5 columns")
    Traceback (most recent call last):
    ...
    nnstruct.errors.FileTooLargeError: table.parquet: its 5 columns would take 1,099,511,627,776 bytes of
    memory, more than the 1,073,741,824 allowed. Set NNSTRUCT_MAX_BYTES to allow more.
    """
    allowed = max_bytes()
    if not size <= allowed:
        shown = f"{int(size):,}" if math.isfinite(size) and size < 1e18 else "very many"
        raise FileTooLargeError(
            f"{path}: {what} would take {shown} bytes of memory, more than the {allowed:,} allowed. "
            f"Set {VARIABLE} to allow more."
        )


@contextmanager
def reading(path: str | PathLike[str], what: str = "what it should be", remedy: str = "") -> Iterator[None]:
    """Around all that is read from a file: whatever goes wrong becomes one error that names the file.

    What a parser, a table or a checked type raises about the content becomes a
    :class:`CorruptFileError`. Errors that nnstruct raises on purpose stay what they are and get the file's
    name where they lack it; so do errors of the operating system. Errors of the program itself (an unknown
    name, a missing module) pass as they are.

    Parameters
    ----------
    path : path
        Of the file or folder.
    what : str
        What it should be, worded to follow "is not".
    remedy : str
        What to do about a damaged file; it ends the message.

    Yields
    ------
    None

    Raises
    ------
    CorruptFileError
        If the content is not what it should be.

    Examples
    --------
    >>> from nnstruct.reading import reading
    >>> with reading("numbers.txt", "a number"):
    ...     int("x")
    Traceback (most recent call last):
    ...
    nnstruct.errors.CorruptFileError: numbers.txt is not a number: ValueError: invalid literal for int() with
    base 10: 'x'.
    """
    try:
        yield
    except NnstructError as error:
        named = _named(error, path)
        if named is error:
            raise
        raise named from error
    except _OWN:
        raise
    except OSError as error:
        if error.errno in _CONTENT:
            raise CorruptFileError(_sentence(path, what, error, remedy)) from error
        raise with_name(error, path) from error
    except Exception as error:
        raise CorruptFileError(_sentence(path, what, error, remedy)) from error


def with_name(error: OSError, path: str | PathLike[str]) -> OSError:
    """An error of the operating system that names the file; the same one where it names one already.

    Parameters
    ----------
    error : OSError
    path : path

    Returns
    -------
    OSError
    """
    if error.filename is not None or error.errno is None or isinstance(error, NnstructError):
        return error
    return type(error)(error.errno, error.strerror or os.strerror(error.errno), os.fspath(path))


def one_line(error: BaseException, length: int = 200) -> str:
    """What an error says, in one line and without a full stop.

    Parameters
    ----------
    error : BaseException
    length : int
        Characters at most.

    Returns
    -------
    str
    """
    text = " ".join(str(error).split()).rstrip(". ")
    return text if len(text) <= length else text[: length - 3] + "..."


def _sentence(path: str | PathLike[str], what: str, error: BaseException, remedy: str) -> str:
    said = one_line(error)
    why = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"{path} is not {what}: {why}.{' ' if remedy else ''}{remedy}"


def _named(error: NnstructError, path: str | PathLike[str]) -> NnstructError:
    if os.fspath(path) in str(error) or Path(path).name in str(error):
        return error
    # Errors of another constructor tell where they stand by themselves.
    if isinstance(error, InvalidInputError) and type(error).__init__ is InvalidInputError.__init__:
        return type(error)(f"{path}: {error.field}", error.rule, error.value, error.hint)
    if type(error) in (CorruptFileError, FileTooLargeError):
        return type(error)(f"{path}: {error}")
    return error


def open_file(path: str | PathLike[str]) -> IO[bytes]:
    """A regular file, open for reading; a pipe, a socket or a device is refused before it can hang.

    Parameters
    ----------
    path : path

    Returns
    -------
    file
        In binary mode.

    Raises
    ------
    CorruptFileError
        If it is something else than a regular file, which may have no end.
    OSError
        If there is none, or it may not be read.
    """
    # A pipe without a writer would wait for ever.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise CorruptFileError(f"{path} is no regular file (a pipe, a socket or a device).")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | PathLike[str]) -> bytes:
    """All bytes of a regular file, once its size is within :func:`max_bytes`.

    Parameters
    ----------
    path : path

    Returns
    -------
    bytes

    Raises
    ------
    FileTooLargeError
        If it is larger.
    CorruptFileError
        If it is no regular file.
    OSError
        If there is none, or it may not be read.

    Examples
    --------
    >>> import os
    >>> from nnstruct.reading import read_bytes
    >>> read_bytes(os.devnull)
    Traceback (most recent call last):
    ...
    nnstruct.errors.CorruptFileError: ... is no regular file (a pipe, a socket or a device).
    """
    with open_file(path) as file:
        check_bytes(path, os.fstat(file.fileno()).st_size, "the file")
        return file.read()


def read_json(path: str | PathLike[str], what: str = "JSON", remedy: str = "") -> Any:
    """The value in a JSON file.

    Parameters
    ----------
    path : path
    what : str
        What it should be, worded to follow "is not".
    remedy : str
        What to do about a damaged file.

    Returns
    -------
    JSON value

    Raises
    ------
    CorruptFileError
        If it is not JSON, or nested deeper than any value of nnstruct.
    OSError
        If there is none, or it may not be read.
    """
    with reading(path, what, remedy):
        return parse_json(read_bytes(path))


def parse_json(data: bytes | str) -> Any:
    """A JSON value that is not nested too deep to be walked.

    Parameters
    ----------
    data : bytes or str

    Returns
    -------
    JSON value

    Raises
    ------
    ValueError
        If it is not JSON, or nested more than 200 deep.
    FileTooLargeError
        If its values would take more than the budget.

    Examples
    --------
    >>> from nnstruct.reading import parse_json
    >>> parse_json("[" * 1000 + "]" * 1000)
    Traceback (most recent call last):
    ...
    ValueError: it is nested more than 200 deep
    """
    check_bytes("JSON", _json_size(data), "its values")
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from None
    check_depth(value if len(data) > MAX_DEPTH else None)  # a shorter text cannot be nested deeper
    return value


def _json_size(data: bytes | str) -> int:
    """Bytes of memory that JSON values take, about and at most, told by the signs of their text."""
    text = data if isinstance(data, str) else data.decode("latin-1")
    return len(text) + sum(size * text.count(sign) for sign, size in _SIZE_OF.items())


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text; integers of thousands of digits and endless nesting are no TOML.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not TOML, or nested more than 200 deep.
    """
    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse dicts and lists within each other that a recursive function could not walk.

    Parameters
    ----------
    value : JSON value

    Raises
    ------
    ValueError
        If they are nested more than 200 deep.
    """
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(each for each in item.values() if isinstance(each, dict | list))
            elif isinstance(item, list):
                inner.extend(each for each in item if isinstance(each, dict | list))
        level, depth = inner, depth + 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def mapping(value: Any, what: str = "it") -> Mapping[str, Any]:
    """A JSON value that has to be an object.

    Parameters
    ----------
    value : JSON value
    what : str
        What it is, for the error.

    Returns
    -------
    mapping

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object but {type(value).__name__}")
    return value
