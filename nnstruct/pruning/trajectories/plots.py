"""Accuracy against density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.intervals import mean_interval
from nnstruct.pruning.trajectories.trajectory import Trajectory, trajectory_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#3a6ea5", "#d1661e", "#2a8f80", "#8e5ea2", "#b3822a",
    "#c4456b", "#5c6b78", "#4fa3d1", "#7a9a01", "#6b4c3b",
)  # fmt: skip
DASHES = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
INK, GREY, PALE = "#22303c", "#8a97a3", "#dfe5ea"


def plot_accuracy(
    trajectories: Sequence[Trajectory],
    ax: Axes | None = None,
    *,
    score: str = "after_test",
    confidence: float = 0.95,
) -> Axes:
    """Draw a score against the density, a line a label with a band over its seeds.

    The line is the mean over seeds and the band its interval by Student's t; with one seed there is no
    band. The dashed line is the mean of the dense networks.

    Parameters
    ----------
    trajectories : sequence of Trajectory
    ax : matplotlib Axes, optional
        A new figure is made by default.
    score : str
        A column of :attr:`Trajectory.table` that is an accuracy, such as ``before_test``.
    confidence : float
        Of the band, in (0, 1).

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        If a trajectory's table has no such column, or there is no trajectory.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import plot_accuracy, run_trajectory
    >>> config, task = TrainConfig(epochs=1), load_task("digits")
    >>> run = run_trajectory(torch.nn.Linear(64, 10), task, [0.5, 0.1], config=config)
    >>> plot_accuracy([run]).get_xlabel()
    'Weights kept'
    """
    table = trajectory_table(trajectories)
    if score not in table.columns:
        raise InvalidInputError("score", "be a column of a trajectory's table", score)
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=(7.2, 4.6), layout="constrained").subplots()
    table = table.assign(share=table["kept"] / table["total"])
    ends: list[float] = []
    for number, (label, rows) in enumerate(table.groupby("label", sort=False)):
        grouped = rows.sort_values("density").groupby("density")
        x = grouped["share"].mean().to_numpy()
        bands = np.array([mean_interval(part.to_numpy(), confidence) for _, part in grouped[score]])  # [D, 3]
        drawn = (x > 0) & np.isfinite(bands[:, 0])
        colour = COLOURS[number % len(COLOURS)]
        style = DASHES[number // len(COLOURS) % len(DASHES)]
        ax.plot(
            x[drawn], bands[drawn, 0], color=colour, linestyle=style, linewidth=1.8, marker="o",
            markersize=3.5, label=str(label), zorder=3,
        )  # fmt: skip
        if np.isfinite(bands[drawn, 1]).any():
            low, high = np.clip(bands[drawn, 1], 0, 1), np.clip(bands[drawn, 2], 0, 1)
            ax.fill_between(x[drawn], low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
        ends += x[drawn].tolist()
    dense = table.loc[table["step"] == 0, score.replace("before_", "after_")].mean()
    ax.axhline(float(dense), color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate(
        "dense", (1.0, float(dense)), xycoords=("axes fraction", "data"), xytext=(-3, 3),
        textcoords="offset points", ha="right", va="bottom", fontsize=8.5, color=INK,
    )  # fmt: skip
    _finish(ax, sorted(set(ends)), score)
    return ax


def _finish(ax: Axes, shares: list[float], score: str) -> None:
    ax.set_xscale("log")
    ax.invert_xaxis()
    chosen: list[float] = []
    for share in reversed(shares):
        # Labels of densities that lie close together would cover each other.
        if not chosen or chosen[-1] / share > 1.35:
            chosen.append(share)
    ax.set_xticks(chosen, [f"{100 * share:.3g}%" for share in chosen])
    ax.minorticks_off()
    when, _, split = score.partition("_")
    moment = {"after": "after re-training", "before": "before re-training"}.get(when, when)
    ax.set_xlabel("Weights kept")
    ax.set_ylabel(f"{split.capitalize()} accuracy {moment}")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(colors=INK, labelsize=9)
    ax.grid(True, axis="y", color=PALE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.legend(loc="lower left", frameon=False, fontsize=8.5)
