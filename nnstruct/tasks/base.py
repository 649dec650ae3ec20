"""What a Task is: arrays in three splits, and what is asked about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.clones import ORDERS, gaussian_clone
from nnstruct.tasks.from_examples import FromExamples
from nnstruct.tasks.from_sources import FromSources
from nnstruct.tasks.goals import KINDS, Goal, check_class_weights
from nnstruct.tasks.metrics import Metric
from nnstruct.tasks.scales import ColumnScale
from nnstruct.tasks.split_checks import check_split
from nnstruct.tasks.splits import SPLIT_NAMES, Split


@dataclass(frozen=True, eq=False)
class Task(FromExamples, FromSources):
    """What networks are trained on: examples in three splits, a loss and a metric.

    Parameters
    ----------
    name : str
    train, val, test : Split
    num_classes : int
        0 for regression; for ``next-symbol`` the size of the vocabulary.
    num_symbols : int or None
        Size of the vocabulary where inputs are sequences of symbols; None where they are series of
        real values, vectors or images.
    kind : {"classification", "regression", "sequence-labelling", "next-symbol"}
        What is asked; it decides the loss, see :mod:`nnstruct.tasks.goals`.
    metric : str, Metric or None
        What scores a network, see :mod:`nnstruct.tasks.metrics`; by default that of the kind.
    class_weights : sequence of float, or None
        Of each class in the loss.
    target_scale, input_scale : ColumnScale or None
        Mean and deviation by which targets and inputs were standardised, for telling them in their own unit.

    Raises
    ------
    InvalidInputError
        If lengths, classes or symbols do not fit together, or a split is empty.

    Examples
    --------
    Own data become a task in one line: strings by :meth:`from_sequences`, series by :meth:`from_series`,
    vectors and images by :meth:`from_arrays`, a data frame by :meth:`from_dataframe`, a torch Dataset by
    :meth:`from_dataset`, and data that are already split by :meth:`from_splits`.

    >>> from nnstruct.tasks import Task
    >>> task = Task.from_sequences("parity", ["ab", "ba", "aab", "bb"] * 10, [1, 1, 1, 0] * 10, seed=0)
    >>> task.num_symbols, task.num_classes
    (3, 2)
    """

    name: str
    train: Split
    val: Split
    test: Split
    num_classes: int = 0
    num_symbols: int | None = None
    kind: str = "classification"
    metric: str | Metric | None = None
    class_weights: Sequence[float] | None = None
    target_scale: ColumnScale | None = None
    input_scale: ColumnScale | None = None

    def __post_init__(self) -> None:
        check_choice(self.kind, "kind", KINDS)
        self._check_classes()
        for name in SPLIT_NAMES:
            split: Split = getattr(self, name)
            check_split(name, split, self.num_classes, self.num_symbols, self.kind)
            if not self.is_sequence and split.inputs.shape[1:] != self.input_shape:
                rule = f"have the shape of train.inputs, [n, {', '.join(map(str, self.input_shape))}]"
                raise InvalidInputError(f"{name}.inputs", rule, list(split.inputs.shape))
            if self.is_series and split.inputs.shape[2] != self.input_shape[1]:
                rule = f"have {self.input_shape[1]} channels as train.inputs"
                raise InvalidInputError(f"{name}.inputs", rule, list(split.inputs.shape))
            if self.kind == "regression" and split.targets.shape[1] != self.num_outputs:
                rule = f"have {self.num_outputs} columns as train.targets"
                raise InvalidInputError(f"{name}.targets", rule, list(split.targets.shape))
        KINDS[self.kind].check_metric(self.metric)

    def _check_classes(self) -> None:
        if self.kind == "regression":
            if self.num_classes or self.class_weights is not None:
                raise InvalidInputError(
                    "num_classes", "be 0, without class_weights, for regression", self.num_classes
                )
            return
        if self.num_classes < 1:
            raise InvalidInputError("num_classes", f"be at least 1 for {self.kind}", self.num_classes)
        check_class_weights(self.class_weights, self.num_classes)
        if self.kind == "next-symbol" and self.num_classes != self.num_symbols:
            raise InvalidInputError("num_classes", f"be num_symbols, {self.num_symbols}", self.num_classes)

    @property
    def is_sequence(self) -> bool:
        """Whether inputs have steps: they are sequences of symbols or series of real values."""
        return self.num_symbols is not None or self.train.lengths is not None

    @property
    def is_series(self) -> bool:
        """Whether inputs are series of real values, float32 [n, T, D]."""
        return self.num_symbols is None and self.train.lengths is not None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input; for sequences (longest length,), for series (longest length, channels)."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def num_outputs(self) -> int:
        """Numbers that a network gives for an example or a step: one a class, or one a real target."""
        return self.num_classes or int(self.train.targets.shape[1])

    @cached_property
    def goal(self) -> Goal:
        """Loss and metric."""
        kind = KINDS[self.kind]
        weights = check_class_weights(self.class_weights, self.num_classes)
        return kind.goal(self.num_outputs, kind.check_metric(self.metric), weights, self.target_scale)

    @property
    def score_name(self) -> str:
        """Name of the metric that scores a network, such as ``accuracy`` or ``r2``."""
        return self.goal.metric.name

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest score that a network can have, infinite where there is none."""
        return self.goal.metric.bounds

    @property
    def beyond_classes(self) -> str | None:
        """What it has beyond classes of symbols, vectors or images that are scored by accuracy.

        In words, to follow "trains"; None where there is nothing, as in all that the loops of pruning know.
        """
        if self.kind != "classification":
            return f"tasks of the kind {self.kind!r}"
        if self.is_series:
            return "tasks of series of real values"
        if self.class_weights is not None:
            return "tasks with weights of classes"
        return None if self.score_name == "accuracy" else f"tasks with the metric {self.score_name!r}"

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on every value of every split, and not on the name.

        Kind, metric, weights of classes and the targets' unit count where they are not those of a plain
        classification.
        """
        digest = hashlib.blake2b(f"{self.num_classes}|{self.num_symbols}".encode(), digest_size=8)
        for name in SPLIT_NAMES:
            split: Split = getattr(self, name)
            for array in (split.inputs, split.targets, split.lengths):
                if array is not None:
                    digest.update(f"{array.dtype.str}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).reshape(-1).data)
        weights = self.goal.class_weights
        if (self.kind, self.score_name, weights) != ("classification", "accuracy", None):
            digest.update(f"{self.kind}|{self.score_name}|{weights}".encode())
        if self.target_scale is not None:
            digest.update(self.target_scale.std.astype("<f8").tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = "/".join(str(len(getattr(self, name))) for name in SPLIT_NAMES)
        kind = f"inputs {list(self.input_shape)}"
        if self.is_sequence:
            kind = f"series {list(self.input_shape)}" if self.is_series else f"{self.num_symbols} symbols"
        asked = f"{self.num_classes} classes" if self.num_classes else f"{self.num_outputs} real targets"
        if self.goal.every_step:
            asked = "next symbols" if self.kind == "next-symbol" else f"{asked} a step"
        return f"Task({self.name!r}, {sizes} train/val/test, {kind}, {asked})"

    def in_units(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions of a regression in the targets' own unit.

        Parameters
        ----------
        predictions : float [n, K]
            As a network gives them.

        Returns
        -------
        float [n, K]

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> x = np.random.default_rng(0).normal(size=(90, 3))
        >>> task = Task.from_arrays("sum", x, 100 + x.sum(axis=1), kind="regression")
        >>> bool(abs(task.in_units(task.train.targets).mean() - 100) < 1)
        True
        """
        return predictions if self.target_scale is None else self.target_scale.undo(predictions)

    def clone(self, order: str, *, seed: int = 0) -> Task:
        """A task whose training and validation data are Gaussian, and whose test data are the real ones.

        As many examples of each class are drawn as there are. The moments are those of the training data, so
        that a network trained on the clone knows of them and of nothing else (Refinetti, Ingrosso and
        Goldt, 2023, arXiv:2211.11567).

        Parameters
        ----------
        order : {"mean", "covariance"}
            What is that of each class: the mean, with one variance for all inputs; or the covariance, too.
        seed : int

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If the task holds sequences or has no classes, or there is no such order.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct import load_task
        >>> digits = load_task("digits")
        >>> clone = digits.clone("covariance")
        >>> np.array_equal(clone.train.targets, digits.train.targets), clone.test is digits.test
        (True, True)
        """
        order = check_choice(order, "order", ORDERS)
        if self.is_sequence or self.kind != "classification":
            raise InvalidInputError(
                "task", "hold classes of vectors or images to have Gaussian clones", self.name
            )
        rng = generator(check_seed(seed), "clone", order, self.fingerprint)
        train, val = (
            gaussian_clone(self.train, getattr(self, name).targets, order, rng) for name in ("train", "val")
        )
        return replace(self, name=f"{self.name}, {order} clone", train=train, val=val)
