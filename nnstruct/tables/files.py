"""Reading a table's file as text, CSV or JSON, with one clear error where it is something else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct import reading
from nnstruct.errors import CorruptFileError, FileTooLargeError, InvalidInputError, MissingDataError
from nnstruct.unpacking import inflated

_CELL = 64  # bytes of memory beside its text


def read_bytes(path: Path) -> bytes:
    """A file's bytes, unpacked where they are packed by gzip.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes

    Raises
    ------
    MissingDataError
        If the path is a folder.
    InvalidInputError
        If it begins like a gzip file and is none.
    FileTooLargeError
        If it is larger than ``NNSTRUCT_MAX_BYTES`` allows, as it lies or unpacked.
    """
    if not path.is_file():
        raise MissingDataError(f"{path} is not a file.")
    data = reading.read_bytes(path)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return inflated(data, path)
    except FileTooLargeError:
        raise
    except CorruptFileError as error:
        raise InvalidInputError(str(path), "be a whole gzip file", str(error)) from error


def read_text(path: Path, hint: str = "") -> str:
    """A file's text in UTF-8.

    Parameters
    ----------
    path : Path
    hint : str
        What to do where it is no text.

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If it is no text: a pickle, for one, which is never loaded.
    """
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(str(path), "be a text file", data[:8], hint) from error


def read_json(path: Path, hint: str = "") -> Any:
    """The value of a JSON file.

    Parameters
    ----------
    path : Path
    hint : str

    Returns
    -------
    Any

    Raises
    ------
    InvalidInputError
        If it is no JSON.
    """
    text = read_text(path, hint)
    try:
        return reading.parse_json(text)
    except ValueError as error:
        raise InvalidInputError(str(path), "be JSON", str(error), hint) from error


def read_csv(path: Path, wanted: Iterable[str], hint: str = "") -> dict[str, list[str]]:
    """The columns of a CSV file by their names in the first line.

    Parameters
    ----------
    path : Path
    wanted : iterable of str
        Columns that must be there.
    hint : str

    Returns
    -------
    dict of str to list of str

    Raises
    ------
    InvalidInputError
        If a column is missing, a line is too short or too long, or there is no line of values.
    """
    text = read_text(path, hint)
    # A cell is a string of its own, a line a list.
    count = text.count(",") + text.count("\n")
    reading.check_bytes(path, 2 * len(text) + _CELL * count, f"its {count:,} cells")
    lines = list(csv.reader(io.StringIO(text)))
    names, rows = (lines[0], [line for line in lines[1:] if line]) if lines else ([], [])
    for name in wanted:
        if name not in names:
            raise InvalidInputError(str(path), f"have a column {name!r}", names, hint)
    if not rows:
        raise InvalidInputError(str(path), "hold at least one row", 0, hint)
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise InvalidInputError(f"{path}: line {number}", f"hold {len(names)} values", len(row))
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def numbers(values: Iterable[Any], field: str) -> np.ndarray:
    """A column as numbers; what is empty or None is NaN.

    Parameters
    ----------
    values : iterable of str, float or None
    field : str
        For the error.

    Returns
    -------
    float [n]

    Raises
    ------
    InvalidInputError
        If a value is no number.
    """
    found = [np.nan if value is None or value == "" else value for value in values]
    try:
        return np.array(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, "hold numbers", str(error)) from error


def mean_and_std(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, sample standard deviation and count of the finite values in each row.

    Parameters
    ----------
    values : float [n, k]

    Returns
    -------
    mean, std : float [n]
        NaN where there is no value, or fewer than two.
    count : int [n]
        At least 1, so that a row without a value has a count too.
    """
    there = np.isfinite(values)
    count = there.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, values, 0.0).sum(axis=1) / np.where(count, count, np.nan)
        squares = np.where(there, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
        std = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return mean, std, np.maximum(count, 1)


def stacked_scores(values: Sequence[Sequence[Any]], field: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`mean_and_std`, of rows of several lengths.

    Parameters
    ----------
    values : sequence of n sequences of float
    field : str
        For the error.

    Returns
    -------
    mean, std : float [n]
    count : int [n]
    """
    widest = max(map(len, values), default=0)
    flat = numbers([x for row in values for x in [*row, *[None] * (widest - len(row))]], field)
    return mean_and_std(flat.reshape(len(values), widest))


def read_objects(path: Path, pattern: str, hint: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The objects of JSON files, each with where it stands.

    Parameters
    ----------
    path : Path
        A folder, or a file with one object or a list of them.
    pattern : str
        Of the names of the files in the folder or below it.
    hint : str

    Returns
    -------
    list of (str, dict)
        By path.

    Raises
    ------
    MissingDataError
        If the folder has no such file.
    InvalidInputError
        If a file holds anything else.
    """
    files = sorted(path.rglob(pattern)) if path.is_dir() else [path]
    if not files:
        raise MissingDataError(f"{path} holds no {pattern}. {hint}")
    found: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        content = read_json(file, hint)
        items = content if isinstance(content, list) else [content]
        if not items or not all(isinstance(item, dict) for item in items):
            raise InvalidInputError(
                str(file), "hold an object, or a list of them", type(content).__name__, hint
            )
        found += [
            (str(file) if item is content else f"{file}: {row}", item) for row, item in enumerate(items)
        ]
    return found
