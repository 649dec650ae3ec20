"""What came of a search: its history, the best structure as it is believed, finalists trained again."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError, NotFittedError
from nnstruct.search.fidelity import of_highest
from nnstruct.search.final import Final, Train, finalists_table
from nnstruct.search.guide import FEWEST_SCORES, Guide, expected, is_fitted
from nnstruct.search.history import UNKNOWN, Believed, history_table
from nnstruct.search.ledger import PENDING, Entry, Ledger
from nnstruct.search.objectives import Objectives
from nnstruct.search.pareto import covering, front_numbers, hypervolume
from nnstruct.search.refits import Refits
from nnstruct.search.rungs import Rungs
from nnstruct.search.scores import scored
from nnstruct.search.spaces import SearchSpace
from nnstruct.search.traits import TOLD
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import optuna
    import pandas as pd

# Less of a training than this is a matter of rounding.
NOTHING = 1e-6


class Hindsight(ABC):
    """The half of a :class:`~nnstruct.search.Search` that looks back."""

    guide: Guide | None
    _space: SearchSpace
    _objectives: Objectives
    reference: Sequence[float] | None
    _refits: Refits
    _belief: tuple[int, dict[str, Believed]] | None
    _rungs: Rungs | None

    @abstractmethod
    def _open(self) -> Ledger:
        """What was asked and told."""

    @property
    def history(self) -> pd.DataFrame:
        """One row a trial, in order.

        Columns: ``trial``, ``fingerprint``, ``score`` (what was told, that is claimed; NaN while pending
        or where it failed), ``believed`` (what the guide makes of all that was told; NaN without a guide
        or before there are enough scores), ``believed_std`` (how far that may be from the mean score of many
        trainings, one standard deviation; with a guide that knows no more, from a single one), ``retrained``
        (the mean of the finalists' scores on data that the search did not see; see :meth:`finish`),
        ``prediction`` and ``std`` (the guide's, when the structure was asked; else NaN), ``operator``
        (``prior``, ``told``, ``repeated``, or operators joined by ``+``), ``generation``, ``units``,
        ``edges`` (forward ones) and ``state`` (pending, complete or failed); with rungs ``fidelity``; with
        several objectives, then those that are known of a structure, by their names. ``attrs`` names all
        objectives and their directions.
        """
        ledger = self._open()
        try:
            believed = self._believed()
        except InvalidInputError:  # a guide whose predictions are none: the scores are to be had all the same
            believed = {}
        return history_table(ledger.entries, believed, ledger.retrained, self._objectives)

    @property
    def _sign(self) -> float:
        self._open()
        return float(self._objectives.signs[self._objectives.told])

    @property
    def num_scored(self) -> int:
        """Distinct structures with a finite score."""
        return len({e.fingerprint for e in self._open().entries if e.score is not None})

    @property
    def num_trained(self) -> int:
        """Trials that were asked and told, diverged ones included."""
        return sum(e.operator != TOLD and e.state != PENDING for e in self._open().entries)

    @property
    def spent(self) -> float:
        """What the trials that were asked and told cost, in full trainings; each is 1 without rungs."""
        told = (e.fidelity for e in self._open().entries if e.operator != TOLD and e.state != PENDING)
        return math.fsum(told)

    def trainings_left(self, trainings: float, awaited: float = 0.0) -> int:
        """How many full trainings may begin until so many are spent.

        Parameters
        ----------
        trainings : float
            Those of earlier runs included.
        awaited : float
            What trainings under way cost.

        Returns
        -------
        int
            0 where all are spent, but for a matter of rounding.
        """
        return max(0, math.ceil(trainings - self.spent - awaited - NOTHING))

    def fidelities_of(self, structures: Sequence[Structure]) -> list[float]:
        """How long structures are to be trained, as shares of a full training.

        Parameters
        ----------
        structures : sequence of Structure, length n
            That were asked and are not told.

        Returns
        -------
        list of float, length n
            1 for those that were not asked.
        """
        waiting = {e.fingerprint: e.fidelity for e in self._open().entries if e.state == PENDING}
        return [waiting.get(structure.fingerprint, 1.0) for structure in structures]

    def planned(self, trainings: float) -> tuple[tuple[float, ...], float]:
        """The fidelities of the search, and how many trainings the price of so many full ones pays.

        Parameters
        ----------
        trainings : float

        Returns
        -------
        fidelities : tuple of float
            Rising to 1; 1 alone without ``rungs``.
        count : float
            Of any fidelity, in the long run.
        """
        rungs = self._levels()
        return rungs.fidelities, float(rungs.counts(trainings).sum())

    def _levels(self) -> Rungs:
        """The rungs; that of full trainings alone where the search has none."""
        self._open()
        return self._rungs or Rungs((1.0,))

    def _fidelity(self, fidelity: float) -> float:
        rungs = self._levels()
        return rungs.fidelities[rungs.index(fidelity)]

    def _placed(self, fresh: list[Entry]) -> list[Entry]:
        """New structures at the fidelity that each starts at."""
        return fresh if self._rungs is None else self._rungs.placed(self._open().entries, fresh)

    def _told_inside(self) -> list[Entry]:
        """Entries inside the space, at the highest fidelity that was reached."""
        return of_highest(e for e in self._open().entries if e.inside(self._space))

    @property
    def best_claim(self) -> float:
        """The best mean of scores told, of a structure inside the space: of many noisy ones a lucky one."""
        _, scores = scored(self._told_inside())
        if not len(scores):
            raise NotFittedError("There is no best score before a finite one was told.")
        return float(self._sign * (self._sign * scores).max())

    @property
    def best(self) -> Structure:
        """The structure inside the space that the guide believes to be best after all that was told.

        Without a guide, or with too few scores to fit one, that with the best mean score; the earlier of
        equals. With ``rungs``, one of those trained at the highest fidelity that was reached.
        """
        return self._ranked()[0][0]

    @property
    def front(self) -> list[Structure]:
        """The structures inside the space that no other one told is believed to dominate, best score first.

        With one objective that is :attr:`best` alone.
        """
        structures, _, points = self._believed_points()
        if not structures:
            raise NotFittedError("There is no front before a finite score was told.")
        places = np.flatnonzero(front_numbers(points) == 0)
        return [structures[i] for i in places[np.argsort(-points[places, 0], kind="stable")]]

    @property
    def pareto(self) -> pd.DataFrame:
        """The Pareto front as a table: one row a structure of :attr:`front`.

        Columns: ``fingerprint``; one for each objective by its name, that of the score being the mean of
        what was told; ``believed`` and ``believed_std`` (the guide's; NaN without one); ``units`` and
        ``operator``.
        """
        import pandas as pd

        front, believed = self.front, self._believed()
        structures, scores = scored(self._open().entries)
        claimed = dict(zip((s.fingerprint for s in structures), scores.tolist(), strict=True))
        made_by = {e.fingerprint: e.operator for e in reversed(self._open().entries)}
        rows = []
        for structure in front:
            key = structure.fingerprint
            values = self._objectives.values(structure, claimed[key])
            row = {"fingerprint": key, **dict(zip(self._objectives.names, values.tolist(), strict=True))}
            rows.append(
                row
                | believed.get(key, UNKNOWN).row()
                | {"units": structure.num_units, "operator": made_by[key]}
            )
        return pd.DataFrame(rows)

    def hypervolume(self, reference: Sequence[float] | None = None) -> float:
        """Volume between a reference and the structures of :attr:`front`, by the means of their scores.

        Parameters
        ----------
        reference : sequence of float, optional
            One for each objective, in its units; by default that of the search.

        Returns
        -------
        float

        Raises
        ------
        InvalidInputError
            If there is no reference, or it is not one number for each objective.
        """
        self._open()
        corner = self._objectives.reference_point(self.reference if reference is None else reference)
        if corner is None:
            raise InvalidInputError("reference", f"be {len(self._objectives)} finite numbers", None)
        structures, scores = scored(self._told_inside())
        return hypervolume(self._objectives.points(structures, self._sign * scores), corner)

    @property
    def best_score(self) -> float:
        """The mean of the scores told of :attr:`best`: what it claims, not what it would get again."""
        return self._ranked()[1][0]

    @property
    def best_belief(self) -> tuple[float, float]:
        """What the guide makes of :attr:`best`: its mean score, and one standard deviation of that.

        That the best of many beliefs errs upward is not counted, nor that a search leads away from what the
        guide was fitted to: of ten real searches the deviation was too small by a factor of three, where on
        other structures it is right. With ``repeat_share=0.25`` 14 of 20 lay within one standard error of
        what they were worth (``train/results/search.md``). :meth:`finish` trains finalists again.
        NaN, twice, without a guide, or with too few scores to fit one.
        """
        return self._believed().get(self.best.fingerprint, UNKNOWN)

    @property
    def study(self) -> optuna.Study:
        """The Optuna study underneath, for its plots and optuna-dashboard."""
        return self._open().study

    @property
    def guide_(self) -> Any:
        """The guide that the last :meth:`ask` screened with: a refitted clone."""
        if self._refits.guide is None:
            raise NotFittedError(
                f"guide_ exists after an ask with a fitted guide or {FEWEST_SCORES} scores to fit it on."
            )
        return self._refits.guide

    def finish(self, train: Train, *, top: int = 5, seeds: int = 6) -> Final:
        """Train the finalists again, several times each, and say which one won.

        The best of many noisy scores is high by luck. So the ``top`` structures of :attr:`best`'s order
        are trained with new seeds; with several objectives the best by score, and then those that add
        most to the volume below the front (:func:`nnstruct.search.pareto.covering`). The winner is the
        one with the best mean of the scores to choose by, and what is reported of it are scores on data
        that neither the search nor that choice has seen.

        Parameters
        ----------
        train : callable
            ``train(structures, seeds)`` gives two arrays of shape [structures, seeds]: scores to choose
            by, and scores to report; for example of the validation and of the test data.
        top : int
            Finalists.
        seeds : int
            Trainings of each.

        Returns
        -------
        Final
            The winner, its score with an interval, and a table of all finalists.

        Raises
        ------
        InvalidInputError
            If a parameter breaks its rule, or ``train`` gives other shapes or no finite score.
        NotFittedError
            Before a finite score was told.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct import Search, Space
        >>> search = Search(Space("mlp", units=(4, 12)), seed=0, population=8)
        >>> asked = search.ask(8)
        >>> search.tell(asked, [s.num_layers for s in asked])
        >>> def train(structures, seeds):
        ...     noise = np.array([[0.01 * seed for seed in seeds] for _ in structures])
        ...     scores = np.array([[s.num_layers] * len(seeds) for s in structures]) + noise
        ...     return scores, scores - 0.5
        >>> final = search.finish(train, top=3, seeds=2)
        >>> final.winner == search.best, len(final.table)
        (True, 3)
        """
        top, seeds = check_integer(top, "top"), check_integer(seeds, "seeds")
        ledger = self._open()
        structures, claimed = self._finalists(top)
        final = finalists_table(structures[:top], claimed[:top], self._believed(), train, seeds, self._sign)
        ledger.keep_retrained(final.retrained())
        return final

    def __repr__(self) -> str:
        ledger: Ledger | None = getattr(self, "_ledger", None)
        guide = self.guide if self.guide is None else type(self.guide).__name__
        space = getattr(self, "space", None)
        return f"Search({space!r}, guide={guide}, trials={len(ledger.entries) if ledger else 0})"

    def _repr_html_(self) -> str:
        from nnstruct.search.shown import search_panel

        return search_panel(self)

    def _finalists(self, top: int) -> tuple[list[Structure], list[float]]:
        """The best of one objective; of several, also those that add most to the front's volume."""
        if len(self._objectives) == 1:
            return self._ranked()
        structures, scores, points = self._believed_points()
        if not structures:
            raise NotFittedError("There is no front before a finite score was told.")
        chosen = covering(points, self._objectives.corner(points, self.reference), top)
        order = chosen[np.argsort(-points[chosen, 0], kind="stable")]
        return [structures[i] for i in order], [scores[i] for i in order]

    def _believed_points(self) -> tuple[list[Structure], list[float], np.ndarray]:
        """Structures inside the space, the means of their scores, and objectives as they are believed."""
        structures, scores = scored(self._told_inside())
        believed = self._believed()
        means = [
            believed[s.fingerprint].mean if s.fingerprint in believed else score
            for s, score in zip(structures, scores, strict=True)
        ]
        return structures, scores.tolist(), self._objectives.points(structures, self._sign * np.array(means))

    def _ranked(self) -> tuple[list[Structure], list[float]]:
        """Structures inside the space and the means of their scores, the best believed first."""
        structures, scores, points = self._believed_points()
        if not structures:
            raise NotFittedError("There is no best structure before a finite score was told.")
        order = np.argsort(-points[:, 0], kind="stable")
        return [structures[i] for i in order], [scores[i] for i in order]

    def _believed(self) -> dict[str, Believed]:
        """What a guide that knows all scores makes of each structure told, by fingerprint."""
        ledger = self._open()
        if self.guide is None:
            return {}
        rows = [e for e in ledger.entries if e.state != PENDING]
        told = len(rows)
        if self._belief is None or self._belief[0] != told:
            structures, _ = scored(rows)
            correct = self._corrects(rows)
            self._refits.sign = self._sign
            latest = self._refits.latest
            guide = latest(self.guide, rows, correct=correct, last=ledger.fit) if structures else None
            known: dict[str, Believed] = {}
            if guide is not None:
                pairs = zip(*(part.tolist() for part in expected(guide, structures)), strict=True)
                names = (structure.fingerprint for structure in structures)
                known = {name: Believed(*pair) for name, pair in zip(names, pairs, strict=True)}
            self._belief = (told, known)
        return self._belief[1]

    def _corrects(self, rows: Sequence[Any]) -> bool:
        """Whether a fitted guide is kept and its errors are learned; not where it may know the rows."""
        return is_fitted(self.guide) and not any(e.operator == TOLD and e.generation == 0 for e in rows)
