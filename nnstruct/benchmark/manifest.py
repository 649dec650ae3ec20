"""The manifest says what a benchmark folder holds and how it came about."""

from __future__ import annotations

import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.files import sha256, write_atomically
from nnstruct.reading import read_json
from nnstruct.record import TrainConfig

NAME = "manifest.json"
SCHEMA_VERSION = 1
DEFAULT_METRIC = "accuracy"
_LIBRARIES = ("nnstruct", "numba", "numpy", "pyarrow", "torch")
_REMEDY = "Restore it from a copy of the folder; the records cannot be vouched for without it."


class FileEntry(BaseModel):
    """A file of the benchmark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int
    rows: int


class TaskEntry(BaseModel):
    """The task of every record in the folder; the metric is what its scores are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    metric: str = DEFAULT_METRIC


class Manifest(BaseModel):
    """What a benchmark folder holds.

    Attributes
    ----------
    schema_version : int
    task : TaskEntry
    configs : dict of str to TrainConfig
        By :attr:`TrainConfig.id`.
    seeds : list of int
        Those of the records in ``data/``.
    compacted_through : int
        Shards up to this sequence number are merged into ``data/``; where one is still there, it
        is a left-over.
    files : dict of str to FileEntry
        By path within the folder, with ``/``. A shard that is on the disk but not yet listed
        counts as well: its name carries its hash.
    libraries : list of dict
        Versions that wrote to the folder, each set once.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    task: TaskEntry
    configs: dict[str, TrainConfig] = {}
    seeds: list[int] = []
    compacted_through: int = 0
    files: dict[str, FileEntry] = {}
    libraries: list[dict[str, str]] = []

    def note_libraries(self) -> None:
        """Add the versions in use, unless they are listed."""
        used = library_versions()
        if used not in self.libraries:
            self.libraries.append(used)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a record.

    Returns
    -------
    dict of str to str
        By name; a library that is not installed is left out.
    """
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    # What a process has imported stays as it is, whatever is installed meanwhile.
    found = [("python", platform.python_version())]
    for name in _LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace ``manifest.json`` atomically.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    """
    content = manifest.model_dump()
    if manifest.task.metric == DEFAULT_METRIC:  # as in the manifests of older releases
        del content["task"]["metric"]
    content["checksum"] = _checksum(content)
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / NAME, text.encode())


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` and verify its checksum.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Manifest

    Raises
    ------
    MissingDataError
        If the folder or its manifest is not there.
    CorruptFileError
        If the text is damaged.
    InvalidInputError
        If a newer release wrote it.
    """
    path = folder / NAME
    try:
        content = read_json(path, "JSON", _REMEDY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingDataError(f"{folder} is not a benchmark folder: it has no {NAME}.") from error
    if not isinstance(content, dict) or "checksum" not in content:
        raise CorruptFileError(f"{path} has no checksum. {_REMEDY}")
    found = content.get("schema_version")
    if isinstance(found, int) and found > SCHEMA_VERSION:
        hint = "Update nnstruct: a newer release wrote this folder."
        raise InvalidInputError(f"{path}: schema_version", f"be at most {SCHEMA_VERSION}", found, hint)
    if content.pop("checksum") != _checksum(content):
        raise CorruptFileError(f"{path} was altered: its checksum does not fit its content. {_REMEDY}")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise CorruptFileError(f"{path}: {where}: {problem['msg']}. {_REMEDY}") from error


def _checksum(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
