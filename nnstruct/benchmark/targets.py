"""Labels: what a predictor learns, computed from a record."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.registry import Registry
from nnstruct.tasks.metrics import metric_bounds, metric_title

if TYPE_CHECKING:
    import pandas as pd


def _about(target: Any) -> str:
    known = {id(TARGETS[name]): text for name, text in DESCRIPTIONS.items()}
    return known.get(id(target)) or (target.__doc__ or "").split("\n\n")[0]


Target = Callable[["pd.DataFrame"], np.ndarray]
# ``val@5`` is the validation score after the fifth epoch.
_AT = re.compile(r"(val|neg_val_loss|neg_log_val_loss)@([1-9][0-9]*)")


class _Targets(Registry[Target]):
    """The registered targets, and those at an epoch."""

    def __getitem__(self, name: str) -> Target:
        found = _AT.fullmatch(name) if isinstance(name, str) else None
        return super().__getitem__(name) if found is None else _at(found[1], int(found[2]))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _AT.fullmatch(name) is not None)


TARGETS: Registry[Target] = _Targets("target", about=_about)
"""Name to function from a benchmark's table to float [rows]; NaN where a record has no such value.

Beside the names that are listed there are those of one epoch: ``val@5``, ``neg_val_loss@5`` and
``neg_log_val_loss@5`` are what learning curves say after the fifth. A training that ended before has no such
label.
"""

_SMALLEST_LOSS = 1e-8


def _curves(column: str, reduce: Callable[[np.ndarray], Any]) -> Callable[[pd.DataFrame], np.ndarray]:
    """A target that reduces curves, float [..., epochs], along their epochs."""

    # numpy's maximum and mean pass NaN on, so a curve that breaks off has no label.
    def labels(table: pd.DataFrame) -> np.ndarray:
        curves: list[np.ndarray] = table[column].tolist()
        if len(set(map(len, curves))) == 1:  # all at once; np.stack takes three times as long
            return np.asarray(reduce(np.concatenate(curves).reshape(len(curves), -1)), dtype=np.float64)
        return np.array([reduce(np.asarray(curve)) for curve in curves], dtype=np.float64)

    return labels


@TARGETS.register("test")
def _test(table: pd.DataFrame) -> np.ndarray:
    """Test metric after the last epoch."""
    return table["test"].to_numpy(dtype=np.float64)


@TARGETS.register("neg_test_loss")
def _neg_test_loss(table: pd.DataFrame) -> np.ndarray:
    """Test loss after the last epoch, times -1: larger is better, as for every target."""
    return -table["test_loss"].to_numpy(dtype=np.float64)


@TARGETS.register("neg_log_test_loss")
def _neg_log_test_loss(table: pd.DataFrame) -> np.ndarray:
    """The logarithm keeps a few exploding losses from hiding all other differences."""
    return -_log(table["test_loss"].to_numpy(dtype=np.float64))


def _at(kind: str, epoch: int) -> Target:
    def labels(table: pd.DataFrame) -> np.ndarray:
        curves = table["val" if kind == "val" else "val_loss"]
        found = np.array([c[epoch - 1] if len(c) >= epoch else np.nan for c in curves], dtype=np.float64)
        return found if kind == "val" else -_log(found) if "log" in kind else -found

    return labels


def _log(loss: np.ndarray | float) -> np.ndarray:
    return np.log(np.maximum(loss, _SMALLEST_LOSS))


TARGETS.register("val_last")(_curves("val", lambda curve: curve[..., -1]))
TARGETS.register("val_best")(_curves("val", lambda curve: curve.max(axis=-1)))
TARGETS.register("val_mean3")(_curves("val", lambda curve: curve[..., -3:].mean(axis=-1)))
TARGETS.register("val_auc")(_curves("val", lambda curve: curve.mean(axis=-1)))
TARGETS.register("neg_val_loss")(_curves("val_loss", lambda curve: -curve[..., -1]))
TARGETS.register("neg_log_val_loss")(_curves("val_loss", lambda curve: -_log(curve[..., -1])))

DESCRIPTIONS = {
    "test": "test accuracy after the last epoch",
    "neg_test_loss": "test loss after the last epoch, times -1",
    "neg_log_test_loss": "natural logarithm of the test loss after the last epoch, times -1",
    "val_last": "validation accuracy after the last epoch",
    "val_best": "best validation accuracy of any epoch",
    "val_mean3": "mean validation accuracy of the last three epochs",
    "val_auc": "mean validation accuracy of all epochs (the area under the curve)",
    "neg_val_loss": "validation loss after the last epoch, times -1",
    "neg_log_val_loss": "natural logarithm of the validation loss after the last epoch, times -1",
}

_READS = {
    "test": ("test",),
    **dict.fromkeys(("neg_test_loss", "neg_log_test_loss"), ("test_loss",)),
    **dict.fromkeys(("val_last", "val_best", "val_mean3", "val_auc"), ("val",)),
    **dict.fromkeys(("neg_val_loss", "neg_log_val_loss"), ("val_loss",)),
}
_SCORES = ("test", "val_last", "val_best", "val_mean3", "val_auc")
_BOUNDS = {
    **dict.fromkeys(("neg_test_loss", "neg_val_loss"), (-math.inf, 0.0)),
    **dict.fromkeys(("neg_log_test_loss", "neg_log_val_loss"), (-math.inf, -math.log(_SMALLEST_LOSS))),
}


def target_columns(name: str) -> tuple[str, ...] | None:
    """The columns of a benchmark's table that a target reads; None where they are not known.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple of str or None

    Examples
    --------
    >>> from nnstruct.benchmark.targets import target_columns
    >>> target_columns("val_best"), target_columns("my-score")
    (('val',), None)
    """
    found = _AT.fullmatch(name)
    return _READS.get(name) if found is None else ("val",) if found[1] == "val" else ("val_loss",)


def described(target: str, metric: str = "accuracy") -> str:
    """What a label is, in words.

    Parameters
    ----------
    target : str
    metric : str
        Name of the metric that scores the task: a benchmark's ``metric``.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.benchmark.targets import described
    >>> described("val_best"), described("test", "r2")
    ('best validation accuracy of any epoch', 'test R2 after the last epoch')
    """
    return DESCRIPTIONS.get(target, target).replace("accuracy", metric_title(metric))


def target_bounds(name: str, metric: str = "accuracy") -> tuple[float, float]:
    """The lowest and the highest value of a label, infinite where there is none.

    Parameters
    ----------
    name : str
        A target; scores have the metric's bounds, losses times -1 are never positive.
    metric : str
        Name of the metric that scores the task; of an own one the bounds are not known.

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> from nnstruct.benchmark.targets import target_bounds
    >>> target_bounds("test"), target_bounds("neg_test_loss"), target_bounds("my-score")
    ((0.0, 1.0), (-inf, 0.0), (-inf, inf))
    >>> target_bounds("test", "r2")
    (-inf, 1.0)
    """
    kind, unknown = name.partition("@")[0], (-math.inf, math.inf)
    return metric_bounds(metric) if kind in (*_SCORES, "val") else _BOUNDS.get(kind, unknown)
