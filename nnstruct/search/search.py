"""Guided evolution of structures: ask for candidates, tell their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.random import check_seed, generator
from nnstruct.search.choice import check_acquisition
from nnstruct.search.guide import Guide
from nnstruct.search.hindsight import DIRECTIONS, Hindsight
from nnstruct.search.ledger import PENDING, Fit, Ledger
from nnstruct.search.proposals import Strategy, propose
from nnstruct.search.refits import Refits
from nnstruct.search.selection import REMOVALS, Selection, as_selection
from nnstruct.search.spaces import SearchSpace, as_search_space, family_of, settings_of
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.space import Space

if TYPE_CHECKING:
    pass


class Search(Hindsight):
    """Genetic search over structures, screened by a predictor, recorded in an Optuna study.

    The first ``initial`` structures are draws from the space. From then on each call of :meth:`ask`
    lets some generations of structures evolve on what the guide thinks of them, ``offspring * n`` in
    all, and returns ``n`` of them that are promising together: the second in view of the first. Parents
    are the structures that the guide believes to be best, so that a lucky training does not lead the
    search astray. A share of draws that no guide chooses keeps the search from narrowing, and mutations
    that have led to better scores come up more often. Without a guide, ``n`` offspring of the best of
    those told are bred and returned: plain evolution. No structure is asked twice, whatever its units
    are called.

    The guide is refitted as scores come in, always on a clone. A guide that comes fitted keeps
    what it knows: the clone learns what it gets wrong, and both predictions are added. One that
    comes unfitted is fitted on all that was told, once there are 10 scores; so is a fitted one
    where scores were told before the first ask (:meth:`warm_start`), since those are taken for
    the rows that it was fitted on.

    With a storage, a search goes on where it stopped, whenever it is built again with the same
    storage, study name, space and seed. Structures that were asked but not told are returned
    first, by themselves, so that the sequence is that of a search never interrupted. One process
    at a time may write a study; with SQLite a second one is told so, by name.

    Parameters
    ----------
    space : Space or SearchSpace
        Bounds that every structure asked keeps; or an own space with ``draw``, ``mutate`` and
        ``contains``, such as :class:`~nnstruct.search.CellSpace` and :class:`~nnstruct.search.TableSpace`.
    guide : Predictor, optional
        Anything with ``fit(structures, y)`` and ``predict(structures, return_std=True)``. One with
        ``joint`` and ``condition`` too, as
        :class:`~nnstruct.predictors.GroupedGaussianProcess` has, is asked how its errors hang together,
        and is fitted anew only when there are a fifth more scores.
    seed : int
        With the same seed and the same scores told, the same structures are asked.
    storage : str or optuna storage, optional
        A database URL such as ``"sqlite:///runs/search.db"``; in memory by default. MySQL limits
        a structure to 64 KB of JSON, which some thousand edges fill; SQLite and PostgreSQL do not.
    study_name : str, optional
        ``"nnstruct-search"`` by default.
    direction : {"maximize", "minimize"}
    population : int
        Structures that may become parents, without a guide.
    initial : int, optional
        Structures drawn before any is bred; ``population`` by default.
    offspring : int
        Candidates for each structure returned, where there is a guide to choose.
    inner_generations : int
        Generations in which those candidates evolve.
    elite : int
        Parents of the first of them, and most structures of each that become parents of the next.
    selection : {"tournament", "truncation"} or Selection
        How parents are drawn from the population.
    removal : {"worst", "oldest"}
        Who leaves a full population; see :func:`nnstruct.search.survivors`.
    crossover_rate : float
        Share of offspring with two parents, in [0, 1].
    mutation_rate : float
        Chance of each further mutation, in [0, 1).
    acquisition : {"ucb", "mean", "ei", "nei", "thompson"}
        How prediction and uncertainty make a choice; see :func:`nnstruct.search.choice.choose`.
    exploration : float
        Weight of the uncertainty, in standard deviations; not negative.
    random_share : float
        Share of fresh draws from the priors among the structures a guide chooses, in [0, 1].
    refit_every : int
        Calls of :meth:`ask` from one refit of the guide to the next.
    load_if_exists : bool
        Whether to continue a study that is there; otherwise it is an error.

    Examples
    --------
    >>> from nnstruct import Search, Space
    >>> search = Search(Space("mlp", units=(4, 12)), seed=0, population=8)
    >>> for _ in range(4):
    ...     candidates = search.ask(4)
    ...     search.tell(candidates, [structure.num_layers for structure in candidates])
    >>> len(search.history), bool(search.best.num_layers == search.best_score)
    (16, True)
    """

    def __init__(
        self,
        space: Space | SearchSpace,
        guide: Guide | None = None,
        *,
        seed: int = 0,
        storage: Any = None,
        study_name: str | None = None,
        direction: str = "maximize",
        population: int = 32,
        initial: int | None = None,
        offspring: int = 20,
        inner_generations: int = 4,
        elite: int = 10,
        selection: str | Selection = "tournament",
        removal: str = "worst",
        crossover_rate: float = 0.3,
        mutation_rate: float = 0.3,
        acquisition: str = "ucb",
        exploration: float = 1.0,
        random_share: float = 0.1,
        refit_every: int = 1,
        load_if_exists: bool = True,
    ) -> None:
        self.space = space
        self.guide = guide
        self.seed = seed
        self.storage = storage
        self.study_name = study_name
        self.direction = direction
        self.population = population
        self.initial = initial
        self.offspring = offspring
        self.inner_generations = inner_generations
        self.elite = elite
        self.selection = selection
        self.removal = removal
        self.crossover_rate = crossover_rate
        self.mutation_rate = mutation_rate
        self.acquisition = acquisition
        self.exploration = exploration
        self.random_share = random_share
        self.refit_every = refit_every
        self.load_if_exists = load_if_exists
        self._ledger: Ledger | None = None
        self._handed_out: set[int] = set()
        self._refits = Refits()
        self._belief: tuple[int, dict[str, float]] | None = None

    # ---- the loop

    def ask(self, n: int = 1) -> list[Structure]:
        """The structures to train next.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        list of Structure
            ``n`` structures of the space, none ever asked or told before. Only where an earlier
            process left structures untold, these are returned instead, at most ``n``.

        Raises
        ------
        InvalidInputError
            If a parameter of the search breaks its rule, or the space holds no ``n`` structures
            that are new.
        FolderBusyError
            If another process writes the study.
        """
        n = check_integer(n, "n")
        ledger = self._open()
        ledger.take()
        waiting = [e for e in ledger.entries if e.state == PENDING and e.number not in self._handed_out]
        if not waiting:
            rng = generator(self.seed, "search", ledger.generation)
            fit = self._refit(ledger)
            generation = ledger.generation
            guide = self._refits.guide if fit is not None else None
            proposed = propose(self._strategy(), ledger.entries, guide, n, generation=generation, rng=rng)
            waiting = ledger.add_batch(proposed, fit)
        asked = waiting[:n]
        self._handed_out |= {entry.number for entry in asked}
        return [entry.structure for entry in asked]

    def tell(self, structures: Sequence[Structure | Network], scores: Sequence[float] | np.ndarray) -> None:
        """Report the scores of structures, asked or not.

        A structure that was never asked is taken in as well. One told before gets another
        measurement; its score is then the mean of all. NaN or an infinity marks a training
        that diverged: the structure is not asked again and becomes no parent.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n
            Of the space's family; one outside the space's bounds teaches the guide, but
            becomes neither a parent nor the best.
        scores : array-like of float, shape [n]

        Raises
        ------
        InvalidInputError
            If lengths differ, a structure is none, or its family is another. Nothing is recorded then.
        """
        told, values = self._checked(structures, scores)
        ledger = self._open()
        ledger.take()
        for structure, score in zip(told, values.tolist(), strict=True):
            pending = [
                e for e in ledger.entries if e.state == PENDING and e.fingerprint == structure.fingerprint
            ]
            if pending:
                ledger.finish(pending[0], score)
            else:
                ledger.insert(structure, score)
        ledger.refresh()

    def warm_start(
        self,
        structures: Sequence[Structure | Network] | Any,
        scores: Sequence[float] | np.ndarray | None = None,
    ) -> Search:
        """Tell scores known before the search, such as a benchmark's rows.

        As :meth:`tell`, but a structure that has been told already is passed over, so that a
        script that is run again to continue a search does no harm. A database takes about 40 ms
        a row.

        Parameters
        ----------
        structures : sequence of Structure, length n, or Benchmark
            Of a structure that comes up twice, the first score counts.
        scores : array-like of float, shape [n], optional
            Those of the benchmark by default.

        Returns
        -------
        Search
            Itself.

        Raises
        ------
        InvalidInputError
            As for :meth:`tell`.
        """
        if scores is None and hasattr(structures, "structures") and hasattr(structures, "y"):
            structures, scores = structures.structures, structures.y
        if scores is None:
            raise InvalidInputError("scores", "be given, or be those of a benchmark", scores)
        known, values = self._checked(structures, scores)
        told = {e.fingerprint for e in self._open().entries if e.state != PENDING}
        rows: dict[str, tuple[Structure, float]] = {}
        for structure, score in zip(known, values.tolist(), strict=True):
            if structure.fingerprint not in told:
                rows.setdefault(structure.fingerprint, (structure, score))
        self.tell([structure for structure, _ in rows.values()], [score for _, score in rows.values()])
        return self

    # ---- inside

    def _open(self) -> Ledger:
        if self._ledger is None:
            self._validate()
            self._space = as_search_space(self.space)
            settings = {"seed": int(self.seed), "space": dict(settings_of(self._space))}
            name = self.study_name or "nnstruct-search"
            self._ledger = Ledger(self.storage, name, self.direction, settings, self.load_if_exists)
        return self._ledger

    def _validate(self) -> None:
        as_search_space(self.space)
        check_seed(self.seed)
        if self.guide is not None and (not isinstance(self.guide, Guide) or isinstance(self.guide, type)):
            raise InvalidInputError("guide", "have fit and predict, as every Predictor has", self.guide)
        if self.direction not in DIRECTIONS:
            raise InvalidInputError("direction", f"be one of {', '.join(DIRECTIONS)}", self.direction)
        if self.removal not in REMOVALS:
            raise InvalidInputError("removal", f"be one of {', '.join(REMOVALS)}", self.removal)
        least_values = {"population": 2, "offspring": 1, "inner_generations": 1, "elite": 1, "refit_every": 1}
        for name, least in least_values.items():
            check_integer(getattr(self, name), name, low=least, rule=f"be an integer, at least {least}")
        if self.initial is not None:
            check_integer(self.initial, "initial")
        for name in ("crossover_rate", "mutation_rate", "random_share"):
            check_number(getattr(self, name), name, low=0, high=1)
        if self.mutation_rate == 1:
            raise InvalidInputError("mutation_rate", "be below 1 (mutation would never end)", 1)
        check_number(self.exploration, "exploration", low=0, rule="be a finite number, not negative")
        as_selection(self.selection)
        check_acquisition(self.acquisition)

    def _checked(
        self, structures: Sequence[Structure | Network], scores: Any
    ) -> tuple[list[Structure], np.ndarray]:
        self._open()
        checked, values = check_structures(structures), np.asarray(scores, dtype=np.float64)
        if values.shape != (len(checked),):
            shown = f"{len(checked)} structures, shape {values.shape}"
            raise InvalidInputError("scores", "be one for each structure", shown)
        family = family_of(self._space)
        for structure in checked:
            if family is not None and structure.family != family:
                raise InvalidInputError("structures", f"be of the family {family!r}", structure.family)
        return checked, values

    def _strategy(self) -> Strategy:
        return Strategy(
            space=self._space,
            sign=DIRECTIONS[self.direction],
            population=self.population,
            initial=self.population if self.initial is None else self.initial,
            offspring=self.offspring,
            inner_generations=self.inner_generations,
            elite=self.elite,
            selection=as_selection(self.selection),
            removal=self.removal,
            crossover_rate=self.crossover_rate,
            mutation_rate=self.mutation_rate,
            acquisition=self.acquisition,
            exploration=self.exploration,
            random_share=self.random_share,
        )

    def _refit(self, ledger: Ledger) -> Fit | None:
        """Fit the guide on what was told, or on what the last fit saw where the next is not due."""
        if self.guide is None:
            return None
        fit = ledger.fit
        if fit is None or ledger.generation - fit.generation >= self.refit_every:
            pending = tuple(e.number for e in ledger.entries if e.state == PENDING)
            fit = Fit(ledger.generation, 1 + max((e.number for e in ledger.entries), default=-1), pending)
        rows = [e for e in ledger.entries if e.number < fit.trials and e.number not in fit.pending]
        before = None if ledger.fit is None else ledger.fit.anchor
        fit = self._refits.bring(self.guide, ledger.entries, fit, before, correct=self._corrects(rows))
        return fit if self._refits.guide is not None else None
