"""A Parquet file that is verified as a whole and read column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nnstruct.errors import CorruptFileError
from nnstruct.files import read_verified
from nnstruct.reading import open_file, read_bytes, reading
from nnstruct.unpacking import check_columns, check_texts

_BLOCK = 1 << 20


class VerifiedParquet:
    """A Parquet file whose bytes were compared with their hash, open for columns to be read when needed.

    It stays readable as it is when another process replaces it.

    Parameters
    ----------
    places : sequence of Path
        The first that is there is taken.
    expected : str
        Leading hexadecimal digits of the SHA-256, at least 16.
    remedy : str
        What to do about a damaged file; it ends the error's message.
    coded : sequence of str
        Columns of text to be read as dictionaries.

    Raises
    ------
    FileNotFoundError
        If it is at none of the places.
    CorruptFileError
        If the file is of another kind, truncated or altered.
    """

    def __init__(self, places: Sequence[Path], expected: str, remedy: str, coded: Sequence[str] = ()) -> None:
        found = [path for path in places if path.exists()]
        self.path, self._remedy = (found or places)[0], remedy
        self._coded = set(coded)
        with suppress(FileNotFoundError):  # said again by what follows
            open_file(self.path).close()
        self._file = pa.OSFile(str(self.path), "rb")
        digest = hashlib.sha256()
        while block := self._file.read(_BLOCK):
            digest.update(block)
        if not digest.hexdigest().startswith(expected):
            read_verified(self.path, expected, remedy)  # it says what is wrong
            raise CorruptFileError(f"{self.path} changed while it was read. Read it again.")
        self._file.seek(0)
        with self._reading():
            names = pq.read_schema(self._file).names
            there = set(names)
            if len(there) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise CorruptFileError(f"{self.path} has more than one column {twice!r}. {remedy}")
            self._parquet = pq.ParquetFile(
                self._file,
                page_checksum_verification=True,
                read_dictionary=[name for name in coded if name in there],
            )

    @property
    def names(self) -> list[str]:
        """Its columns."""
        return list(self._parquet.schema_arrow.names)

    def read(self, columns: Sequence[str] | None) -> pa.Table:
        """Some columns, as far as they are there.

        Parameters
        ----------
        columns : sequence of str or None
            None for all.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        CorruptFileError
            If the file holds no Parquet.
        """
        with self._reading():
            uncertain = check_columns(self._parquet.metadata, self.path, columns)
            if set(uncertain) - self._coded:
                check_texts(pa.py_buffer(read_bytes(self.path)), uncertain, self.path)
            return self._parquet.read(None if columns is None else list(columns), use_threads=False)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with reading(self.path, "readable as Parquet", self._remedy):
            yield
