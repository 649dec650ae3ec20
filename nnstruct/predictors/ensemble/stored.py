"""What a fitted Ensemble is, in forms that can be stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.predictors.base import FittedState
from nnstruct.predictors.ensemble.blend import Calibration
from nnstruct.predictors.ensemble.by_family import ByFamily
from nnstruct.predictors.ensemble.graphs import TaughtGraphs
from nnstruct.predictors.ensemble.mixture import SCRATCH
from nnstruct.predictors.ensemble.parts import arrays_below, arrays_under
from nnstruct.predictors.ensemble.perceptrons import PERCEPTRONS, Perceptrons
from nnstruct.predictors.ensemble.prior import PriorColumns
from nnstruct.predictors.ensemble.task_columns import TaskColumns
from nnstruct.predictors.estimator_file import only_table
from nnstruct.predictors.noise_level import NoiseLevel


def state_of(model: Any) -> FittedState:
    """What :func:`restore` needs.

    Parameters
    ----------
    model : Ensemble
        Fitted.

    Returns
    -------
    FittedState
    """
    if model.num_structures_ == 0 and model.prior_ is not None:
        told = model.prior_.state()
        return FittedState({"prior": dict(told.values), "labels": False}, arrays_under(told.arrays, "prior"))
    if model.by_family_ is None:
        return _together(model)
    by_family = model.by_family_.state()
    rest = FittedState() if model.covers_all_families() else _together(model)
    values = {
        "families": dict(by_family.values),
        "together": dict(rest.values),
        "known": sorted(model.known_),
    }
    arrays = arrays_under(by_family.arrays, "families") | arrays_under(rest.arrays, "together")
    return FittedState(values, arrays, [only_table(model.table_), *by_family.estimator])


def _together(model: Any) -> FittedState:
    """Of the model of all labels."""
    told = FittedState() if model.prior_ is None else model.prior_.state()
    columns = model.columns_.state()
    values: dict[str, Any] = {
        "low": model.low_,
        "high": model.high_,
        "mean": model.mean_,
        "weights": model.weights_,
        "scores": {name: None if np.isnan(r2) else r2 for name, r2 in model.scores_.items()},
        "level": model.level_.state(),
        "calibration": model.calibration_.coefficients.tolist(),
        "columns": dict(columns.values),
        "prior": dict(told.values),
        "prior_weights": model.prior_weights_,
    }
    arrays = arrays_under(told.arrays, "prior") | arrays_under(columns.arrays, "columns")
    further: dict[str, FittedState] = {}
    if model.task_columns_:
        further["task"] = model.task_columns_.state(model.task)
    if model.perceptrons_:
        further[PERCEPTRONS] = model.perceptrons_.state()
    if model.graphs_:
        further["graphs"] = model.graphs_.state()
    for name, part in further.items():
        values[name] = dict(part.values)
        arrays |= arrays_under(part.arrays, name)
    return FittedState(values, arrays, only_table(model.table_))


def restore(model: Any, state: FittedState) -> None:
    """Bring back what :func:`state_of` told of.

    Parameters
    ----------
    model : Ensemble
        With its parameters.
    state : FittedState

    Raises
    ------
    ValueError, KeyError
        If it is not whole.
    """
    values = state.values
    model.prior_, model.by_family_ = None, None
    if "families" in values:
        table, *tables = state.estimator
        told = FittedState(values["families"], arrays_below(state.arrays, "families"), tables)
        model.by_family_ = ByFamily.from_state(model, told)
        model.known_ = set(map(str, values["known"]))
        if values["together"]:
            rest = FittedState(values["together"], arrays_below(state.arrays, "together"), table)
            _restore_together(model, rest)
        else:
            model.take_shares_of_families(table[0])
        return
    _restore_together(model, state)


def _restore_together(model: Any, state: FittedState) -> None:
    values = state.values
    if values.get("prior"):
        told = FittedState(values["prior"], arrays_below(state.arrays, "prior"))
        model.prior_ = PriorColumns.from_state(told)
        model.prior = model.prior or model.prior_.models
    model.prior_weights_ = {str(n): float(w) for n, w in values.get("prior_weights", {SCRATCH: 1.0}).items()}
    if not values.get("labels", True):
        return
    model.table_ = state.estimator[0]
    model.low_, model.high_, model.mean_ = (float(values[name]) for name in ("low", "high", "mean"))
    model.weights_ = {str(name): float(w) for name, w in values["weights"].items()}
    model.scores_ = {
        str(name): float("nan") if r2 is None else float(r2) for name, r2 in values["scores"].items()
    }
    model.level_ = NoiseLevel.from_state(values["level"])
    model.calibration_ = Calibration()
    model.calibration_.coefficients = np.array(values["calibration"], dtype=np.float64)
    model.task_columns_ = None
    if "task" in values:
        model.task_columns_ = TaskColumns.from_state(values["task"], arrays_below(state.arrays, "task"))
    model.columns_ = model._members(tuple(model.weights_))
    model.graphs_ = None
    if "graphs" in values:
        model.graphs_ = TaughtGraphs(model._seed("graphs"), model.n_jobs, model.seconds)
        model.graphs_.restore(values["graphs"], arrays_below(state.arrays, "graphs"))
    width = model._own_width()
    model.perceptrons_ = None
    if PERCEPTRONS in values:
        model.perceptrons_ = Perceptrons(model._seed(PERCEPTRONS), model.n_jobs)
        model.perceptrons_.restore(values[PERCEPTRONS], arrays_below(state.arrays, PERCEPTRONS), width)
    if model.prior_ is not None:
        width += 1 + 2 * len(model.prior_.models)
    model.columns_.restore(values["columns"], arrays_below(state.arrays, "columns"), width)
