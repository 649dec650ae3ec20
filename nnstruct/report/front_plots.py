"""The plot of a search for several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.report.plots import BLUE, GREEN, GREY, tidy
from nnstruct.search.pareto import front_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SIGNS = {"maximize": 1.0, "minimize": -1.0}


def pareto_front(ax: Axes, history: pd.DataFrame, *, objectives: tuple[str, str] | None = None) -> Axes:
    """Two objectives of a search: what was told, and the front that nothing told dominates.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    history : pandas.DataFrame
        :attr:`nnstruct.search.Search.history` of a search for several objectives.
    objectives : pair of str, optional
        Columns on the vertical and on the horizontal axis; the score and the first other objective, by
        default. With more than two objectives, points that only these two would put behind are grey.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the history is of one objective, or a name is none of them.
    """
    names, directions = history.attrs.get("objectives", ["score"]), history.attrs.get("directions", [])
    if len(names) < 2:
        raise InvalidInputError("history", "be that of a search for several objectives", names)
    shown = objectives or ("score", next(name for name in names if name != "score"))
    for name in shown:
        if name not in names:
            raise InvalidInputError("objectives", f"be among {', '.join(names)}", name)
    told = history[np.isfinite(history["score"])]
    turned = told[names].to_numpy() * np.array([_SIGNS[direction] for direction in directions])
    best = told[front_numbers(turned) == 0].sort_values(shown[1])
    ax.scatter(told[shown[1]], told[shown[0]], s=16, color=GREY, alpha=0.6, linewidths=0, label="measured")
    if len(names) == 2:
        ax.plot(best[shown[1]], best[shown[0]], color=GREEN, linewidth=1.2, drawstyle="steps-post", zorder=2)
    ax.scatter(
        best[shown[1]], best[shown[0]], s=28, color=BLUE, edgecolors="white", linewidths=0.5, zorder=3,
        label=f"front ({len(best)})",
    )  # fmt: skip
    ax.set_xlabel(shown[1].replace("_", " ").capitalize())
    ax.set_ylabel(shown[0].replace("_", " ").capitalize())
    ax.legend(frameon=False, fontsize=8.5)
    return tidy(ax, grid="both")
