"""What a guide thinks, in one form whatever the guide: higher is better, jointly where it can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnstruct.search.choice import Belief, once_measured
from nnstruct.search.guide import JointGuide, expected, predict
from nnstruct.search.ledger import Entry
from nnstruct.search.scores import scored
from nnstruct.structure import Structure

Merit = Callable[[list[Structure], np.ndarray], np.ndarray]
MOST_TOLD = 300


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
    merit : callable, optional
        Orders structures by their scores, turned so that they are to be high; the scores themselves, by
        default. What is believed is asked of the best :data:`MOST_TOLD` alone.
    in_units : bool
        Whether candidates are compared in the units of the scores, where volumes mean something, and not
        on the guide's own scale.
    """

    def __init__(
        self,
        guide: Any,
        sign: float,
        entries: Sequence[Entry],
        *,
        merit: Merit | None = None,
        in_units: bool = False,
    ) -> None:
        self.guide, self.sign, self.in_units = guide, sign, in_units
        self._told, self._scores = scored(entries)
        if len(self._told) > MOST_TOLD:
            turned = sign * self._scores
            order = np.argsort(-(turned if merit is None else merit(self._told, turned)), kind="stable")
            kept = np.sort(order[:MOST_TOLD])
            self._told, self._scores = [self._told[i] for i in kept], self._scores[kept]
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
            mean, covariance, _ = self._joint(structures)
            return self.sign * mean, np.sqrt(np.maximum(np.diag(covariance), 0.0))
        mean, std = predict(self.guide, structures)
        return self.sign * mean, std

    def _joint(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray, float]:
        """A joint guide's mean, covariance and noise, brought to the units of the scores where wanted.

        Deviations are brought there by the ratio of those of a new measurement on both scales.
        """
        mean, covariance, noise = self.guide.joint(structures)
        if not self.in_units:
            return mean, covariance, noise
        mean, std = predict(self.guide, structures)
        ratio = std / np.sqrt(np.maximum(np.diag(covariance) + noise, 1e-300))
        return mean, covariance * np.outer(ratio, ratio), noise * float(np.mean(ratio**2))

    def told(self) -> tuple[list[Structure], np.ndarray]:
        """The most promising structures told, and what the guide believes of each.

        Returns
        -------
        structures : list of Structure, length t
        mean : float64 [t]
        """
        if self._told_means is None:
            means = self.moments(self._told)[0] if self._told else np.zeros(0)
            if self.in_units and len(means):
                # A guide that holds outliers for errors says nothing beyond some score: there, what was told.
                scores = self.sign * self._scores
                means = means + scores - np.clip(scores, means.min(), means.max())
            self._told_means = means
        return self._told, self._told_means

    def among_told(self, most: int) -> tuple[list[Structure], Belief]:
        """The most promising structures told, and what is believed of their true scores together.

        Of a guide without ``joint``, the noise of a score is what scores are from what it makes of them.

        Parameters
        ----------
        most : int

        Returns
        -------
        structures : list of Structure, length t
        belief : Belief
            With t candidates.
        """
        told, means = self.told()
        best = [told[i] for i in np.argsort(-means, kind="stable")[:most]]
        if isinstance(self.guide, JointGuide):
            mean, covariance, noise = self._joint(best)
        else:
            mean, std = expected(self.guide, best)
            covariance = np.diag(std**2)
            noise = float(np.mean((self.sign * self._scores - means) ** 2))
        return best, Belief(self.sign * mean, covariance, noise, len(best))

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
            mean, covariance, noise = self._joint(everything)
        else:
            mean, std = predict(self.guide, everything)
            covariance, noise = np.diag(std**2), 0.0
        mean = self.sign * mean
        for place in range(len(candidates) + len(best), len(everything)):
            covariance = once_measured(covariance, place, noise)
        kept = len(candidates) + len(best)
        return Belief(mean[:kept], covariance[:kept, :kept], noise, len(candidates))
