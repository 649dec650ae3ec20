"""A predictor and what the checks fit it to, sound and wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone

from nnstruct.predictors import PREDICTORS, Predictor
from nnstruct.structure import Structure
from nnstruct.testing.structures import depth_and_edges, draw_structures

COUNT = 40


class PredictorCase:
    """A predictor, and what the checks fit it to.

    Parameters
    ----------
    predictor : str, type or Predictor
        A name in ``PREDICTORS``, a registered class, or a predictor with parameters that make it small.
    tolerance : float
        How far a prediction may move when units are relabelled or structures come one at a time.
    constant_tolerance : float
        How far a prediction may lie from a label that is the same for all structures.

    Attributes
    ----------
    structures, unseen : list of Structure
        40 to learn from, 12 others.
    labels : float64 [40]
    """

    def __init__(
        self,
        predictor: str | type[Predictor] | Predictor,
        *,
        tolerance: float = 1e-9,
        constant_tolerance: float = 1e-6,
    ) -> None:
        given: Any = PREDICTORS[predictor] if isinstance(predictor, str) else predictor
        self._given = given
        self.kind: type[Predictor] = given if isinstance(given, type) else type(given)
        self.tolerance, self.constant_tolerance = tolerance, constant_tolerance
        self.label = f"The predictor {self.kind.name!r}"

    @cached_property
    def structures(self) -> list[Structure]:
        return draw_structures(COUNT, seed=0)

    @cached_property
    def unseen(self) -> list[Structure]:
        return draw_structures(12, seed=7)

    @cached_property
    def labels(self) -> np.ndarray:
        clean = depth_and_edges(self.structures)
        return clean + 0.1 * clean.std() * np.random.default_rng(1).normal(size=len(clean))

    @cached_property
    def fitted(self) -> Predictor:
        """One that is fitted once; checks must not change it."""
        return self.make().fit(self.structures, self.labels)

    def make(self, **parameters: Any) -> Predictor:
        """A new predictor, not fitted.

        Parameters
        ----------
        **parameters
            In the place of those given.

        Returns
        -------
        Predictor
        """
        new = self._given() if isinstance(self._given, type) else clone(self._given)
        return new.set_params(**parameters)

    def predict(self, structures: Sequence[Any]) -> np.ndarray:
        """What the fitted one predicts.

        Parameters
        ----------
        structures : sequence of Structure or Network

        Returns
        -------
        float64 [n]
        """
        return np.asarray(self.fitted.predict(structures))


# What fit is given in each wrong case, and what its error must say.
WRONG_INPUT: dict[str, tuple[Callable[[list[Structure], np.ndarray], tuple[Any, Any]], str]] = {
    "a label that is not a number": (
        lambda s, y: (s, [*y[:2], float("nan"), *y[3:]]), r"^y\[2\] must be finite, got nan",
    ),
    "an infinite label": (
        lambda s, y: (s, [*y[:4], float("inf"), *y[5:]]), r"^y\[4\] must be finite, got inf",
    ),
    "a label too few": (
        lambda s, y: (s, y[:-1]), rf"^y must hold one value for each of the {COUNT} structures, got 39",
    ),
    "labels in a column": (
        lambda s, y: (s, y[:, None]), rf"^y must have one dimension, got \[{COUNT}, 1\]",
    ),
    "labels in words": (lambda s, y: (s, ["good"] * len(y)), r"^y must hold numbers"),
    "a single structure": (
        lambda s, y: (s[0], y[:1]), r"^structures must be a list of Structure.*\[structure\]",
    ),
    "a word among the structures": (
        lambda s, y: ([*s[:-1], "dense"], y), r"^structures\[39\] must be a Structure, got 'dense'",
    ),
    "a list of one structure": (lambda s, y: (s[:1], y[:1]), r"^structures must hold at least 2, got 1"),
    "no list of structures": (
        lambda s, y: (None, y), r"^structures must be a list of Structures, got None",
    ),
}  # fmt: skip
WRONG_WEIGHTS: dict[str, tuple[Callable[[int], Any], str]] = {
    "a negative weight": (
        lambda n: -np.ones(n), r"^sample_weight\[0\] must be finite and not negative, got -1.0",
    ),
    "a weight that is not a number": (
        lambda n: [1.0] * (n - 1) + [float("nan")], r"^sample_weight\[39\] must be finite",
    ),
    "weights that are all zero": (
        lambda n: np.zeros(n), r"^sample_weight must have a positive sum, got 0.0",
    ),
    "a weight too few": (
        lambda n: np.ones(n - 1), rf"^sample_weight must hold one value for each of the {COUNT}",
    ),
}  # fmt: skip
