"""A manifest that was lost, put together again from what vouches for itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from nnstruct import files
from nnstruct.benchmark import manifest as manifests
from nnstruct.benchmark import tables
from nnstruct.benchmark.contents import (
    BASE,
    DATA,
    RECORDS,
    SCHEMAS,
    STRUCTURES,
    is_merged_weights,
    list_shards,
    read_shard,
    remedy,
)
from nnstruct.benchmark.manifest import FileEntry, Manifest, TaskEntry
from nnstruct.errors import CorruptFileError, FileTooLargeError, MissingDataError
from nnstruct.reading import read_bytes
from nnstruct.structure.interchange import from_arrow
from nnstruct.unpacking import read_parquet

_UNKNOWN = TaskEntry(name="", fingerprint="")


def rebuild_manifest(folder: Path) -> list[Path]:
    """Write the ``manifest.json`` of a benchmark folder that lost it; whoever calls holds the folder's lock.

    Shards and files of weights carry the start of their SHA-256 in their names. Merged tables are believed
    where the checksums of all their pages fit and every structure has its fingerprint; others are left out
    and set aside.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
        Files that are damaged, in the folder ``damaged``.

    Raises
    ------
    MissingDataError
        If the folder holds nothing of a benchmark.
    CorruptFileError
        If no record tells the task, or records are of several tasks.

    Warns
    -----
    UserWarning
        Of what the new manifest cannot vouch for.
    """
    if not any((folder / name).exists() for name in BASE) and not list_shards(folder):
        raise MissingDataError(f"{folder} is not a benchmark folder: it has no {manifests.NAME}.")
    entries: dict[str, FileEntry] = {}
    aside: list[Path] = []
    told: list[pa.Table] = []
    _put_staged_in_place(folder)
    for name in BASE:
        if (folder / name).exists():
            try:
                table = _believed(folder, name)
            except FileTooLargeError:
                raise
            except CorruptFileError:
                aside.append(set_aside(folder, folder / name))
                continue
            data = read_bytes(folder / name)
            entries[name] = FileEntry(sha256=files.sha256(data), bytes=len(data), rows=table.num_rows)
            told += [table] if name == RECORDS else []
    seeds = sorted({seed for table in told for seed in table.column("seed").to_pylist()})
    entries |= _weights(folder)
    blank = Manifest(task=_UNKNOWN)
    for shard in list_shards(folder):
        if shard.kind == "records":
            try:
                told.append(read_shard(folder, blank, shard))
            except FileTooLargeError:
                raise
            except CorruptFileError:
                continue  # repair sets it aside
    tasks = set(_tasks(told))
    if len(tasks) != 1:
        found = "no task" if not tasks else f"{len(tasks)} tasks"
        raise CorruptFileError(f"{folder} has no {manifests.NAME}, and its records tell of {found}.")
    ((name, fingerprint),) = tasks
    manifest = Manifest(task=TaskEntry(name=name, fingerprint=fingerprint), seeds=seeds, files=entries)
    manifests.write_manifest(folder, manifest)
    ids = sorted({config for table in told for config in table.column("config_id").to_pylist()})
    merged = [name for name in BASE if name in entries]
    whole = f" {', '.join(merged)} as wholes, though each of their pages has the right checksum, nor for"
    warnings.warn(
        f"{folder / manifests.NAME} was written anew. It cannot vouch for{whole if merged else ''} what the"
        f" configurations {', '.join(ids)} are and which versions of libraries wrote the records. The next"
        " build with a configuration enters it again.",
        UserWarning,
        stacklevel=3,
    )
    return aside


def set_aside(folder: Path, path: Path) -> Path:
    """Move a damaged file into the folder ``damaged``.

    Parameters
    ----------
    folder : Path
        The benchmark.
    path : Path

    Returns
    -------
    Path
        Where it is now.
    """
    (folder / "damaged").mkdir(exist_ok=True)
    target = folder / "damaged" / path.name
    files.move(path, target)
    return target


def _believed(folder: Path, name: str) -> pa.Table:
    table = tables.check_schema(read_parquet(folder / name), SCHEMAS[name], folder / name, remedy(folder))
    if name == STRUCTURES:
        from_arrow(table)
    return table


def _weights(folder: Path) -> dict[str, FileEntry]:
    entries = {}
    for path in sorted((folder / DATA).glob("weights-*.safetensors")):
        name = f"{DATA}/{path.name}"
        data = read_bytes(path)
        digest = files.sha256(data)
        if is_merged_weights(name) and digest.startswith(path.stem.rpartition("-")[2]):
            entries[name] = FileEntry(sha256=digest, bytes=len(data), rows=0)
    return entries


def _put_staged_in_place(folder: Path) -> None:
    """A merge that was cut short left its tables beside the old ones; their names tell their SHA-256."""
    for name in BASE:
        for path in sorted((folder / DATA).glob(f".{Path(name).stem}-*.new")):
            if files.sha256(read_bytes(path)).startswith(path.stem.rpartition("-")[2]):
                files.move(path, folder / name)


def _tasks(records: list[pa.Table]) -> Iterator[tuple[str, str]]:
    for table in records:
        yield from zip(
            table.column("task").to_pylist(), table.column("task_fingerprint").to_pylist(), strict=True
        )
