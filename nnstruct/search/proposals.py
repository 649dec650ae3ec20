"""From what is known to what is asked next: draw and breed many, predict, choose the most promising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.search.belief import Beliefs
from nnstruct.search.breeding import Candidate, breed
from nnstruct.search.choice import Belief, choose, promise
from nnstruct.search.gain import choose_by_gain
from nnstruct.search.ledger import PENDING, Entry
from nnstruct.search.objectives import Objectives
from nnstruct.search.pareto import crowded_order
from nnstruct.search.scores import scored
from nnstruct.search.selection import Selection, survivors
from nnstruct.search.spaces import SearchSpace
from nnstruct.structure import Structure

_ROUNDS = 3
# Structures told that a batch is compared with, the best of them.
_INCUMBENTS = 40
# Structures around which all neighbours are looked at, where a space lists them.
_CENTRES, _NEIGHBOURS = 3, 60


@dataclass(frozen=True)
class Strategy:
    """The parameters of :class:`~nnstruct.search.Search` that decide what is asked next.

    Parameters
    ----------
    objectives : Objectives
    reference : sequence of float, optional
        As for :meth:`~nnstruct.search.objectives.Objectives.corner`.
    others
        As in :class:`~nnstruct.search.Search`.
    """

    space: SearchSpace
    objectives: Objectives
    reference: Sequence[float] | None
    population: int
    initial: int
    offspring: int
    inner_generations: int
    elite: int
    selection: Selection
    removal: str
    crossover_rate: float
    mutation_rate: float
    acquisition: str
    exploration: float
    random_share: float
    repeat_share: float = 0.0

    @property
    def sign(self) -> float:
        """1 where scores are to be high, -1 where they are to be low."""
        return float(self.objectives.signs[self.objectives.told])

    @property
    def several(self) -> bool:
        """Whether there are objectives beside the score."""
        return len(self.objectives) > 1

    def merit(self, structures: Sequence[Structure], scores: np.ndarray) -> np.ndarray:
        """What parents are chosen by, the higher the better.

        Parameters
        ----------
        structures : sequence of Structure, length n
        scores : float [n]
            Turned so that they are to be high.

        Returns
        -------
        float64 [n]
            The scores themselves; with several objectives the place from behind in NSGA-II's crowded order.
        """
        if not self.several or not structures:
            return np.asarray(scores, dtype=np.float64)
        found = np.empty(len(structures))
        found[crowded_order(self.objectives.points(structures, scores))] = -np.arange(len(structures))
        return found


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

    Structures are drawn from the space until ``initial`` of them are known; the rest is bred.
    With a guide, each part is chosen from ``offspring`` times as many, and a share of
    what is bred gives way to draws that no guide chooses.

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
    inside = [entry for entry in entries if entry.inside(space)]
    started = len({entry.fingerprint for entry in inside})
    known = {entry.fingerprint for entry in entries}
    pools = _Pools(
        strategy,
        inside,
        known,
        rng,
        None
        if guide is None
        else Beliefs(guide, strategy.sign, inside, merit=strategy.merit, in_units=strategy.several),
    )

    first = min(n, max(0, strategy.initial - started))
    unscreened = 0 if guide is None else int(rng.binomial(n - first, strategy.random_share))
    chosen = pools.drawn(first)
    chosen += pools.at_random(unscreened)
    chosen += pools.bred(n - len(chosen))
    chosen += pools.at_random(n - len(chosen))
    if len(chosen) < n:
        raise InvalidInputError(
            "n",
            f"be at most {len(chosen)}, the new structures found in {space!r} beside {started} known ones",
            n,
            "The space seems to be exhausted: widen it, or stop here.",
        )
    predicted = pools.predictions([candidate.structure for candidate in chosen])
    return [
        Entry(-1, c.structure, c.operator, c.parents, generation, prediction=mean, std=std)
        for c, (mean, std) in zip(chosen, predicted, strict=True)
    ]


class _Pools:
    """Candidates by the way they come about; none twice, none that is known."""

    def __init__(
        self,
        strategy: Strategy,
        inside: Sequence[Entry],
        known: set[str],
        rng: np.random.Generator,
        beliefs: Beliefs | None,
    ) -> None:
        self.strategy, self.inside, self.known, self.rng, self.beliefs = strategy, inside, known, rng, beliefs
        self.fresh: list[Structure] = []
        self.rates = operator_rates(strategy, inside)

    def at_random(self, count: int) -> list[Candidate]:
        """Draws that no guide chooses."""
        found: list[Candidate] = []
        for _ in range(_ROUNDS):
            missing = count - len(found)
            if missing <= 0:
                break
            for structure in self.strategy.space.draw(missing, self.rng):
                if structure.fingerprint not in self.known and len(found) < count:
                    self.known.add(structure.fingerprint)
                    found.append(Candidate(structure))
        self.fresh += [candidate.structure for candidate in found]
        return found

    def drawn(self, count: int) -> list[Candidate]:
        """Draws, screened by the guide where there is one."""
        if self.beliefs is None or not count:
            return self.at_random(count)
        return self._chosen(self.at_random(count * self.strategy.offspring), count)

    def bred(self, count: int) -> list[Candidate]:
        """Offspring of the best."""
        if count <= 0:
            return []
        if self.beliefs is None:
            parents, scores = self._told_parents()
            return self._offspring(parents, scores, count)
        return self._chosen(self._evolved(count * self.strategy.offspring), count)

    def predictions(self, structures: list[Structure]) -> list[tuple[float | None, float | None]]:
        """The guide's mean and standard deviation, in the units of the scores."""
        if self.beliefs is None or not structures:
            return [(None, None)] * len(structures)
        mean, std = self.beliefs.predict(structures)
        return list(zip(mean.tolist(), std.tolist(), strict=True))

    def _chosen(self, pool: list[Candidate], count: int) -> list[Candidate]:
        if self.beliefs is None or not pool:
            return pool[:count]
        pending = [e.structure for e in self.inside if e.state == PENDING]
        belief = self.beliefs.of([c.structure for c in pool], pending, most_told=_INCUMBENTS)
        strategy = self.strategy
        if strategy.several:
            places = self._by_gain(pool, pending, belief, count)
        else:
            places = choose(strategy.acquisition, belief, count, strategy.exploration, self.rng)
        taken = set(places)
        # Those that are not asked may come up again.
        self.known -= {c.structure.fingerprint for i, c in enumerate(pool) if i not in taken}
        return [pool[place] for place in places]

    def _by_gain(
        self, pool: Sequence[Candidate], pending: Sequence[Structure], belief: Belief, count: int
    ) -> list[int]:
        """The places of candidates that promise the largest hypervolume, what is awaited counted in."""
        assert self.beliefs is not None
        strategy, objectives = self.strategy, self.strategy.objectives
        told, means = self.beliefs.told()
        there = objectives.points(told, means)
        if pending:
            there = np.vstack([there, objectives.points(pending, self.beliefs.moments(pending)[0])])
        known = objectives.known([candidate.structure for candidate in pool])
        if not len(there):
            there = np.column_stack([belief.mean[: len(pool)], known])
        corner = objectives.corner(there, strategy.reference)
        return choose_by_gain(belief, known, there, count, corner)

    def _told_parents(self) -> tuple[list[Structure], np.ndarray]:
        strategy = self.strategy
        parents, scores = scored(self.inside)
        scores = strategy.merit(parents, strategy.sign * scores)
        kept = survivors(scores, strategy.population, strategy.removal)
        parents, scores = [parents[index] for index in kept], scores[kept]
        if not parents:  # nothing is told yet: whatever is known will do
            parents = self._any_parents()
            scores = np.zeros(len(parents))
        return parents, scores

    def _any_parents(self) -> list[Structure]:
        return [entry.structure for entry in self.inside] + self.fresh

    def _offspring(self, parents: list[Structure], scores: np.ndarray, count: int) -> list[Candidate]:
        if not parents:
            return []
        strategy = self.strategy
        bred = breed(
            parents,
            scores,
            count,
            space=strategy.space,
            rng=self.rng,
            selection=strategy.selection,
            crossover_rate=strategy.crossover_rate,
            mutation_rate=strategy.mutation_rate,
            known=self.known,
            rates=self.rates,
        )
        self.known |= {candidate.structure.fingerprint for candidate in bred}
        return bred

    def _evolved(self, count: int) -> list[Candidate]:
        """Candidates of some generations, each bred from the best so far in the guide's eyes.

        The first parents are the structures that the guide believes to be best, not those whose scores
        were: what one lucky training told is weighed with all the rest.
        """
        assert self.beliefs is not None
        strategy = self.strategy
        told, belief = self.beliefs.told()
        order = np.argsort(-strategy.merit(told, belief), kind="stable")[: strategy.elite]
        parents, ranks = [told[i] for i in order], belief[order]
        if not parents:
            parents = self._any_parents()
            ranks = np.zeros(len(parents))
        best = float(ranks.max()) if len(ranks) else 0.0
        pool = self._neighbours(parents)
        share = -(-count // (strategy.inner_generations + 1))
        pool += self.at_random(share)
        lineage = {candidate.structure.fingerprint: candidate for candidate in pool}
        ranked = self._promise(pool, best)
        for _ in range(strategy.inner_generations):
            structures = [candidate.structure for candidate in pool]
            kept = np.argsort(-strategy.merit(structures, ranked), kind="stable")[: strategy.elite]
            mates = parents + [structures[i] for i in kept]
            scores = strategy.merit(mates, np.concatenate([ranks, ranked[kept]]))
            bred = [_of_told(child, lineage) for child in self._offspring(mates, scores, share)]
            if not bred:
                break
            lineage |= {child.structure.fingerprint: child for child in bred}
            pool += bred
            ranked = np.concatenate([ranked, self._promise(bred, best)])
        return pool

    def _neighbours(self, centres: Sequence[Structure]) -> list[Candidate]:
        near = getattr(self.strategy.space, "neighbours", None)
        if near is None:
            return []
        found: list[Candidate] = []
        for centre in centres[:_CENTRES]:
            around = near(centre)
            for index in self.rng.permutation(len(around))[:_NEIGHBOURS].tolist():
                structure = around[index]
                if structure.fingerprint not in self.known:
                    self.known.add(structure.fingerprint)
                    found.append(Candidate(structure, "neighbour", (centre.fingerprint,)))
        return found

    def _promise(self, pool: Sequence[Candidate], best: float) -> np.ndarray:
        assert self.beliefs is not None
        if not pool:
            return np.zeros(0)
        mean, std = self.beliefs.moments([c.structure for c in pool])
        acquisition = "ucb" if self.strategy.several else self.strategy.acquisition
        return promise(acquisition, mean, std, best, self.strategy.exploration)


def _of_told(child: Candidate, lineage: Mapping[str, Candidate]) -> Candidate:
    """A candidate with the parents that its line of candidates began with, and all operators since."""
    before = [lineage[parent] for parent in child.parents if parent in lineage]
    if not before:
        return child
    first = [
        p for parent in child.parents for p in (lineage[parent].parents if parent in lineage else (parent,))
    ]
    operator = "+".join([*dict.fromkeys(one.operator for one in before), child.operator])
    return Candidate(child.structure, operator, tuple(dict.fromkeys(first)))


def operator_rates(strategy: Strategy, entries: Sequence[Entry]) -> dict[str, float]:
    """The chance of each mutation, learned from the scores of those that it made.

    A child counts as a success where its score beats its parent's. Chances are in proportion to the
    estimated rate of success, ``(successes + 1) / (trials + 2)``, with a floor of half the equal share
    (probability matching; Thierens, 2005).

    Parameters
    ----------
    strategy : Strategy
    entries : sequence of Entry

    Returns
    -------
    dict of str to float
        They sum to 1; empty where the space does not name its mutations.
    """
    names = tuple(getattr(strategy.space, "operators", ()))
    if not names:
        return {}
    structures, scores = scored(entries)
    score = dict(zip((s.fingerprint for s in structures), strategy.sign * scores, strict=True))
    trials, wins = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for entry in entries:
        if entry.operator not in trials or entry.fingerprint not in score or len(entry.parents) != 1:
            continue
        if entry.parents[0] in score:
            trials[entry.operator] += 1
            wins[entry.operator] += bool(score[entry.fingerprint] > score[entry.parents[0]])
    rate = np.array([(wins[name] + 1) / (trials[name] + 2) for name in names])
    floor = 0.5 / len(names)
    return dict(zip(names, (floor + 0.5 * rate / rate.sum()).tolist(), strict=True))
