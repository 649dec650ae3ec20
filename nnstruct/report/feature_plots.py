"""Plots of a feature study (:mod:`nnstruct.predictors.feature_study`); each draws on the Axes given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.report.plots import BLUE, INK, ORANGE, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def correlation_bars(ax: Axes, correlations: pd.DataFrame, *, top: int = 20) -> Axes:
    """The measures that go with the label most closely, as bars from -1 to 1.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    correlations : pandas.DataFrame
        Of :func:`nnstruct.predictors.feature_study.label_correlations`.
    top : int
        Most bars.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If there is nothing to draw.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> names = ["paper.edges", "paper.density"]
    >>> found = pd.DataFrame({"spearman": [0.9, -0.4], "known": [5, 5]}, index=names)
    >>> [label.get_text() for label in correlation_bars(Figure().subplots(), found).get_yticklabels()]
    ['paper.density', 'paper.edges']
    """
    top = check_integer(top, "top")
    if not len(correlations):
        raise InvalidInputError("correlations", "hold at least one measure to draw", len(correlations))
    shown = correlations.head(top)[::-1]
    values = shown["spearman"].to_numpy()
    place = np.arange(len(shown))
    ax.barh(place, values, height=0.66, color=[BLUE if value > 0 else ORANGE for value in values], alpha=0.85)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(place, [str(name) for name in shown.index])
    ax.set_xlim(-1, 1)
    ax.set_xlabel("Spearman's rank correlation with the label")
    tidy(ax, grid="x")
    ax.tick_params(axis="y", length=0)
    return ax


def correlation_map(ax: Axes, table: pd.DataFrame, columns: list[str]) -> Axes:
    """Rank correlations between measures, from blue (-1) over white to red (1).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    table : pandas.DataFrame
        Of :func:`nnstruct.properties.features`.
    columns : list of str
        Those to draw, at least two.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If there are fewer than two columns or one of them is not in the table.
    """
    gone = [name for name in columns if name not in table]
    if gone or len(columns) < 2:
        rule = "be at least two columns of the table"
        raise InvalidInputError("columns", rule, gone[0] if gone else columns)
    picture = ax.imshow(table[columns].corr("spearman").to_numpy(), vmin=-1, vmax=1, cmap="RdBu_r")
    # Columns stand in the order of the rows; their names would take more room than the map.
    ax.set_xticks([])
    ax.set_yticks(range(len(columns)), columns, fontsize=8)
    ax.tick_params(length=0)
    ax.set_xlabel("The same measures in the same order")
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(picture, ax=ax, shrink=0.7, label="Spearman")
    return ax


def importance_bars(ax: Axes, importance: pd.DataFrame) -> Axes:
    """R2 lost when a family is shuffled, with one standard deviation over the shuffles.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    importance : pandas.DataFrame
        Of :func:`nnstruct.predictors.feature_study.family_importance`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    shown = importance[::-1]
    place = np.arange(len(shown))
    ax.barh(place, shown["loss"], height=0.62, color=BLUE, alpha=0.85)
    low, high = shown["loss"] - shown["sd"], shown["loss"] + shown["sd"]
    ax.hlines(place, low, high, color=INK, linewidth=1.3)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(place, [str(name) for name in shown.index])
    reached = importance.attrs.get("r2")
    without = f"\n(R2 {reached:.2f} with all)" if reached is not None else ""
    ax.set_xlabel(f"R2 lost by shuffling a family among structures not seen{without}")
    tidy(ax, grid="x")
    ax.tick_params(axis="y", length=0)
    return ax
