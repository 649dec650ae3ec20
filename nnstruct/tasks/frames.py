"""Data frames as arrays of inputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.assembly import as_series, read_targets

if TYPE_CHECKING:
    import pandas as pd


class ReadFrame(NamedTuple):
    """What a frame holds.

    Attributes
    ----------
    inputs : float64 [n, D], or [n, T, D] for series
    targets : int64 or float64 array
        As :func:`nnstruct.tasks.assembly.read_targets` gives them.
    lengths : int64 [n] or None
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None


def read_frame(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    *,
    features: Sequence[str] | None,
    group: str | None,
    kind: str,
) -> ReadFrame:
    """Inputs and targets of a frame; see :meth:`nnstruct.tasks.Task.from_dataframe`.

    Parameters
    ----------
    frame : pandas.DataFrame
    target : str or sequence of str
    features : sequence of str or None
    group : str or None
    kind : str

    Returns
    -------
    ReadFrame

    Raises
    ------
    InvalidInputError
        If there is no such column, a value is missing, or targets are none of the kind.
    """
    targets = [target] if isinstance(target, str) else list(target)
    aside = {*targets, *([] if group is None else [group])}
    chosen = [name for name in frame.columns if name not in aside] if features is None else list(features)
    for name in [*targets, *chosen, *([] if group is None else [group])]:
        if name not in frame.columns:
            raise InvalidInputError("column", f"be one of {', '.join(map(str, frame.columns))}", name)
        if frame[name].isna().any():
            raise InvalidInputError(
                f"frame[{name!r}]", "have no missing value", int(frame[name].isna().sum())
            )
    if not chosen:
        raise InvalidInputError("features", "hold a column or more", chosen)
    inputs = np.concatenate([_columns(frame[name]) for name in chosen], axis=1)  # [rows, D]
    wanted = _targets(frame, targets, kind)
    if group is None:
        return ReadFrame(inputs, read_targets(kind, wanted, None, len(frame)), None)
    places = list(frame.groupby(group, sort=False).indices.values())
    series, lengths = as_series("frame", [inputs[rows] for rows in places])
    own = (
        [wanted[rows] for rows in places]
        if kind == "sequence-labelling"
        else np.stack([wanted[rows[-1]] for rows in places])
    )
    return ReadFrame(series, read_targets(kind, own, lengths, len(places)), lengths)


def _columns(column: pd.Series) -> np.ndarray:
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64)[:, None]
    values = column.to_numpy(dtype=object)
    return np.stack([values == level for level in _levels(column)], axis=1).astype(np.float64)


def _targets(frame: pd.DataFrame, names: list[str], kind: str) -> np.ndarray:
    if kind == "regression":
        return frame[names].to_numpy()
    if len(names) != 1:
        raise InvalidInputError("target", f"be one column for {kind!r}", names)
    code = {level: place for place, level in enumerate(_levels(frame[names[0]]))}
    return np.array([code[value] for value in frame[names[0]]], dtype=np.int64)


def _levels(column: pd.Series) -> list:
    try:
        return sorted(set(column))
    except TypeError:
        return sorted(set(column), key=str)
