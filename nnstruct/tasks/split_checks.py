"""Whether a split holds what a task of its kind wants."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.goals import KINDS, NOT_ASKED
from nnstruct.tasks.splits import Split


def check_split(
    name: str, split: Split, num_classes: int, num_symbols: int | None, kind: str = "classification"
) -> None:
    """Raise unless a split holds what a task wants.

    Parameters
    ----------
    name : str
        Of the split, for the error.
    split : Split
    num_classes : int
        0 for regression.
    num_symbols : int or None
        Size of the vocabulary of sequences; None for series, vectors and images.
    kind : str
        Of the task.

    Raises
    ------
    InvalidInputError
        If the split is empty, lengths do not fit together, a class or symbol is out of its range, a
        value is not finite, or the padding does not begin where a sequence ends.
    """
    inputs, targets = split.inputs, split.targets
    if not len(targets):
        raise InvalidInputError(f"{name}.targets", "not be empty", list(targets.shape))
    if kind == "regression":
        _check_real_targets(name, split)
    elif KINDS[kind].goal.every_step:
        _check_steps(name, split, num_classes)
    else:
        _check_type(f"{name}.targets", targets, np.int64, (len(inputs),), f"[{len(inputs)}]")
        _check_range(f"{name}.targets", targets, num_classes)
    if num_symbols is None:
        if inputs.dtype != np.float32:
            raise InvalidInputError(f"{name}.inputs", "be float32", str(inputs.dtype))
        _check_finite(f"{name}.inputs", inputs)
        if split.lengths is not None:
            _check_series(name, split)
        return
    if inputs.dtype != np.int64 or inputs.ndim != 2:
        raise InvalidInputError(f"{name}.inputs", "be int64 [n, T]", f"{inputs.dtype} {inputs.shape}")
    _check_range(f"{name}.inputs", inputs, num_symbols)
    beyond = _beyond(name, split)
    wrong = np.flatnonzero(((inputs == 0) != beyond).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        rule = "hold symbol 0 behind the end of each sequence and nowhere else"
        raise InvalidInputError(f"{name}.inputs[{row}]", rule, inputs[row].tolist())


def _check_series(name: str, split: Split) -> None:
    if split.inputs.ndim != 3:
        raise InvalidInputError(f"{name}.inputs", "be float32 [n, T, D] for series", list(split.inputs.shape))
    beyond = _beyond(name, split)
    wrong = np.flatnonzero((split.inputs.any(axis=2) & beyond).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        rule = f"hold 0 behind the end of the series, after {int(split.lengths[row])} steps"  # type: ignore[index]
        raise InvalidInputError(f"{name}.inputs[{row}]", rule, split.inputs[row].tolist())


def _check_real_targets(name: str, split: Split) -> None:
    n, targets = len(split.inputs), split.targets
    if targets.dtype != np.float32 or targets.ndim != 2 or targets.shape[0] != n or not targets.shape[1]:
        found = f"{targets.dtype} {targets.shape}"
        raise InvalidInputError(f"{name}.targets", f"be float32 [{n}, K] for regression", found)
    _check_finite(f"{name}.targets", targets)


def _check_steps(name: str, split: Split, num_classes: int) -> None:
    targets, steps = split.targets, split.inputs.shape[:2]
    if split.lengths is None:
        hint = "A class for each step needs sequences or series."
        raise InvalidInputError(f"{name}.lengths", f"have shape [{len(targets)}]", None, hint)
    _check_type(f"{name}.targets", targets, np.int64, steps, str(list(steps)))
    beyond = _beyond(name, split)
    _check_range(f"{name}.targets", targets, num_classes, NOT_ASKED)
    if (targets[beyond] != NOT_ASKED).any():
        row = int(np.flatnonzero(((targets != NOT_ASKED) & beyond).any(axis=1))[0])
        raise InvalidInputError(
            f"{name}.targets[{row}]", f"be {NOT_ASKED} behind the end of the sequence", targets[row].tolist()
        )
    silent = np.flatnonzero((targets == NOT_ASKED).all(axis=1))
    if len(silent):
        row = int(silent[0])
        raise InvalidInputError(
            f"{name}.targets[{row}]", "hold a class for one step or more", targets[row].tolist()
        )


def _beyond(name: str, split: Split) -> np.ndarray:
    """Which steps lie behind the end of their sequence, bool [n, T], once the lengths are checked."""
    lengths, longest = split.lengths, split.inputs.shape[1]
    if lengths is None or lengths.shape != (len(split.targets),):
        raise InvalidInputError(f"{name}.lengths", f"have shape [{len(split.targets)}]", lengths)
    if lengths.min() < 1 or lengths.max() > longest:
        worst = lengths.min() if lengths.min() < 1 else lengths.max()
        raise InvalidInputError(f"{name}.lengths", f"be in 1..{longest}", int(worst))
    return np.arange(longest) >= lengths[:, None]


def _check_type(field: str, array: np.ndarray, dtype: Any, shape: tuple[int, ...], shown: str) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise InvalidInputError(field, f"be {np.dtype(dtype)} {shown}", f"{array.dtype} {array.shape}")


def _check_range(field: str, values: np.ndarray, end: int, low: int = 0) -> None:
    if values.min() < low or values.max() >= end:
        worst = values.min() if values.min() < low else values.max()
        raise InvalidInputError(field, f"be in {low}..{end - 1}", int(worst))


def _check_finite(field: str, values: np.ndarray) -> None:
    # The extremes show a NaN or an infinity without a second array of the values' size.
    if values.size and not np.isfinite([values.min(), values.max()]).all():
        broken = values[~np.isfinite(values)]
        raise InvalidInputError(field, "be finite", float(broken[0]))
