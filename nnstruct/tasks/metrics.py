"""Metrics: what a trained network is scored by.

=====================  ==================  ==========================================================
name                   bounds              what it is
=====================  ==================  ==========================================================
``accuracy``           0 to 1              share of examples, or of steps that are asked, that are right
``balanced_accuracy``  0 to 1              mean over the classes that occur of the share that is right
``cross_entropy``      from 0              mean, in nats, without class weights; smaller is better
``perplexity``         from 1              its exponential; smaller is better
``inverse_perplexity`` 0 to 1              the geometric mean of the probability of what is right
``r2``                 up to 1             1 less squared error over variance, the mean over targets
``mse``, ``mae``       from 0              squared and absolute error in the targets' unit, the mean over
                                           targets; smaller is better
``neg_mse, neg_mae``   up to 0             the same, times -1
=====================  ==================  ==========================================================

The first five are of classes, the others of real targets. A task is scored by one in which larger is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.registry import Registry

Sums = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """An own metric, a function of all scores of a split.

    Only the reference engine trains a task that is scored by one.

    Parameters
    ----------
    name : str
    function : callable (scores, targets) -> float
        Scores float [n, C] and classes int [n], of the steps that are asked where every step has a class;
        predictions and targets float [n, K], in the targets' unit, for regression. Larger is better.
    bounds : (float, float)
        The lowest and the highest value that it can take.
    words : str
        What a text calls it; by default its name.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.tasks import Metric, Task
    >>> def top2(scores, targets):
    ...     return float(np.mean([y in np.argsort(row)[-2:] for row, y in zip(scores, targets)]))
    >>> x = np.random.default_rng(0).normal(size=(90, 3))
    >>> task = Task.from_arrays("largest", x, x.argmax(axis=1), metric=Metric("top2", top2, (0, 1)))
    >>> task.score_name, task.bounds
    ('top2', (0, 1))
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    bounds: tuple[float, float] = (-math.inf, math.inf)
    words: str = ""

    larger_is_better = True
    needs_scores = True

    @property
    def title(self) -> str:
        """What a text calls it."""
        return self.words or self.name


@dataclass(frozen=True)
class SumMetric:
    """A metric that needs only sums over the examples, which add up over batches.

    Attributes
    ----------
    name : str
    function : callable (mapping of str to sums) -> float
        Of the sums of :mod:`nnstruct.tasks.goals`.
    bounds : (float, float)
    title : str
        What a text calls it.
    larger_is_better : bool
    """

    name: str
    function: Callable[[Sums], float]
    bounds: tuple[float, float]
    title: str
    larger_is_better: bool = True

    needs_scores = False


def _accuracy(sums: Sums) -> float:
    return float(sums["hits"] / sums["asked"])


def _balanced_accuracy(sums: Sums) -> float:
    occurs = sums["asked_by_class"] > 0
    return float((sums["hits_by_class"][occurs] / sums["asked_by_class"][occurs]).mean())


def _cross_entropy(sums: Sums) -> float:
    return float(sums["cross_entropy"] / sums["asked"])


def _perplexity(sums: Sums) -> float:
    return float(np.exp(np.float64(_cross_entropy(sums))))


def _inverse_perplexity(sums: Sums) -> float:
    return math.exp(-_cross_entropy(sums))


def _r2(sums: Sums) -> float:
    total = sums["targets_squared"] - sums["targets"] ** 2 / sums["asked"]  # [K]
    error = np.asarray(sums["squared"])
    # A target that does not vary is explained by its own value alone, as scikit-learn counts it.
    varies = total > 1e-12 * np.maximum(sums["targets_squared"], 1e-300)
    return float(np.where(varies, 1 - error / np.where(varies, total, 1.0), error == 0).mean())


def _mse(sums: Sums) -> float:
    return float((sums["squared"] / sums["asked"] * sums["unit"] ** 2).mean())


def _mae(sums: Sums) -> float:
    return float((sums["absolute"] / sums["asked"] * sums["unit"]).mean())


def metric_bounds(name: str) -> tuple[float, float]:
    """The lowest and the highest value of a metric.

    Parameters
    ----------
    name : str
        Such as a benchmark's ``metric``.

    Returns
    -------
    (float, float)
        Infinite where there is no bound, and for an own metric.

    Examples
    --------
    >>> from nnstruct.tasks.metrics import metric_bounds
    >>> metric_bounds("accuracy"), metric_bounds("r2")
    ((0.0, 1.0), (-inf, 1.0))
    """
    found = _known(name)
    return found.bounds if found else (-math.inf, math.inf)


def metric_title(name: str) -> str:
    """What a text calls a metric: its name where it is an own one.

    Parameters
    ----------
    name : str
        Such as a benchmark's ``metric``.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.tasks.metrics import metric_title
    >>> metric_title("inverse_perplexity"), metric_title("r2")
    ('inverse perplexity', 'R2')
    """
    found = _known(name)
    return found.title if found else name


def _known(name: str) -> SumMetric | None:
    return next((known[name] for known in (CLASS_METRICS, REAL_METRICS) if name in known), None)


CLASS_METRICS: Registry[SumMetric] = Registry("metric of classes")
REAL_METRICS: Registry[SumMetric] = Registry("metric of real targets")
for _metric in (
    SumMetric("accuracy", _accuracy, (0.0, 1.0), "accuracy"),
    SumMetric("balanced_accuracy", _balanced_accuracy, (0.0, 1.0), "balanced accuracy"),
    SumMetric("inverse_perplexity", _inverse_perplexity, (0.0, 1.0), "inverse perplexity"),
    SumMetric("cross_entropy", _cross_entropy, (0.0, math.inf), "cross-entropy", larger_is_better=False),
    SumMetric("perplexity", _perplexity, (1.0, math.inf), "perplexity", larger_is_better=False),
):
    CLASS_METRICS.register(_metric.name)(_metric)
for _metric in (
    SumMetric("r2", _r2, (-math.inf, 1.0), "R2"),
    SumMetric("neg_mse", lambda sums: -_mse(sums), (-math.inf, 0.0), "mean squared error, times -1"),
    SumMetric("neg_mae", lambda sums: -_mae(sums), (-math.inf, 0.0), "mean absolute error, times -1"),
    SumMetric("mse", _mse, (0.0, math.inf), "mean squared error", larger_is_better=False),
    SumMetric("mae", _mae, (0.0, math.inf), "mean absolute error", larger_is_better=False),
):
    REAL_METRICS.register(_metric.name)(_metric)
