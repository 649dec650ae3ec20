"""A search as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnstruct.search.ledger import Entry
from nnstruct.search.objectives import Objectives

if TYPE_CHECKING:
    import pandas as pd


class Believed(NamedTuple):
    """What a guide makes of a structure: its mean score, and how far that may be off.

    Examples
    --------
    >>> Believed(0.9, 0.01).row()
    {'believed': 0.9, 'believed_std': 0.01}
    """

    mean: float
    std: float

    def row(self) -> dict[str, float]:
        """As columns of a table.

        Returns
        -------
        dict of str to float
        """
        return {"believed": self.mean, "believed_std": self.std}


UNKNOWN = Believed(np.nan, np.nan)


def history_table(
    entries: Sequence[Entry],
    believed: Mapping[str, Believed],
    retrained: Mapping[str, float],
    objectives: Objectives,
) -> pd.DataFrame:
    """The columns of :attr:`nnstruct.search.Search.history`, one row an entry.

    Parameters
    ----------
    entries : sequence of Entry
    believed : mapping of str to Believed
        By fingerprint.
    retrained : mapping of str to float
        Likewise.
    objectives : Objectives

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    beliefs = [believed.get(e.fingerprint, UNKNOWN) for e in entries]
    columns: dict[str, tuple[list[Any], str]] = {
        "trial": ([e.number for e in entries], "int64"),
        "fingerprint": ([e.fingerprint for e in entries], "str"),
        "score": ([np.nan if e.score is None else e.score for e in entries], "float64"),
        "believed": ([belief.mean for belief in beliefs], "float64"),
        "believed_std": ([belief.std for belief in beliefs], "float64"),
        "retrained": ([retrained.get(e.fingerprint, np.nan) for e in entries], "float64"),
        "prediction": ([np.nan if e.prediction is None else e.prediction for e in entries], "float64"),
        "std": ([np.nan if e.std is None else e.std for e in entries], "float64"),
        "operator": ([e.operator for e in entries], "str"),
        "generation": ([e.generation for e in entries], "int64"),
        "units": ([e.structure.num_units for e in entries], "int64"),
        "edges": ([e.structure.forward_edges.shape[1] for e in entries], "int64"),
        "state": ([e.state for e in entries], "str"),
    }
    if any(entry.fidelity != 1 for entry in entries):
        columns["fidelity"] = ([e.fidelity for e in entries], "float64")
    known = [objectives.values(e.structure, np.nan) for e in entries]
    for place in objectives.others.tolist():
        if objectives.names[place] not in columns:
            columns[objectives.names[place]] = ([float(row[place]) for row in known], "float64")
    table = pd.DataFrame({name: pd.Series(values, dtype=kind) for name, (values, kind) in columns.items()})
    names = ["score" if place == objectives.told else name for place, name in enumerate(objectives.names)]
    table.attrs = {"objectives": names, "directions": list(objectives.directions)}
    return table
