"""What was told of each structure: one number, or all of its measurements."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnstruct.search.fidelity import at_one_fidelity, each_at_one_fidelity
from nnstruct.search.ledger import COMPLETE, Entry
from nnstruct.structure import Structure


def scored(entries: Iterable[Entry]) -> tuple[list[Structure], np.ndarray]:
    """Each structure with a finite score once, and the mean of its scores.

    Parameters
    ----------
    entries : iterable of Entry
        Of several fidelities, scores are brought together by
        :func:`~nnstruct.search.fidelity.at_one_fidelity`.

    Returns
    -------
    structures : list of Structure, length m
        The one measured first comes first.
    scores : float64 [m]
    """
    structures, measured = _measured(entries)
    means = at_one_fidelity(measured)
    return list(structures.values()), np.array([means[name] for name in structures], dtype=np.float64)


def measurements(entries: Iterable[Entry]) -> tuple[list[Structure], np.ndarray]:
    """Each structure as often as it was measured at its highest fidelity, and those scores.

    Parameters
    ----------
    entries : iterable of Entry
        As for :func:`scored`.

    Returns
    -------
    structures : list of Structure, length n
        In the order of :func:`scored`, those of one structure side by side.
    scores : float64 [n]
    """
    structures, measured = _measured(entries)
    each = each_at_one_fidelity(measured)
    rows = [structure for name, structure in structures.items() for _ in each[name]]
    return rows, np.array([score for name in structures for score in each[name]], dtype=np.float64)


def _measured(
    entries: Iterable[Entry],
) -> tuple[dict[str, Structure], dict[str, dict[float, list[float]]]]:
    """Structures, and their finite scores by fidelity, both by fingerprint."""
    structures: dict[str, Structure] = {}
    measured: dict[str, dict[float, list[float]]] = {}
    for entry in entries:
        if entry.state == COMPLETE and entry.score is not None:
            structures.setdefault(entry.fingerprint, entry.structure)
            by = measured.setdefault(entry.fingerprint, {})
            by.setdefault(entry.fidelity, []).append(entry.score)
    return structures, measured
