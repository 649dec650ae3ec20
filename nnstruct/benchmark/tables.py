"""Records as Arrow tables: what a shard holds, and what a finished benchmark ships."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nnstruct.errors import CorruptFileError
from nnstruct.reading import reading
from nnstruct.record import STATUS_FAILED, Record

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("train_loss", "val_loss", "val")
KEY = ("fingerprint", "task_fingerprint", "config_id", "seed")
MEASURED = ("seconds", "engine")
REASON = "reason"  # only where a training failed: files without such a one are as they were before
COLUMNS = tuple(field.name for field in fields(Record))

_TYPES = {
    **dict.fromkeys(COLUMNS, pa.string()),
    **dict.fromkeys(CURVES, pa.list_(pa.float64())),
    **dict.fromkeys(("test", "test_loss", "seconds"), pa.float64()),
    **dict.fromkeys(("seed", "parameters"), pa.int64()),
}


def _schema(names: Iterable[str]) -> pa.Schema:
    return pa.schema([pa.field(name, _TYPES[name], nullable=False) for name in names])


SHARD_SCHEMA = _schema(COLUMNS)
RECORD_SCHEMA = _schema(name for name in COLUMNS if name not in (*MEASURED, REASON))
COST_SCHEMA = _schema(("fingerprint", "config_id", "seed", *MEASURED, REASON))


def to_arrow(records: Iterable[Record]) -> pa.Table:
    """Records as an Arrow table, one row each.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    pyarrow.Table
        A column for every field of :class:`nnstruct.record.Record`; see :data:`SHARD_SCHEMA`.
    """
    rows = list(records)
    columns = [_column(name, [getattr(row, name) for row in rows]) for name in COLUMNS]
    return pa.Table.from_arrays(columns, schema=SHARD_SCHEMA)


def _column(name: str, values: Sequence) -> pa.Array:
    if name in CURVES:
        # One bit pattern for every NaN, so that equal records are equal bytes.
        curves = [np.asarray(curve, dtype=np.float64) for curve in values]
        values = [np.where(np.isnan(curve), np.nan, curve) for curve in curves]
    elif _TYPES[name] == pa.float64():
        scalars = np.asarray(values, dtype=np.float64)
        values = np.where(np.isnan(scalars), np.nan, scalars).tolist()
    return pa.array(values, type=_TYPES[name], from_pandas=False)


def to_records(frame: pd.DataFrame) -> list[Record]:
    """The records of a benchmark's table.

    Parameters
    ----------
    frame : pandas.DataFrame

    Returns
    -------
    list of Record
    """
    return [Record(**dict(zip(COLUMNS, row, strict=True))) for row in frame[list(COLUMNS)].itertuples(False)]


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A pandas table of records; curves are float64 arrays.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of :data:`SHARD_SCHEMA`.

    Returns
    -------
    pandas.DataFrame
    """
    return table.select(list(COLUMNS)).to_pandas()


def check_schema(table: pa.Table, schema: pa.Schema, path: Path, remedy: str) -> pa.Table:
    """The table with exactly a schema's columns.

    Parameters
    ----------
    table : pyarrow.Table
    schema : pyarrow.Schema
    path : path
        Where the table was read, for the error.
    remedy : str
        What the error adds.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    CorruptFileError
        If a column is missing or of another type.
    """
    if REASON in schema.names and REASON not in table.column_names:
        table = table.append_column(SHARD_SCHEMA.field(REASON), pa.repeat("", table.num_rows))
    for field in schema:
        if table.column_names.count(field.name) != 1:
            found = "no" if field.name not in table.column_names else "more than one"
            raise CorruptFileError(f"{path} has {found} column {field.name!r}. {remedy}")
        if table.schema.field(field.name).type != field.type:
            found = table.schema.field(field.name).type
            raise CorruptFileError(f"{path}: column {field.name!r} is {found}, not {field.type}. {remedy}")
    with reading(path, "a table without gaps", remedy):
        return table.select(schema.names).cast(schema)


def without_empty_reason(table: pa.Table) -> pa.Table:
    """The table as it is written: without the reasons of failures where there are none.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    import pyarrow.compute as pc

    if REASON in table.column_names and not pc.any(pc.not_equal(table.column(REASON), "")).as_py():
        return table.drop_columns([REASON])
    return table


def failures_last(table: pa.Table) -> pa.Table:
    """The same rows with those of failed trainings last, so that a later success stands before them.

    Parameters
    ----------
    table : pyarrow.Table
        With a column ``status``.

    Returns
    -------
    pyarrow.Table
    """
    import pyarrow.compute as pc

    failed = pc.equal(table.column("status"), STATUS_FAILED)
    if not pc.any(failed).as_py():
        return table
    return pa.concat_tables([table.filter(pc.invert(failed)), table.filter(failed)])


def keys(table: pa.Table) -> list[tuple[str, str, str, int]]:
    """:attr:`nnstruct.record.Record.key` of every row.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    list of (str, str, str, int)
    """
    return list(zip(*(table.column(name).to_pylist() for name in KEY), strict=True))


def frame_keys(frame: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """The key of each record of a pandas table.

    Parameters
    ----------
    frame : pandas.DataFrame

    Returns
    -------
    list of (fingerprint, task fingerprint, config_id, seed)
    """
    return list(zip(*(frame[name].tolist() for name in KEY), strict=True))


def first_of_each(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    """The rows whose values in some columns have not stood in an earlier row.

    Parameters
    ----------
    table : pyarrow.Table
    columns : tuple of str

    Returns
    -------
    pyarrow.Table
    """
    repeated = table.select(list(columns)).to_pandas().duplicated().to_numpy()
    return table.filter(pa.array(~repeated)) if repeated.any() else table


def sorted_by_key(table: pa.Table) -> pa.Table:
    """Rows in the order of :data:`KEY`.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    return table.sort_by([(name, "ascending") for name in KEY])


def join_costs(records: pa.Table, costs: pa.Table) -> pa.Table:
    """Records and what they cost in one table.

    Parameters
    ----------
    records : pyarrow.Table
        With the columns of :data:`RECORD_SCHEMA`.
    costs : pyarrow.Table
        With those of :data:`COST_SCHEMA`, in any order of rows.

    Returns
    -------
    pyarrow.Table
        With those of :data:`SHARD_SCHEMA`; a record without a cost gets NaN seconds and no engine.
    """
    on = ["fingerprint", "config_id", "seed"]
    if records.select(on).equals(costs.select(on)):
        whole = records.append_column(SHARD_SCHEMA.field("seconds"), costs.column("seconds"))
        for name in ("engine", REASON):
            whole = whole.append_column(SHARD_SCHEMA.field(name), costs.column(name))
        return whole.select(list(COLUMNS)).cast(SHARD_SCHEMA)
    left = records.select(on).to_pandas()
    right = costs.to_pandas().drop_duplicates(on)
    joined = left.merge(right, on=on, how="left", validate="many_to_one")
    for name, default in (("seconds", np.nan), ("engine", ""), (REASON, "")):
        values = joined[name].fillna(default).tolist()
        records = records.append_column(SHARD_SCHEMA.field(name), _column(name, values))
    return records.select(list(COLUMNS)).cast(SHARD_SCHEMA)
