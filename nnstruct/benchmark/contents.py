"""Reading a benchmark folder, finished or not, without writing to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from nnstruct.benchmark import tables
from nnstruct.benchmark.manifest import Manifest, read_manifest
from nnstruct.benchmark.record_rows import RecordRows, held_rows, verified_rows
from nnstruct.benchmark.weights import KeptWeights, WeightFile
from nnstruct.errors import CorruptFileError, NnstructError
from nnstruct.files import read_verified
from nnstruct.structure.interchange import arrow_schema

DATA, SHARDS = "data", "shards"
STRUCTURES = f"{DATA}/structures.parquet"
RECORDS = f"{DATA}/records.parquet"
COSTS = f"{DATA}/costs.parquet"
BASE = (STRUCTURES, RECORDS, COSTS)
SCHEMAS = {STRUCTURES: arrow_schema(), RECORDS: tables.RECORD_SCHEMA, COSTS: tables.COST_SCHEMA}
_SHARD_NAME = re.compile(r"(structures|records|weights)-(\d{6,})-([0-9a-f]{16})\.(parquet|safetensors)")
_MERGED_WEIGHTS = re.compile(rf"{DATA}/weights-\d{{5,}}-([0-9a-f]{{16}})\.safetensors")
_ATTEMPTS = 5


class Shard(NamedTuple):
    """An append-only file; its name holds its place in the sequence and the start of its SHA-256."""

    sequence: int
    kind: str
    digits: str
    path: Path

    @property
    def name(self) -> str:
        """Path within the benchmark folder."""
        return f"{SHARDS}/{self.path.name}"


def shard_path(folder: Path, kind: str, sequence: int, digest: str) -> Path:
    """Where a shard with that content belongs.

    Parameters
    ----------
    folder : Path
    kind : {"structures", "records", "weights"}
    sequence : int
        Its place among the shards, from 1.
    digest : str
        SHA-256 of its bytes in hexadecimal digits.

    Returns
    -------
    Path
    """
    suffix = "safetensors" if kind == "weights" else "parquet"
    return folder / SHARDS / f"{kind}-{sequence:06d}-{digest[:16]}.{suffix}"


def merged_weights_name(number: int, digest: str) -> str:
    """Path within the benchmark folder of a merged file of weights; its name tells its content.

    Parameters
    ----------
    number : int
        From 1 on.
    digest : str
        SHA-256 of its bytes in hexadecimal digits.

    Returns
    -------
    str
    """
    return f"{DATA}/weights-{number:05d}-{digest[:16]}.safetensors"


def is_merged_weights(name: str) -> bool:
    """Whether a path within the benchmark folder is that of a merged file of weights.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return _MERGED_WEIGHTS.fullmatch(name) is not None


def weight_file(folder: Path, manifest: Manifest, name: str) -> WeightFile:
    """A file of weights, merged or a shard, to be read later.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    name : str
        Path within the folder.

    Returns
    -------
    WeightFile
    """
    entry = manifest.files.get(name)
    digits = entry.sha256 if entry else name.rpartition("-")[2].partition(".")[0]
    return WeightFile(folder / name, digits, remedy(folder))


def remedy(folder: Path) -> str:
    """What to do about a damaged file, in a sentence.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    str
    """
    return (
        f"Restore it from a copy, or set damaged files aside with "
        f"nnstruct.benchmark.repair({str(folder)!r}) and run build again: "
        "what only they held is trained again."
    )


def list_shards(folder: Path) -> list[Shard]:
    """Every shard on the disk in sequence; left-over temporary files are not among them.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Shard

    Raises
    ------
    CorruptFileError
        If the name of a Parquet or safetensors file is not a shard's.
    """
    shards = []
    found = [*(folder / SHARDS).glob("*.parquet"), *(folder / SHARDS).glob("*.safetensors")]
    for path in sorted(found):
        if path.name.startswith("."):
            continue
        match = _SHARD_NAME.fullmatch(path.name)
        if match is None:
            raise CorruptFileError(
                f"{path} is not named like a shard (kind-sequence-hash), so its content cannot be "
                "verified. Move it out of the folder."
            )
        shards.append(Shard(int(match[2]), match[1], match[3], path))
    return sorted(shards)


@dataclass(frozen=True)
class Contents:
    """What a benchmark folder holds.

    Attributes
    ----------
    manifest : Manifest
    structures : pyarrow.Table
        One row a fingerprint, in the order in which they were added.
    rows : RecordRows
        One row a key, in their order.
    weights : KeptWeights
        Their files are verified when something of them is first read.
    """

    manifest: Manifest
    structures: pa.Table
    rows: RecordRows
    weights: KeptWeights = field(default_factory=KeptWeights)

    @property
    def records(self) -> pa.Table:
        """The rows as a table with every column of a shard."""
        return self.rows.table


def read_contents(folder: Path) -> Contents:
    """Read and verify a folder, also while another process writes to it.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Contents

    Raises
    ------
    MissingDataError
        If there is no benchmark.
    CorruptFileError
        If a listed file is missing or any file is damaged; the message names it.
    """
    for _ in range(_ATTEMPTS):
        manifest = read_manifest(folder)
        problem: Exception | None = None
        try:
            contents = _read(folder, manifest)
        except (NnstructError, FileNotFoundError) as error:
            problem = error
        # A writer that merged the shards between our looks has replaced the manifest first.
        if read_manifest(folder) != manifest:
            continue
        if problem is None:
            return contents
        if isinstance(problem, FileNotFoundError) and not isinstance(problem, NnstructError):
            raise missing_file(folder, problem.filename) from problem
        raise problem
    raise CorruptFileError(f"{folder} was rewritten {_ATTEMPTS} times while it was read. Read it again.")


def missing_file(folder: Path, path: object) -> CorruptFileError:
    """The error for a file that the manifest lists and the disk does not have.

    Parameters
    ----------
    folder : Path
        The benchmark.
    path : path
        The file.

    Returns
    -------
    CorruptFileError
        To be raised by the caller.
    """
    return CorruptFileError(f"{path} is missing though the manifest lists it. {remedy(folder)}")


def _read(folder: Path, manifest: Manifest) -> Contents:
    live = [shard for shard in list_shards(folder) if shard.sequence > manifest.compacted_through]
    on_disk = {shard.name for shard in live}
    merged = sorted(filter(is_merged_weights, manifest.files))
    on_disk |= {name for name in merged if (folder / name).exists()}
    for name in manifest.files:
        if name not in BASE and name not in on_disk:
            raise missing_file(folder, folder / name)
    structures = [read_base(folder, manifest, STRUCTURES)]
    shards: list[pa.Table] = []
    for shard in live:
        if shard.kind != "weights":
            kind = structures if shard.kind == "structures" else shards
            kind.append(read_shard(folder, manifest, shard))
    names = [*merged, *(shard.name for shard in live if shard.kind == "weights")]
    return Contents(
        manifest,
        structures[0]
        if len(structures) == 1
        else tables.first_of_each(pa.concat_tables(structures), ("fingerprint",)),
        _read_rows(folder, manifest, shards),
        KeptWeights([weight_file(folder, manifest, name) for name in names]),
    )


def _read_rows(folder: Path, manifest: Manifest, shards: list[pa.Table]) -> RecordRows:
    """Merged records, and those of shards."""
    if not shards and {RECORDS, COSTS} <= manifest.files.keys():
        rows = verified_rows(
            _places(folder, manifest, RECORDS), _places(folder, manifest, COSTS), remedy(folder)
        )
        if rows is not None:
            return rows
    base_records = read_base(folder, manifest, RECORDS)
    records = [tables.join_costs(base_records, read_base(folder, manifest, COSTS)), *shards]
    table = tables.first_of_each(tables.failures_last(pa.concat_tables(records)), tables.KEY)
    return held_rows(tables.sorted_by_key(table))


def _places(folder: Path, manifest: Manifest, name: str) -> tuple[list[Path], str]:
    """Where a merged file may lie, and its hash."""
    digest = manifest.files[name].sha256
    return [staged_path(folder, name, digest), folder / name], digest


def read_shard(folder: Path, manifest: Manifest, shard: Shard) -> pa.Table:
    """A shard's rows; its hash must fit its name and, where listed, the manifest.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    shard : Shard
        Of structures or records.

    Returns
    -------
    pyarrow.Table
        With the columns of structures or of records, by the shard's kind.

    Raises
    ------
    CorruptFileError
        If a hash or a column does not fit.
    """
    entry = manifest.files.get(shard.name)
    table = read_verified(shard.path, entry.sha256 if entry else shard.digits, remedy(folder))
    schema = arrow_schema() if shard.kind == "structures" else tables.SHARD_SCHEMA
    return tables.check_schema(table, schema, shard.path, remedy(folder))


def count_rows(folder: Path, manifest: Manifest, shard: Shard) -> int:
    """How many structures, records or networks a shard holds, once it is verified.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    shard : Shard

    Returns
    -------
    int

    Raises
    ------
    CorruptFileError
        If a hash or the content does not fit.
    """
    if shard.kind != "weights":
        return read_shard(folder, manifest, shard).num_rows
    groups, lost = weight_file(folder, manifest, shard.name).contents
    return len(lost) + sum(len(group.rows) for group in groups)


def read_base(folder: Path, manifest: Manifest, name: str) -> pa.Table:
    """A merged file's rows; none where nothing has been merged yet.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    name : str
        One of ``BASE``.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    CorruptFileError
        If its hash or a column does not fit.
    FileNotFoundError
        If the manifest lists it and it is not there.
    """
    entry = manifest.files.get(name)
    if entry is None:
        return SCHEMAS[name].empty_table()
    try:
        table = read_verified(staged_path(folder, name, entry.sha256), entry.sha256, remedy(folder))
    except FileNotFoundError:
        table = read_verified(folder / name, entry.sha256, remedy(folder))
    return tables.check_schema(table, SCHEMAS[name], folder / name, remedy(folder))


def staged_path(folder: Path, name: str, digest: str) -> Path:
    """Where a merged file waits between the manifest that lists it and its final name.

    Parameters
    ----------
    folder : Path
    name : str
        One of ``BASE``.
    digest : str
        SHA-256 of its bytes in hexadecimal digits.

    Returns
    -------
    Path
    """
    target = folder / name
    return target.with_name(f".{target.stem}-{digest[:16]}.new")
