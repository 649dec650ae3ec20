"""What a guide thinks, in one form whatever the guide: higher is better, jointly where it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.search.choice import Belief
from nnstruct.search.guide import JointGuide, predict
from nnstruct.search.ledger import Entry, scored
from nnstruct.structure import Structure


class Beliefs:
    """A fitted guide, asked about candidates and about what was told.

    A guide with :class:`~nnstruct.search.guide.JointGuide`'s ``joint`` is asked for that; of any other
    the predictions count as independent.

    Parameters
    ----------
    guide : Guide
        Fitted.
    sign : float
        -1 turns scores that are to be low around.
    entries : sequence of Entry
        Those inside the space.
    """

    def __init__(self, guide: Any, sign: float, entries: Sequence[Entry]) -> None:
        self.guide, self.sign = guide, sign
        self._told, _ = scored(entries)
        self._told_means: np.ndarray | None = None

    def predict(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation in the units of the scores, with their sign.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        mean, std : float64 [m]
        """
        return predict(self.guide, structures)

    def moments(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of true scores, on the scale in which candidates are compared.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        mean, std : float64 [m]
        """
        if isinstance(self.guide, JointGuide):
            mean, covariance, _ = self.guide.joint(structures)
            return self.sign * mean, np.sqrt(np.maximum(np.diag(covariance), 0.0))
        mean, std = predict(self.guide, structures)
        return self.sign * mean, std

    def told(self) -> tuple[list[Structure], np.ndarray]:
        """The structures told, and what the guide believes of each.

        Returns
        -------
        structures : list of Structure, length t
        mean : float64 [t]
        """
        if self._told_means is None:
            self._told_means = self.moments(self._told)[0] if self._told else np.zeros(0)
        return self._told, self._told_means

    def scaled(self, score: float) -> float:
        """A score, turned so that it is to be high, on the scale in which candidates are compared.

        Parameters
        ----------
        score : float

        Returns
        -------
        float
            Read off the structures told where that scale is the guide's own; beyond them, that of the last.
        """
        if not isinstance(self.guide, JointGuide) or not self._told:
            return score
        told, means = self.told()
        predicted = self.sign * predict(self.guide, told)[0]
        order = np.argsort(predicted, kind="stable")
        return float(np.interp(score, predicted[order], np.sort(means)))

    def of(
        self, candidates: Sequence[Structure], pending: Sequence[Structure] = (), *, most_told: int
    ) -> Belief:
        """What a batch is chosen by.

        Parameters
        ----------
        candidates : sequence of Structure, length m
        pending : sequence of Structure
            Asked, not told: uncertain are the candidates as if these had been measured.
        most_told : int
            Structures told that take part, the best in the guide's eyes.

        Returns
        -------
        Belief
        """
        told, means = self.told()
        best = [told[i] for i in np.argsort(-means, kind="stable")[:most_told]]
        waiting = list(pending)
        everything = [*candidates, *best, *waiting]
        if isinstance(self.guide, JointGuide):
            mean, covariance, noise = self.guide.joint(everything)
        else:
            mean, std = predict(self.guide, everything)
            covariance, noise = np.diag(std**2), 0.0
        mean = self.sign * mean
        for place in range(len(candidates) + len(best), len(everything)):
            spread = float(covariance[place, place]) + noise
            if spread > 0:
                covariance = covariance - np.outer(covariance[:, place], covariance[:, place]) / spread
        kept = len(candidates) + len(best)
        return Belief(mean[:kept], covariance[:kept, :kept], noise, len(candidates))
