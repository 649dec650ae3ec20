"""From own inputs and targets to the splits and fields of a Task, for all kinds of targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.goals import KINDS, NOT_ASKED
from nnstruct.tasks.metrics import Metric
from nnstruct.tasks.scales import ColumnScale
from nnstruct.tasks.splits import Split, as_classes, padded

Weights = Sequence[float] | str | None


def read_targets(
    kind: str, targets: Any, lengths: Sequence[int] | np.ndarray | None, n: int, field: str = "targets"
) -> np.ndarray:
    """Targets of a kind as an array; none are read for ``next-symbol``.

    Parameters
    ----------
    kind : str
        Of the task.
    targets : array-like
        Classes [n]; real numbers [n] or [n, K]; n rows of classes, one a step, -1 where nothing is asked.
    lengths : sequence of n int, or None
        Steps of each input, where it has steps.
    n : int
    field : str
        What they are called where the caller wrote them.

    Returns
    -------
    int64 [n], float64 [n, K] or int64 [n, longest]

    Raises
    ------
    InvalidInputError
        If they are none of the kind.
    """
    if kind not in KINDS:
        raise InvalidInputError("kind", f"be one of {', '.join(KINDS)}", kind)
    targets = targets.detach().cpu().numpy() if hasattr(targets, "detach") else targets
    if kind == "classification":
        return as_classes(targets, n, field)
    if kind == "regression":
        return _real_numbers(targets, n, field)
    if lengths is None:
        raise InvalidInputError("kind", "be 'classification' or 'regression' for inputs without steps", kind)
    if kind == "next-symbol":
        if targets is not None:
            raise InvalidInputError(field, "be None for 'next-symbol', whose targets are the inputs", targets)
        return np.zeros((n, 0), dtype=np.int64)
    return _labels_by_step(targets, lengths, n, field)


def _real_numbers(targets: Any, n: int, field: str) -> np.ndarray:
    try:
        values = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, "be numbers for 'regression'", type(targets).__name__) from error
    shape = list(values.shape)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n or not values.size:
        raise InvalidInputError(field, f"have shape [{n}] or [{n}, K]", shape)
    if not np.isfinite(values).all():
        raise InvalidInputError(field, "be finite", values[~np.isfinite(values)][0])
    return values


def _labels_by_step(targets: Any, lengths: Sequence[int] | np.ndarray, n: int, field: str) -> np.ndarray:
    if targets is None or len(targets) != n:
        raise InvalidInputError(field, f"hold {n} rows of classes", None if targets is None else len(targets))
    rows = []
    for index, (row, length) in enumerate(zip(targets, lengths, strict=True)):
        labels = np.asarray(row)[: int(length)]
        if labels.shape != (length,):
            raise InvalidInputError(
                f"{field}[{index}]", f"hold {length} classes, one a step", list(labels.shape)
            )
        rows.append(as_classes(labels + 1, int(length), f"{field}[{index}], plus 1,") - 1)
    return padded(rows, int(max(lengths)), NOT_ASKED)


def next_symbols(split: Split, ends: bool) -> Split:
    """A split whose targets are the inputs, one step earlier.

    Parameters
    ----------
    split : Split
        Of symbols.
    ends : bool
        Whether after the last symbol the end is asked for, as symbol 0; else nothing is.

    Returns
    -------
    Split
    """
    inputs, lengths = split.inputs, np.asarray(split.lengths)
    targets = np.zeros_like(inputs)
    targets[:, :-1] = inputs[:, 1:]
    asked = lengths if ends else lengths - 1
    targets[np.arange(inputs.shape[1]) >= asked[:, None]] = NOT_ASKED
    return replace(split, targets=targets)


def as_series(field: str, series: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Real-valued series in one array, padded with 0.

    Parameters
    ----------
    field : str
        What they are called where the caller wrote them.
    series : float [n, T, D] or [n, T], or a sequence of n float [T_i, D] or [T_i]
    lengths : sequence of n int, optional
        Steps of each; by default all that it holds.

    Returns
    -------
    inputs : float64 [n, T, D]
    lengths : int64 [n]

    Raises
    ------
    InvalidInputError
        If a series is empty, or they have different numbers of channels.
    """
    series = series.detach().cpu().numpy() if hasattr(series, "detach") else series
    try:
        rows = [np.asarray(row, dtype=np.float64) for row in series]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, "be numbers", type(series).__name__) from error
    rows = [row[:, None] if row.ndim == 1 else row for row in rows]
    if not rows:
        raise InvalidInputError(field, "not be empty", [])
    channels = rows[0].shape[-1] if rows[0].ndim == 2 else 0
    held = np.array([len(row) if row.ndim else 0 for row in rows], dtype=np.int64)
    for index, row in enumerate(rows):
        if row.ndim != 2 or row.shape[1] != channels or not row.size:
            rule = f"have shape [T, {channels or 'D'}] with a step or more"
            raise InvalidInputError(f"{field}[{index}]", rule, list(row.shape))
    steps = held if lengths is None else as_classes(lengths, len(rows), "lengths")
    if (steps < 1).any() or (steps > held).any():
        row_at = int(np.flatnonzero((steps < 1) | (steps > held))[0])
        raise InvalidInputError(f"lengths[{row_at}]", f"be in 1..{held[row_at]}", int(steps[row_at]))
    inputs = np.zeros((len(rows), int(steps.max()), channels))
    for index, row in enumerate(rows):
        inputs[index, : steps[index]] = row[: steps[index]]
    return inputs, steps


def task_fields(
    splits: Sequence[Split],
    *,
    kind: str,
    num_symbols: int | None = None,
    metric: str | Metric | None = None,
    class_weights: Weights = None,
    standardise: bool = False,
) -> dict[str, Any]:
    """What a Task is made of, from splits with raw inputs and targets.

    Parameters
    ----------
    splits : sequence of three Split
    kind : str
    num_symbols : int or None
    metric : str, Metric or None
    class_weights : "balanced", sequence of float, or None
        ``balanced``: inverse to how often a class occurs in the training split, with a mean of 1 over its
        examples.
    standardise : bool
        Whether inputs are standardised, channel by channel. Targets of regression always are.

    Returns
    -------
    dict
        Keywords of :class:`nnstruct.tasks.Task` beside the name. Scales are those of the training split.
    """
    train = splits[0]
    fields: dict[str, Any] = {"kind": kind, "num_symbols": num_symbols, "metric": metric}
    if num_symbols is None:
        scale = ColumnScale.learned(_channels(train.inputs, train.lengths)) if standardise else None
        splits = [replace(split, inputs=_scaled(split, scale)) for split in splits]
        fields["input_scale"] = scale
    if kind == "regression":
        fields["target_scale"] = scale = ColumnScale.learned(train.targets)
        splits = [replace(split, targets=scale.apply(split.targets)) for split in splits]
        fields["num_classes"] = 0
    elif kind == "next-symbol":
        fields["num_classes"] = num_symbols
    else:
        fields["num_classes"] = 1 + max(int(split.targets.max()) for split in splits)
    if isinstance(class_weights, str):
        if class_weights != "balanced":
            raise InvalidInputError("class_weights", "be 'balanced', numbers or None", class_weights)
        class_weights = _balanced(splits[0].targets, fields["num_classes"])
    fields["class_weights"] = class_weights
    return fields | dict(zip(("train", "val", "test"), splits, strict=True))


def _balanced(targets: np.ndarray, num_classes: int) -> list[float]:
    counts = np.bincount(targets[targets != NOT_ASKED].astype(np.int64).ravel(), minlength=num_classes)
    occurring = np.count_nonzero(counts)
    return [float(counts.sum() / (occurring * count)) if count else 1.0 for count in counts]


def _channels(inputs: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Values by channel, [m, D], without those behind the end of a series."""
    if lengths is not None:
        return inputs[np.arange(inputs.shape[1]) < lengths[:, None]]
    if inputs.ndim == 3:  # images of one channel
        return inputs.reshape(-1, 1)
    return np.moveaxis(inputs, 1, -1).reshape(-1, inputs.shape[1])


def _scaled(split: Split, scale: ColumnScale | None) -> np.ndarray:
    inputs = split.inputs
    if scale is None:
        return inputs if inputs.dtype == np.float32 else inputs.astype(np.float32)
    if split.lengths is not None:
        scaled = scale.apply(inputs)
        scaled[np.arange(inputs.shape[1]) >= split.lengths[:, None]] = 0.0
        return scaled
    if inputs.ndim == 3:
        return scale.apply(inputs[..., None])[..., 0]
    return np.ascontiguousarray(np.moveaxis(scale.apply(np.moveaxis(inputs, 1, -1)), -1, 1))
