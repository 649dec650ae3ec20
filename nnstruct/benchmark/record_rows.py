"""Records of a finished folder: what is short is read at once, curves when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nnstruct.benchmark import tables
from nnstruct.benchmark.verified_parquet import VerifiedParquet
from nnstruct.errors import CorruptFileError

if TYPE_CHECKING:
    import pandas as pd

WORDS = tuple(name for name in tables.COLUMNS if tables.SHARD_SCHEMA.field(name).type == pa.string())
_SHORT = tuple(name for name in tables.RECORD_SCHEMA.names if name not in tables.CURVES)


class RecordRows:
    """Rows of records in the order of their keys.

    Parameters
    ----------
    short : pyarrow.Table
        Every column of a record but for the curves; text is coded by dictionaries.
    curves : callable
        Reads some columns of curves of all rows.
    chosen : int64 [n], optional
        Rows of both that count; by default all.
    """

    def __init__(
        self, short: pa.Table, curves: Callable[[Sequence[str]], pa.Table], chosen: np.ndarray | None = None
    ) -> None:
        self._short, self._read_curves, self._chosen = short, curves, chosen
        self.path: Path | None = None  # of the file that has all these rows and no others
        self._objects: dict[str, np.ndarray] = {}  # curves by column, once they were asked for

    def __len__(self) -> int:
        return self._short.num_rows if self._chosen is None else len(self._chosen)

    def __getstate__(self) -> dict[str, Any]:
        # An open file stays in its process.
        curves = self._read_curves(tables.CURVES)
        return {
            "path": None,
            "_objects": {},
            "_short": self._short,
            "_read_curves": _Held(curves),
            "_chosen": self._chosen,
        }

    def take(self, rows: np.ndarray) -> RecordRows:
        """Some of the rows.

        Parameters
        ----------
        rows : bool [n]

        Returns
        -------
        RecordRows
        """
        if rows.all():
            return self
        places = np.flatnonzero(rows)
        chosen = places if self._chosen is None else self._chosen[places]
        return RecordRows(self._short, self._read_curves, chosen)

    def values(self, name: str) -> np.ndarray:
        """A column of numbers.

        Parameters
        ----------
        name : str

        Returns
        -------
        array [n]
        """
        return self._column(name).to_numpy()

    def words(self, name: str) -> tuple[list[str], np.ndarray]:
        """A column of text, by its distinct values.

        Parameters
        ----------
        name : str

        Returns
        -------
        (list of str, int64 [n])
            Sorted values, and for each row the place of its value.
        """
        column = self._column(name).unify_dictionaries()
        if not column.num_chunks or not len(column):
            return [], np.zeros(0, dtype=np.int64)
        words = column.chunk(0).dictionary.to_pylist()
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks]).astype(np.int64)
        used = np.flatnonzero(np.bincount(codes, minlength=len(words)))
        order = sorted(used.tolist(), key=words.__getitem__)
        place = np.zeros(len(words), dtype=np.int64)
        place[order] = np.arange(len(order))
        return [words[code] for code in order], place[codes]

    def frame(self, columns: Sequence[str] = tables.COLUMNS) -> pd.DataFrame:
        """The rows as a pandas table; curves are float64 arrays.

        Parameters
        ----------
        columns : sequence of str

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        made: dict[str, Any] = {}
        for name in columns:
            if name in WORDS:
                words, codes = self.words(name)
                made[name] = np.array(words, dtype=object)[codes] if words else np.zeros(0, dtype=object)
            elif name not in tables.CURVES:
                made[name] = self.values(name)
        table = pd.DataFrame(made, columns=[name for name in columns if name not in tables.CURVES])
        curves = [name for name in columns if name in tables.CURVES]
        if curves:
            self._read(curves)
            for name in curves:
                table[name] = self._objects[name]
        return table[list(columns)]

    def _read(self, curves: Sequence[str]) -> None:
        """Have the arrays of some columns of curves in memory; further labels ask for them again."""
        missing = [name for name in curves if name not in self._objects]
        if missing:
            read = self._curves(missing).to_pandas()
            self._objects |= {name: read[name].to_numpy() for name in missing}

    @cached_property
    def table(self) -> pa.Table:
        """The rows as a table with the columns of a shard."""
        parts = {name: self._column(name) for name in self._short.column_names}
        curves = self._curves(tables.CURVES)
        parts |= {name: curves.column(name) for name in tables.CURVES}
        names = tables.SHARD_SCHEMA.names
        return pa.table(
            [parts[name].cast(tables.SHARD_SCHEMA.field(name).type) for name in names], names
        ).cast(tables.SHARD_SCHEMA)

    def _curves(self, names: Sequence[str]) -> pa.Table:
        read = self._read_curves(names)
        return read if self._chosen is None else read.take(pa.array(self._chosen))

    def _column(self, name: str) -> pa.ChunkedArray:
        column = self._short.column(name)
        return column if self._chosen is None else column.take(pa.array(self._chosen))


class _Held:
    """Curves that are in memory already."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __call__(self, names: Sequence[str]) -> pa.Table:
        return self.table.select(list(names))


def held_rows(table: pa.Table) -> RecordRows:
    """Rows of a table in memory.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of a shard, in the order of their keys.

    Returns
    -------
    RecordRows
    """
    short = table.drop_columns(list(tables.CURVES))
    coded = [
        pc.dictionary_encode(short.column(n)) if n in WORDS else short.column(n) for n in short.column_names
    ]
    return RecordRows(pa.table(coded, short.column_names), _Held(table.select(list(tables.CURVES))))


def verified_rows(
    records: tuple[Sequence[Path], str], costs: tuple[Sequence[Path], str], remedy: str
) -> RecordRows | None:
    """Rows of the merged files of a folder.

    Parameters
    ----------
    records, costs : (sequence of Path, str)
        Where a file may be, the first that is there counts, and its SHA-256.
    remedy : str
        What to do about a damaged file, in a sentence.

    Returns
    -------
    RecordRows or None
        None where costs stand in another order than records; then the tables have to be joined.

    Raises
    ------
    FileNotFoundError
        If a file is at none of its places.
    CorruptFileError
        If a file is altered, truncated, of another kind, or lacks a column.
    """
    file = VerifiedParquet(*records, remedy, WORDS)
    short = _checked(file.read(_SHORT), tables.RECORD_SCHEMA, file.path, remedy)
    paid_file = VerifiedParquet(*costs, remedy, WORDS)
    paid = _checked(paid_file.read(None), tables.COST_SCHEMA, paid_file.path, remedy)
    on = ["fingerprint", "config_id", "seed"]
    if not short.select(on).equals(paid.select(on)):
        return None
    for name in (*tables.MEASURED, tables.REASON):
        short = short.append_column(name, paid.column(name))
    missing = set(tables.CURVES) - set(file.names)
    if missing:
        raise CorruptFileError(f"{file.path} has no column {min(missing)!r}. {remedy}")
    if os.name == "nt":  # an open file could not be replaced there
        return RecordRows(short, _Held(_curves(file, tables.CURVES, short.num_rows, remedy)))
    rows = RecordRows(short, lambda names: _curves(file, names, short.num_rows, remedy))
    rows.path = file.path
    return rows


def _curves(file: VerifiedParquet, names: Sequence[str], rows: int, remedy: str) -> pa.Table:
    table = file.read(names)
    for name in names:
        due = tables.SHARD_SCHEMA.field(name).type
        column = table.column(name)
        if column.type != due or column.null_count or len(column) != rows:
            raise CorruptFileError(f"{file.path}: column {name!r} has gaps or is no {due}. {remedy}")
    return table


def _checked(table: pa.Table, schema: pa.Schema, path: Path, remedy: str) -> pa.Table:
    """The table with the columns of a schema, but for curves; text coded by dictionaries."""
    if tables.REASON in schema.names and tables.REASON not in table.column_names:
        empty = pc.dictionary_encode(pa.repeat("", table.num_rows))
        table = table.append_column(tables.REASON, empty)
    names = [name for name in schema.names if name not in tables.CURVES]
    for name in names:
        if table.column_names.count(name) != 1:
            many = "no" if name not in table.column_names else "more than one"
            raise CorruptFileError(f"{path} has {many} column {name!r}. {remedy}")
        found, due = table.schema.field(name).type, schema.field(name).type
        if name in WORDS:
            due = pa.dictionary(pa.int32(), pa.string())
        if found != due:
            raise CorruptFileError(f"{path}: column {name!r} is {found}, not {due}. {remedy}")
        if table.column(name).null_count:
            raise CorruptFileError(f"{path}: column {name!r} has gaps. {remedy}")
    return table.select(names)
