"""What an evaluation found, as tables and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.metrics import METRICS
from nnstruct.predictors.results import PREDICTIONS, read_frame, read_results, wide_table, write_results
from nnstruct.reading import reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Heading, column of the table, digits, whether it has an interval.
_COLUMNS = (
    ("R2", "r2", 3, True),
    ("MAE", "mae", 4, True),
    ("RMSE", "rmse", 4, True),
    ("Kendall tau", "kendall", 3, True),
    ("Spearman", "spearman", 3, True),
    ("inside 90%", "coverage_90", 2, False),
    ("fit [s]", "fit_seconds", 2, False),
)
# Of a learning curve: heading, column, digits, whether its spread over draws is shown.
_CURVE_COLUMNS = (
    ("Kendall tau", "kendall", 3, True),
    ("Spearman", "spearman", 3, True),
    ("R2", "r2", 3, True),
    ("precision@k", "precision_at_k", 2, True),
    ("N@k", "n_at_k", 1, True),
    ("regret@k", "regret_at_k", 4, True),
    ("inside 90%", "coverage_90", 2, False),
    ("fit [s]", "fit_seconds", 2, False),
)


class Score(NamedTuple):
    """A score as text, and its interval in brackets, or its spread, where it has one."""

    value: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.interval}".rstrip()


@dataclass(frozen=True)
class ScoreTable:
    """The scores of an evaluation as text: what terminals, pages and ``print`` show is taken from here.

    Attributes
    ----------
    columns : tuple of str
        Headings.
    rows : dict of str to tuple of Score
        By predictor, the best R2 first; a Score a column. With training sizes by predictor, size and
        protocol: the smallest size first, and the best Kendall tau first in each.
    ceiling : Score
        The noise ceiling of R2; its value is ``unknown`` where the labels tell of none.
    """

    columns: tuple[str, ...]
    rows: dict[str, tuple[Score, ...]]
    ceiling: Score


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Scores of predictors on structures that they have not seen.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a predictor; with training sizes, a row a predictor, size and protocol. Each metric of
        :func:`nnstruct.predictors.metrics.scores`, with ``_low`` and ``_high``, and ``_sd`` over draws where
        there are sizes; ``fit_seconds``, the mean over fits; ``ceiling``, ``ceiling_low``,
        ``ceiling_high``, the largest R2 that the labels' noise allows; with sizes ``scored``, the mean
        number of structures scored.
    predictions : pandas.DataFrame
        A row a prediction: ``fingerprint``, ``predictor``, ``repeat``, ``fold``, ``y``,
        ``y_pred``, ``y_std_pred``. With training sizes ``draw`` and ``train_size`` in the place of ``repeat``
        and ``fold``, and ``trained`` and, where asked for, ``twin``: whether the structure, or a
        twin of it, was learned from.
    noise_ceiling : (float, float, float)
        Value, low, high.
    folds, repeats, num_structures : int
        ``folds`` is 0 with training sizes, and ``repeats`` the number of draws; both are 1 with ``test``.
    confidence : float
        Level of the intervals.
    results : pandas.DataFrame
        The long table that :meth:`save` writes: a row a metric and draw, and their means; see
        :mod:`nnstruct.predictors.results`.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    noise_ceiling: tuple[float, float, float]
    folds: int
    repeats: int
    confidence: float
    num_structures: int
    results: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def from_results(cls, results: pd.DataFrame, predictions: pd.DataFrame) -> Evaluation:
        """An evaluation from its long table.

        Parameters
        ----------
        results : pandas.DataFrame
            Of one evaluation.
        predictions : pandas.DataFrame
            A row a prediction; may be empty.

        Returns
        -------
        Evaluation

        Raises
        ------
        InvalidInputError
            If the rows are of several evaluations.
        """
        shared = ["data", "target", "folds", "repeats", "confidence", "structures"]
        kinds = results[shared].drop_duplicates()
        if len(kinds) != 1:
            raise InvalidInputError("results", "be of one evaluation", f"{len(kinds)}")
        about = kinds.iloc[0]
        table = wide_table(results)
        ceiling = table[["ceiling", "ceiling_low", "ceiling_high"]].iloc[0]
        return cls(
            table=table,
            predictions=predictions,
            noise_ceiling=(float(ceiling.iloc[0]), float(ceiling.iloc[1]), float(ceiling.iloc[2])),
            folds=int(about["folds"]),
            repeats=int(about["repeats"]),
            confidence=float(about["confidence"]),
            num_structures=int(about["structures"]),
            results=results,
        )

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read an evaluation that :meth:`save` wrote.

        Parameters
        ----------
        path : path
            The folder, or ``results.parquet`` itself; without ``predictions.parquet`` beside it
            ``predictions`` is empty.

        Returns
        -------
        Evaluation

        Raises
        ------
        MissingDataError
            If there is none.
        CorruptFileError
            If the file does not hold one.
        """
        results = read_results(path)
        beside = (Path(path) if Path(path).is_dir() else Path(path).parent) / PREDICTIONS
        predictions = read_frame(beside) if beside.is_file() else pd.DataFrame()
        with reading(path, "an evaluation"):
            found = cls.from_results(results, predictions)
            _ = found.scores  # every metric that it shows is there
            return found

    def save(self, path: str | Path, *, predictions: bool = True) -> Path:
        """Write ``results.parquet`` and ``predictions.parquet`` into a folder.

        Parameters
        ----------
        path : path
            The folder; files of an earlier evaluation are replaced.
        predictions : bool
            Whether to keep single predictions too.

        Returns
        -------
        Path
            The folder.
        """
        return write_results(path, self.results, self.predictions if predictions else None)

    @property
    def train_sizes(self) -> list[int]:
        """Sizes of the training sets, ascending; empty for a cross-validation."""
        return sorted(set(self.table.index.get_level_values("train_size"))) if self._is_curve else []

    @property
    def scores(self) -> ScoreTable:
        """The table as text, the best predictor first."""
        columns = _CURVE_COLUMNS if self._is_curve else _COLUMNS
        if self._is_curve:
            ordered = self.table.sort_values("kendall", ascending=False, kind="stable")
            ordered = ordered.sort_index(level="train_size", sort_remaining=False, kind="stable")
        else:
            ordered = self.table.sort_values("r2", ascending=False)
        value, low, high = self.noise_ceiling
        ceiling = Score(_number(value, 3) if np.isfinite(value) else "unknown")
        if (low, high) == (0.0, 1.0):  # labels that show no spread at all
            ceiling = Score("unknown")
        elif np.isfinite([value, low, high]).all():
            ceiling = Score(ceiling.value, f"[{low:.3f}, {high:.3f}]")
        return ScoreTable(
            columns=tuple(heading for heading, *_ in columns),
            rows={
                ", ".join(map(str, label)) if isinstance(label, tuple) else str(label): tuple(
                    _score(row, name, places, more) for _, name, places, more in columns
                )
                for label, row in ordered.iterrows()
            },
            ceiling=ceiling,
        )

    def plot(self, metric: str = "kendall", ax: Axes | None = None) -> Axes:
        """Draw a metric over the size of the training set, or for each predictor of a cross-validation.

        Parameters
        ----------
        metric : str
            One of ``METRICS``.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            Lines with bands of the intervals of the means; one a predictor and protocol.
        """
        from nnstruct.predictors.curve_plot import draw_curves, draw_scores

        check_choice(metric, "metric", METRICS)
        return (draw_curves if self._is_curve else draw_scores)(self.table, metric, self.confidence, ax)

    def compare(
        self,
        a: str | None = None,
        b: str | None = None,
        *,
        metric: str = "kendall",
        method: str = "corrected-t",
        confidence: float | None = None,
        permutations: int = 1000,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Whether predictors differ, by what they said of the same structures.

        ``corrected-t`` compares the metric fit by fit, with the variance corrected for training sets that
        overlap (Nadeau and Bengio, 2003). ``permutation`` lets the predictions of each structure change
        sides at random, in all fits at once. P-values of several comparisons are raised by Holm's
        method (1979).

        Parameters
        ----------
        a, b : str, optional
            Labels of predictors. With one, it is compared with every other; with none, all pairs are.
        metric : {"kendall", "spearman", "r2", "mae", "rmse"}
            The mean over fits.
        method : {"corrected-t", "permutation"}
        confidence : float, optional
            That of the evaluation by default.
        permutations : int
        seed : int
            Of the permutations.

        Returns
        -------
        pandas.DataFrame
            A row a pair (and training size): ``a``, ``b``, the metric of either, their ``difference`` with
            its interval ``low`` to ``high`` (NaN by permutations), ``p``, ``p_holm`` over all rows, and
            ``better``, the predictor that is ahead, empty where that may be chance.

        Raises
        ------
        UnknownNameError
            If there is no such predictor, or option.
        InvalidInputError
            If there are no two predictors, or no predictions were kept.
        """
        from nnstruct.predictors.comparison import all_pairs, compare_predictors

        if not len(self.predictions):
            raise InvalidInputError("predictions", "be kept to compare predictors", 0)
        names = list(dict.fromkeys(self.predictions["predictor"]))
        return compare_predictors(
            self.predictions, all_pairs(names, a, b), metric=metric, method=method,
            confidence=self.confidence if confidence is None else confidence,
            permutations=permutations, seed=seed,
        )  # fmt: skip

    def splits(self, path: str | Path | None = None) -> pd.DataFrame:
        """Who was learned from and who was scored, for others to use; ``evaluate(splits=...)`` takes it.

        Parameters
        ----------
        path : path, optional
            A ``.csv`` or ``.parquet`` file to write it to.

        Returns
        -------
        pandas.DataFrame
            ``split`` (a number), ``fingerprint`` and ``part``, ``train`` or ``test``.

        Raises
        ------
        InvalidInputError
            If no predictions were kept, or the file is to be of another kind.
        """
        from nnstruct.files import parquet_bytes, write_atomically
        from nnstruct.predictors.split_files import splits_of

        if not len(self.predictions):
            raise InvalidInputError("predictions", "be kept to tell the splits", 0)
        table = splits_of(self.predictions)
        if path is not None:
            import pyarrow as pa

            file = Path(path)
            if file.suffix not in (".csv", ".parquet"):
                raise InvalidInputError("path", "end with .csv or .parquet", str(path))
            as_file = pa.Table.from_pandas(table, preserve_index=False)
            data = parquet_bytes(as_file) if file.suffix == ".parquet" else table.to_csv(index=False).encode()
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, data)
        return table

    @property
    def _is_curve(self) -> bool:
        return isinstance(self.table.index, pd.MultiIndex)

    @property
    def _title(self) -> str:
        if self._is_curve:
            k = self.results["k"].iloc[0] if len(self.results) else "k"
            return (
                f"{self.num_structures} structures, {self.repeats} random training sets of each size, "
                f"mean ± standard deviation over them, k = {k}"
            )
        how = f"{self.repeats} x {self.folds}-fold cross-validation by fingerprint"
        if self.folds == 1:
            how = "learned from another benchmark"
        intervals = f"{100 * self.confidence:g}% intervals (bootstrap over structures)"
        return f"{self.num_structures} structures, {how}, {intervals}"

    def __str__(self) -> str:
        scores = self.scores
        first = "predictor, labels, scored" if self._is_curve else "predictor"
        lines = [[first, *scores.columns]]
        lines += [[label, *map(str, row)] for label, row in scores.rows.items()]
        lines += [["noise ceiling", str(scores.ceiling), *[""] * (len(scores.columns) - 1)]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        head, *rows, ceiling = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        rule = "-" * max(map(len, (head, *rows, ceiling)))
        return "\n".join([self._title, rule, head, rule, *rows, rule, ceiling])

    def __repr__(self) -> str:
        names = dict.fromkeys(self.table.index.get_level_values(0))
        return f"Evaluation({', '.join(map(str, names))}; {self.num_structures} structures)"

    def _repr_html_(self) -> str:
        from nnstruct.templates import render

        return str(render("nnstruct.predictors", "evaluation.html", title=self._title, scores=self.scores))


def _score(row: pd.Series, name: str, places: int, more: bool) -> Score:
    value = _number(row[name], places)
    if not more:
        return Score(value)
    if f"{name}_sd" in row:
        return Score(value, f"± {_number(row[f'{name}_sd'], places)}")
    low, high = (_number(row[f"{name}_{end}"], places) for end in ("low", "high"))
    return Score(value, f"[{low}, {high}]")


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"
