"""Rows computed in this process, kept for the next call."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.structure import Structure


def content_key(structure: Structure) -> bytes:
    """16 bytes that are equal for equal structures (same labels, family, flags and attributes).

    The fingerprint would also be equal for relabelled structures, whose measures may differ in the last
    bit. Then a value would depend on which of them was computed first. The fingerprint also takes longer to
    compute than the measures.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bytes

    Examples
    --------
    >>> from nnstruct import Structure
    >>> content_key(Structure.from_layers([2, 3])) == content_key(Structure.from_layers([2, 3]))
    True
    """
    attributes = repr(tuple(structure.attributes.items())) if structure.attributes else ""
    header = f"{structure.family}|{structure.num_units}|{structure.num_edges}|{attributes}|"
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for array in (structure.edge_index, structure.recurrent, structure.inputs, structure.outputs):
        digest.update(array.data)
    return digest.digest()


class RowCache:
    """A bounded mapping from (family, content key) to a row; the least recently used leave first.

    Parameters
    ----------
    capacity : int
        Most rows kept.

    Examples
    --------
    >>> cache = RowCache(capacity=1)
    >>> cache.put("paper", b"a", np.zeros(2))
    >>> cache.put("paper", b"b", np.ones(2))
    >>> cache.get("paper", b"a") is None, len(cache)
    (True, 1)
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = check_integer(capacity, "capacity")
        self._rows: OrderedDict[tuple[str, bytes], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, family: str, key: bytes) -> np.ndarray | None:
        """The row kept for a structure; it then counts as the one used last.

        Parameters
        ----------
        family : str
            Of measures.
        key : bytes
            From :func:`content_key`.

        Returns
        -------
        float64 [measures], or None
            None where it is not kept.
        """
        with self._lock:
            row = self._rows.get((family, key))
            if row is not None:
                self._rows.move_to_end((family, key))
            return row

    def put(self, family: str, key: bytes, row: np.ndarray) -> None:
        """Keep a row; where there are too many, the least recently used leave.

        Parameters
        ----------
        family : str
            Of measures.
        key : bytes
            From :func:`content_key`.
        row : float64 [measures]
            Kept as it is, not copied.
        """
        with self._lock:
            self._rows[family, key] = row
            self._rows.move_to_end((family, key))
            while len(self._rows) > self.capacity:
                self._rows.popitem(last=False)

    def clear(self) -> None:
        """Forget every row."""
        with self._lock:
            self._rows.clear()

    def __len__(self) -> int:
        return len(self._rows)


# About 50 MB when full.
ROWS = RowCache(capacity=100_000)
