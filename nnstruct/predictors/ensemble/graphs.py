"""The member that learns from graphs, taught by the members that learn from columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.predictors.base import FittedState
from nnstruct.predictors.gnn.cost import course_seconds
from nnstruct.predictors.gnn.members import (
    LABEL_STEPS,
    LESSON_GRAPHS,
    LESSON_STEPS,
    GraphMembers,
    MemberSettings,
)
from nnstruct.predictors.gnn.neighbours import neighbours
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.processes import torch_threads
from nnstruct.random import derive_seed, generator
from nnstruct.structure import Structure

GRAPHS = "gnn"
# Structures near the training ones; networks that learn from all labels, beside one a fold.
UNLABELLED, WHOLE = 1000, 2
# With fewer steps than this share of the full course, a network is not worth its time.
LEAST_SHARE = 0.25
# Labels from which a network is taken by itself: on 156 cells of NAS-Bench-201 Kendall's tau of the blend is
# .861 on cells not seen and .843 on those without a twin, that of the mean of its teachers .847 and .827
# (three draws); on 60 cells .787 with and .776 without, on 66 networks of NAS-Bench-Macro .892 and .879, on
# 60 structures of fashion-cnn .751 and .752 (four to six draws).
FEWEST_LABELS = 60


def worth_a_network(structures: Sequence[Structure]) -> bool:
    """Whether networks are known to help: many labels, and units whose operators differ.

    Parameters
    ----------
    structures : sequence of Structure
        Those with a label.

    Returns
    -------
    bool
    """
    if len(structures) < FEWEST_LABELS:
        return False
    return len({structure.attributes.get("operator") for structure in structures}) > 1


class TaughtGraphs:
    """Graph networks that learn what the other members say of structures without a label, then the labels.

    For each fold one network learns from the other folds, and from teachers that learned from them, so that
    its predictions of the fold are honest; ``WHOLE`` more learn from all labels. Each transforms labels by
    those that it learns from. All learn in one pass, and the mean of all is what is said of new structures.

    Parameters
    ----------
    seed, n_jobs : int
    seconds : float
        What learning may take on one core of an average machine, by
        :func:`nnstruct.predictors.gnn.cost.course_seconds`.
    """

    def __init__(self, seed: int, n_jobs: int, seconds: float) -> None:
        self.seed, self.n_jobs, self.seconds = seed, n_jobs, seconds

    def share_of_steps(self, structures: Sequence[Structure], folds: int) -> float:
        """How much of the full course fits into the time; 0 where it is not worth it.

        Parameters
        ----------
        structures : sequence of Structure
        folds : int

        Returns
        -------
        float
            In [0, 1].
        """
        settings = MemberSettings()
        graphs = LESSON_STEPS * LESSON_GRAPHS + LABEL_STEPS * settings.batch_size
        whole = course_seconds(structures, graphs, folds + WHOLE, settings)
        share = min(1.0, self.seconds / whole)
        return share if share >= LEAST_SHARE else 0.0

    def others(self, structures: Sequence[Structure]) -> list[Structure]:
        """Structures near the training ones.

        Parameters
        ----------
        structures : sequence of Structure

        Returns
        -------
        list of Structure
        """
        return neighbours(structures, UNLABELLED, generator(self.seed, "neighbours"))

    def fit(
        self,
        structures: Sequence[Structure],
        y: np.ndarray,
        weight: np.ndarray,
        fold: np.ndarray,
        others: Sequence[Structure],
        teachers: np.ndarray,
    ) -> np.ndarray:
        """Learn from all labels.

        Parameters
        ----------
        structures : sequence of Structure, length n
        y, weight : float64 [n]
        fold : int64 [n]
        others : sequence of Structure, length u
        teachers : float64 [folds + 1, u]
            What is said of them after learning from all folds but one, and from all.

        Returns
        -------
        float64 [n]
            What is said of labels that were not seen.
        """
        folds = int(fold.max()) + 1
        numbers = np.append(np.arange(folds), np.full(WHOLE, folds))  # [M], the fold not seen
        weights = np.where(fold[None] == numbers[:, None], 0.0, weight)
        self.transforms = [LabelTransform().fit(y[row > 0]) for row in weights]
        target = np.stack([transform.transform(y) for transform in self.transforms])  # [M, n]
        lessons = None
        if len(others):
            said_of = zip(self.transforms, teachers[numbers], strict=True)
            lessons = np.stack([transform.transform(said) for transform, said in said_of])
        settings = replace(
            MemberSettings(),
            seed=derive_seed(self.seed, "graphs"),
            share_of_steps=self.share_of_steps(structures, folds),
        )
        with torch_threads(self.n_jobs):
            self.members = GraphMembers(settings).fit(structures, target, weights, others, lessons)
            said = self.members.predict(structures)[0]  # [M, n]
            elsewhere = self.members.predict(others)[0] if len(others) else None
        at = (fold, np.arange(len(y)))
        error = weight * (said[at] - target[at]) ** 2
        self.deviation = float(np.sqrt(error.sum() / weight.sum()))
        told = np.empty(len(y))
        for number in range(folds):
            # Its own errors must not say how far a fold's predictions are drawn to the mean.
            seen, asked = fold != number, fold == number
            deviation = np.full(int(asked.sum()), np.sqrt(error[seen].sum() / weight[seen].sum()))
            told[asked] = self.transforms[number].moments(said[number, asked], deviation)[0]
        # One network spoke of each label, all of them speak of new structures.
        self.excess = 0.0
        if elsewhere is not None:
            between = self._labels(elsewhere).var(axis=0, ddof=1).mean()
            self.excess = float(between * (1.0 - 1.0 / len(elsewhere)))
        return told

    def _labels(self, said: np.ndarray) -> np.ndarray:
        """What each network says, float64 [M, m], in units of the label."""
        deviation = np.full(said.shape[1], self.deviation)
        each = zip(self.transforms, said, strict=True)
        return np.stack([transform.moments(z, deviation)[0] for transform, z in each])

    def predict(self, structures: Sequence[Structure]) -> np.ndarray:
        """The mean of all networks.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        float64 [m]
        """
        with torch_threads(self.n_jobs):
            said = self.members.predict(structures)[0]  # [M, m]
        return self._labels(said).mean(axis=0)

    def state(self) -> FittedState:
        """What :meth:`restore` needs.

        Returns
        -------
        FittedState
        """
        told = self.members.state()
        values = {
            "members": dict(told.values),
            "transforms": [transform.state() for transform in self.transforms],
            "deviation": self.deviation,
        }
        return FittedState(values, told.arrays)

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Bring back what :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings

        Raises
        ------
        ValueError, KeyError
            If they are not whole.
        """
        self.transforms = [LabelTransform.from_state(told) for told in values["transforms"]]
        self.deviation = float(values["deviation"])
        self.members = GraphMembers(MemberSettings()).restore(values["members"], arrays)
