"""From predictions to rows of scores: over folds, over draws, beside the ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from nnstruct.intervals import mean_interval
from nnstruct.predictors.draws import ALL_ROWS, NO_TWINS
from nnstruct.predictors.metrics import METRICS, bootstrap_intervals, scores
from nnstruct.predictors.results import KEY, as_json, long_rows
from nnstruct.predictors.runs import LabelledRows


@dataclass(frozen=True)
class ScoringRule:
    """How predictions are scored."""

    k: int
    higher_is_better: bool
    confidence: float
    resamples: int
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        """Keywords of :func:`nnstruct.predictors.metrics.scores`."""
        return {"k": self.k, "higher_is_better": self.higher_is_better}


def fold_rows(
    named: Mapping[str, BaseEstimator],
    predictions: pd.DataFrame,
    given: LabelledRows,
    protocol: str,
    scoring: ScoringRule,
) -> list[dict[str, Any]]:
    """Rows of a cross-validation, with intervals by a bootstrap over structures."""
    rows: list[dict[str, Any]] = []
    n = len(given.y)
    for label, predictor in named.items():
        part = predictions[predictions["predictor"] == label].sort_values(["draw", "position"])
        predicted, std, fold = (
            part[name].to_numpy().reshape(-1, n) for name in ("y_pred", "y_std_pred", "part")
        )  # [repeats, n]
        fits = part.drop_duplicates(["draw", "part"]).groupby("draw")["seconds"].mean()
        each = [
            scores(given.y, predicted[r : r + 1], fold[r : r + 1], std=std[r : r + 1], **scoring.options)
            | {"fit_seconds": float(seconds)}
            for r, seconds in enumerate(fits)
        ]
        low, high = bootstrap_intervals(
            given.y, predicted, fold, given.fingerprints, confidence=scoring.confidence,
            resamples=scoring.resamples, seed=scoring.seed, std=std, **scoring.options,
        )  # fmt: skip
        intervals = {metric: (low[metric], high[metric]) for metric in METRICS}
        rows += long_rows(_key(label, predictor, protocol), each, intervals)
    return rows


def curve_rows(
    named: Mapping[str, BaseEstimator],
    predictions: pd.DataFrame,
    sizes: list[int],
    protocols: tuple[str, ...],
    scoring: ScoringRule,
) -> list[dict[str, Any]]:
    """Rows of learning curves, with the intervals of means over draws."""
    rows: list[dict[str, Any]] = []
    fits = {at: part for at, part in predictions.groupby(["predictor", "part", "draw"], sort=True)}
    for label, predictor in named.items():
        for size in sizes:
            drawn = [part for (name, of, _), part in fits.items() if (name, of) == (label, size)]
            for protocol in protocols:
                each = [_draw_scores(part, protocol, scoring) for part in drawn]
                intervals = {}
                for metric in METRICS:
                    values = np.array([found[metric] for found in each])
                    intervals[metric] = mean_interval(values, scoring.confidence)[1:]
                rows += long_rows(_key(label, predictor, protocol, size), each, intervals)
    return rows


def ceiling_rows(rows: list[dict[str, Any]], bench: Any) -> list[dict[str, Any]]:
    """The ceiling beside each predictor, protocol and size."""
    ceiling = bench.noise_ceiling
    value = {"value": float(ceiling.value), "low": float(ceiling.low), "high": float(ceiling.high)}
    keys = {tuple(str(row[name]) for name in KEY): {name: row[name] for name in KEY} for row in rows}
    return [{**key, "metric": "ceiling", **value} for key in keys.values()]


def _draw_scores(part: pd.DataFrame, protocol: str, scoring: ScoringRule) -> dict[str, float]:
    counted = np.ones(len(part), dtype=bool)
    if protocol != ALL_ROWS:
        counted &= ~part["trained"].to_numpy()
    if protocol == NO_TWINS:
        counted &= ~part["twin"].to_numpy()
    y, predicted, std = (part[name].to_numpy()[counted] for name in ("y", "y_pred", "y_std_pred"))
    found = scores(y, predicted[None], std=std[None], **scoring.options)
    return found | {"fit_seconds": float(part["seconds"].iloc[0]), "scored": float(counted.sum())}


def _key(label: str, predictor: Any, protocol: str, size: int | None = None) -> dict[str, Any]:
    parameters = predictor.get_params(deep=False) if hasattr(predictor, "get_params") else {}
    return {
        "predictor": label,
        "parameters": as_json(parameters),
        "protocol": protocol,
        "train_size": pd.NA if size is None else size,
    }
