"""A benchmark of structures and scores that nobody here trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.benchmark import score_store as store
from nnstruct.benchmark.bench import Benchmark
from nnstruct.benchmark.scored_labels import ScoredLabels
from nnstruct.benchmark.scores import Rows
from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.panel import many

if TYPE_CHECKING:
    pass

TWINS = ("merge", "keep")


class ScoredBenchmark(ScoredLabels, Benchmark):
    """Structures with scores from elsewhere, for one task or several; no record of a training.

    Comes from :meth:`Benchmark.from_scores`, :func:`nnstruct.tables.read` or :meth:`Benchmark.load`.

    Parameters
    ----------
    rows : Rows
        What was given, a row a structure.
    name : str
    twins : {"merge", "keep"}
        What the rows of one group become: one label, the mean over their trainings, for the first of
        them; or a label each, in their order.
    task, target : str, optional
        Which scores are the labels; by default those of the only task, and its first target.

    Attributes
    ----------
    name : str
    twins : str
    task : str
        Empty where there are several and none has been chosen.
    target : str

    Examples
    --------
    >>> from nnstruct import Benchmark, Structure
    >>> nets = [Structure.from_layers([n, 2]) for n in (2, 3, 2)]
    >>> bench = Benchmark.from_scores(nets, [0.7, 0.8, 0.6], twins="merge", task="toy")
    >>> bench.y.round(2).tolist(), bench.y_count.tolist()
    ([0.65, 0.8], [2, 1])
    >>> Benchmark.from_scores(nets, [0.7, 0.8, 0.6], twins="keep").y.tolist()
    [0.7, 0.8, 0.6]
    """

    def __init__(
        self, rows: Rows, *, name: str = "scores", twins: str = "merge", task: str = "", target: str = ""
    ) -> None:
        self._rows, self.name, self.twins = rows, name, check_choice(twins, "twins", TWINS)
        self.configs = {}
        tasks = self.tasks
        if task and task not in tasks:
            raise UnknownNameError("task", f"be one of {', '.join(tasks)}", task)
        self.task = task or (tasks[0] if len(tasks) == 1 else "")
        names = self.targets
        if target and target not in names:
            raise UnknownNameError("target", f"be one of {', '.join(names)}", target)
        self.target = target or (names[0] if names else "test")

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        task = f"task {self.task!r}" if self.task else f"tasks {', '.join(map(repr, self.tasks)) or 'none'}"
        return (
            f"Benchmark({self.name!r}: {many(len(self), 'structure')}, "
            f"{many(len(self._rows.scores), 'score')}, {task}, target {self.target!r}, twins {self.twins!r})"
        )

    # ---- other views

    def with_target(self, name: str) -> ScoredBenchmark:
        """The same benchmark with another label of its task.

        Parameters
        ----------
        name : str
            One of :attr:`targets`.

        Returns
        -------
        ScoredBenchmark

        Raises
        ------
        UnknownNameError
            If the task has no label of the name.
        """
        return ScoredBenchmark(self._rows, name=self.name, twins=self.twins, task=self.task, target=name)

    def with_twins(self, twins: str) -> ScoredBenchmark:
        """The same rows with their twins merged or kept.

        Parameters
        ----------
        twins : {"merge", "keep"}

        Returns
        -------
        ScoredBenchmark
        """
        return ScoredBenchmark(self._rows, name=self.name, twins=twins, task=self.task, target=self.target)

    def select_task(self, task_fingerprint: str) -> ScoredBenchmark:
        """The structures that have a score on a task, with that task's labels; other scores stay at hand.

        Parameters
        ----------
        task_fingerprint : str
            A name in :attr:`tasks`.

        Returns
        -------
        ScoredBenchmark
            With the same target where the task has it, else with its first.

        Raises
        ------
        UnknownNameError
            If the benchmark has no such task.
        """
        name = task_fingerprint
        if name not in self.tasks:
            raise UnknownNameError("task", f"be one of {', '.join(self.tasks)}", name)
        scores = self._rows.scores[self._rows.scores["task"] == name]
        rows = self._rows.take(np.unique(scores["row"].to_numpy()))
        target = self.target if (scores["target"] == self.target).any() else ""
        return ScoredBenchmark(rows, name=self.name, twins=self.twins, task=name, target=target)

    def select_config(self, config_id: str) -> ScoredBenchmark:
        """Scores from elsewhere have no training configuration: always an error.

        Parameters
        ----------
        config_id : str

        Returns
        -------
        ScoredBenchmark

        Raises
        ------
        InvalidInputError
        """
        raise InvalidInputError("config_id", "be asked of a benchmark that was trained here", config_id)

    def select_family(self, family: str) -> ScoredBenchmark:
        """The structures of one family.

        Parameters
        ----------
        family : str

        Returns
        -------
        ScoredBenchmark

        Raises
        ------
        InvalidInputError
            If no structure is of the family.
        """
        families = [s.family for s in self._rows.structures]
        if family not in families:
            raise InvalidInputError("family", f"be one of {', '.join(sorted(set(families)))}", family)
        return self._take([i for i, found in enumerate(families) if found == family])

    def select(self, fingerprints: Iterable[str]) -> ScoredBenchmark:
        """The benchmark of some structures, in the given order; with each its copies.

        Parameters
        ----------
        fingerprints : iterable of str

        Returns
        -------
        ScoredBenchmark

        Raises
        ------
        InvalidInputError
            If a fingerprint is unknown or given twice.
        """
        chosen = list(fingerprints)
        if len(set(chosen)) != len(chosen):
            raise InvalidInputError("fingerprints", "hold each fingerprint once", len(chosen))
        rows: dict[str, list[int]] = {}
        members: dict[int, list[int]] = {}
        for row, (structure, code) in enumerate(
            zip(self._rows.structures, self._codes.tolist(), strict=True)
        ):
            rows.setdefault(structure.fingerprint, []).append(row)
            members.setdefault(code, []).append(row)
        taken: dict[int, None] = {}
        for name in chosen:
            if name not in rows:
                raise InvalidInputError("fingerprints", "be those of structures of the benchmark", name)
            for row in rows[name]:
                taken |= dict.fromkeys(members[int(self._codes[row])] if self.twins == "merge" else [row])
        return self._take(list(taken))

    def split(self, test: float = 0.2, seed: int = 0) -> tuple[ScoredBenchmark, ScoredBenchmark]:
        """Two benchmarks with no group of twins in common.

        Depends on the set of groups, not on the order of the rows. Groups without a label go to the first.

        Parameters
        ----------
        test : float
            Share of the groups in the second part, in (0, 1).
        seed : int

        Returns
        -------
        (ScoredBenchmark, ScoredBenchmark)
            Train and test; each keeps the order of :attr:`structures`.

        Raises
        ------
        InvalidInputError
            If ``test`` or ``seed`` breaks its rule, or fewer than two groups have a label.
        """
        held_out = self._held_out(sorted(set(self.groups)), test, seed)
        inside = np.array([name in held_out for name in self._rows.groups], dtype=bool)
        return self._take(np.flatnonzero(~inside)), self._take(np.flatnonzero(inside))

    def merge(self, *others: Benchmark) -> ScoredBenchmark:
        """The rows of all; scores of one structure for one task are repeats.

        Parameters
        ----------
        *others : Benchmark
            Of a benchmark that was trained here come its labels, with their spread and counts. A row that
            is here already, with the same scores from the same source, is left out.

        Returns
        -------
        ScoredBenchmark
            With this one's task, target and treatment of twins.
        """
        parts = [self, *(as_scored(other) for other in others)]
        rows = Rows.joined([part._rows for part in parts])
        name = "+".join(dict.fromkeys(part.name for part in parts))
        task = self.task if {part.task for part in parts} == {self.task} else ""
        return ScoredBenchmark(rows, name=name, twins=self.twins, task=task, target=self.target)

    def save(self, path: str | Path) -> Path:
        """Write the benchmark to a folder, or add it to the benchmark of scores there.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InvalidInputError
            If the folder holds records of trainings.
        FolderBusyError
            If another process writes to the folder.
        CorruptFileError
            If a file of the folder is missing or damaged.
        """
        folder = Path(path)
        store.check_free(folder)
        whole = load_scores(folder).merge(self) if store.holds_scores(folder) else self
        settings = whole.name, self.twins, self.task, self.target
        store.write_scores(folder, store.StoredScores(whole._rows, *settings))
        return folder

    # ---- inner parts

    def _take(self, rows: Sequence[int] | np.ndarray) -> ScoredBenchmark:
        return ScoredBenchmark._of(self, self._rows.take(np.asarray(rows, dtype=np.int64)))

    @staticmethod
    def _of(like: ScoredBenchmark, rows: Rows) -> ScoredBenchmark:
        """Other rows under the same choices, even where none of them has a score."""
        view = object.__new__(ScoredBenchmark)
        view._rows, view.name, view.twins, view.configs = rows, like.name, like.twins, {}
        view.task, view.target = like.task, like.target
        return view


def as_scored(bench: Benchmark) -> ScoredBenchmark:
    """The labels of a benchmark, whatever they come from, as scores.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    ScoredBenchmark
        The same one where it holds scores. Of one that was trained here: the mean, spread and count of
        each labelled structure under its target, and its costs.

    Raises
    ------
    InvalidInputError
        If the records are of several tasks or configurations.
    """
    if isinstance(bench, ScoredBenchmark):
        return bench
    y, task = bench.y, str(bench.table["task"].iloc[0]) if len(bench.table) else "none"
    by_structure = bench.table.groupby("fingerprint")[["parameters", "seconds"]].mean()
    rows = Rows.of(
        bench.structures,
        {task: y},
        {task: bench.y_std},
        {task: bench.y_count},
        costs=by_structure.reindex(bench.fingerprints).reset_index(drop=True),
        source=task,
        target=bench.target,
    )
    return ScoredBenchmark(rows, name=task, task=task, target=bench.target)


def from_scores(
    structures: Sequence[Structure],
    y: Any,
    y_std: Any = None,
    *,
    task: str = "scores",
    name: str = "scores",
    target: str = "test",
    seeds: Any = None,
    costs: Mapping[str, Any] | None = None,
    twins: str | None = None,
    bounds: Any = None,
) -> ScoredBenchmark:
    """What :meth:`Benchmark.from_scores` gives; see there."""
    given = check_structures(structures)
    by_task = y if isinstance(y, Mapping) else {task: y}
    std = y_std if isinstance(y_std, Mapping) else dict.fromkeys(by_task, y_std)
    counts = seeds if isinstance(seeds, Mapping) else dict.fromkeys(by_task, seeds)
    rows = Rows.of(given, by_task, std, counts, costs=costs, source=name, target=target)
    rows = rows if bounds is None else rows.within(bounds)
    chosen = check_choice("merge" if twins is None else twins, "twins", TWINS)
    copies = len(given) - len(set(rows.groups)) if chosen == "merge" else 0
    if copies and twins is None:
        are = "is a copy of another and was" if copies == 1 else "are copies of others and were"
        warnings.warn(
            f"{copies} of {len(given)} structures {are} merged to a mean and a spread; twins='merge' says so,"
            " twins='keep' keeps a row a structure.",
            UserWarning,
            stacklevel=3,
        )
    first = task if task in by_task else next(iter(by_task), "")
    return ScoredBenchmark(rows, name=name, twins=chosen, task=first if len(given) else "", target="")


def load_scores(folder: Path) -> ScoredBenchmark:
    """The benchmark of a folder of scores, as it was saved.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    ScoredBenchmark

    Raises
    ------
    CorruptFileError
        If a file is missing, truncated, altered or of another kind.
    """
    found = store.read_scores(folder)
    return ScoredBenchmark(
        found.rows, name=found.name, twins=found.twins, task=found.task, target=found.target
    )
