"""Fidelities of a search: brief trainings first, and which structures get longer ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.search.ledger import PENDING, Entry

PROMOTIONS = ("score", "belief")
PROMOTED = "promoted"
# Fidelities are shares that went through a file: equal to so many digits is the same.
_DIGITS = 9


@dataclass(frozen=True)
class Rungs:
    """Successive halving without waiting: who is trained how long.

    A fidelity is the share of a full training that a training costs. Structures start at the lowest one. Of
    the ``m`` that have been told at one fidelity, a rung, the best ``floor(m / reduction)`` are trained again
    at the next (ASHA; Li et al., 2020, arXiv 1810.05934). That is decided whenever something is asked, the
    highest rungs first; where a whole rung is told before the next question, it is successive halving
    (Jamieson and Talwalkar, 2016). With ``brackets``, some structures start higher, so that those that learn
    slowly have their chance; bracket ``s`` of ``k`` fidelities starts with the ``s``-th, for a share of the
    structures as in Hyperband, ``reduction ** (k - 1 - s) * k / (k - s)`` (Li et al., 2018, JMLR 18:185).

    What it saves hangs on how brief trainings rank. Where one of five epochs ranks perceptrons as all five
    do, a guided search has with rungs at the cost of 15 and 19 full trainings what one without has at 24 and
    32, and at 48 both have the same; where the first of six epochs says less, as of GRU networks on Reber
    words, it hands over less for 48 with rungs (``tests/benchmarks/search_rungs.py``).

    Optuna's pruners end a training that is under way; here each fidelity is a training of its own, which may
    have fewer examples too.

    Parameters
    ----------
    fidelities : sequence of float
        Rising, in (0, 1]; the last is 1.
    reduction : float
        Above 1.
    brackets : int
        1 is successive halving alone; at most as many as there are fidelities.
    promotion : {"score", "belief"}
        Who is best of a rung: those with the best scores there, or those that the guide believes in.

    Examples
    --------
    >>> from nnstruct.search import Rungs
    >>> rungs = Rungs((1 / 9, 1 / 3, 1))
    >>> rungs.index(1 / 3), round(float(rungs.counts(1).sum()), 2)
    (1, 4.33)
    >>> [rungs.start({0: 8, 1: 2}), Rungs((1 / 9, 1 / 3, 1), brackets=3).start({0: 9, 1: 4, 2: 2})]
    [0, 2]
    """

    fidelities: tuple[float, ...] = (1 / 9, 1 / 3, 1.0)
    reduction: float = 3.0
    brackets: int = 1
    promotion: str = "score"

    def __post_init__(self) -> None:
        given = self.fidelities
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise InvalidInputError("fidelities", "be a sequence of shares", given)
        shares = tuple(
            round(check_number(f, "fidelities", low=0, high=1, open_low=True), _DIGITS) for f in given
        )
        if shares[-1] != 1 or any(a >= b for a, b in pairwise(shares)):
            raise InvalidInputError("fidelities", "rise to 1", list(given))
        object.__setattr__(self, "fidelities", shares)
        reduction = check_number(self.reduction, "reduction", low=1, open_low=True)
        object.__setattr__(self, "reduction", float(reduction))
        rule = f"be an integer from 1 to {len(shares)}, the number of fidelities"
        check_integer(self.brackets, "brackets", high=len(shares), rule=rule)
        check_choice(self.promotion, "promotion", PROMOTIONS)

    @classmethod
    def of(cls, given: Any) -> Rungs | None:
        """Rungs from fidelities alone, or as they are.

        Parameters
        ----------
        given : Rungs, sequence of float or None

        Returns
        -------
        Rungs or None
        """
        return given if given is None or isinstance(given, Rungs) else cls(given)

    def to_dict(self) -> dict[str, Any]:
        """JSON values.

        Returns
        -------
        dict
        """
        return {
            "fidelities": list(self.fidelities),
            "reduction": self.reduction,
            "brackets": self.brackets,
            "promotion": self.promotion,
        }

    def index(self, fidelity: float) -> int:
        """The number of a fidelity, from 0.

        Parameters
        ----------
        fidelity : float

        Returns
        -------
        int

        Raises
        ------
        InvalidInputError
            If it is none of these.
        """
        rounded = round(float(fidelity), _DIGITS)
        if rounded not in self.fidelities:
            raise InvalidInputError("fidelity", f"be one of {', '.join(map(str, self.fidelities))}", fidelity)
        return self.fidelities.index(rounded)

    def shares(self) -> np.ndarray:
        """The share of the structures that start at each fidelity.

        Returns
        -------
        float64 [k]
            They sum to 1.
        """
        k = len(self.fidelities)
        weights = np.array([self.reduction ** (k - 1 - s) * k / (k - s) for s in range(self.brackets)])
        return np.pad(weights / weights.sum(), (0, k - self.brackets))

    def counts(self, trainings: float) -> np.ndarray:
        """Trainings of each fidelity that the price of so many full ones pays, in the long run.

        Parameters
        ----------
        trainings : float

        Returns
        -------
        float64 [k]

        Examples
        --------
        >>> Rungs((1 / 9, 1 / 3, 1)).counts(9).round(6).tolist()
        [27.0, 9.0, 3.0]
        """
        found = np.zeros(len(self.fidelities))
        for start, share in enumerate(self.shares().tolist()):
            found[start:] += share / self.reduction ** np.arange(len(found) - start)
        return found * trainings / float(found @ np.array(self.fidelities))

    def start(self, started: Mapping[int, int]) -> int:
        """The number of the fidelity at which the next structure starts.

        Parameters
        ----------
        started : mapping of int to int
            How many have started at each.

        Returns
        -------
        int
            That which lags most behind its share, the lower of equals.
        """
        shares = self.shares()[: self.brackets]
        return int(np.argmin([(started.get(s, 0) + 1) / share for s, share in enumerate(shares)]))

    def promoted(
        self, entries: Sequence[Entry], n: int, *, sign: float, belief: Mapping[str, float] | None = None
    ) -> list[Entry]:
        """The structures to train at a higher fidelity, as entries without a trial.

        Parameters
        ----------
        entries : sequence of Entry
            All that is known, of structures inside the space.
        n : int
            At most so many.
        sign : float
            1 where scores are to be high, -1 where they are to be low.
        belief : mapping of str to float, optional
            By fingerprint, turned so that it is to be high; used where ``promotion`` says so.

        Returns
        -------
        list of Entry
            Highest rungs first, in each the best first.
        """
        histories: dict[str, list[Entry]] = {}
        for entry in entries:
            histories.setdefault(entry.fingerprint, []).append(entry)
        rungs: dict[tuple[int, int], list[str]] = {}
        top: dict[str, int] = {}
        for name, history in histories.items():
            at = [self.index(entry.fidelity) for entry in history]
            top[name] = max(at)
            told = {self.index(e.fidelity) for e in history if e.state != PENDING}
            for rung in told:
                rungs.setdefault((rung, min(at)), []).append(name)
        found: list[Entry] = []
        for rung, start in sorted(rungs, key=lambda key: (-key[0], key[1])):
            if rung + 1 == len(self.fidelities):
                continue
            names = rungs[rung, start]
            values = {name: self._value(histories[name], rung, sign, belief) for name in names}
            scored = [name for name in names if np.isfinite(values[name])]
            best = sorted(scored, key=lambda name: -values[name])[: math.floor(len(names) / self.reduction)]
            for name in (name for name in best if top[name] == rung):
                structure, fidelity = histories[name][0].structure, self.fidelities[rung + 1]
                found.append(Entry(-1, structure, PROMOTED, (), 0, fidelity=fidelity))
        return found[:n]

    def _value(
        self, history: Sequence[Entry], rung: int, sign: float, belief: Mapping[str, float] | None
    ) -> float:
        scores = [e.score for e in history if e.score is not None and self.index(e.fidelity) == rung]
        if not scores:
            return -math.inf
        if belief is not None and self.promotion == "belief":
            return belief.get(history[0].fingerprint, -math.inf)
        return sign * math.fsum(scores) / len(scores)

    def placed(self, entries: Sequence[Entry], fresh: Sequence[Entry]) -> list[Entry]:
        """New structures with the fidelity that each starts at.

        Parameters
        ----------
        entries : sequence of Entry
            All that is known.
        fresh : sequence of Entry

        Returns
        -------
        list of Entry
        """
        first: dict[str, int] = {}
        for entry in entries:
            at = self.index(entry.fidelity)
            first[entry.fingerprint] = min(at, first.get(entry.fingerprint, at))
        started: dict[int, int] = {}
        for at in first.values():
            started[at] = started.get(at, 0) + 1
        placed = []
        for entry in fresh:
            at = self.start(started)
            started[at] = started.get(at, 0) + 1
            placed.append(replace(entry, fidelity=self.fidelities[at]))
        return placed
