"""What forests and a Gaussian process say of structures without a label, for a network to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.encode import FeatureTable
from nnstruct.predictors.ensemble.members import BASIC, ColumnMembers, blended
from nnstruct.predictors.threads import limited_threads
from nnstruct.structure import Structure


def lessons(
    structures: Sequence[Structure],
    y: np.ndarray,
    weight: np.ndarray,
    others: Sequence[Structure],
    seed: int,
    n_jobs: int,
) -> np.ndarray:
    """What the teacher of each member says: it has learned from the labels that the member learns from.

    Parameters
    ----------
    structures : sequence of Structure, length n
    y : float64 [n]
    weight : float64 [members, n]
        Zero where a member, and so its teacher, does not learn from a label.
    others : sequence of Structure, length u
    seed, n_jobs : int

    Returns
    -------
    float64 [members, u]
    """
    with limited_threads(n_jobs):
        columns = FeatureTable().fit(list(structures))
        groups = list(columns.groups_.values())
        table, asked = columns.transform(list(structures)), columns.transform(list(others))
        said: dict[bytes, np.ndarray] = {}
        rows = []
        for share in weight:
            key = (share > 0).tobytes()
            if key not in said:
                inside = np.flatnonzero(share > 0)
                members = ColumnMembers(BASIC, seed, n_jobs)
                members.fit(table[inside], groups, y[inside], share[inside], None, share[inside])
                said[key] = blended(members.predict(asked)[0])
            rows.append(said[key])
    return np.stack(rows)
