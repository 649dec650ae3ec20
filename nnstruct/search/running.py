"""A search that trains by itself: several structures at a time, until a budget is spent."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from multiprocessing import get_context
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from nnstruct.checks import check_integer, check_number, check_rounds
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.processes import check_workers, end_with_parent
from nnstruct.search.hindsight import NOTHING, Hindsight
from nnstruct.search.learning_curves import scores_of_curves
from nnstruct.search.ledger import PENDING, Entry
from nnstruct.search.spaces import family_of
from nnstruct.search.traits import ENQUEUED
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    import pandas as pd


class Submitter(Protocol):
    """What runs trainings: any ``concurrent.futures.Executor``, or ``client.get_executor()`` of Dask."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run a function somewhere.

        Parameters
        ----------
        function : callable
        *args
            Of the function.

        Returns
        -------
        concurrent.futures.Future
        """


class Running(Hindsight):
    """The part of a :class:`~nnstruct.search.Search` that asks, trains and tells."""

    @abstractmethod
    def ask(self, n: int = 1) -> list[Structure]:
        """The structures to train next.

        Parameters
        ----------
        n : int

        Returns
        -------
        list of n Structures
        """

    @abstractmethod
    def tell(self, structures: Sequence[Any], scores: Any, *, fidelity: float | None = None) -> None:
        """Report the scores of structures.

        Parameters
        ----------
        structures : sequence of Structure or Network
        scores : array-like of float
            NaN for one that diverged.
        fidelity : float, optional
            Of these trainings.
        """

    def enqueue(self, structures: Sequence[Structure | Network]) -> Self:
        """Have structures of one's own asked next: networks that were extracted, or known to be good.

        They count as any others that were asked: what they score teaches the guide, and they become parents.
        One that was asked or told before is passed over, so that a script that is run again does no harm.

        Parameters
        ----------
        structures : sequence of Structure or Network
            Inside the space and its limits.

        Returns
        -------
        Search
            Itself.

        Raises
        ------
        InvalidInputError
            If one lies outside the space, or breaks a limit. None is enqueued then.
        FolderBusyError
            If another process writes the study.

        Examples
        --------
        >>> from nnstruct import Search, Space, Structure
        >>> search = Search(Space("mlp", units=(4, 12)), seed=0)
        >>> mine = Structure.from_layers([5, 4])
        >>> asked = search.enqueue([mine]).ask(3)
        >>> asked[0] == mine, len(asked)
        (True, 3)
        """
        ledger, given = self._open(), check_structures(structures)
        for structure in given:
            if not self._space.contains(structure):
                rule = "lie inside the space and the limits of the search"
                raise InvalidInputError("structures", rule, structure)
        ledger.take()
        known = {entry.fingerprint for entry in ledger.entries}
        fresh = {s.fingerprint: s for s in given if s.fingerprint not in known}
        entries = [Entry(-1, structure, ENQUEUED, (), ledger.generation) for structure in fresh.values()]
        if entries:
            ledger.add_batch(self._placed(entries), None)
        return self

    def warm_start(
        self,
        structures: Sequence[Structure | Network] | Any,
        scores: Sequence[float] | np.ndarray | None = None,
        *,
        fidelity: float | None = None,
        curves: bool = False,
    ) -> Self:
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
        fidelity : float, optional
            Of all of these trainings, where the search has ``rungs``; 1 by default.
        curves : bool
            Of a benchmark: also what its learning curves say of briefer trainings, at each of the ``rungs``
            (shares of the epochs), so that a structure that was trained in full has a place on all of them.
            The benchmark's target is ``val_last``, and its rate constant; then the beginning of a training
            is the briefer training.

        Returns
        -------
        Search
            Itself.

        Raises
        ------
        InvalidInputError
            As for :meth:`tell`; with ``curves``, also if there is no benchmark, or it is not such a one.
        """
        bench = structures if hasattr(structures, "structures") and hasattr(structures, "y") else None
        if curves:
            if bench is None or scores is not None or fidelity is not None:
                raise InvalidInputError("curves", "be False where no benchmark alone is given", curves)
            fidelities, _ = self.planned(1)
            brief = scores_of_curves(bench, fidelities)
            for share, (some, values) in brief.items():
                self.warm_start(some, values, fidelity=share)
        if scores is None and bench is not None:
            structures, scores = bench.structures, bench.y
        if scores is None:
            raise InvalidInputError("scores", "be given, or be those of a benchmark", scores)
        known, values = self._checked(structures, scores)
        share = 1.0 if fidelity is None else self._fidelity(fidelity)
        told = {e.fingerprint for e in self._open().entries if e.state != PENDING and e.fidelity == share}
        rows: dict[str, tuple[Structure, float]] = {}
        for structure, score in zip(known, values.tolist(), strict=True):
            if structure.fingerprint not in told:
                rows.setdefault(structure.fingerprint, (structure, score))
        told_now = [structure for structure, _ in rows.values()]
        self.tell(told_now, [score for _, score in rows.values()], fidelity=fidelity)
        return self

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
        self._objectives.known(checked)
        return checked, values

    def measured_before(self, structures: Sequence[Structure]) -> list[int]:
        """How often structures that were asked had been measured before, at the same fidelity.

        So many seeds, or so many times those of a measurement, are used up where a search repeats some.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        list of int, length n
            Scores told, and trainings that diverged.
        """
        told: Counter[tuple[str, float]] = Counter(
            (e.fingerprint, e.fidelity) for e in self._open().entries if e.state != PENDING
        )
        shares = self.fidelities_of(structures)
        return [told[s.fingerprint, share] for s, share in zip(structures, shares, strict=True)]

    def run(
        self,
        objective: Callable[..., float],
        n: int,
        *,
        seconds: float | None = None,
        patience: int | None = None,
        workers: int | None = 1,
        executor: Submitter | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> pd.DataFrame:
        """Ask, train and tell until so many structures are trained, or a budget is spent.

        As soon as one training ends, it is told, and the next structure is asked in view of those that are
        still trained. With one worker the sequence depends on the seed alone, with more of them on which
        training ends first. An exception in ``objective`` ends the run; what was asked and not told comes
        first when it is run again.

        Parameters
        ----------
        objective : callable
            From a Structure to its score; NaN for one that diverged. Other processes import it by its name.
            Where the search has ``rungs``, from a Structure and its fidelity.
        n : int
            Structures that have been asked and told when it ends, those of earlier runs included; with
            ``rungs`` the full trainings that all of them together cost (:attr:`spent`).
        seconds : float, optional
            After these nothing more is asked; what is being trained is awaited.
        patience : int, optional
            End after so many trainings in a row without a new best score.
        workers : int or None
            Trainings at a time, each in a process of its own where it is more than one; None for one a CPU.
        executor : Submitter, optional
            Runs the trainings, ``workers`` of them at a time, in place of processes of this machine.
        announce : callable, optional
            Called with a line of text: after the first training how long all will take, at the end why it
            ended.

        Returns
        -------
        pandas.DataFrame
            :attr:`history`.

        Raises
        ------
        InvalidInputError
            If an argument breaks its rule.

        Examples
        --------
        >>> from nnstruct import Search, Space
        >>> search = Search(Space("mlp", units=(4, 12)), seed=0, population=4)
        >>> len(search.run(lambda structure: structure.num_layers, 10))
        10
        >>> len(search.run(lambda structure: structure.num_layers, 50, patience=5)) < 50
        True
        """
        n, width = check_rounds(n, "n"), check_workers(workers)
        if seconds is not None:
            check_number(seconds, "seconds", low=0, open_low=True)
        if patience is not None:
            check_integer(patience, "patience")
        if not callable(objective):
            raise InvalidInputError("objective", "be a function of a Structure", objective)
        say = announce or (lambda line: None)
        self._open()
        budget = _Budget(n, seconds, patience, width, say)
        with ExitStack() as stack:
            runner: Submitter = executor or _Here()
            if executor is None and width > 1:
                pool = ProcessPoolExecutor(width, get_context("spawn"), end_with_parent)
                runner = stack.enter_context(pool)
            running: dict[Future[Any], tuple[Structure, float]] = {}
            try:
                while True:
                    awaited = math.fsum(share for _, share in running.values())
                    free = min(width - len(running), self.trainings_left(n, awaited))
                    if free > 0 and not budget.ended:
                        for structure in self.ask(free):
                            (share,) = self.fidelities_of([structure])
                            given = (structure,) if self._rungs is None else (structure, share)
                            running[runner.submit(objective, *given)] = (structure, share)
                    if not running:
                        break
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in [future for future in running if future in done]:
                        score = float(future.result())
                        structure, share = running.pop(future)
                        self.tell([structure], [score], fidelity=share)
                        budget.spend(self._sign * score, share, left=n - self.spent)
            finally:
                for future in running:
                    future.cancel()
        say(budget.reason)
        return self.history


class _Budget:
    """Trainings, seconds and patience, and what is left of them."""

    def __init__(
        self, n: int, seconds: float | None, patience: int | None, width: int, say: Callable[[str], None]
    ) -> None:
        self.seconds, self.patience, self.width, self.say = seconds, patience, width, say
        self.started, self.trained, self.in_vain = monotonic(), 0, 0
        self.best: dict[float, float] = {}
        self.patient = f"{n} structures are trained"

    def spend(self, score: float, share: float, left: float) -> None:
        """One more training of a fidelity, its score turned so that it is to be high."""
        self.trained += 1
        best = self.best.get(share, -np.inf)
        self.in_vain = 0 if score > best else self.in_vain + 1
        self.best[share] = max(best, score) if np.isfinite(score) else best
        if self.trained == 1 and left > NOTHING:
            each = monotonic() - self.started
            expected = each / share * left / self.width
            if self.seconds is not None:
                expected = min(expected, self.seconds)
            self.say(f"The first training took {each:.1f} s; {left:g} more will take about {expected:.0f} s")

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be asked."""
        late = self.seconds is not None and monotonic() - self.started >= self.seconds
        tired = self.patience is not None and self.in_vain >= self.patience
        if late:
            self.patient = f"{self.seconds:g} seconds are over"
        elif tired:
            self.patient = f"{self.patience} trainings in a row brought nothing better"
        return late or tired

    @property
    def reason(self) -> str:
        """Why the run ended."""
        return f"The search ends: {self.patient}"


class _Here:
    """Runs a function at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future
