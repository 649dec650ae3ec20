"""A search as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.search.ledger import Entry
from nnstruct.search.objectives import Objectives

if TYPE_CHECKING:
    import pandas as pd


def history_table(
    entries: Sequence[Entry],
    believed: Mapping[str, float],
    retrained: Mapping[str, float],
    objectives: Objectives,
) -> pd.DataFrame:
    """The columns of :attr:`nnstruct.search.Search.history`, one row an entry.

    Parameters
    ----------
    entries : sequence of Entry
    believed, retrained : mapping of str to float
        By fingerprint.
    objectives : Objectives

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    columns: dict[str, tuple[list[Any], str]] = {
        "trial": ([e.number for e in entries], "int64"),
        "fingerprint": ([e.fingerprint for e in entries], "str"),
        "score": ([np.nan if e.score is None else e.score for e in entries], "float64"),
        "believed": ([believed.get(e.fingerprint, np.nan) for e in entries], "float64"),
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
