"""Repeated cross-validation of predictors on a benchmark, beside its noise ceiling."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from nnstruct.checks import check_integer, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, Predictor
from nnstruct.predictors.checks import check_labels
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.metrics import COVERED_SHARE, bootstrap_intervals, coverage, scores
from nnstruct.predictors.report import Evaluation
from nnstruct.random import check_seed
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures


class CeilingLike(Protocol):
    """The largest R2 that any predictor can reach, and its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class BenchmarkLike(Protocol):
    """What :func:`evaluate` asks of a benchmark."""

    @property
    def structures(self) -> Sequence[Structure]: ...
    @property
    def y(self) -> np.ndarray: ...
    @property
    def noise_ceiling(self) -> CeilingLike: ...


def evaluate(
    predictors: str | BaseEstimator | Sequence[str | BaseEstimator] | Mapping[str, BaseEstimator],
    bench: BenchmarkLike,
    *,
    folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 500,
    progress: bool = False,
) -> Evaluation:
    """Compare predictors by repeated k-fold cross-validation on structures they have not seen.

    Copies of one structure (equal fingerprints) share a fold. In every fold a clone of each
    predictor is fitted to the other folds, and whatever it learns (medians, scales, networks) is
    learned there. A repeat deals the structures anew and gives one prediction for each; a score
    is taken over all of a repeat's predictions and averaged over the repeats. Every predictor
    sees the same folds.

    Intervals are percentiles of a bootstrap over structures (Efron and Tibshirani, 1993): all of
    a structure's predictions enter or leave together, so that repeats, which share their
    structures, do not make an interval narrower than the structures allow. They tell how far the
    scores would move with other structures from the same source, the predictors' training sets
    being as they are.

    Parameters
    ----------
    predictors : one predictor or several
        Predictors, names in ``PREDICTORS``, or a mapping from a label to a predictor. Any
        scikit-learn regressor that takes a list of Structures will do; one that is no
        :class:`Predictor` has no coverage.
    bench : Benchmark
        With ``structures``, ``y`` and ``noise_ceiling``.
    folds : int
        At least 2.
    repeats : int
    seed : int
        Decides the folds, the bootstrap, and the ``random_state`` of predictors given by name.
    confidence : float
        Level of the intervals, in (0, 1).
    resamples : int
        Of the bootstrap.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidInputError
        If a label is not finite, a predictor is none, or there are more folds than structures.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import evaluate
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> bench = SimpleNamespace(
    ...     structures=structures,
    ...     y=np.array([float(s.num_units) for s in structures]),
    ...     noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
    ... )
    >>> result = evaluate(["bayesian-ridge", "mean"], bench, repeats=1, resamples=50)
    >>> bool(result.table.loc["bayesian-ridge", "r2"] > 0.9 > result.table.loc["mean", "r2"])
    True
    """
    named = _named(predictors, check_seed(seed))
    structures = check_structures(bench.structures, "bench.structures")
    y = check_labels(bench.y, len(structures), "bench.y")
    check_integer(repeats, "repeats")
    check_integer(resamples, "resamples")
    check_share(confidence, "confidence")
    fingerprints = [structure.fingerprint for structure in structures]
    assigned = np.stack(
        [grouped_folds(fingerprints, folds, seed, "folds", repeat) for repeat in range(repeats)]
    )  # [repeats, n]
    predictions, seconds = _cross_validated(named, structures, y, assigned, progress)
    ceiling = (
        float(bench.noise_ceiling.value),
        float(bench.noise_ceiling.low),
        float(bench.noise_ceiling.high),
    )
    rows = {
        label: _row(predictions[predictions["predictor"] == label], fingerprints, confidence, resamples, seed)
        | {"fit_seconds": seconds[label]}
        | dict(zip(("ceiling", "ceiling_low", "ceiling_high"), ceiling, strict=True))
        for label in named
    }
    return Evaluation(
        table=pd.DataFrame.from_dict(rows, orient="index").rename_axis("predictor"),
        predictions=predictions.drop(columns="position"),
        noise_ceiling=ceiling,
        folds=int(folds),
        repeats=int(repeats),
        confidence=float(confidence),
        num_structures=len(structures),
    )


def _cross_validated(
    named: Mapping[str, BaseEstimator],
    structures: list[Structure],
    y: np.ndarray,
    assigned: np.ndarray,
    progress: bool,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Every out-of-fold prediction, and the mean seconds of a predictor's fits."""
    repeats, folds = len(assigned), int(assigned.max()) + 1
    jobs = [(label, r, f) for label in named for r in range(repeats) for f in range(folds)]
    parts, seconds = [], dict.fromkeys(named, 0.0)
    for label, repeat, fold in _tracked(jobs, progress):
        held_out = assigned[repeat] == fold
        inside, outside = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        predictor: Any = clone(named[label])
        start = time.perf_counter()
        predictor.fit([structures[i] for i in inside], y[inside])
        seconds[label] += (time.perf_counter() - start) / (repeats * folds)
        mean, std = _predicted(predictor, [structures[i] for i in outside])
        columns = {
            "fingerprint": [structures[i].fingerprint for i in outside],
            "predictor": label,
            "repeat": repeat,
            "fold": fold,
            "y": y[outside],
            "y_pred": mean,
            "y_std_pred": std,
            "position": outside,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True), seconds


def _named(predictors: Any, seed: int) -> dict[str, BaseEstimator]:
    if isinstance(predictors, Mapping):
        items = [(str(label), predictor) for label, predictor in predictors.items()]
    else:
        single = isinstance(predictors, str | BaseEstimator)
        items = [("", predictor) for predictor in ([predictors] if single else predictors)]
    if not items:
        raise InvalidInputError("predictors", "hold at least one predictor", predictors)
    named: dict[str, BaseEstimator] = {}
    for label, given in items:
        predictor = PREDICTORS[given](random_state=seed) if isinstance(given, str) else given
        if not (hasattr(predictor, "fit") and hasattr(predictor, "predict")) or isinstance(predictor, type):
            raise InvalidInputError("predictors", "hold predictors or names of them", given)
        label = label or getattr(predictor, "name", "") or type(predictor).__name__
        copies = sum(known == label or known.startswith(f"{label}#") for known in named)
        named[f"{label}#{copies + 1}" if copies else label] = predictor
    return named


def _tracked(jobs: list[tuple[str, int, int]], progress: bool) -> Iterator[tuple[str, int, int]]:
    if not progress:
        yield from jobs
        return
    from rich.progress import track

    yield from track(jobs, description="Cross-validation")


def _predicted(predictor: Any, structures: list[Structure]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(predictor, Predictor):
        mean, std = predictor.predict(structures, return_std=True)
        return mean, std
    return np.asarray(predictor.predict(structures), dtype=np.float64), np.full(len(structures), np.nan)


def _row(
    part: pd.DataFrame, fingerprints: list[str], confidence: float, resamples: int, seed: int
) -> dict[str, float]:
    ordered = part.sort_values(["repeat", "position"])
    n = len(fingerprints)
    y = ordered["y"].to_numpy()[:n]
    predicted = ordered["y_pred"].to_numpy().reshape(-1, n)  # [repeats, n]
    fold = ordered["fold"].to_numpy().reshape(-1, n)  # [repeats, n]
    values = scores(y, predicted, fold)
    low, high = bootstrap_intervals(
        y, predicted, fold, fingerprints, confidence=confidence, resamples=resamples, seed=seed
    )
    row: dict[str, float] = {}
    for name, value in values.items():
        row |= {name: value, f"{name}_low": low[name], f"{name}_high": high[name]}
    covered = coverage(
        ordered["y"].to_numpy(), ordered["y_pred"].to_numpy(), ordered["y_std_pred"].to_numpy()
    )
    return row | {f"coverage_{round(100 * COVERED_SHARE)}": covered}
