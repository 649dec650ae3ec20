"""An isomorphism-invariant identity for Structures."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnstruct.structure import Structure

# Past this size a unit of a tied class is no longer singled out; the plain refinement stands.
MAX_UNITS_SINGLED_OUT = 4096
_CHUNK = 2_000_000


def fingerprint(structure: Structure) -> str:
    """Hash a structure so that every relabelling of its units gives the same digits.

    Colour refinement (Weisfeiler and Leman, 1968) over typed, directed edges starts from each
    unit's flags and attributes and runs until the partition is stable. Where classes of
    several units remain, each unit of the smallest such class (ties go to the smallest colour)
    is singled out in turn, the refinement is run again, and the results enter as a multiset.
    If the partition is discrete the fingerprint determines the structure up to isomorphism,
    save for collisions of 128-bit hashes; otherwise it is at least as strong as refinement with
    one unit individualised, which tells apart every pair that the benchmarks contain.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> from nnstruct.structure import Structure
    >>> from nnstruct.fingerprint import fingerprint
    >>> a = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    >>> b = Structure([[0, 1, 2], [1, 2, 3]], num_units=4)
    >>> fingerprint(a) == fingerprint(b)
    False
    """
    refine = _Refiner(structure)
    colours = refine(_start_colours(structure)[None])  # [1, N]
    parts = [np.sort(colours[0])]
    values, counts = np.unique(colours[0], return_counts=True)
    if counts.max() > 1 and structure.num_units <= MAX_UNITS_SINGLED_OUT:
        tied = counts > 1
        candidates = values[tied][counts[tied] == counts[tied].min()]
        members = np.flatnonzero(colours[0] == candidates[0])
        per_chunk = max(1, _CHUNK // max(1, structure.num_edges + structure.num_units))
        summaries = []
        for begin in range(0, len(members), per_chunk):
            chunk = members[begin : begin + per_chunk]
            singled = np.repeat(colours, len(chunk), axis=0)
            singled[np.arange(len(chunk)), chunk] = _mix(singled[np.arange(len(chunk)), chunk] ^ _SINGLED)
            summaries.append(_mix(refine(singled)).sum(axis=1, dtype=np.uint64))
        parts.append(np.sort(np.concatenate(summaries)))
    names = ",".join(structure.attributes)
    header = f"{structure.family}|{structure.num_units}|{structure.num_edges}|{names}"
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for part in parts:
        digest.update(part.astype("<u8").tobytes())
    return digest.hexdigest()


_SINGLED = np.uint64(0x5DEECE66D1234567)


def _mix(x: np.ndarray) -> np.ndarray:
    """A bijective scrambling of 64-bit integers (the finaliser of SplitMix64; Steele et al., 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _start_colours(structure: Structure) -> np.ndarray:
    colours = structure.inputs.astype(np.uint64) + 2 * structure.outputs.astype(np.uint64)
    for name, values in structure.attributes.items():
        hashed = [
            int.from_bytes(hashlib.blake2b(f"{name}={type(v).__name__}:{v}".encode(), digest_size=8).digest())
            for v in values
        ]
        colours = _mix(colours) ^ np.array(hashed, dtype=np.uint64)
    return _mix(colours)


class _Refiner:
    """Runs colour refinement on rows of colours [K, N] until no row's partition gets finer."""

    def __init__(self, structure: Structure) -> None:
        self.num_units = structure.num_units
        self.salted_sums = []
        for edges, salt in (
            (structure.forward_edges, 1),
            (structure.forward_edges[::-1], 2),
            (structure.recurrent_edges, 3),
            (structure.recurrent_edges[::-1], 4),
        ):
            if edges.shape[1]:
                order = np.argsort(edges[1], kind="stable")
                targets, starts = np.unique(edges[1][order], return_index=True)
                self.salted_sums.append((edges[0][order], targets, starts, np.uint64(salt)))

    def __call__(self, colours: np.ndarray) -> np.ndarray:
        # A row stops by its own count alone, so that its result does not hang on its companions.
        colours = colours.copy()
        active = np.arange(len(colours))
        classes = self._count(colours)
        while len(active):
            refined = self._step(colours[active])
            colours[active] = refined
            finer = self._count(refined)
            growing = finer > classes
            active, classes = active[growing], finer[growing]
        return colours

    def _step(self, colours: np.ndarray) -> np.ndarray:
        new = _mix(colours)
        for source, targets, starts, salt in self.salted_sums:
            gathered = _mix(colours[:, source] ^ _mix(np.atleast_1d(salt)))  # [K, E]
            sums = np.add.reduceat(gathered, starts, axis=1)  # [K, targets]
            contribution = np.zeros_like(new)
            contribution[:, targets] = _mix(sums)
            new = _mix(new ^ (contribution + salt))
        return new

    def _count(self, colours: np.ndarray) -> np.ndarray:
        ordered = np.sort(colours, axis=1)
        return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
