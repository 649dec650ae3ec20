"""What a task asks of a network: the loss that a training makes small, and the score that counts.

======================  ============================  ==================  ====================
kind                    loss                          score               further metrics
======================  ============================  ==================  ====================
``classification``      cross-entropy                 accuracy            of classes
``regression``          squared error of              R2                  of real targets
                        standardised targets
``sequence-labelling``  cross-entropy, the mean over  accuracy            of classes
                        the steps that are asked
``next-symbol``         the same                      inverse perplexity  of classes
======================  ============================  ==================  ====================

See :mod:`nnstruct.tasks.metrics` for all metrics. Every engine, pruning and the probes take both from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.registry import Registry
from nnstruct.tasks.metrics import CLASS_METRICS, REAL_METRICS, Metric, SumMetric
from nnstruct.tasks.scales import ColumnScale

if TYPE_CHECKING:
    from torch import Tensor

# The target of a step at which nothing is asked.
NOT_ASKED = -1


@dataclass(frozen=True, eq=False)
class Goal:
    """Loss and score of one kind of task, from a network's scores and the targets of a batch.

    Attributes
    ----------
    outputs : int
        Numbers that a network gives for an example, or for each of its steps.
    metric : Metric or SumMetric
        What the score is.
    class_weights : tuple of float, or None
        Of each class in the loss.
    scale : ColumnScale or None
        Of real targets, by which errors are told in their own unit.
    """

    outputs: int
    metric: Metric | SumMetric
    class_weights: tuple[float, ...] | None = None
    scale: ColumnScale | None = None

    every_step: ClassVar[bool] = False
    known: ClassVar[Registry[SumMetric]] = CLASS_METRICS

    def asked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and targets of what is asked.

        Parameters
        ----------
        scores : Tensor [B, outputs], or [B, T, outputs]
        targets : Tensor [B, ...]
            With T steps or more, nothing being asked after T.

        Returns
        -------
        (Tensor [m, outputs], Tensor [m] or [m, outputs])
        """
        return scores, targets

    def loss(self, scores: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean loss of a batch.

        Parameters
        ----------
        scores, targets : Tensor
            As for :meth:`asked`.
        label_smoothing : float
            Share of the target spread evenly over the classes.

        Returns
        -------
        Tensor []
            With weights of classes the weighted mean.
        """
        from torch.nn.functional import cross_entropy

        given, wanted = self.asked(scores, targets)
        return cross_entropy(given, wanted, weight=self._weights(given), label_smoothing=label_smoothing)

    def weight(self, targets: Tensor) -> float:
        """What the sum of a batch's losses is divided by: examples, steps that are asked, or their weights.

        Parameters
        ----------
        targets : Tensor [B, ...]

        Returns
        -------
        float
        """
        wanted = targets[targets != NOT_ASKED] if self.every_step else targets
        if self.class_weights is None:
            return float(len(wanted))
        return float(np.asarray(self.class_weights)[wanted.cpu().numpy()].sum())

    def tally(self) -> Tally:
        """An empty count of loss and metrics over the batches of a split."""
        return ClassTally(self)

    def _weights(self, like: Tensor) -> Tensor | None:
        return None if self.class_weights is None else like.new_tensor(self.class_weights)


class LabellingGoal(Goal):
    """A class for each step; steps whose target is -1 are left out."""

    every_step = True

    def asked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        wanted = targets[:, : scores.shape[1]]
        chosen = wanted != NOT_ASKED
        return scores[chosen], wanted[chosen]


class RegressionGoal(Goal):
    """Real targets [B, K]; the loss is the mean over examples and targets of the squared error."""

    known = REAL_METRICS

    def loss(self, scores: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean squared error of a batch.

        Parameters
        ----------
        scores, targets : Tensor [B, K]
        label_smoothing : float
            0, as there are no classes.

        Returns
        -------
        Tensor []

        Raises
        ------
        InvalidInputError
            If labels are to be smoothed.
        """
        if label_smoothing:
            raise InvalidInputError("config.label_smoothing", "be 0 for real targets", label_smoothing)
        return ((scores - targets) ** 2).mean()

    def tally(self) -> Tally:
        return RealTally(self)


class Tally(ABC):
    """Sums of loss and metrics over the batches of a split.

    Parameters
    ----------
    goal : Goal
    """

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.sums: dict[str, Any] = {}
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, scores: Tensor, targets: Tensor) -> None:
        """Count a batch.

        Parameters
        ----------
        scores, targets : Tensor
            As for :meth:`Goal.asked`.
        """
        given, wanted = self.goal.asked(scores.detach(), targets)
        for name, value in self._sums(given, wanted).items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if self.goal.metric.needs_scores:
            self._kept.append((given.cpu().numpy(), wanted.cpu().numpy()))

    @property
    def loss(self) -> float:
        """Mean loss, as a training makes it small."""
        return float(self.sums["loss"] / self.sums["weight"])

    @property
    def score(self) -> float:
        """The task's metric."""
        return self.value(self.goal.metric)

    def value(self, metric: str | Metric | SumMetric) -> float:
        """Any metric of the kind of targets, or the task's own.

        Parameters
        ----------
        metric : str, Metric or SumMetric

        Returns
        -------
        float

        Raises
        ------
        UnknownNameError
            If no metric of this kind of targets has the name.
        """
        if isinstance(metric, str):
            metric = self.goal.metric if metric == self.goal.metric.name else self.goal.known[metric]
        if isinstance(metric, SumMetric):
            return metric.function(self._complete())
        scores, targets = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        return float(metric.function(self._in_unit(scores), self._in_unit(targets)))

    def _complete(self) -> dict[str, Any]:
        return self.sums

    def _in_unit(self, values: np.ndarray) -> np.ndarray:
        return values

    @abstractmethod
    def _sums(self, scores: Tensor, targets: Tensor) -> dict[str, Any]:
        """Sums of one batch by name."""


class ClassTally(Tally):
    """Sums for classes.

    ``loss`` and ``weight`` count the weights of classes, ``cross_entropy``, ``asked`` and ``hits`` do not;
    the last two also by class.
    """

    def _sums(self, scores: Tensor, targets: Tensor) -> dict[str, Any]:
        import torch
        from torch.nn.functional import cross_entropy

        weights = self.goal._weights(scores)
        plain = float(cross_entropy(scores, targets, reduction="sum"))
        right = targets[scores.argmax(1) == targets]
        by_class = [
            torch.bincount(found, minlength=self.goal.outputs).cpu().numpy().astype(np.float64)
            for found in (targets, right)
        ]
        return {
            "loss": plain
            if weights is None
            else float(cross_entropy(scores, targets, weight=weights, reduction="sum")),
            "weight": len(targets) if weights is None else float(weights.double()[targets].sum()),
            "cross_entropy": plain,
            "asked": len(targets),
            "hits": float(len(right)),
            "asked_by_class": by_class[0],
            "hits_by_class": by_class[1],
        }


class RealTally(Tally):
    """Sums for real targets.

    ``loss``, ``weight`` and ``asked``; by target ``squared`` and ``absolute`` errors, the ``targets`` and
    ``targets_squared``, all in standardised units.
    """

    def _sums(self, scores: Tensor, targets: Tensor) -> dict[str, Any]:
        wanted = targets.double()
        error = scores.double() - wanted  # [B, K]
        sums = {
            "squared": error**2, "absolute": error.abs(), "targets": wanted, "targets_squared": wanted**2,
        }  # fmt: skip
        found: dict[str, Any] = {name: value.sum(0).cpu().numpy() for name, value in sums.items()}
        return found | {
            "loss": float(found["squared"].mean()), "weight": len(targets), "asked": len(targets),
        }  # fmt: skip

    def _complete(self) -> dict[str, Any]:
        scale = self.goal.scale
        return self.sums | {"unit": np.ones(self.goal.outputs) if scale is None else scale.std}

    def _in_unit(self, values: np.ndarray) -> np.ndarray:
        return values if self.goal.scale is None else self.goal.scale.undo(values)


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes
    ----------
    goal : type of Goal
    metric : str
        What scores a task that names no other.
    """

    goal: type[Goal]
    metric: str

    @cached_property
    def _better(self) -> list[str]:
        return [name for name in self.goal.known if self.goal.known[name].larger_is_better]

    def check_metric(self, metric: str | Metric | None) -> Metric | SumMetric:
        """The metric that scores a task.

        Parameters
        ----------
        metric : str, Metric or None

        Returns
        -------
        Metric or SumMetric

        Raises
        ------
        InvalidInputError
            If there is none of that name, or smaller values of it are better.
        """
        if isinstance(metric, Metric):
            return metric
        name = self.metric if metric is None else metric
        if name not in self._better:
            raise InvalidInputError("metric", f"be a Metric or one of {', '.join(self._better)}", metric)
        return self.goal.known[name]


KINDS: dict[str, Kind] = {
    "classification": Kind(Goal, "accuracy"),
    "regression": Kind(RegressionGoal, "r2"),
    "sequence-labelling": Kind(LabellingGoal, "accuracy"),
    "next-symbol": Kind(LabellingGoal, "inverse_perplexity"),
}


def check_class_weights(weights: Iterable[float] | None, num_classes: int) -> tuple[float, ...] | None:
    """Weights of classes as plain numbers.

    Parameters
    ----------
    weights : iterable of float, or None
    num_classes : int

    Returns
    -------
    tuple of float, or None

    Raises
    ------
    InvalidInputError
        Unless they are a finite number above 0 for each class.
    """
    if weights is None:
        return None
    found = tuple(float(weight) for weight in weights)
    if len(found) != num_classes or not np.isfinite(found).all() or min(found) <= 0:
        rule = f"be {num_classes} finite numbers above 0"
        raise InvalidInputError("class_weights", rule, found)
    return found
