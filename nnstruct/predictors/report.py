"""What an evaluation found, as tables and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

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


class Score(NamedTuple):
    """A score as text, and its interval in brackets where it has one."""

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
        By predictor, the best R2 first; a Score a column.
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
        A row a predictor. ``r2``, ``mae``, ``rmse``, ``kendall``, ``spearman``, each with
        ``_low`` and ``_high``; ``coverage_90``, the share of labels inside their 90% interval;
        ``fit_seconds``, the mean over folds; ``ceiling``, ``ceiling_low``, ``ceiling_high``, the
        largest R2 that the labels' noise allows.
    predictions : pandas.DataFrame
        A row a prediction: ``fingerprint``, ``predictor``, ``repeat``, ``fold``, ``y``,
        ``y_pred``, ``y_std_pred``.
    noise_ceiling : (float, float, float)
        Value, low, high.
    folds, repeats, num_structures : int
    confidence : float
        Level of the intervals.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    noise_ceiling: tuple[float, float, float]
    folds: int
    repeats: int
    confidence: float
    num_structures: int

    @property
    def scores(self) -> ScoreTable:
        """The table as text, the best predictor first."""
        best_first = self.table.sort_values("r2", ascending=False)
        value, low, high = self.noise_ceiling
        ceiling = Score(_number(value, 3) if np.isfinite(value) else "unknown")
        if np.isfinite([value, low, high]).all():
            ceiling = Score(ceiling.value, f"[{low:.3f}, {high:.3f}]")
        return ScoreTable(
            columns=tuple(heading for heading, *_ in _COLUMNS),
            rows={
                str(label): tuple(
                    _score(row, name, places, has_interval) for _, name, places, has_interval in _COLUMNS
                )
                for label, row in best_first.iterrows()
            },
            ceiling=ceiling,
        )

    def __str__(self) -> str:
        scores = self.scores
        lines = [["predictor", *scores.columns]]
        lines += [[label, *map(str, row)] for label, row in scores.rows.items()]
        lines += [["noise ceiling", str(scores.ceiling), *[""] * (len(scores.columns) - 1)]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        head, *rows, ceiling = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        title = (
            f"{self.num_structures} structures, {self.repeats} x {self.folds}-fold cross-validation by "
            f"fingerprint, {100 * self.confidence:g}% intervals (bootstrap over structures)"
        )
        rule = "-" * max(map(len, (head, *rows, ceiling)))
        return "\n".join([title, rule, head, rule, *rows, rule, ceiling])

    def __repr__(self) -> str:
        return f"Evaluation({', '.join(map(str, self.table.index))}; {self.num_structures} structures)"


def _score(row: pd.Series, name: str, places: int, has_interval: bool) -> Score:
    if not has_interval:
        return Score(_number(row[name], places))
    low, high = (_number(row[f"{name}_{end}"], places) for end in ("low", "high"))
    return Score(_number(row[name], places), f"[{low}, {high}]")


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"
