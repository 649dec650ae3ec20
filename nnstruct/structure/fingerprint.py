"""An isomorphism-invariant identity for Structures."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnstruct.structure.structure import Structure

# Branches times (units + edges) that the search for a complete fingerprint may refine at once.
WORK_LIMIT = 4_000_000

_STAY, _FORWARD, _RECURRENT, _RESIDUAL = 1, 2, 4, 6
_MARKED = np.uint64(0x5DEECE66D1234567)
_NOTHING = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


def fingerprint(structure: Structure) -> str:
    """Hash a structure so that every relabelling of its units gives the same digits.

    Colour refinement (Weisfeiler and Leman, 1968) over typed, directed edges starts from each
    unit's flags, attributes, layer and self-loop and runs until the partition is stable. Tied
    units that are interchangeable, as those of a dense layer, are settled: between their classes
    all edges exist or none. While a class is unsettled, each unit of the smallest one is marked
    in turn and the colours are refined again; of the branches only the rarest kind is followed
    further, as in canonical labelling (McKay and Piperno, 2014, arXiv 1301.1493). Where the edges between
    unsettled classes form a forest, units of one colour are images of each other (Immerman and Lander,
    1990): one branch then stands for all.

    Where every class gets settled, two structures share a fingerprint only if they are
    isomorphic, save for collisions of 64-bit hashes. That is so for all but highly symmetric
    graphs, where the number of branches would pass :data:`WORK_LIMIT`; there the fingerprint
    is still the same under relabelling, and as strong as the levels that were searched.

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
    >>> from nnstruct.structure.fingerprint import fingerprint
    >>> a = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    >>> b = Structure([[0, 1, 2], [1, 2, 3]], num_units=4)
    >>> fingerprint(a) == fingerprint(b)
    False
    """
    refine = _Refiner(structure)
    colours = refine(_start_colours(structure)[None])  # [1, N]
    names = ",".join(structure.attributes)
    header = f"{structure.family}|{structure.num_units}|{structure.num_edges}|{names}"
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    digest.update(np.sort(colours[0]).astype("<u8").tobytes())
    copies = 1  # branches that a row stands for
    for _ in range(structure.num_units):  # each turn marks one unit more
        branch, unit = refine.smallest_unsettled(colours)
        if not len(branch) or copies * len(branch) * refine.size > WORK_LIMIT:
            break
        if len(branch) > 1 and len(colours) == 1 and (copies > 1 or refine.leaves_a_forest(colours)):
            copies *= len(branch)
            branch, unit = branch[:1], unit[:1]
        colours = colours[branch]  # [branches, N]
        rows = np.arange(len(branch))
        colours[rows, unit] = _mix(colours[rows, unit] ^ _MARKED)
        colours = refine(colours)
        kinds = _mix(colours).sum(axis=1, dtype=np.uint64)
        digest.update(np.repeat(np.sort(kinds), copies).astype("<u8").tobytes())
        values, counts = np.unique(kinds, return_counts=True)
        colours = colours[kinds == values[counts.argmin()]]
    return digest.hexdigest()


def _mix(x: np.ndarray) -> np.ndarray:
    """A bijective scrambling of 64-bit integers (the finaliser of SplitMix64; Steele et al., 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


# What an edge adds to the colour of the unit that looks along it: by kind and direction.
_SALTS = _mix(np.arange(_RESIDUAL + 2, dtype=np.uint64))


def _start_colours(structure: Structure) -> np.ndarray:
    source, target = structure.edge_index
    colours = 8 * structure.layer + 2 * structure.outputs + structure.inputs
    colours[source[source == target]] += 4
    colours = colours.astype(np.uint64)
    for name, values in structure.attributes.items():
        hashed = {value: _hash64(f"{name}={type(value).__name__}:{value}") for value in values}
        colours = _mix(colours) ^ np.array([hashed[value] for value in values], dtype=np.uint64)
    return _mix(colours)


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class _Refiner:
    """Runs colour refinement on rows of colours [K, N] until no row's partition gets finer."""

    def __init__(self, structure: Structure) -> None:
        n = structure.num_units
        source, target = structure.edge_index
        kind = np.where(structure.recurrent, _RECURRENT, np.where(structure.residual, _RESIDUAL, _FORWARD))
        units = np.arange(n)
        # Each unit looks at itself and along its edges both ways: L = N + 2 E looks.
        looking = np.concatenate([units, target, source])
        order = np.argsort(looking, kind="stable")
        self.seen = np.concatenate([units, source, target])[order]
        self.salt = _SALTS[np.concatenate([np.full(n, _STAY), kind, kind + 1])[order]]
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(looking, minlength=n))[:-1]])
        # Self-loops are in the start colours, so that they do not count between classes.
        proper = source != target
        self.edges = source[proper], target[proper], kind[proper] // 2 - 1  # 0 to 2
        self.size = len(looking)

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
        looks = _mix(colours[:, self.seen] ^ self.salt)  # [K, L]
        return _mix(np.add.reduceat(looks, self.starts, axis=1))  # [K, N]

    def _count(self, colours: np.ndarray) -> np.ndarray:
        ordered = np.sort(colours, axis=1)
        return 1 + np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)

    def smallest_unsettled(self, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and unit of each member of each row's smallest unsettled class (ties: least colour).

        A pair of classes is settled where all edges of a kind and direction exist between them
        or none; a class is where its pairs are. The rows must be alike in their classes. Empty
        where all is settled, so that the colours determine the structure.
        """
        K, n = colours.shape
        if not len(self.edges[0]):
            return _NOTHING
        ordered = np.sort(colours, axis=1)
        new = np.ones((K, n), dtype=bool)
        new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        if new.all():
            return _NOTHING
        rank = np.cumsum(new, axis=1) - 1  # class of the sorted colours, [K, N]
        classes = np.empty((K, n), dtype=np.int64)
        np.put_along_axis(classes, np.argsort(colours, axis=1), rank, axis=1)
        offsets = n * np.arange(K)[:, None]
        sizes = np.bincount((classes + offsets).ravel(), minlength=K * n).reshape(K, n)

        source, target, kind = self.edges
        a, b = classes[:, source], classes[:, target]  # [K, E]
        pair, edges = np.unique((((offsets + a) * n) + b) * 3 + kind, return_counts=True)
        row, a, b = pair // (3 * n * n), pair // (3 * n) % n, pair // 3 % n
        unsettled = edges != sizes[row, a] * (sizes[row, b] - (a == b))
        if not unsettled.any():
            return _NOTHING
        candidate = np.full((K, n), n + 1)
        for side in (a, b):
            chosen = row[unsettled], side[unsettled]
            candidate[chosen] = sizes[chosen]
        smallest = candidate.argmin(axis=1)
        row, unit = np.nonzero(classes == smallest[:, None])
        return row, unit

    def leaves_a_forest(self, colours: np.ndarray) -> bool:
        """Whether edges between unsettled classes, of colours [1, N], form no cycle in any direction."""
        source, target, kind = self.edges
        _, classes, sizes = np.unique(colours[0], return_inverse=True, return_counts=True)
        a, b = classes[source], classes[target]
        pair, place, edges = np.unique(
            (a * len(sizes) + b) * 3 + kind, return_inverse=True, return_counts=True
        )
        a, b = pair // (3 * len(sizes)), pair // 3 % len(sizes)
        unsettled = (edges != sizes[a] * (sizes[b] - (a == b)))[place]
        if np.count_nonzero(unsettled) >= colours.shape[1]:
            return False
        part = list(range(colours.shape[1]))  # a unit nearer to the root of its part

        def root(unit: int) -> int:
            while part[unit] != unit:
                part[unit] = part[part[unit]]
                unit = part[unit]
            return unit

        for one, other in zip(source[unsettled].tolist(), target[unsettled].tolist(), strict=True):
            first, second = root(one), root(other)
            if first == second:
                return False
            part[first] = second
        return True
