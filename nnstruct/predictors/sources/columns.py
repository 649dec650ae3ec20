"""The columns that models of earlier benchmarks read: measures that every directed structure has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.encode import to_table
from nnstruct.structure import Structure

FAMILIES = ("paper", "layered", "paths", "capacity")
CLIP = 6.0


def source_table(structures: Sequence[Structure]) -> np.ndarray:
    """Measures of the trimmed structures; of plain units nothing is trimmed.

    Parameters
    ----------
    structures : sequence of Structure, length n

    Returns
    -------
    float64 [n, c]
        NaN where a structure does not have a measure.
    """
    trimmed = [structure.trim() if structure.attributes else structure for structure in structures]
    return to_table(trimmed, FAMILIES).to_numpy(dtype=np.float64)


class Scale:
    """Centre and spread of each column over some structures.

    Parameters
    ----------
    centre, spread : float64 [c]
    """

    def __init__(self, centre: np.ndarray, spread: np.ndarray) -> None:
        self.centre = np.asarray(centre, dtype=np.float64)
        self.spread = np.asarray(spread, dtype=np.float64)

    @classmethod
    def of(cls, table: np.ndarray) -> Scale:
        """The scale of a table's columns.

        Parameters
        ----------
        table : float64 [n, c]
            NaN counts as missing; a column of nothing else has centre 0.

        Returns
        -------
        Scale
            The spread of a constant column is 1.
        """
        known = np.isfinite(table)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, table, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (table - centre) ** 2, 0.0).sum(axis=0) / count)
        spread[~(spread > 1e-9 * np.maximum(1.0, np.abs(centre)))] = 1.0
        return cls(centre, spread)

    def standardised(self, table: np.ndarray) -> np.ndarray:
        """Columns with mean 0 and deviation 1 over the structures of the scale, clipped at 6.

        Parameters
        ----------
        table : float64 [n, c]

        Returns
        -------
        float64 [n, c]
            0 where a value is missing.
        """
        scaled = np.clip((table - self.centre) / self.spread, -CLIP, CLIP)
        return np.where(np.isfinite(scaled), scaled, 0.0)
