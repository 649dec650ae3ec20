"""Finite grammars (letters on the arcs of an automaton): membership, counting and drawing of strings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnstruct.errors import InvalidInputError

MAX_LENGTH = 100  # beyond it the number of strings of one length may leave int64

State = Hashable


@dataclass(frozen=True, eq=False)
class Grammar:
    """A deterministic automaton with letters on its arcs, one start and one end without arcs.

    Parameters
    ----------
    arcs : mapping from state to a mapping from letter to state
    start, end : state

    Examples
    --------
    >>> from nnstruct.tasks.grammar import Grammar
    >>> grammar = Grammar({0: {"a": 0, "b": 1}, 1: {"c": 2, "d": 2}}, start=0, end=2)
    >>> grammar.accepts("aabd"), grammar.accepts("aab")
    (True, False)
    >>> grammar.count(3), [grammar.string(3, rank) for rank in range(2)]
    (2, ['abc', 'abd'])
    """

    arcs: Mapping[State, Mapping[str, State]]
    start: State
    end: State

    def accepts(self, text: str) -> bool:
        """Whether the letters of a string lead from the start to the end.

        Parameters
        ----------
        text : str

        Returns
        -------
        bool
        """
        state: State = self.start
        for letter in text:
            steps = self.arcs.get(state, {})
            if letter not in steps:
                return False
            state = steps[letter]
        return state == self.end

    def count(self, length: int) -> int:
        """How many strings have this length.

        Parameters
        ----------
        length : int
            Letters.

        Returns
        -------
        int
        """
        return self._ways_left(length).get(self.start, 0)

    def string(self, length: int, rank: int) -> str:
        """The string of a length with this rank among all of that length.

        Parameters
        ----------
        length : int
            Letters.
        rank : int
            From 0; strings are in the order of the arcs.

        Returns
        -------
        str

        Raises
        ------
        InvalidInputError
            If there are no more than ``rank`` strings of the length.
        """
        if not 0 <= rank < self.count(length):
            raise InvalidInputError("rank", f"be in 0..{self.count(length) - 1}", rank)
        letters = []
        state = self.start
        for remaining in range(length - 1, -1, -1):
            ways = self._ways_left(remaining)
            for letter, following in self.arcs[state].items():
                here = ways.get(following, 0)
                if rank < here:
                    letters.append(letter)
                    state = following
                    break
                rank -= here
        return "".join(letters)

    def lengths(self, n: int, min_length: int, max_length: int) -> Counter[int]:
        """How many of ``n`` different strings have each length if a fair walk draws them.

        A walk that takes every arc of a state with the same chance repeats short strings often; as
        only different ones count, short lengths run out and the rest are longer. After ``t`` walks
        ``count * (1 - exp(-t * chance of one string))`` strings of a length are expected; ``t`` is
        solved for and the numbers are rounded, so that lengths do not depend on a seed.

        Parameters
        ----------
        n : int
            Strings in all.
        min_length, max_length : int
            Letters of the shortest and of the longest string, both included.

        Returns
        -------
        Counter
            The number of strings by length, the sum ``n``.

        Raises
        ------
        InvalidInputError
            If fewer than ``n`` strings exist between the two lengths.
        """
        span = list(range(min_length, max_length + 1))
        counts = np.array([self.count(length) for length in span], dtype=np.float64)
        if n > counts.sum():
            rule = f"together ask for at most {int(counts.sum())} strings of one class"
            hint = f"No more exist with {min_length} to {max_length} letters; allow longer ones."
            raise InvalidInputError("train, val and test", rule, n, hint)
        chances = np.array([self._walk_chance(length) for length in span])
        per_string = np.divide(chances, counts, out=np.zeros_like(chances), where=counts > 0)
        low, high = 0.0, 1.0  # log2 of the number of walks
        while (counts * -np.expm1(-(2.0**high) * per_string)).sum() < n - 1e-6 and high < 200:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            enough = (counts * -np.expm1(-(2.0**middle) * per_string)).sum() >= n
            low, high = (low, middle) if enough else (middle, high)
        expected = counts * -np.expm1(-(2.0**high) * per_string)
        return Counter(dict(zip(span, _rounded(expected, counts, n), strict=True)))

    def draw(
        self, lengths: Mapping[int, int], rng: np.random.Generator, exclude: Collection[str] = ()
    ) -> list[str]:
        """Different strings, as many of each length as asked for, uniform among those of that length.

        Parameters
        ----------
        lengths : mapping of int to int
            The number of strings by length.
        rng : numpy.random.Generator
        exclude : collection of str
            Strings that are not to be drawn.

        Returns
        -------
        list of str
            The shortest first, those of one length in the order in which they were drawn.

        Raises
        ------
        InvalidInputError
            If fewer strings of a length exist than are asked for.
        """
        found: list[str] = []
        for length in sorted(lengths):
            wanted = lengths[length]
            seen = set(exclude)
            total = self.count(length)
            for rank in self._ranks(total, wanted, rng):
                if wanted == 0:
                    break
                text = self.string(length, rank)
                if text not in seen:
                    seen.add(text)
                    found.append(text)
                    wanted -= 1
            if wanted:
                rule = f"ask for at most {lengths[length] - wanted} strings of {length} letters"
                raise InvalidInputError("lengths", rule, lengths[length])
        return found

    @staticmethod
    def _ranks(total: int, wanted: int, rng: np.random.Generator) -> Iterator[int]:
        if total <= 8 * wanted + 64:
            yield from rng.permutation(total).tolist()
            return
        while True:
            yield int(rng.integers(total))

    @cached_property
    def _ways(self) -> list[dict[State, int]]:
        return [{self.end: 1}]

    def _ways_left(self, remaining: int) -> dict[State, int]:
        """From each state, in how many ways the end is reached in exactly so many letters."""
        while len(self._ways) <= remaining:
            known = self._ways[-1]
            totals = {
                state: sum(known.get(following, 0) for following in steps.values())
                for state, steps in self.arcs.items()
            }
            self._ways.append({state: ways for state, ways in totals.items() if ways})
        return self._ways[remaining]

    @cached_property
    def _walks(self) -> list[dict[State, float]]:
        return [{self.start: 1.0}]

    def _walk_chance(self, length: int) -> float:
        """The chance that a fair walk from the start ends with exactly so many letters."""
        while len(self._walks) <= length:
            following: dict[State, float] = {}
            for state, chance in self._walks[-1].items():
                steps = self.arcs.get(state, {})
                for target in steps.values():
                    following[target] = following.get(target, 0.0) + chance / len(steps)
            self._walks.append(following)
        return self._walks[length].get(self.end, 0.0)


def apportion(n: int, shares: Iterable[float]) -> list[int]:
    """Split ``n`` in proportion to ``shares`` by the largest remainders.

    Parameters
    ----------
    n : int
    shares : iterable of float
        Positive; their sum does not matter.

    Returns
    -------
    list of int
        With the sum ``n``; of equal remainders the first wins.

    Examples
    --------
    >>> from nnstruct.tasks.grammar import apportion
    >>> apportion(10, [1, 1, 1])
    [4, 3, 3]
    """
    weights = np.array(list(shares), dtype=np.float64)
    return _rounded(n * weights / weights.sum(), np.full(len(weights), n), n)


def _rounded(expected: np.ndarray, limits: np.ndarray, n: int) -> list[int]:
    # The small number keeps float noise from turning a whole number into the one below.
    floor = np.minimum(np.floor(expected + 1e-9), limits)
    missing = n - int(floor.sum())
    for index in np.argsort(floor - expected, kind="stable"):
        if missing > 0 and floor[index] < limits[index]:
            floor[index] += 1
            missing -= 1
    return [int(value) for value in floor]
