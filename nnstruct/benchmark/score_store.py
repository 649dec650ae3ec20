"""A folder of scores: Parquet files named by their hashes, and one file that says which of them count.

The new files are written first, then ``scores.json`` replaces the old one, then files that it does not
list are deleted. A process killed at any moment leaves the old benchmark or the new one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from nnstruct import files
from nnstruct.benchmark.contents import DATA
from nnstruct.benchmark.manifest import NAME as MANIFEST
from nnstruct.benchmark.manifest import FileEntry, library_versions
from nnstruct.benchmark.scores import COLUMNS, Rows
from nnstruct.benchmark.store import FolderLock
from nnstruct.checks import is_integer
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.reading import read_json
from nnstruct.structure.interchange import from_arrow, to_arrow

if TYPE_CHECKING:
    import pandas as pd

NAME, SCHEMA_VERSION = "scores.json", 1
_REMEDY = "Restore it from a copy, or make the benchmark again from its source."


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    twins: str
    task: str
    target: str
    files: dict[str, FileEntry]
    bounds: list[tuple[str, str, float | None, float | None]] = []  # task, target, lowest, highest
    libraries: list[dict[str, str]] = []


@dataclass(frozen=True)
class StoredScores:
    """What a folder of scores holds.

    Attributes
    ----------
    rows : Rows
    name, twins, task, target : str
    """

    rows: Rows
    name: str
    twins: str
    task: str
    target: str


def holds_scores(folder: Path) -> bool:
    """Whether a folder is one of scores.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    return (folder / NAME).is_file()


def check_free(folder: Path) -> None:
    """An error where a folder holds records of trainings.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InvalidInputError
    """
    if (folder / MANIFEST).exists():
        hint = "Write to another folder, or merge the two in memory."
        raise InvalidInputError("path", "be a new folder or one of scores", str(folder), hint)


def write_scores(folder: Path, stored: StoredScores) -> None:
    """Write scores over those of the folder.

    Parameters
    ----------
    folder : Path
    stored : StoredScores

    Raises
    ------
    FolderBusyError
        If another process writes to the folder.
    """
    import pandas as pd
    import pyarrow as pa

    rows = stored.rows
    known = pd.DataFrame({"source": rows.source, "index": rows.index})
    if rows.given_groups is not None:
        known["group"] = rows.given_groups
    costs = rows.costs.add_prefix("cost:")
    tables = {
        "structures": to_arrow(rows.structures),
        "rows": pa.Table.from_pandas(pd.concat([known, costs], axis=1), preserve_index=False),
        "scores": pa.Table.from_pandas(rows.scores[list(COLUMNS)], preserve_index=False),
    }
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    with FolderLock(folder):
        entries, versions = {}, [library_versions()]
        if holds_scores(folder):
            versions = [v for v in _read_manifest(folder).libraries if v != versions[0]] + versions
        for kind, table in tables.items():
            data = files.parquet_bytes(table.replace_schema_metadata())
            digest = files.sha256(data)
            name = f"{DATA}/{kind}-{digest[:16]}.parquet"
            files.write_atomically(folder / name, data)
            entries[name] = FileEntry(sha256=digest, bytes=len(data), rows=table.num_rows)
        settings = {name: getattr(stored, name) for name in ("name", "twins", "task", "target")}
        ends = [
            (task, target, low if math.isfinite(low) else None, high if math.isfinite(high) else None)
            for (task, target), (low, high) in sorted(rows.bounds.items())
        ]
        content = _Manifest(files=entries, libraries=versions, bounds=ends, **settings).model_dump(
            mode="json"
        )
        if not ends:  # as older versions read it
            del content["bounds"]
        content["checksum"] = _checksum(content)
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        files.write_atomically(folder / NAME, text.encode())
        for path in (folder / DATA).glob("*.parquet"):
            if f"{DATA}/{path.name}" not in entries:
                files.remove(path)


def read_scores(folder: Path) -> StoredScores:
    """Read a folder of scores and verify every file.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    StoredScores

    Raises
    ------
    MissingDataError
        If the folder holds none.
    CorruptFileError
        If a file is missing, truncated, altered or of another kind; the message names it.
    """
    manifest = _read_manifest(folder)
    tables = {}
    for name, entry in manifest.files.items():
        try:
            tables[name.removeprefix(f"{DATA}/").split("-")[0]] = files.read_verified(
                folder / name, entry.sha256, _REMEDY
            )
        except FileNotFoundError as error:
            raise CorruptFileError(f"{folder / name} is missing though {NAME} lists it. {_REMEDY}") from error
    try:
        rows = replace(_rows(tables), bounds=_bounds(manifest))
    except KeyError as error:
        raise CorruptFileError(
            f"{folder / NAME} lists no {error} or its columns are others. {_REMEDY}"
        ) from error
    return StoredScores(rows, manifest.name, manifest.twins, manifest.task, manifest.target)


def _rows(tables: dict[str, Any]) -> Rows:
    known: pd.DataFrame = tables["rows"].to_pandas()
    scores: pd.DataFrame = tables["scores"].to_pandas()[list(COLUMNS)]
    costs = known[[name for name in known.columns if name.startswith("cost:")]]
    return Rows(
        # The file's hash has been verified: the fingerprints in it need no second look.
        from_arrow(tables["structures"], verify=False),
        scores.astype({"row": np.int64, "seeds": np.int64, "value": np.float64, "std": np.float64}),
        costs.rename(columns=lambda name: name.removeprefix("cost:")),
        known["source"].tolist(),
        known["index"].tolist(),
        known["group"].tolist() if "group" in known else None,
    )


def _bounds(manifest: _Manifest) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        (task, target): (-math.inf if low is None else low, math.inf if high is None else high)
        for task, target, low, high in manifest.bounds
    }


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / NAME
    try:
        content = read_json(path, "JSON", _REMEDY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingDataError(f"{folder} is not a folder of scores: it has no {NAME}.") from error
    if not isinstance(content, dict) or content.pop("checksum", None) != _checksum(content):
        raise CorruptFileError(f"{path} was altered: its checksum does not fit its content. {_REMEDY}")
    found = content.get("schema_version")
    if is_integer(found) and found > SCHEMA_VERSION:
        hint = "Update nnstruct: a newer release wrote this folder."
        raise InvalidInputError(f"{path}: schema_version", f"be at most {SCHEMA_VERSION}", found, hint)
    try:
        return _Manifest.model_validate(content)
    except ValidationError as error:
        raise CorruptFileError(f"{path}: {error.errors()[0]['msg']}. {_REMEDY}") from error


def _checksum(content: dict[str, Any]) -> str:
    return files.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
