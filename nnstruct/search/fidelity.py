"""Scores of trainings of several fidelities, brought together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar


class Measured(Protocol):
    """What has a fidelity and a score, as an :class:`~nnstruct.search.ledger.Entry` has."""

    @property
    def fidelity(self) -> float:
        """The share of a full training."""

    @property
    def score(self) -> float | None:
        """None before one was told."""


M = TypeVar("M", bound=Measured)


def at_one_fidelity(
    measured: Mapping[str, Mapping[float, Sequence[float]]],
) -> dict[str, float]:
    """One score a structure, comparable between structures of several fidelities.

    It is the mean of the scores at the structure's highest fidelity. Where others were measured at a higher
    one, what those gained in the mean that were measured at both is added, step by step.

    Parameters
    ----------
    measured : mapping of str to mapping of float to sequence of float
        By fingerprint the scores, by fidelity.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> from nnstruct.search.fidelity import at_one_fidelity
    >>> told = {"a": {0.5: [0.4], 1.0: [0.7]}, "b": {0.5: [0.2]}, "c": {1.0: [0.9]}}
    >>> {name: round(score, 6) for name, score in at_one_fidelity(told).items()}
    {'a': 0.7, 'b': 0.5, 'c': 0.9}
    """
    each = each_at_one_fidelity(measured)
    return {name: math.fsum(scores) / len(scores) for name, scores in each.items()}


def each_at_one_fidelity(
    measured: Mapping[str, Mapping[float, Sequence[float]]],
) -> dict[str, list[float]]:
    """All scores of a structure at its highest fidelity, made comparable as by :func:`at_one_fidelity`.

    Parameters
    ----------
    measured : mapping of str to mapping of float to sequence of float

    Returns
    -------
    dict of str to list of float
    """
    means = {
        name: {fidelity: math.fsum(scores) / len(scores) for fidelity, scores in by.items()}
        for name, by in measured.items()
    }
    rising = sorted({fidelity for by in means.values() for fidelity in by})
    added = dict.fromkeys(rising, 0.0)
    for low, high in reversed(list(pairwise(rising))):
        gains = [by[high] - by[low] for by in means.values() if low in by and high in by]
        added[low] = added[high] + (math.fsum(gains) / len(gains) if gains else 0.0)
    return {
        name: [score + added[top] for score in by[top]] for name, by in measured.items() for top in [max(by)]
    }


def of_highest(entries: Iterable[M]) -> list[M]:
    """The entries at the highest fidelity that has a score; all where none has.

    Parameters
    ----------
    entries : iterable of Measured

    Returns
    -------
    list of Measured
    """
    rows = list(entries)
    highest = max((entry.fidelity for entry in rows if entry.score is not None), default=None)
    return rows if highest is None else [entry for entry in rows if entry.fidelity == highest]
