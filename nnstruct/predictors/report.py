"""What an evaluation found, as tables and as text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_SHOWN = (
    ("R2", "r2"),
    ("MAE", "mae"),
    ("RMSE", "rmse"),
    ("Kendall tau", "kendall"),
    ("Spearman", "spearman"),
)


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

    def __str__(self) -> str:
        header = ["predictor", *(title for title, _ in _SHOWN), "coverage 90%", "fit [s]"]
        rows = [
            [
                str(label),
                *(_with_interval(row, name) for _, name in _SHOWN),
                _number(row["coverage_90"], 2),
                _number(row["fit_seconds"], 2),
            ]
            for label, row in self.table.sort_values("r2", ascending=False).iterrows()
        ]
        rows.append(["noise ceiling", self._ceiling_text(), *[""] * (len(header) - 2)])
        widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
                 for line in [header, *rows]]  # fmt: skip
        title = (
            f"{self.num_structures} structures, {self.repeats} x {self.folds}-fold cross-validation by "
            f"fingerprint, {100 * self.confidence:g}% intervals (bootstrap over structures)"
        )
        rule = "-" * max(len(line) for line in lines)
        return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __repr__(self) -> str:
        return f"Evaluation({', '.join(map(str, self.table.index))}; {self.num_structures} structures)"

    def _ceiling_text(self) -> str:
        value, low, high = self.noise_ceiling
        if not np.isfinite(value):
            return "unknown"
        return f"{value:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite([low, high]).all() else f"{value:.3f}"


def _with_interval(row: pd.Series, name: str) -> str:
    places = 3 if name in ("r2", "kendall", "spearman") else 4
    ends = f"{_number(row[f'{name}_low'], places)}, {_number(row[f'{name}_high'], places)}"
    return f"{_number(row[name], places)} [{ends}]"


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"
