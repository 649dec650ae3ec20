"""Rows computed in this process, kept for the next call."""

from __future__ import annotations

import hashlib

import numpy as np

from nnstruct.caches import LookupCache
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
    if structure.residual.any():
        digest.update(structure.residual.data)
    return digest.digest()


# By family and content key; about 50 MB when full.
ROWS: LookupCache[tuple[str, bytes], np.ndarray] = LookupCache(capacity=100_000)
