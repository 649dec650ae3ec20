"""A matrix of correlations between tasks, drawn by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def draw_matrix(matrix: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A map of colours with the figures in it.

    Parameters
    ----------
    matrix : pandas.DataFrame
        [t, t], symmetric, with 1 on the diagonal.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib import pyplot as plt

    order = alike_first(matrix.to_numpy())
    shown = matrix.iloc[order, order]
    size = len(shown)
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.55 * size, 1.2 + 0.5 * size), layout="constrained")
    image = ax.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_xticks(range(size), shown.columns, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(size), shown.index)
    ax.tick_params(length=0)
    for i, row in enumerate(shown.to_numpy()):
        for j, value in enumerate(row):
            dark = abs(value) > 0.65
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", color="w" if dark else "k", fontsize=8)
    ax.figure.colorbar(image, ax=ax, shrink=0.7, label="rank correlation")
    return ax


def alike_first(correlation: np.ndarray) -> list[int]:
    """An order in which tasks that are alike stand side by side: the leaves of average linkage.

    Parameters
    ----------
    correlation : float [t, t]

    Returns
    -------
    list of int
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(correlation) < 3:
        return list(range(len(correlation)))
    distance = 1 - np.clip(np.nan_to_num((correlation + correlation.T) / 2), -1, 1)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]
