"""Columns of lists in Arrow tables as numpy arrays, a view a row; pyarrow's own way imports pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_WIDTHS = {"int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64, "uint8": np.uint8}


class ListColumn:
    """The lists of a column, by row.

    Parameters
    ----------
    column : pyarrow.ListArray
        Of integers or booleans.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column = ListColumn(pa.array([[1, 2], [], [3]], pa.list_(pa.int32())))
    >>> column[0].tolist(), column[1].tolist(), len(column)
    ([1, 2], [], 3)
    """

    def __init__(self, column: pa.ListArray) -> None:
        import pyarrow as pa

        if not (pa.types.is_list(column.type) and _is_plain(column.type.value_type)):
            raise TypeError(f"a column holds {column.type}, not lists of integers or booleans")
        self._gaps = column.values.null_count > 0
        self._missing = column.is_null().to_pylist() if column.null_count else []
        places = _numbers(column.buffers()[1], np.dtype(np.int32))
        self._ends = places[column.offset : column.offset + len(column) + 1]
        self._values = _flat(column.values)
        self._length = len(column)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: int) -> np.ndarray:
        if self._gaps or (self._missing and self._missing[row]):
            raise ValueError("a list, or a number in one, is missing")
        start, end = int(self._ends[row]), int(self._ends[row + 1])
        if not 0 <= start <= end <= len(self._values):
            raise ValueError("a list lies outside of its column")
        return self._values[start:end]


def _is_plain(kind: pa.DataType) -> bool:
    return str(kind) in _WIDTHS or str(kind) == "bool"


def _flat(values: pa.Array) -> np.ndarray:
    data, end = values.buffers()[1], values.offset + len(values)
    if str(values.type) == "bool":
        bits = np.unpackbits(_numbers(data, np.dtype(np.uint8)), bitorder="little")
        return bits[values.offset : end].astype(bool)
    return _numbers(data, np.dtype(_WIDTHS[str(values.type)]))[values.offset : end]


def _numbers(data: pa.Buffer | None, kind: np.dtype) -> np.ndarray:
    if data is None:
        return np.zeros(1 if kind == np.int32 else 0, dtype=kind)
    return np.frombuffer(data, dtype=kind, count=data.size // kind.itemsize)
