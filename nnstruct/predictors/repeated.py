"""Labels of a structure that was measured more than once: what of their scatter is noise of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnstruct.structure import Structure

# Repeated labels that the noise as a whole counts for, where few structures were measured again.
_WORTH = 4.0
NO_NAMES = np.zeros((0, 16), np.uint8)


@dataclass(frozen=True, eq=False)
class Repeats:
    """Which rows are measurements of one structure.

    Attributes
    ----------
    first : int64 [m]
        The first row of each of m structures.
    member : int64 [n]
        For each row, the place of its structure among them.
    counts : int64 [m]
        Measurements of each structure.
    """

    first: np.ndarray
    member: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, structures: Sequence[Structure]) -> Repeats:
        """Rows by the fingerprint of their structure.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        Repeats
        """
        places: dict[str, int] = {}
        first: list[int] = []
        member = np.empty(len(structures), dtype=np.int64)
        for row, structure in enumerate(structures):
            if structure.fingerprint not in places:
                places[structure.fingerprint] = len(first)
                first.append(row)
            member[row] = places[structure.fingerprint]
        return cls(np.array(first, dtype=np.int64), member, np.bincount(member, minlength=len(first)))

    @classmethod
    def none(cls, count: int) -> Repeats:
        """Each row a structure of its own.

        Parameters
        ----------
        count : int

        Returns
        -------
        Repeats
        """
        return cls(np.arange(count), np.arange(count), np.ones(count, dtype=np.int64))

    def part(self, chosen: np.ndarray) -> tuple[Repeats, np.ndarray]:
        """Some of the structures, with all their rows.

        Parameters
        ----------
        chosen : int64 [k]
            Their places, rising.

        Returns
        -------
        repeats : Repeats
            ``first`` as before; ``member`` and ``counts`` of the rows that are left.
        rows : int64 [n']
            Those.
        """
        rows = np.flatnonzero(np.isin(self.member, chosen))
        member = np.searchsorted(chosen, self.member[rows])
        return Repeats(self.first[chosen], member, self.counts[chosen]), rows

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean over each structure's rows.

        Parameters
        ----------
        values : float64 [n]

        Returns
        -------
        float64 [m]
        """
        return np.bincount(self.member, values, minlength=len(self.first)) / self.counts

    def split(self, values: np.ndarray, noise: float) -> tuple[float, float]:
        """What of a label's noise is the training's, and what is the structure's own.

        A label is ``f(columns) + own + training``: how far its structure is from what columns tell, which all
        its measurements share, and how far a training is from that. The variance of both together is
        ``noise``. That of a training is what repeated labels scatter about their means; it is taken for all
        of ``noise`` where there are no repeats, and a few of them are not believed at once (an inverse
        gamma prior worth four repeats).

        Parameters
        ----------
        values : float64 [n]
        noise : float
            Variance of labels about the function of the columns.

        Returns
        -------
        training, own : float
            Variances; their sum is ``noise``.

        Examples
        --------
        Labels that come out the same each time have no noise of training, the more surely the more they are:

        >>> import numpy as np
        >>> from nnstruct import Structure
        >>> one = Structure.from_layers([2])
        >>> Repeats.of([one]).split(np.zeros(1), 0.2)
        (0.2, 0.0)
        >>> training, own = Repeats.of([one] * 13).split(np.zeros(13), 0.2)
        >>> round(training, 6), round(own, 6)
        (0.05, 0.15)
        """
        degrees = len(values) - len(self.first)
        if not degrees:
            return noise, 0.0
        within = float(((values - self.means(values)[self.member]) ** 2).sum())
        training = min(noise, (within + _WORTH * noise) / (degrees + _WORTH))
        return training, noise - training


def names_of(structures: Sequence[Structure]) -> np.ndarray:
    """Fingerprints as bytes.

    Parameters
    ----------
    structures : sequence of Structure, length n

    Returns
    -------
    uint8 [n, 16]
    """
    joined = b"".join(bytes.fromhex(structure.fingerprint) for structure in structures)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(structures), -1)


def same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Which names of two lists are the same.

    Parameters
    ----------
    left, right : uint8 [m, 16], [n, 16]

    Returns
    -------
    bool [m, n]
    """
    places: dict[bytes, int] = {}
    numbers = [
        np.array([places.setdefault(name.tobytes(), len(places)) for name in names], dtype=np.int64)
        for names in (left, right)
    ]
    return numbers[0][:, None] == numbers[1][None, :]
