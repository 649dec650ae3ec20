"""Files of packed numbers, read within a budget of memory: gzip, zip, npz, Parquet, safetensors."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from os import PathLike
from typing import TYPE_CHECKING, Any

from nnstruct.errors import CorruptFileError, FileTooLargeError
from nnstruct.reading import check_bytes, max_bytes, open_file, read_bytes, reading

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BLOCK = 2**20


def inflated(data: bytes, path: str | PathLike[str], limit: int | None = None) -> bytes:
    """The content of gzip data, which stops as soon as it passes the budget.

    Parameters
    ----------
    data : bytes
    path : path
        Where they were read, for the errors.
    limit : int, optional
        Bytes that may come out; :func:`max_bytes` at most.

    Returns
    -------
    bytes

    Raises
    ------
    FileTooLargeError
        If more comes out.
    CorruptFileError
        If the data are not gzip, or cut short.

    Examples
    --------
    >>> import gzip
    >>> from nnstruct.unpacking import inflated
    >>> inflated(gzip.compress(b"abc"), "abc.gz")
    b'abc'
    >>> inflated(gzip.compress(bytes(10**6)), "zeros.gz", limit=1000)
    Traceback (most recent call last):
    ...
    nnstruct.errors.FileTooLargeError: zeros.gz: more than 1,000 bytes come out of its 1,003 bytes of gzip.
    """
    most = max_bytes() if limit is None else min(limit, max_bytes())
    parts: list[bytes] = []
    total, left = 0, data
    with reading(path, "gzip data"):
        if not left:
            raise EOFError("the file is empty")
        while left:
            stream = zlib.decompressobj(wbits=31)
            piece = left
            while not stream.eof:
                out = stream.decompress(piece, _BLOCK)
                parts.append(out)
                total += len(out)
                if total > most:
                    raise FileTooLargeError(
                        f"{path}: more than {most:,} bytes come out of its {len(data):,} bytes of gzip."
                    )
                piece = stream.unconsumed_tail
                if not out and not piece and not stream.eof:
                    raise EOFError("the data are cut short")
            left = stream.unused_data.lstrip(b"\0")
    return b"".join(parts)


def check_zip(
    archive: zipfile.ZipFile, path: str | PathLike[str], names: Collection[str] | None = None
) -> None:
    """Refuse a zip archive whose members would together take more than the budget.

    Parameters
    ----------
    archive : zipfile.ZipFile
    path : path
        Of the archive, for the error.
    names : collection of str, optional
        Members that will be read; all by default.

    Raises
    ------
    FileTooLargeError
        If they would.
    """
    infos = [each for each in archive.infolist() if names is None or each.filename in names]
    # zipfile reads no more of a member than its header says.
    check_bytes(path, sum(info.file_size for info in infos), f"its {len(infos)} members")


def read_npz(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file; none of them is unpickled.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to array

    Raises
    ------
    FileTooLargeError
        If the arrays would take more than :func:`max_bytes`.
    CorruptFileError
        If the file is damaged or holds objects.
    OSError
        If there is none, or it may not be read.
    """
    import numpy as np

    with reading(path, "a readable .npz file"), open_file(path) as file:
        arrays = {}
        with zipfile.ZipFile(file) as archive:
            check_zip(archive, path)
            total = 0
            for info in archive.infolist():
                with archive.open(info) as member:
                    _, _, dtype, size = npy_header(member)
                total += size
                # What a header says beyond the member's own bytes would be allocated before it is missed.
                if size > info.file_size or dtype.hasobject:
                    raise ValueError(f"{info.filename!r} does not hold the array that it says")
            check_bytes(path, total, "its arrays")
            for info in archive.infolist():
                with archive.open(info) as member:
                    name = info.filename.removesuffix(".npy")
                    arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
        return arrays


def npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """What the header of a ``.npy`` file says.

    Parameters
    ----------
    file : binary file
        At its start.

    Returns
    -------
    shape : tuple of int
    fortran_order : bool
    dtype : numpy.dtype
    size : int
        Bytes of the array.

    Raises
    ------
    ValueError
        If it is no such header.
    """
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if any(size < 0 for size in shape):
        raise ValueError("an array has a negative size")
    return shape, fortran, dtype, math.prod(shape) * dtype.itemsize


def read_parquet(
    path: str | PathLike[str], *, data: bytes | None = None, columns: list[str] | None = None
) -> pa.Table:
    """A Parquet file, once all its columns together are known to fit the budget.

    Parameters
    ----------
    path : path
    data : bytes, optional
        The file's bytes, where they are at hand.
    columns : list of str, optional
        Those to read; all by default.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    FileTooLargeError
        If the columns would take more than :func:`max_bytes`.
    CorruptFileError
        If the file is damaged: page checksums are verified.
    OSError
        If there is none, or it may not be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path, "a readable Parquet file"):
        buffer = pa.py_buffer(read_bytes(path) if data is None else data)
        file = pq.ParquetFile(pa.BufferReader(buffer), page_checksum_verification=True)
        uncertain = check_columns(file.metadata, path, columns)
        if uncertain:
            # A text that stands in the file once can stand in a million rows.
            check_texts(buffer, uncertain, path)
        table = file.read(columns=columns, use_threads=False)
        table.validate()
        return table


_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


def check_columns(
    metadata: Any, path: str | PathLike[str], columns: Collection[str] | None = None
) -> list[str]:
    """Refuse what is too large for certain.

    Parameters
    ----------
    metadata : pyarrow.parquet.FileMetaData
    path : path
        For the error.
    columns : collection of str, optional
        Those to be read; all by default.

    Returns
    -------
    list of str
        Columns of text of which only their values can tell; :func:`check_texts` looks at them.

    Raises
    ------
    FileTooLargeError
        If the columns would take more than :func:`nnstruct.reading.max_bytes`.
    CorruptFileError
        If a length is negative.
    """
    total = 0.0
    uncertain: dict[str, None] = {}
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            top = chunk.path_in_schema.partition(".")[0]
            if columns is not None and top not in columns:
                continue
            values, bytes_ = chunk.num_values, chunk.total_uncompressed_size
            if values < 0 or bytes_ < 0:
                raise CorruptFileError(f"{path}: column {top!r} has a negative length.")
            width = _WIDTHS.get(chunk.physical_type, 8)
            # Values, and the levels that say where lists begin.
            total += max(values * (width + 4), bytes_)
            if chunk.physical_type not in _WIDTHS and values * bytes_ > max_bytes():
                uncertain[top] = None
    check_bytes(path, total, f"its {metadata.num_columns} columns")
    return list(uncertain)


def check_texts(buffer: pa.Buffer, names: list[str], path: str | PathLike[str]) -> None:
    """Refuse columns whose texts together, each as often as it stands, are too large.

    Parameters
    ----------
    buffer : pyarrow.Buffer
        Of the whole file.
    names : list of str
    path : path
        For the error.

    Raises
    ------
    FileTooLargeError
        If they are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(buffer), read_dictionary=names, page_checksum_verification=True)
    total = 0.0
    for name in names:
        for chunk in file.read(columns=[name], use_threads=False).column(0).chunks:
            if pa.types.is_dictionary(chunk.type):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.float64())
                total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0.0
            else:
                total += chunk.nbytes
    check_bytes(path, total, f"the text of its {len(names)} columns")


def read_safetensors(data: bytes, path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Parameters
    ----------
    data : bytes
        Of the whole file.
    path : path
        Where they were read, for the errors.

    Returns
    -------
    dict of str to array

    Raises
    ------
    CorruptFileError
        If the bytes are no safetensors file.
    """
    import safetensors.numpy

    with reading(path, "a safetensors file"):
        return safetensors.numpy.load(data)
