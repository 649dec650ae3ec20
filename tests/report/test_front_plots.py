"""The plot of a front shows the points that nothing told dominates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from nnstruct.errors import InvalidInputError
from nnstruct.report.front_plots import pareto_front


def history() -> pd.DataFrame:
    table = pd.DataFrame({"score": [0.5, 0.9, 0.6, np.nan, 0.8], "edges": [5.0, 20.0, 9.0, 3.0, 9.0]})
    table.attrs = {"objectives": ["score", "edges"], "directions": ["maximize", "minimize"]}
    return table


def test_the_front_is_what_nothing_told_dominates() -> None:
    ax = pareto_front(Figure().add_subplot(), history())
    told, front = ax.collections
    assert sorted(map(tuple, told.get_offsets().tolist())) == [(5, 0.5), (9, 0.6), (9, 0.8), (20, 0.9)]
    assert front.get_offsets().tolist() == [[5, 0.5], [9, 0.8], [20, 0.9]]
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [5, 9, 20]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Edges", "Score")


def test_one_objective_has_no_front_and_unknown_ones_are_named() -> None:
    with pytest.raises(InvalidInputError, match="several objectives"):
        pareto_front(Figure().add_subplot(), pd.DataFrame({"score": [1.0]}))
    with pytest.raises(InvalidInputError, match="objectives must be among score, edges"):
        pareto_front(Figure().add_subplot(), history(), objectives=("score", "flops"))
