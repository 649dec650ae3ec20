"""One table, and one page, from the results of many evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.predictors.metrics import COVERAGE, METRICS
from nnstruct.predictors.results import RESULTS, WRITTEN_BY, read_results
from nnstruct.templates import render

# What must be equal for figures to be compared.
_BOARD = ("benchmark", "task", "target", "data", "structures", "k", "higher_is_better")
_CASE = ("train_size", "folds", "protocol", "repeats")
_KEYS = (*_BOARD, *_CASE, "predictor", "parameters", "confidence", "seed", "version")
_LOW_IS_BETTER = ("mae", "rmse", "n_at_k", "regret_at_k", "nll")
_HEADINGS = {
    "kendall": ("Kendall tau", 3),
    "spearman": ("Spearman", 3),
    "r2": ("R2", 3),
    "precision_at_k": ("precision@k", 2),
    "n_at_k": ("N@k", 1),
    "regret_at_k": ("regret@k", 4),
    "nll": ("NLL", 2),
    COVERAGE: ("inside 90%", 2),
    "mae": ("MAE", 4),
    "rmse": ("RMSE", 4),
}
_SHOWN = ("kendall", "spearman", "r2", "precision_at_k", "n_at_k", "regret_at_k", "nll", COVERAGE)


def leaderboard(paths: str | Path | Iterable[str | Path], *, metric: str = "kendall") -> pd.DataFrame:
    """The mean scores of evaluations that :meth:`Evaluation.save` wrote, the best of each case first.

    Parameters
    ----------
    paths : path or several
        Files ``results.parquet``, or folders, in which they are looked for at any depth.
    metric : str
        One of ``METRICS``: what orders the predictors of a case.

    Returns
    -------
    pandas.DataFrame
        A row a predictor (with its parameters as JSON), benchmark, target, training size or number of
        folds, and protocol; each metric with ``_sd`` over draws or repeats, ``_low`` and ``_high``; the
        ceiling; seconds of a fit; version. What was found twice with the same scores stands once. It does not
        depend on the order of the paths.

    Raises
    ------
    MissingDataError
        If a path holds no results.
    CorruptFileError
        If a file is none.
    InvalidInputError
        If no path is given, or there is no such metric.

    Examples
    --------
    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import evaluate, leaderboard
    >>> nets = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> ceiling = SimpleNamespace(value=1.0, low=1.0, high=1.0)
    >>> bench = SimpleNamespace(
    ...     structures=nets, y=[float(s.num_units) for s in nets], noise_ceiling=ceiling, name="widths"
    ... )
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("mean", "bayesian-ridge"):
    ...     _ = evaluate(name, bench, train_sizes=[10], draws=2).save(f"{folder}/{name}")
    >>> leaderboard(folder)[["benchmark", "train_size", "predictor"]].to_numpy().tolist()
    [['widths', 10, 'bayesian-ridge'], ['widths', 10, 'mean']]
    """
    check_choice(metric, "metric", METRICS)
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise InvalidInputError("paths", "hold at least one path", given)
    tables = [_wide(read_results(file)) for path in given for file in _files(Path(path))]
    board = pd.concat(tables, ignore_index=True)[_columns()]
    known = [name for name in _columns() if name != "fit_seconds"]
    board = board.sort_values([*known, "fit_seconds"], kind="stable", ignore_index=True)
    board = board.drop_duplicates(known, ignore_index=True)
    ordered = board.assign(
        _worse=board[metric] if metric in _LOW_IS_BETTER else -board[metric],
        _size=board["train_size"].astype("Float64").fillna(np.inf).astype(float),
    )
    order = [*_BOARD, "_size", *_CASE, "_worse", "predictor", "parameters", "seed"]
    ordered = ordered.sort_values(order, kind="stable", ignore_index=True)
    return ordered.drop(columns=["_worse", "_size"])


def leaderboard_page(board: pd.DataFrame, suffix: str = ".md") -> str:
    """A page of a leaderboard: a section a benchmark, a table a training size and protocol.

    Parameters
    ----------
    board : pandas.DataFrame
        Of :func:`leaderboard`.
    suffix : {".md", ".html"}

    Returns
    -------
    str
        The same for the same table.

    Raises
    ------
    InvalidInputError
        If there is no page of this kind.
    """
    check_choice(suffix, "the name of the page", (".md", ".html"))
    sections = []
    for _, part in board.groupby(list(_BOARD), sort=False, dropna=False):
        cases = [
            {"title": _case_title(case.iloc[0]), "rows": [_cells(row) for _, row in case.iterrows()]}
            for _, case in part.groupby(list(_CASE), sort=False, dropna=False)
        ]
        first = part.iloc[0]
        sections.append(
            {
                "title": " ".join(filter(None, (first["benchmark"] or "unnamed", first["target"]))),
                "task": first["task"],
                "structures": int(first["structures"]),
                "k": int(first["k"]),
                "ceiling": _interval(first, "ceiling", 3),
                "cases": cases,
            }
        )
    headings = ["predictor", *(_HEADINGS[name][0] for name in _SHOWN), "fit [s]", "version"]
    return str(render("nnstruct.predictors", f"leaderboard{suffix}", headings=headings, sections=sections))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob(RESULTS))
    if not found:
        raise MissingDataError(f"{path} holds no {RESULTS}. {WRITTEN_BY}")
    return found


def _wide(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each predictor and case."""
    means = results[results["draw"].isna()]
    rows = []
    for _, part in means.groupby(list(_KEYS), sort=False, dropna=False):
        row = dict.fromkeys(_columns(), np.nan) | {name: part[name].iloc[0] for name in _KEYS}
        for found in part.to_dict("records"):
            metric = found["metric"]
            row[metric] = found["value"]
            if metric in METRICS:
                row[f"{metric}_sd"] = found["sd"]
            if metric in METRICS or metric == "ceiling":
                row |= {f"{metric}_low": found["low"], f"{metric}_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows).astype({"train_size": "Int64"})


def _columns() -> list[str]:
    ends = [f"{metric}{end}" for metric in METRICS for end in ("", "_sd", "_low", "_high")]
    return [*_KEYS, *ends, "ceiling", "ceiling_low", "ceiling_high", "fit_seconds", "scored"]


def _case_title(row: pd.Series) -> str:
    if row["folds"] == 1:
        return f"learned from another benchmark, {row['protocol']}"
    if pd.isna(row["train_size"]):
        return f"{row['repeats']} x {row['folds']}-fold cross-validation, {row['protocol']}"
    return f"{row['train_size']} labels, {row['protocol']}, {row['repeats']} draws"


def _cells(row: pd.Series) -> list[str]:
    parameters = "" if row["parameters"] in ("{}", "") else str(row["parameters"])
    scores = []
    for name in _SHOWN:
        places = _HEADINGS[name][1]
        if pd.isna(row["train_size"]):
            scores.append(_interval(row, name, places))
        else:
            scores.append(f"{_number(row[name], places)} ± {_number(row[f'{name}_sd'], places)}")
    seconds = _number(row["fit_seconds"], 2)
    return [str(row["predictor"]), *scores, seconds, str(row["version"]), parameters]


def _interval(row: pd.Series, name: str, places: int) -> str:
    ends = [_number(row[f"{name}_{end}"], places) for end in ("low", "high")]
    return f"{_number(row[name], places)} [{', '.join(ends)}]"


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"
