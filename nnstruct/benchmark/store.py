"""Writing a benchmark folder: shards while training runs, merged tables when it is done.

The manifest is the point of commitment. A merge writes the new tables under staging names, then
replaces the manifest, which lists their hashes, and only then moves them over the old ones and
deletes the shards. A process killed at any moment therefore leaves a folder that the next one
can read and complete.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import filelock
import pyarrow as pa

from nnstruct import files
from nnstruct.benchmark import manifest as manifests
from nnstruct.benchmark import tables
from nnstruct.benchmark.contents import (
    BASE,
    COSTS,
    DATA,
    RECORDS,
    SHARDS,
    STRUCTURES,
    Contents,
    count_rows,
    is_merged_weights,
    list_shards,
    missing_file,
    read_base,
    read_contents,
    shard_path,
    staged_path,
    weight_file,
)
from nnstruct.benchmark.manifest import DEFAULT_METRIC, FileEntry, Manifest, TaskEntry
from nnstruct.benchmark.mending import rebuild_manifest, set_aside
from nnstruct.benchmark.weight_file import Kept, weight_bytes
from nnstruct.benchmark.weight_merge import clear_unlisted, write_merged
from nnstruct.checks import is_number
from nnstruct.errors import CorruptFileError, FileTooLargeError, FolderBusyError, InvalidInputError
from nnstruct.record import Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.interchange import to_arrow

MAX_SHARDS = 1000
_PARTS = [f"{part}/*.{kind}" for part in (DATA, SHARDS) for kind in ("parquet", "safetensors")]
_LOCK, _HOLDER = ".lock", ".holder"


class FolderLock:
    """Lets one process write to a benchmark folder.

    Parameters
    ----------
    folder : Path
    wait : float
        Seconds to wait for another holder; ``math.inf`` waits for ever.
    """

    def __init__(self, folder: Path, wait: float = 0.0) -> None:
        self.folder, self.wait = folder, wait
        self._lock = filelock.FileLock(folder / _LOCK, thread_local=False)

    def __enter__(self) -> FolderLock:
        if not is_number(self.wait) or not self.wait >= 0:
            raise InvalidInputError("wait", "be a number of seconds, at least 0", self.wait)
        if (self.folder / _LOCK).is_symlink():
            hint = "Remove it: what it leads to must not be written into."
            raise CorruptFileError(f"{self.folder / _LOCK} is a link, no file. {hint}")
        try:
            self._lock.acquire(timeout=-1 if self.wait == float("inf") else self.wait)
        except filelock.Timeout:
            raise FolderBusyError(
                f"{self.folder} is being written by {self._holder()}. Wait until it is done "
                "(wait=SECONDS does that), or write to another folder."
            ) from None
        # Who holds it is a courtesy to others; failing to say so is no reason to stop.
        with suppress(OSError):
            holder = {"process": os.getpid(), "host": socket.gethostname()}
            files.write_atomically(self.folder / _HOLDER, json.dumps(holder).encode())
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            (self.folder / _HOLDER).unlink()
        self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads((self.folder / _HOLDER).read_text())
            return f"process {holder['process']} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


class Store:
    """A benchmark folder open for writing; a context manager that holds the folder's lock.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    task : str
        Name of the task.
    task_fingerprint : str
    configs : sequence of TrainConfig
        Those of the records to come.
    metric : str
        Name of the metric that scores the task.
    wait : float
        Seconds to wait for another writer.

    Raises
    ------
    FolderBusyError
        If another process holds the folder.
    InvalidInputError
        If the folder holds another task's records.
    CorruptFileError
        If a file is missing or damaged.
    """

    def __init__(
        self,
        folder: str | Path,
        task: str,
        task_fingerprint: str,
        configs: Sequence[TrainConfig],
        *,
        metric: str = DEFAULT_METRIC,
        wait: float = 0.0,
    ) -> None:
        self.folder = Path(folder)
        self.task = TaskEntry(name=task, fingerprint=task_fingerprint, metric=metric)
        self.configs = list(configs)
        self._lock = FolderLock(self.folder, wait)
        self._manifest: Manifest
        self._next = 1
        self._num_shards = 0
        self._merged = False

    def __enter__(self) -> Store:
        for folder in (self.folder, self.folder / DATA, self.folder / SHARDS):
            folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(self._lock)
            self._manifest = self._open_manifest()
            _recover(self.folder, self._manifest)
            self._adopt_shards()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def read(self) -> Contents:
        """Everything in the folder, verified.

        Returns
        -------
        Contents
        """
        return read_contents(self.folder)

    def add_structures(self, structures: Iterable[Structure]) -> None:
        """Append structures; they are on the disk when this returns.

        Parameters
        ----------
        structures : iterable of Structure
            Of a fingerprint that is there already, the first one stays.
        """
        table = to_arrow(structures)
        if table.num_rows:
            self._write_shard("structures", table)

    def add_records(self, records: Iterable[Record]) -> None:
        """Append records; they are on the disk when this returns.

        Parameters
        ----------
        records : iterable of Record
            Of structures and configurations that the folder knows; of a key that is there already, the
            first record stays.
        """
        table = tables.without_empty_reason(tables.to_arrow(records))
        if table.num_rows:
            self._write_shard("records", table)
        if self._num_shards >= MAX_SHARDS:
            self.compact()

    def add_weights(self, kept: Iterable[Kept]) -> None:
        """Append trained weights; to be called before :meth:`add_records` with their records.

        Parameters
        ----------
        kept : iterable of (WeightKey, parameters or None)
            Of a key that is there already, the first weights stay; those of no record go with the next merge.
        """
        portion = list(kept)
        if portion:
            self._write("weights", weight_bytes(self.task.fingerprint, portion))

    def compact(self) -> bool:
        """Merge the shards into ``data/``, whose bytes depend on nothing but the records.

        Returns
        -------
        bool
            Whether there was anything to merge, now or since the folder was opened.
        """
        if not self._num_shards and all(name in self._manifest.files for name in BASE):
            return self._merged
        contents = self.read()
        records = contents.records
        merged = {
            STRUCTURES: contents.structures,
            RECORDS: records.select(tables.RECORD_SCHEMA.names),
            COSTS: tables.without_empty_reason(records.select(tables.COST_SCHEMA.names)),
        }
        entries = {name: self._stage(name, table) for name, table in merged.items()}
        entries |= write_merged(self.folder, self.task.fingerprint, contents.weights, tables.keys(records))
        after = self._manifest.model_copy(
            update={
                "files": entries,
                "compacted_through": self._next - 1,
                "seeds": sorted(set(records.column("seed").to_pylist())),
            }
        )
        after.note_libraries()
        manifests.write_manifest(self.folder, after)
        self._manifest, self._num_shards, self._merged = after, 0, True
        _recover(self.folder, after)
        return True

    # ---- opening

    def _open_manifest(self) -> Manifest:
        path = self.folder / manifests.NAME
        if not path.exists():
            strays = [path for pattern in _PARTS for path in self.folder.glob(pattern)]
            if strays:
                raise CorruptFileError(
                    f"{path} is missing though {strays[0]} is there. Restore it from a copy, or write to "
                    "another folder."
                )
            manifest = Manifest(task=self.task)
        else:
            manifest = manifests.read_manifest(self.folder)
        if manifest.task.fingerprint != self.task.fingerprint:
            raise InvalidInputError(
                "task",
                f"be that of the folder {self.folder} ({manifest.task.name!r}, data "
                f"{manifest.task.fingerprint})",
                f"{self.task.name} (data {self.task.fingerprint})",
                "Write to another folder.",
            )
        before = manifest.model_copy(deep=True)
        if self.task.metric != DEFAULT_METRIC:  # which a manifest that was written anew does not know
            manifest.task = manifest.task.model_copy(update={"metric": self.task.metric})
        manifest.configs.update({config.id: config for config in self.configs})
        manifest.note_libraries()
        if manifest != before or not path.exists():
            manifests.write_manifest(self.folder, manifest)
        return manifest

    def _adopt_shards(self) -> None:
        shards = list_shards(self.folder)
        for name in self._manifest.files:
            if name not in BASE and not (self.folder / name).exists():
                raise missing_file(self.folder, self.folder / name)
        found = {shard: count_rows(self.folder, self._manifest, shard) for shard in shards}
        new = {shard: rows for shard, rows in found.items() if shard.name not in self._manifest.files}
        for shard, rows in new.items():
            self._manifest.files[shard.name] = _entry(shard.path.read_bytes(), rows)
        if new:
            manifests.write_manifest(self.folder, self._manifest)
        self._num_shards = len(shards)
        self._next = 1 + max([self._manifest.compacted_through, *(shard.sequence for shard in shards)])

    # ---- writing

    def _write_shard(self, kind: str, table: pa.Table) -> None:
        # The manifest does not list it yet: its name vouches for it, and a rewrite for each shard
        # would cost more with every shard.
        self._write(kind, files.parquet_bytes(table))

    def _write(self, kind: str, data: bytes) -> None:
        files.write_atomically(shard_path(self.folder, kind, self._next, files.sha256(data)), data)
        self._next += 1
        self._num_shards += 1

    def _stage(self, name: str, table: pa.Table) -> FileEntry:
        data = files.parquet_bytes(table)
        entry = _entry(data, table.num_rows)
        # Atomically: a table that did not change has the staging name that the manifest in force
        # looks for, and must never be seen there in part.
        files.write_atomically(staged_path(self.folder, name, entry.sha256), data)
        return entry


def _entry(data: bytes, rows: int) -> FileEntry:
    return FileEntry(sha256=files.sha256(data), bytes=len(data), rows=rows)


def _recover(folder: Path, manifest: Manifest) -> None:
    """Complete a merge that the manifest commits to, and clear what no file list names."""
    for name in BASE:
        entry = manifest.files.get(name)
        staged = staged_path(folder, name, entry.sha256) if entry else None
        if staged is not None and staged.exists():
            files.move(staged, folder / name)
    files.sync_folder(folder / DATA)
    for pattern in (f"{DATA}/.*.new", f"{DATA}/.*.tmp", f"{SHARDS}/.*.tmp", f".{manifests.NAME}.tmp"):
        for path in folder.glob(pattern):
            files.remove(path)
    clear_unlisted(folder, manifest)
    for shard in list_shards(folder):
        if shard.sequence <= manifest.compacted_through:
            files.remove(shard.path)


def repair(folder: str | Path) -> list[Path]:
    """Set damaged files aside, so that the next ``build`` trains again what only they held.

    A manifest that was lost is written anew from what vouches for itself; a warning says for what it cannot.

    Parameters
    ----------
    folder : path

    Returns
    -------
    list of Path
        Where the damaged files now are: the folder ``damaged`` within ``folder``. A file that was
        missing is in the list under its old name.

    Raises
    ------
    MissingDataError
        If the folder holds no benchmark.
    CorruptFileError
        If the manifest is damaged, or lost while no record tells the task.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct.benchmark import repair
    >>> repair(tempfile.mkdtemp())
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: ... is not a benchmark folder: it has no manifest.json.
    """
    root = Path(folder)
    lost = root.is_dir() and not (root / manifests.NAME).exists()
    if not lost:
        manifests.read_manifest(root)
    with FolderLock(root):
        aside: list[Path] = rebuild_manifest(root) if lost else []
        manifest = manifests.read_manifest(root)
        _recover(root, manifest)
        for shard in list_shards(root):
            try:
                count_rows(root, manifest, shard)
            except FileTooLargeError:  # whole, perhaps: no reason to set it aside
                raise
            except CorruptFileError:
                aside.append(set_aside(root, shard.path))
                manifest.files.pop(shard.name, None)
        for name in [name for name in manifest.files if not (root / name).exists() and name not in BASE]:
            aside.append(root / name)
            del manifest.files[name]
        for name in [name for name in BASE if name in manifest.files]:
            try:
                read_base(root, manifest, name)
            except FileNotFoundError:
                aside.append(root / name)
                del manifest.files[name]
            except CorruptFileError:
                aside.append(set_aside(root, root / name))
                del manifest.files[name]
        for name in filter(is_merged_weights, list(manifest.files)):
            try:
                _ = weight_file(root, manifest, name).contents
            except CorruptFileError:
                aside.append(set_aside(root, root / name))
                del manifest.files[name]
        manifests.write_manifest(root, manifest)
        return aside
