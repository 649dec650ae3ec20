"""The same structures on several tasks: is what is good on one good on the others?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from nnstruct.benchmark.bench import Benchmark
from nnstruct.benchmark.scored import ScoredBenchmark
from nnstruct.benchmark.task_statistics import (
    TaskCells,
    Trainings,
    correlation_draws,
    normal_scores,
    rank_interval,
    share_draws,
    shares,
)
from nnstruct.checks import check_choice, check_rounds, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SCALES = ("rank", "label")
LEAST_STRUCTURES = 3


class CrossTask:
    """Structures with a label on each of several tasks, and what these labels have in common.

    Parameters
    ----------
    benchmarks : mapping of str to Benchmark, or sequence of Benchmark
        One for each task, at least two, each with one task, one configuration and the target that counts; by
        name, or in a sequence by the names of their tasks. Structures without a label on one of them are left
        out.

    Attributes
    ----------
    benchmarks : dict of str to Benchmark
        With the common structures alone, in one order.
    tasks : list of str
        Names, length t.
    structures : list of Structure
        Common ones, length s.
    left_out : int
        Structures that lack a label on some task.

    Raises
    ------
    InvalidInputError
        If there are fewer than two benchmarks, or fewer than three structures with a label on all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Benchmark, Structure
    >>> from nnstruct.benchmark import CrossTask
    >>> nets = [Structure.from_layers([n, 2]) for n in range(1, 9)]
    >>> size = np.arange(8.0)
    >>> scores = {"wide is good": size / 10, "deep is good": size[::-1] / 10, "so is this": size / 8}
    >>> cross = CrossTask({task: Benchmark.from_scores(nets, y, task=task) for task, y in scores.items()})
    >>> cross
    CrossTask(8 structures, 3 tasks)
    >>> cross.matrix(corrected=False).loc["wide is good"].tolist()
    [1.0, -1.0, 1.0]
    """

    def __init__(self, benchmarks: Mapping[str, Benchmark] | Sequence[Benchmark]) -> None:
        given = _named(benchmarks)
        first, *others = given.values()
        common = set(first.fingerprints).intersection(*(bench.fingerprints for bench in others))
        union = set(first.fingerprints).union(*(bench.fingerprints for bench in others))
        if len(common) < LEAST_STRUCTURES:
            rule = f"have at least {LEAST_STRUCTURES} structures with a label on every task"
            raise InvalidInputError("benchmarks", rule, len(common))
        order = [name for name in first.fingerprints if name in common]
        self.left_out = len(union) - len(common)
        self.benchmarks = {name: bench.select(order) for name, bench in given.items()}
        self.structures: list[Structure] = next(iter(self.benchmarks.values())).structures

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in the order given."""
        return list(self.benchmarks)

    def __len__(self) -> int:
        return len(self.structures)

    def __repr__(self) -> str:
        return f"CrossTask({len(self)} structures, {len(self.tasks)} tasks)"

    def _repr_html_(self) -> str:
        table = self.matrix().style.format("{:.2f}").background_gradient("RdBu_r", vmin=-1, vmax=1)
        html: str = table.to_html()
        return f"<p>{self!r}; rank correlations, corrected for the noise of seeds</p>{html}"

    def select_family(self, family: str) -> Self:
        """The structures of one family.

        Parameters
        ----------
        family : str

        Returns
        -------
        CrossTask

        Raises
        ------
        InvalidInputError
            If there are fewer than three.
        """
        kept = [structure.fingerprint for structure in self.structures if structure.family == family]
        if len(kept) < LEAST_STRUCTURES:
            rule = f"be the family of at least {LEAST_STRUCTURES} structures"
            raise InvalidInputError("family", rule, family)
        return type(self)({name: bench.select(kept) for name, bench in self.benchmarks.items()})

    def labels(self, scale: str = "label") -> np.ndarray:
        """The label of each structure on each task.

        Parameters
        ----------
        scale : {"label", "rank"}
            As it is, or the mean normal score of its trainings: the quantile of the normal distribution at
            each training's rank among those of the task. It is the same for every monotone change of a
            metric.

        Returns
        -------
        float64 [s, t]
        """
        return self._cells(check_choice(scale, "scale", SCALES)).mean

    def correlations(self, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
        r"""How alike two tasks rank the structures, for each pair of tasks.

        The correlation is Pearson's of the mean normal scores (see :meth:`labels`). Noise of the seeds makes
        it too low, and where one seed gives a structure the same first weights on both tasks, it may make it
        too high. With the covariance ``C`` of the means and that of what the seeds add to them, ``N``,
        corrected is ``(C - N)_ab / sqrt((C - N)_aa (C - N)_bb)``: Spearman's (1904) correction, which has
        ``N_ab = 0``, for noise that goes along. A corrected one may lie above 1 by chance. Intervals are
        percentiles over structures drawn with replacement, the noise reckoned anew in each.

        Parameters
        ----------
        confidence : float
            Of the intervals, in (0, 1).
        resamples : int
        seed : int

        Returns
        -------
        pandas.DataFrame
            Indexed by ``a`` and ``b``, the tasks; ``correlation``, ``low``, ``high``, ``corrected``,
            ``corrected_low``, ``corrected_high``, ``ceiling_a`` and ``ceiling_b``. NaN is what cannot be
            corrected: one seed a structure, or a ceiling of 0.

        References
        ----------
        C. Spearman. The proof and measurement of association between two things. American Journal of
        Psychology 15 (1904), 72-101.
        """
        import pandas as pd

        level = check_share(confidence, "confidence")
        cells = self._cells("rank")
        draws = correlation_draws(cells, check_rounds(resamples, "resamples"), check_seed(seed))
        ends = [(1 - level) / 2, (1 + level) / 2]
        point, fixed, reliability = cells.correlations()
        rows = {}
        for i, a in enumerate(self.tasks):
            for j, b in enumerate(self.tasks[:i]):
                low, high = np.quantile(draws.plain[:, i, j], ends)
                known = draws.corrected[:, i, j]
                known = known[np.isfinite(known)]
                # Where many draws cannot be corrected, the ends of the others would claim too much.
                sure = len(known) > 0.9 * len(draws.corrected) and np.isfinite(fixed[i, j])
                lower, upper = np.quantile(known, ends) if sure else (math.nan, math.nan)
                rows[b, a] = [
                    point[i, j], low, high, fixed[i, j], lower, upper, reliability[j], reliability[i],
                ]  # fmt: skip
        names = [
            "correlation",
            "low",
            "high",
            "corrected",
            "corrected_low",
            "corrected_high",
            "ceiling_a",
            "ceiling_b",
        ]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        table.index = pd.MultiIndex.from_tuples(rows, names=["a", "b"])
        return table

    def matrix(self, *, corrected: bool = True) -> pd.DataFrame:
        """Rank correlations between all tasks.

        Parameters
        ----------
        corrected : bool
            For the noise of the seeds, where that is known; see :meth:`correlations`.

        Returns
        -------
        pandas.DataFrame
            [t, t], symmetric. On the diagonal 1.
        """
        import pandas as pd

        point, fixed, _ = self._cells("rank").correlations()
        values = np.where(np.isfinite(fixed), fixed, point) if corrected else point
        np.fill_diagonal(values, 1.0)
        return pd.DataFrame(values.round(12), index=self.tasks, columns=self.tasks)

    def variance(
        self, scale: str = "rank", *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
    ) -> pd.DataFrame:
        r"""What labels of single trainings differ by: structure, task, both together, or the seed.

        The model is ``y_stk = mu + S_s + T_t + (ST)_st + e_stk``, its noise ``e`` in two parts: what one seed
        gives a structure on every task (its first weights, where shapes agree), and what it gives on one.
        With ``C`` the covariance between tasks of the means over seeds, ``N`` that of the noise in them,
        ``W`` that of single trainings of one structure, and diag and rest for the means on and off the
        diagonal::

            structure    rest(C - N)
            interaction  diag(C - N) - rest(C - N)
            start        rest(W)
            training     diag(W) - rest(W)

        Without common seeds this is the two-way analysis of variance with random effects. A negative one
        counts as 0. A structure's share beside that of the interaction says how much of what structure
        decides holds on every task.

        Parameters
        ----------
        scale : {"rank", "label"}
            See :meth:`labels`. On ranks tasks do not differ, their share is 0 by construction.
        confidence : float
            Of the intervals: percentiles over structures drawn with replacement; the tasks stay.
        resamples : int
        seed : int

        Returns
        -------
        pandas.DataFrame
            Indexed by ``structure``, ``task``, ``interaction``, ``start``, ``training``, and ``everywhere``:
            structure's part of structure and interaction. ``share``, ``low``, ``high``. With one seed a
            structure the last two's shares are NaN, and counted to the interaction and the structure.

        References
        ----------
        S. R. Searle, G. Casella and C. E. McCulloch. Variance Components (1992), chapters 4 and 5.
        """
        import pandas as pd

        level = check_share(confidence, "confidence")
        cells = self._cells(check_choice(scale, "scale", SCALES))
        differ = scale == "label"
        found = shares(cells, np.ones(len(self)), tasks_differ=differ)
        draws = share_draws(
            cells, check_rounds(resamples, "resamples"), check_seed(seed), tasks_differ=differ
        )
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        names = ["structure", "task", "interaction", "start", "training", "everywhere"]
        table = pd.DataFrame({"share": found, "low": low, "high": high}, index=names)
        if not cells.has_seeds:
            table.loc[["start", "training"]] = math.nan
        return table

    def property_correlations(
        self, families: Sequence[str] = ("paper",), *, confidence: float = 0.95
    ) -> pd.DataFrame:
        """Which properties go with the label on every task, and which on some.

        Spearman's rank correlation of each property with each task's label. Its interval is Fisher's with
        the standard error of Bonett and Wright (2000), at a level for all tasks together (Bonferroni).

        Parameters
        ----------
        families : sequence of str
            Of properties; see :func:`nnstruct.properties.features`.
        confidence : float
            That all intervals of one property hold.

        Returns
        -------
        pandas.DataFrame
            Indexed by property; a column for each task, ``mean`` and ``spread`` (standard deviation) over
            the tasks, and ``everywhere``: +1 or -1 where the intervals of all tasks lie above or below 0,
            else 0. The strongest mean first. Properties that do not vary, or are undefined for a structure,
            are left out.

        References
        ----------
        D. G. Bonett and T. A. Wright. Sample size requirements for estimating Pearson, Kendall and Spearman
        correlations. Psychometrika 65 (2000), 23-28.
        """
        import pandas as pd
        from scipy.stats import rankdata

        from nnstruct.properties import features

        level = check_share(confidence, "confidence")
        table = features(self.structures, families)
        whole = np.isfinite(table.to_numpy()).all(axis=0) & (np.ptp(table.to_numpy(), axis=0) > 0)
        kept = table.loc[:, whole]
        y = rankdata(self.labels(), axis=0)  # [s, t]
        x = rankdata(kept.to_numpy(), axis=0)  # [s, p]
        rho = np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :].round(12)  # [p, t]
        low, high = rank_interval(rho, len(self), 1 - (1 - level) / len(self.tasks))
        frame = pd.DataFrame(rho, index=kept.columns, columns=self.tasks)
        frame["mean"], frame["spread"] = rho.mean(axis=1), rho.std(axis=1, ddof=1)
        frame["everywhere"] = (low > 0).all(axis=1).astype(int) - (high < 0).all(axis=1).astype(int)
        order = frame["mean"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order]

    def plot(self, ax: Axes | None = None, *, corrected: bool = True) -> Axes:
        """The matrix of rank correlations as a map of colours, tasks that are alike side by side.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            A new figure's by default.
        corrected : bool
            See :meth:`matrix`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from nnstruct.benchmark.task_plot import draw_matrix

        return draw_matrix(self.matrix(corrected=corrected), ax)

    def _cells(self, scale: str) -> TaskCells:
        known = self.__dict__.setdefault("_known_cells", {})
        if scale not in known:
            known[scale] = TaskCells.of(
                [_trainings(bench, scale) for bench in self.benchmarks.values()], len(self)
            )
        return known[scale]


def _named(benchmarks: Mapping[str, Benchmark] | Sequence[Benchmark]) -> dict[str, Benchmark]:
    pairs: list[tuple[str, Benchmark]]
    if isinstance(benchmarks, Mapping):
        pairs = list(benchmarks.items())
    elif isinstance(benchmarks, Sequence) and not isinstance(benchmarks, str):
        pairs = [
            (bench.tasks[0] if isinstance(bench, Benchmark) and bench.tasks else "", bench)
            for bench in benchmarks
        ]
    else:
        raise InvalidInputError("benchmarks", "be a mapping or a sequence of Benchmark", benchmarks)
    for name, bench in pairs:
        if not isinstance(bench, Benchmark):
            rule = "hold a Benchmark for each task"
            raise InvalidInputError("benchmarks", rule, bench, "Read a folder by Benchmark.load.")
        if [known for known, _ in pairs].count(name) > 1:
            hint = "Give a mapping from names to benchmarks."
            raise InvalidInputError("benchmarks", "be of tasks with distinct names", name, hint)
    if len(pairs) < 2:
        raise InvalidInputError("benchmarks", "be at least two", len(pairs))
    for _, bench in pairs:
        bench._check_one_label()
    return dict(pairs)


def _trainings(bench: Benchmark, scale: str) -> Trainings:
    """The trainings of a benchmark whose structures stand in the common order."""
    if isinstance(bench, ScoredBenchmark):
        value, noise = bench.y, bench.label_noise
        known = noise is not None and np.isfinite(noise).all() and np.ptp(value) > 0
        share = float((noise**2).mean() / value.var(ddof=1)) if known and noise is not None else None
        # On normal scores noise has the same share of the variance, to first order.
        value = normal_scores(value) if scale == "rank" else value
        told = None if share is None else share * float(value.var(ddof=1))
        places = np.arange(len(value))
        return Trainings(value, places, places, told)  # no seed is that of another task
    place = {name: i for i, name in enumerate(bench.fingerprints)}
    values = bench._values
    names, codes = bench._words("fingerprint")
    rows = np.flatnonzero(np.isfinite(values))
    of = np.array([place.get(name, -1) for name in names])[codes[rows]]
    seed = bench._frame(["seed"])["seed"].to_numpy()[rows].astype(np.int64)
    return Trainings(normal_scores(values[rows]) if scale == "rank" else values[rows], of, seed)
