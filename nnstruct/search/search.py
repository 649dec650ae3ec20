"""Guided evolution of structures: ask for candidates, tell their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.network import Network
from nnstruct.random import generator
from nnstruct.search.guide import Guide, predict
from nnstruct.search.history import Believed
from nnstruct.search.ledger import PENDING, Entry, Fit, Ledger
from nnstruct.search.objectives import Measure, Objectives, measure
from nnstruct.search.options import check_options
from nnstruct.search.proposals import Strategy, propose
from nnstruct.search.refits import Refits
from nnstruct.search.repetition import repeat
from nnstruct.search.rungs import Rungs
from nnstruct.search.running import Running
from nnstruct.search.scores import scored
from nnstruct.search.selection import Selection, as_selection
from nnstruct.search.spaces import LimitedSpace, SearchSpace, as_search_space, settings_of
from nnstruct.search.traits import ENQUEUED, Traits
from nnstruct.structure import Structure
from nnstruct.structure.checks import STRUCTURE_BYTES
from nnstruct.structure.space import Space

if TYPE_CHECKING:
    from nnstruct.record import TrainConfig
    from nnstruct.tasks import Task


class Search(Running):
    """Genetic search over structures, screened by a predictor, recorded in an Optuna study.

    The first ``initial`` structures are draws from the space. From then on each call of :meth:`ask`
    lets some generations of structures evolve on what the guide thinks of them, ``offspring * n`` in
    all, and returns ``n`` of them that are promising together: the second in view of the first. Parents
    are the structures that the guide believes to be best, so that a lucky training does not lead the
    search astray. A share of draws that no guide chooses keeps the search from narrowing, and mutations
    that have led to better scores come up more often. Without a guide, ``n`` offspring of the best of
    those told are bred and returned: plain evolution. No structure is asked twice, whatever its units
    are called, unless ``repeat_share`` says so.

    The guide is refitted as scores come in, always on a clone. A guide that comes fitted keeps
    what it knows: the clone learns what it gets wrong, and both predictions are added. One that
    comes unfitted is fitted on all that was told, once there are 10 scores; so is a fitted one
    where scores were told before the first ask (:meth:`warm_start`), since those are taken for
    the rows that it was fitted on.

    With a storage, a search goes on where it stopped, whenever it is built again with the same
    storage, study name, space and seed. Structures that were asked but not told are returned
    first, by themselves, so that the sequence is that of a search never interrupted. One process
    at a time may write a study; with SQLite a second one is told so, by name.

    With several objectives, the guide learns the one that is told, and a structure is asked for what it is
    expected to add to the hypervolume of the front; without a guide parents are chosen as NSGA-II does.
    :attr:`pareto` is what comes out.

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
        Of what is told.
    objectives : sequence of str or callable, optional
        Such as ``["val", "parameters"]``: a name for what is told, and ``parameters``, ``flops``, ``edges``,
        ``units``, ``layers``, or own functions from a Structure to a number. Only what is told, by default.
    directions : sequence or mapping of str, optional
        Of the objectives, or of some by name; those known of a structure are to be low by default.
    reference : sequence of float, optional
        What is worse than this in some objective is of no interest; by default a tenth of the range beyond
        the worst that was told of each, or what ``max_parameters`` and ``max_flops`` allow if that is more.
    task : Task, optional
        Inputs and outputs that ``parameters`` and ``flops`` count.
    config : TrainConfig, optional
        Likewise.
    max_parameters, max_flops : int, optional
        Structures with more are never asked.
    constraints : sequence of callable
        Functions from a Structure to a number that must not be above 0.
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
    repeat_share : float
        Share of the trainings of structures told before, once ``initial`` are known and there is a guide to
        choose them: those of which another score is expected to raise what the best is worth most (the
        knowledge gradient, :func:`nnstruct.search.repetition.knowledge_gradient`); none where there is no
        noise to speak of. For trainings that come out otherwise each time; in [0, 1].
    refit_every : int
        Calls of :meth:`ask` from one refit of the guide to the next.
    rungs : Rungs or sequence of float, optional
        Fidelities, as ``[1 / 9, 1 / 3, 1]``: new structures are trained at the lowest, the best of each again
        at the next; see :class:`~nnstruct.search.Rungs`. :meth:`fidelities_of` tells how long each is to be
        trained. Every training is a full one by default.
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
        objectives: Sequence[str | Measure] | None = None,
        directions: Sequence[str] | Mapping[str, str] | None = None,
        reference: Sequence[float] | None = None,
        task: Task | None = None,
        config: TrainConfig | None = None,
        max_parameters: int | None = None,
        max_flops: int | None = None,
        constraints: Sequence[Measure] = (),
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
        repeat_share: float = 0.0,
        refit_every: int = 1,
        rungs: Rungs | Sequence[float] | None = None,
        load_if_exists: bool = True,
    ) -> None:
        self.space = space
        self.guide = guide
        self.seed = seed
        self.storage = storage
        self.study_name = study_name
        self.direction = direction
        self.objectives = objectives
        self.directions = directions
        self.reference = reference
        self.task = task
        self.config = config
        self.max_parameters = max_parameters
        self.max_flops = max_flops
        self.constraints = constraints
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
        self.repeat_share = repeat_share
        self.refit_every = refit_every
        self.rungs = rungs
        self.load_if_exists = load_if_exists
        self._ledger: Ledger | None = None
        self._rungs: Rungs | None = None
        self._handed_out: set[int] = set()
        self._refits = Refits()
        self._belief: tuple[int, dict[str, Believed]] | None = None

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
            ``n`` structures of the space, none ever asked or told before, save those that are trained
            again at a higher fidelity, or measured again (``repeat_share``). Those of :meth:`enqueue` come
            first. Only where an earlier process left structures untold, these are returned instead, at most
            ``n``.

        Raises
        ------
        InvalidInputError
            If a parameter of the search breaks its rule, or the space holds no ``n`` structures
            that are new.
        FolderBusyError
            If another process writes the study.
        """
        n = check_integer(n, "n", each=STRUCTURE_BYTES)
        ledger = self._open()
        ledger.take()
        waiting = [e for e in ledger.entries if e.state == PENDING and e.number not in self._handed_out]
        left_behind = any(entry.operator != ENQUEUED for entry in waiting)
        if len(waiting) < n and not left_behind:
            rng = generator(self.seed, "search", ledger.generation)
            fit = self._refit(ledger)
            generation = ledger.generation
            guide = self._refits.guide if fit is not None else None
            proposed = self._promoted(n - len(waiting), guide, generation)
            strategy, missing = self._strategy(), n - len(waiting) - len(proposed)
            proposed += repeat(strategy, ledger.entries, guide, missing, generation=generation, rng=rng)
            if missing := n - len(waiting) - len(proposed):
                fresh = propose(strategy, ledger.entries, guide, missing, generation=generation, rng=rng)
                proposed += self._placed(fresh)
            waiting += ledger.add_batch(proposed, fit)
        asked = waiting[:n]
        self._handed_out |= {entry.number for entry in asked}
        return [entry.structure for entry in asked]

    def tell(
        self,
        structures: Sequence[Structure | Network],
        scores: Sequence[float] | np.ndarray,
        *,
        fidelity: float | None = None,
    ) -> None:
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
        fidelity : float, optional
            Of these trainings. By default that which a structure was asked at, 1 for one that was not.

        Raises
        ------
        InvalidInputError
            If lengths differ, a structure is none, its family is another, or there is no such fidelity.
            Nothing is recorded then.
        """
        told, values = self._checked(structures, scores)
        share = None if fidelity is None else self._fidelity(fidelity)
        ledger = self._open()
        ledger.take()
        for structure, score in zip(told, values.tolist(), strict=True):
            pending = [
                e
                for e in ledger.entries
                if e.state == PENDING
                and e.fingerprint == structure.fingerprint
                and share in (None, e.fidelity)
            ]
            if pending:
                ledger.finish(pending[0], score)
            else:
                ledger.insert(structure, score, 1.0 if share is None else share)
        ledger.refresh()

    # ---- inside

    def _open(self) -> Ledger:
        if self._ledger is None:
            check_options(self)
            self._space, self._objectives = self.limited_space, self._wanted()
            self._objectives.reference_point(self.reference)
            self._rungs = Rungs.of(self.rungs)
            settings = {"seed": int(self.seed), "space": dict(settings_of(self._space))}
            settings["rungs"] = None if self._rungs is None else self._rungs.to_dict()
            name = self.study_name or "nnstruct-search"
            self._ledger = Ledger(
                self.storage, name, self._objectives, settings, self.load_if_exists,
                lambda: Traits.of_space(self._space, generator(self.seed, "search", "traits")),
            )  # fmt: skip
        return self._ledger

    def _wanted(self) -> Objectives:
        return Objectives(
            self.objectives,
            self.directions,
            told_direction=self.direction,
            task=self.task,
            config=self.config,
            limits={name: most for name, most in self._limits.items() if most is not None},
        )

    @property
    def _limits(self) -> dict[str, int | None]:
        return {"parameters": self.max_parameters, "flops": self.max_flops}

    @property
    def limited_space(self) -> SearchSpace:
        """The space without the structures that have too many parameters, or break another constraint."""
        space = as_search_space(self.space)
        limits = [
            (measure(name, self.task, self.config), limit)
            for name, limit in self._limits.items()
            if limit is not None
        ]
        return LimitedSpace(space, limits, self.constraints) if limits or self.constraints else space

    def _promoted(self, n: int, guide: Any, generation: int) -> list[Entry]:
        """Structures that are trained again at a higher fidelity, before new ones are asked."""
        if self._rungs is None:
            return []
        entries = [entry for entry in self._open().entries if entry.inside(self._space)]
        belief = None
        if guide is not None and self._rungs.promotion == "belief":
            told, _ = scored(entries)
            means = self._sign * predict(guide, told)[0]
            belief = dict(zip((s.fingerprint for s in told), means.tolist(), strict=True))
        found = self._rungs.promoted(entries, n, sign=self._sign, belief=belief)
        return [replace(entry, generation=generation) for entry in found]

    def _strategy(self) -> Strategy:
        return Strategy(
            space=self._space,
            objectives=self._objectives,
            reference=self.reference,
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
            repeat_share=self.repeat_share,
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
        strategy = self._strategy()
        self._refits.sign, self._refits.merit = strategy.sign, strategy.merit
        fit = self._refits.bring(self.guide, ledger.entries, fit, before, correct=self._corrects(rows))
        return fit if self._refits.guide is not None else None
