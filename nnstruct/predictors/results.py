"""Scores of evaluations as one long table, the form in which they are kept and compared.

A row is one metric of one predictor. ``draw`` counts repeats of a cross-validation or draws of training
sets; where it is missing the row is their mean, with ``sd``, the sample standard deviation over them, and
an interval.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.files import frame_bytes, write_atomically
from nnstruct.predictors.metrics import METRICS
from nnstruct.reading import reading
from nnstruct.unpacking import read_parquet

RESULTS, PREDICTIONS = "results.parquet", "predictions.parquet"
WRITTEN_BY = "Evaluation.save(FOLDER) writes one, and on the command line nnstruct evaluate --save FOLDER."
# What tells one evaluation from another, and what it was made with.
ABOUT = (
    "benchmark", "data", "task", "target", "structures", "folds", "repeats", "k", "higher_is_better",
    "confidence", "seed", "version",
)  # fmt: skip
KEY = ("predictor", "parameters", "protocol", "train_size")
COLUMNS = (*ABOUT, *KEY, "draw", "metric", "value", "sd", "low", "high")
_INTEGERS = ("train_size", "draw")
_CEILING = "ceiling"


def long_rows(
    key: Mapping[str, Any],
    each: Sequence[Mapping[str, float]],
    intervals: Mapping[str, tuple[float, float]],
) -> Iterator[dict[str, Any]]:
    """Rows of one predictor, protocol and size: every metric of every draw, then their means.

    Parameters
    ----------
    key : mapping
        Values of ``KEY``.
    each : sequence of mapping from metric to float
        One a draw.
    intervals : mapping from metric to (low, high)
        Of the means; metrics that have one.

    Yields
    ------
    dict
        A row without the columns ``ABOUT``.
    """
    for draw, found in enumerate(each):
        for metric, value in found.items():
            yield {**key, "draw": draw, "metric": metric, "value": value}
    for metric in each[0]:
        values = np.array([found[metric] for found in each])
        finite = values[np.isfinite(values)]
        low, high = intervals.get(metric, (np.nan, np.nan))
        yield {
            **key,
            "metric": metric,
            "value": float(finite.mean()) if len(finite) else np.nan,
            "sd": float(finite.std(ddof=1)) if len(finite) > 1 else np.nan,
            "low": low,
            "high": high,
        }


def long_table(rows: list[dict[str, Any]], about: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of :func:`long_rows` with what they have in common, in the columns of ``results.parquet``.

    Parameters
    ----------
    rows : list of dict
    about : mapping
        Values of ``ABOUT``.

    Returns
    -------
    pandas.DataFrame
    """
    table = pd.DataFrame(rows)
    for name in COLUMNS:
        if name in about:
            table[name] = about[name]
        elif name not in table:
            table[name] = pd.NA if name in _INTEGERS else np.nan
    kinds: dict[str, Any] = dict.fromkeys(_INTEGERS, "Int64")
    return table[list(COLUMNS)].astype(kinds)


def wide_table(results: pd.DataFrame) -> pd.DataFrame:
    """The means of a long table, a row for each predictor (and size and protocol, where it has sizes).

    Parameters
    ----------
    results : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        For each metric its value, ``_sd`` where there are sizes, and ``_low`` and ``_high``.
    """
    means = results[results["draw"].isna()]
    curve = bool(means["train_size"].notna().any())
    rows: dict[Any, dict[str, float]] = {}
    for row in means.to_dict("records"):
        name = row["predictor"]
        at = (name, int(row["train_size"]), row["protocol"]) if curve else name
        cells = rows.setdefault(at, {})
        metric = row["metric"]
        cells[metric] = row["value"]
        if metric in METRICS and curve:
            cells[f"{metric}_sd"] = row["sd"]
        if metric in METRICS or metric == _CEILING:
            cells |= {f"{metric}_low": row["low"], f"{metric}_high": row["high"]}
    table = pd.DataFrame(list(rows.values()))
    names = ["predictor", "train_size", "protocol"]
    if curve:
        table.index = pd.MultiIndex.from_tuples(list(rows), names=names)
    else:
        table.index = pd.Index(list(rows), name="predictor")
    return table


def as_json(parameters: Any) -> str:
    """Parameters of a predictor as one line of JSON; what JSON does not know is written as text."""
    return json.dumps(parameters, sort_keys=True, default=str)


def write_results(folder: str | Path, results: pd.DataFrame, predictions: pd.DataFrame | None) -> Path:
    """Write ``results.parquet``, and ``predictions.parquet`` beside it unless there are none.

    Parameters
    ----------
    folder : path
    results : pandas.DataFrame
    predictions : pandas.DataFrame or None

    Returns
    -------
    Path
        The folder.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if predictions is not None:
        write_atomically(target / PREDICTIONS, frame_bytes(predictions))
    write_atomically(target / RESULTS, frame_bytes(results))
    return target


def read_frame(file: Path) -> pd.DataFrame:
    """A pandas table of a Parquet file.

    Parameters
    ----------
    file : Path

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    CorruptFileError
        If it is no Parquet file, or takes more memory than allowed.
    """
    with reading(file, "a readable table"):
        return read_parquet(file).to_pandas()


def read_results(path: str | Path) -> pd.DataFrame:
    """The long table of a folder that holds ``results.parquet``, or of such a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    MissingDataError
        If there is none.
    InvalidInputError
        If it is a file of another kind, such as the scores in a CSV file.
    CorruptFileError
        If the file is no Parquet file, or lacks a column.
    """
    given = Path(path)
    file = given / RESULTS if given.is_dir() else given
    if not file.is_file():
        raise MissingDataError(f"{given} holds no {RESULTS}. {WRITTEN_BY}")
    if file.suffix.lower() != ".parquet":
        raise InvalidInputError("the results", f"be a file {RESULTS}, or its folder", str(given), WRITTEN_BY)
    table = read_frame(file)
    missing = [name for name in COLUMNS if name not in table]
    if missing or not len(table):
        raise CorruptFileError(f"{file} does not hold the results of an evaluation: no {missing or 'row'}.")
    return table[list(COLUMNS)]
