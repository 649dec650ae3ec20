"""Mean and spread, learned on the training split, by which values are standardised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ColumnScale:
    """Mean and standard deviation of each column.

    Attributes
    ----------
    mean, std : float64 [K]
        A column that does not vary has the deviation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.tasks.scales import ColumnScale
    >>> scale = ColumnScale.learned(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scale.apply(np.array([[3.0, 5.0]])).tolist(), scale.undo(np.array([[-1.0, 0.0]])).tolist()
    ([[1.0, 0.0]], [[1.0, 5.0]])
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def learned(cls, values: np.ndarray) -> ColumnScale:
        """That of some rows.

        Parameters
        ----------
        values : float [n, K]

        Returns
        -------
        ColumnScale
        """
        rows = np.asarray(values, dtype=np.float64)
        std = rows.std(axis=0)
        # What is left of a constant column by rounding is no spread.
        varies = std > 1e-12 * np.maximum(np.abs(rows).max(axis=0), 1e-300)
        return cls(_rounded(rows.mean(axis=0)), _rounded(np.where(varies, std, 1.0)))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values in deviations from the mean.

        Parameters
        ----------
        values : float [..., K]

        Returns
        -------
        float32 [..., K]
        """
        return ((np.asarray(values, dtype=np.float64) - self.mean) / self.std).astype(np.float32)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Values in their own unit again.

        Parameters
        ----------
        values : float [..., K]

        Returns
        -------
        float64 [..., K]
        """
        return np.asarray(values, dtype=np.float64) * self.std + self.mean


def _rounded(values: np.ndarray) -> np.ndarray:
    """To ten digits: the order in which a processor adds does not show."""
    return np.array([float(f"{value:.10g}") for value in values])
