"""Predictors inside predictors, in the forms that are stored: JSON values, arrays, pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor

_KIND, _PARAMS = "predictor", "params"


def plain_params(predictor: Predictor) -> dict[str, Any]:
    """The parameters of a predictor; one that is a predictor itself by its name and its parameters.

    Parameters
    ----------
    predictor : Predictor

    Returns
    -------
    dict
    """
    return {
        name: {_KIND: value.name, _PARAMS: plain_params(value)} if isinstance(value, Predictor) else value
        for name, value in predictor._stored_params().items()
    }


def with_params(predictor: Predictor, params: dict[str, Any]) -> Predictor:
    """Set parameters as :func:`plain_params` gave them, after a way through JSON.

    Parameters
    ----------
    predictor : Predictor
    params : dict

    Returns
    -------
    Predictor
        The same one.

    Raises
    ------
    ValueError
        If it has no such parameter.
    """
    unknown = sorted(set(params) - set(predictor.get_params(deep=False)))
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} is no parameter of {predictor.name}. "
            "If another version of nnstruct wrote it, fit it again"
        )
    return predictor.set_params(**{name: _value(value) for name, value in params.items()})


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    if isinstance(value, dict) and set(value) == {_KIND, _PARAMS}:
        return with_params(PREDICTORS[value[_KIND]](), value[_PARAMS])
    return value


def packed(parts: Sequence[Predictor]) -> FittedState:
    """The states of several fitted predictors as one.

    Parameters
    ----------
    parts : sequence of Predictor

    Returns
    -------
    FittedState
        With the pipelines of those that have one as a list.
    """
    values: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    pipelines: list[Any] = []
    for place, part in enumerate(parts):
        state = part._get_state()
        values.append(
            {
                _KIND: part.name,
                _PARAMS: plain_params(part),
                "state": dict(state.values),
                "seen": [part.num_structures_, part.training_digest_],
                "pipeline": None if state.estimator is None else len(pipelines),
            }
        )
        arrays |= {f"{place}.{name}": array for name, array in state.arrays.items()}
        if state.estimator is not None:
            pipelines.append(state.estimator)
    return FittedState({"parts": values}, arrays, pipelines or None)


def unpacked(state: FittedState) -> list[Predictor]:
    """The fitted predictors that :func:`packed` put together.

    Parameters
    ----------
    state : FittedState

    Returns
    -------
    list of Predictor
    """
    parts = []
    for place, kept in enumerate(state.values["parts"]):
        part = with_params(PREDICTORS[kept[_KIND]](), kept[_PARAMS])
        prefix = f"{place}."
        own: dict[str, np.ndarray] = {
            name.removeprefix(prefix): array
            for name, array in state.arrays.items()
            if name.startswith(prefix)
        }
        pipeline = None if kept["pipeline"] is None else state.estimator[kept["pipeline"]]
        part._set_state(FittedState(kept["state"], own, pipeline))
        part.num_structures_, part.training_digest_ = int(kept["seen"][0]), str(kept["seen"][1])
        parts.append(part)
    return parts
