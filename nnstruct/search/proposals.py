"""From what is known to what is asked next: draw or breed many, predict, keep the most promising."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct import priors
from nnstruct.errors import InvalidInputError
from nnstruct.search.acquisition import ACQUISITIONS
from nnstruct.search.breeding import Candidate, breed
from nnstruct.search.guide import predict
from nnstruct.search.ledger import COMPLETE, Entry
from nnstruct.search.selection import Selection, survivors
from nnstruct.structure import Structure
from nnstruct.structure.space import Space

_ROUNDS = 3


@dataclass(frozen=True)
class Strategy:
    """The parameters of :class:`~nnstruct.search.Search` that decide what is asked next.

    Parameters
    ----------
    sign : float
        1 where scores are to be high, -1 where they are to be low.
    others
        As in :class:`~nnstruct.search.Search`.
    """

    space: Space
    sign: float
    population: int
    offspring: int
    selection: Selection
    removal: str
    crossover_rate: float
    mutation_rate: float
    acquisition: str
    exploration: float
    random_share: float


def scored(entries: Sequence[Entry]) -> tuple[list[Structure], np.ndarray]:
    """Each structure with a finite score once, and the mean of its scores.

    Parameters
    ----------
    entries : sequence of Entry

    Returns
    -------
    structures : list of Structure, length m
        The one measured first comes first.
    scores : float64 [m]
    """
    measured: dict[str, tuple[Structure, list[float]]] = {}
    for entry in entries:
        if entry.state == COMPLETE and entry.score is not None:
            measured.setdefault(entry.fingerprint, (entry.structure, []))[1].append(entry.score)
    means = np.array([np.mean(scores) for _, scores in measured.values()], dtype=np.float64)
    return [structure for structure, _ in measured.values()], means


def propose(
    strategy: Strategy,
    entries: Sequence[Entry],
    guide: Any,
    n: int,
    *,
    generation: int,
    rng: np.random.Generator,
) -> list[Entry]:
    """The ``n`` structures to ask next, as entries without a trial.

    Structures are drawn from the priors until ``population`` of them are in the space; the rest is
    bred. With a guide, each part is chosen from ``offspring`` times as many, and a share of
    what is bred gives way to draws from the priors that no guide chooses.

    Parameters
    ----------
    strategy : Strategy
    entries : sequence of Entry
        All that is known.
    guide : Guide or None
        Fitted.
    n : int
    generation : int
        Written into the entries.
    rng : numpy.random.Generator

    Returns
    -------
    list of Entry, length n

    Raises
    ------
    InvalidInputError
        If fewer than ``n`` new structures were found.
    """
    space = strategy.space
    inside = [entry for entry in entries if space.contains(entry.structure)]
    started = len({entry.fingerprint for entry in inside})
    known = {entry.fingerprint for entry in entries}
    factor = 1 if guide is None else strategy.offspring

    first = min(n, max(0, strategy.population - started))
    unscreened = 0 if guide is None else int(rng.binomial(n - first, strategy.random_share))
    drawn = _draw(space, first * factor + unscreened, known, rng)
    pools = [(drawn[unscreened:], first), (drawn[:unscreened], unscreened)]
    wanted = n - sum(min(quota, len(pool)) for pool, quota in pools)
    if wanted:
        bred = _breed(strategy, inside, drawn, wanted * factor, known, rng)
        pools.append((bred, wanted))
        missing = max(0, wanted - len(bred))
        pools.append((_draw(space, missing, known, rng), missing))
    short = n - sum(min(quota, len(pool)) for pool, quota in pools)
    pools[0] = (pools[0][0], pools[0][1] + short)
    found = sum(min(quota, len(pool)) for pool, quota in pools)
    if found < n:
        raise InvalidInputError(
            "n",
            f"be at most {found}, the new structures found in {space} beside {started} known ones",
            n,
            "The space seems to be exhausted: widen it, or stop here.",
        )
    _, scores = scored(entries)
    return _screen(strategy, pools, guide, strategy.sign * scores, generation)


def _draw(space: Space, count: int, known: set[str], rng: np.random.Generator) -> list[Candidate]:
    """Up to ``count`` structures from the priors that are new; adds them to ``known``."""
    found: list[Candidate] = []
    for _ in range(_ROUNDS):
        missing = count - len(found)
        if missing <= 0:
            break
        for structure in _sample(space, missing, int(rng.integers(2**31))):
            if structure.fingerprint not in known:
                known.add(structure.fingerprint)
                found.append(Candidate(structure))
    return found


def _sample(space: Space, count: int, seed: int) -> list[Structure]:
    while count:
        try:
            return priors.sample(space, count, seed=seed)
        except InvalidInputError:  # the priors have fewer distinct structures in this space
            count //= 2
    return []


def _breed(
    strategy: Strategy,
    inside: Sequence[Entry],
    drawn: Sequence[Candidate],
    count: int,
    known: set[str],
    rng: np.random.Generator,
) -> list[Candidate]:
    parents, scores = scored(inside)
    kept = survivors(strategy.sign * scores, strategy.population, strategy.removal)
    parents, scores = [parents[index] for index in kept], strategy.sign * scores[kept]
    if not parents:  # nothing is told yet: whatever is known will do
        parents = [entry.structure for entry in inside] + [candidate.structure for candidate in drawn]
        scores = np.zeros(len(parents))
    if not parents:
        return []
    bred = breed(
        parents,
        scores,
        count,
        space=strategy.space,
        rng=rng,
        selection=strategy.selection,
        crossover_rate=strategy.crossover_rate,
        mutation_rate=strategy.mutation_rate,
        known=known,
    )
    known |= {candidate.structure.fingerprint for candidate in bred}
    return bred


def _screen(
    strategy: Strategy,
    pools: Sequence[tuple[list[Candidate], int]],
    guide: Any,
    scores: np.ndarray,
    generation: int,
) -> list[Entry]:
    """The best of each pool up to its quota, in order of their rank within the pool."""
    everything = [candidate for pool, _ in pools for candidate in pool]
    mean, std, rank = None, None, np.zeros(len(everything))
    if guide is not None:
        mean, std = predict(guide, [candidate.structure for candidate in everything])
        best = float(scores.max()) if len(scores) else float((strategy.sign * mean).max())
        acquisition = ACQUISITIONS[strategy.acquisition]
        rank = acquisition(strategy.sign * mean, std, best, strategy.exploration)
    chosen: list[Entry] = []
    start = 0
    for pool, quota in pools:
        order = start + np.argsort(-rank[start : start + len(pool)], kind="stable")[:quota]
        start += len(pool)
        for index in order.tolist():
            candidate = everything[index]
            chosen.append(
                Entry(
                    -1,
                    candidate.structure,
                    candidate.operator,
                    candidate.parents,
                    generation,
                    prediction=None if mean is None else float(mean[index]),
                    std=None if std is None else float(std[index]),
                )
            )
    return chosen
