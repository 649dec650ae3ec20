"""Who stays in the population, and who of it becomes a parent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.registry import Registry

REMOVALS = ("worst", "oldest")


class Selection(ABC):
    """Draws parents from a population by their scores (the higher, the better)."""

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, scores: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices of the parents drawn, with repetition.

        Parameters
        ----------
        scores : float [P]
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        int64 [count]
        """


SELECTIONS: Registry[type[Selection]] = Registry("selection")


@SELECTIONS.register("tournament")
@dataclass(frozen=True)
class Tournament(Selection):
    """The best of ``size`` members drawn at random (Goldberg and Deb, 1991).

    Parameters
    ----------
    size : int
        The larger, the stronger the pressure towards the best.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.search import Tournament
    >>> Tournament(size=50)(np.array([0.1, 0.9, 0.4]), 3, np.random.default_rng(0)).tolist()
    [1, 1, 1]
    """

    size: int = 4
    name: ClassVar[str] = "tournament"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", check_integer(self.size, "size"))

    def __call__(self, scores: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        entrants = rng.integers(len(scores), size=(count, self.size))  # [count, size]
        winners = np.argmax(np.asarray(scores)[entrants], axis=1)
        return entrants[np.arange(count), winners]


@SELECTIONS.register("truncation")
@dataclass(frozen=True)
class Truncation(Selection):
    """Any of the best ``share`` of the population, all with the same chance.

    Parameters
    ----------
    share : float
        In (0, 1]; at least one member always stays.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.search import Truncation
    >>> set(Truncation(share=0.5)(np.array([3.0, 1.0, 4.0, 2.0]), 20, np.random.default_rng(0)).tolist())
    {0, 2}
    """

    share: float = 0.25
    name: ClassVar[str] = "truncation"

    def __post_init__(self) -> None:
        share = check_number(self.share, "share", low=0, high=1, open_low=True)
        object.__setattr__(self, "share", share)

    def __call__(self, scores: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        kept = max(1, round(self.share * len(scores)))
        best = np.argsort(-np.asarray(scores), kind="stable")[:kept]
        return best[rng.integers(kept, size=count)]


def as_selection(selection: str | Selection) -> Selection:
    """A selection from a name, or the one given.

    Parameters
    ----------
    selection : str or Selection
        A name in ``SELECTIONS``, or a selection.

    Returns
    -------
    Selection
        That of a name has its defaults.

    Raises
    ------
    UnknownNameError
        If no selection has the name.
    """
    return selection if isinstance(selection, Selection) else SELECTIONS[selection]()


def survivors(scores: np.ndarray, size: int, removal: str = "worst") -> np.ndarray:
    """Which members of a population that has grown past its size remain.

    Parameters
    ----------
    scores : float [M]
        The higher, the better; in order of age, the oldest first.
    size : int
    removal : {"worst", "oldest"}
        ``worst``: the best scores stay, the older of equals first. ``oldest``: the youngest
        stay, whatever their scores, so that a lucky measurement cannot stay for ever (regularised
        evolution; Real et al., 2019, arXiv 1802.01548).

    Returns
    -------
    int64 [min(M, size)]
        In order of age.

    Raises
    ------
    InvalidInputError
        If ``removal`` is neither.

    Examples
    --------
    >>> import numpy as np
    >>> survivors(np.array([0.9, 0.2, 0.5]), 2).tolist()
    [0, 2]
    >>> survivors(np.array([0.9, 0.2, 0.5]), 2, removal="oldest").tolist()
    [1, 2]
    """
    scores = np.asarray(scores, dtype=np.float64)
    if removal not in REMOVALS:
        raise InvalidInputError("removal", f"be one of {', '.join(REMOVALS)}", removal)
    if removal == "oldest":
        return np.arange(len(scores))[-size:]
    return np.sort(np.argsort(-scores, kind="stable")[:size])
