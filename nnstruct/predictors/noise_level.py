"""How noisy a label is, as a function of its level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

_MOST_BINS = 8
_LEAST_IN_BIN = 10


class NoiseLevel:
    """Variance of a label's noise by the label: bins of equal counts, joined by straight lines.

    Accuracies near 1 scatter less from seed to seed than those in the middle. The bins' means of the
    known variances tell by how much.

    Attributes
    ----------
    places, variances : float64 [bins]
        Mean label and mean variance of each bin.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.linspace(0.0, 1.0, 40)
    >>> level = NoiseLevel().fit(y, 0.1 * (1.0 - y))
    >>> bool(level.predict(np.array([0.2]))[0] > 3 * level.predict(np.array([0.9]))[0])
    True
    """

    def fit(self, y: np.ndarray, y_std: np.ndarray) -> Self:
        """Take the means of each bin.

        Parameters
        ----------
        y : float64 [n]
        y_std : float64 [n]
            Standard deviation of each label's noise.

        Returns
        -------
        self
        """
        bins = int(np.clip(len(y) // _LEAST_IN_BIN, 1, _MOST_BINS))
        parts = np.array_split(np.argsort(y, kind="stable"), bins)
        self.places = np.array([y[part].mean() for part in parts])
        self.variances = np.array([(y_std[part] ** 2).mean() for part in parts])
        return self

    def predict(self, level: np.ndarray) -> np.ndarray:
        """Standard deviation of the noise at a level; beyond the outer bins that of the bin.

        Parameters
        ----------
        level : float64 [m]

        Returns
        -------
        float64 [m]
        """
        return np.sqrt(np.interp(level, self.places, self.variances))

    def state(self) -> dict[str, Any]:
        """What :meth:`from_state` needs.

        Returns
        -------
        dict of str to JSON values
        """
        return {"places": self.places.tolist(), "variances": self.variances.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The levels that :meth:`state` told of.

        Parameters
        ----------
        state : mapping

        Returns
        -------
        NoiseLevel
        """
        made = cls()
        made.places = np.asarray(state["places"], dtype=np.float64)
        made.variances = np.asarray(state["variances"], dtype=np.float64)
        return made
