"""Learning curves, and scores beside their intervals, drawn by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(table: pd.DataFrame, metric: str, confidence: float, ax: Axes | None) -> Axes:
    """A line for each predictor and protocol over the number of labels, with the intervals as bands.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by predictor, train_size and protocol.
    metric : str
    confidence : float
        Level of the intervals.
    ax : matplotlib.axes.Axes or None

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax)
    several = table.index.get_level_values("protocol").nunique() > 1
    for name, protocol in dict.fromkeys((name, protocol) for name, _, protocol in table.index):
        part = table.xs((name, protocol), level=("predictor", "protocol")).sort_index()
        label = f"{name}, {protocol}" if several else str(name)
        (line,) = ax.plot(part.index, part[metric], marker="o", markersize=3.5, label=label)
        ax.fill_between(
            part.index, part[f"{metric}_low"], part[f"{metric}_high"], color=line.get_color(), alpha=0.15,
            linewidth=0,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("Labels to learn from")
    ax.set_ylabel(f"{metric}, mean and its {confidence:.0%} interval")
    ax.legend(frameon=False)
    return ax


def draw_scores(table: pd.DataFrame, metric: str, confidence: float, ax: Axes | None) -> Axes:
    """A point with its interval for each predictor, the largest on top.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by predictor.
    metric : str
    confidence : float
        Level of the intervals.
    ax : matplotlib.axes.Axes or None

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax)
    ordered = table.sort_values(metric)
    places = range(len(ordered))
    ax.hlines(places, ordered[f"{metric}_low"], ordered[f"{metric}_high"])
    ax.plot(ordered[metric], places, marker="o", linestyle="none")
    ax.set_yticks(list(places), [str(name) for name in ordered.index])
    ax.set_xlabel(f"{metric}, and its {confidence:.0%} interval")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(6.4, 4.0), layout="constrained")[1]
