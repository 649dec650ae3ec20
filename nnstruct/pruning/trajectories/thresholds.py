"""How much can go at no loss, and whether one way to prune is better than another.

References
----------
H. Yang, Y. Liang, X. Guo, L. Wu, Z. Wang, Theoretical characterization of how neural network pruning affects
its generalization (2023), arXiv:2301.00335.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_number, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.intervals import mean_interval
from nnstruct.pruning.trajectories.trajectory import Trajectory, trajectory_table

if TYPE_CHECKING:
    import pandas as pd


def thresholds(
    trajectories: Sequence[Trajectory], *, tolerance: float = 0.0, confidence: float = 0.95
) -> pd.DataFrame:
    """The largest pruned fractions up to which nothing is lost, over the seeds of each label.

    Yang et al. (2023) prove that up to some pruned fraction training still drives the loss to zero, and
    that within it generalisation gets no worse. Measured here, after re-training, among the densities that
    were tried:

    - ``fits``: the largest fraction with none below it, nor itself, at which the train accuracy is less than
      the dense network's;
    - ``generalises``: likewise by the test accuracy.

    Parameters
    ----------
    trajectories : sequence of Trajectory
    tolerance : float
        How far an accuracy may lie below the dense network's.
    confidence : float
        Of the intervals, by Student's t over seeds, cut to [0, 1].

    Returns
    -------
    pandas.DataFrame
        A row a label: ``seeds``, and ``fits`` and ``generalises`` with ``_low`` and ``_high``, as pruned
        fractions among the densities that were tried; 0 where none qualifies.

    Raises
    ------
    InvalidInputError
        If ``tolerance`` or ``confidence`` breaks its rule.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectory, thresholds
    >>> config, task = TrainConfig(epochs=2), load_task("digits")
    >>> runs = [
    ...     run_trajectory(lambda s: torch.nn.Linear(64, 10), task, [0.9, 0.01], config=config, seed=seed)
    ...     for seed in (0, 1)
    ... ]
    >>> thresholds(runs, tolerance=0.1)["seeds"].tolist()
    [2]
    """
    import pandas as pd

    confidence = check_share(confidence, "confidence")
    tolerance = check_number(tolerance, "tolerance", low=0, rule="be at least 0")
    by_label: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        by_label.setdefault(trajectory.label, []).append(trajectory)
    rows = {}
    for label, runs in by_label.items():
        row: dict[str, float] = {"seeds": len(runs)}
        for name, score in (("fits", "train"), ("generalises", "test")):
            found = np.array([_largest_fraction(run, score, tolerance) for run in runs])
            mean, low, high = mean_interval(found, confidence)
            row |= {name: mean, f"{name}_low": max(low, 0.0), f"{name}_high": min(high, 1.0)}
            if len(runs) < 2:
                row |= {f"{name}_low": float("nan"), f"{name}_high": float("nan")}
        rows[label] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis("label").astype({"seeds": int})


def _largest_fraction(trajectory: Trajectory, score: str, tolerance: float) -> float:
    goal = trajectory.dense.after[score] - tolerance
    reached = 0.0
    for fraction, found in sorted(
        (1 - step.kept / step.total, step.after[score]) for step in trajectory.steps
    ):
        if not found >= goal:
            break
        reached = fraction
    return reached


def compare(
    first: Sequence[Trajectory],
    second: Sequence[Trajectory],
    *,
    score: str = "after_test",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The difference between two ways to prune at each density, paired by seed.

    Parameters
    ----------
    first, second : sequence of Trajectory
        With the same seeds and densities.
    score : str
        A column of :attr:`Trajectory.table`.
    confidence : float
        Of the intervals, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        A row a density: ``seeds``, ``difference`` (first less second, mean over seeds) with ``low`` and
        ``high``, and ``p`` of the paired t test against no difference, two-sided; NaN with one seed.

    Raises
    ------
    InvalidInputError
        If they share no seed and density, one holds a seed twice, or there is no such column.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import compare, run_trajectory
    >>> config, task = TrainConfig(epochs=2), load_task("digits")
    >>> first, second = [
    ...     [
    ...         run_trajectory(
    ...             lambda s: torch.nn.Linear(64, 10), task, [0.5], method=m, config=config, seed=seed
    ...         )
    ...         for seed in (0, 1, 2)
    ...     ]
    ...     for m in ("magnitude-class-blind", "random")
    ... ]
    >>> compare(first, second).index.tolist()
    [1.0, 0.5]
    """
    import pandas as pd
    from scipy import stats

    sides = []
    for name, runs in (("first", first), ("second", second)):
        table = trajectory_table(runs)
        if score not in table.columns:
            raise InvalidInputError("score", "be a column of a trajectory's table", score)
        if table.duplicated(["density", "seed"]).any():
            raise InvalidInputError(name, "hold each seed once", sorted(table["seed"]))
        sides.append(table.set_index(["density", "seed"])[score])
    paired = pd.concat(sides, axis=1, keys=["first", "second"], join="inner")
    if not len(paired):
        raise InvalidInputError("first and second", "share seeds and densities", [len(first), len(second)])
    rows = {}
    for density, part in (paired["first"] - paired["second"]).groupby("density"):
        values = part.to_numpy()
        mean, low, high = mean_interval(values, confidence)
        p = float("nan")
        if len(values) > 1:
            # With no spread at all the test has no variance to divide by.
            p = float(mean == 0) if np.ptp(values) == 0 else float(stats.ttest_1samp(values, 0.0).pvalue)
        rows[density] = {"seeds": len(values), "difference": mean, "low": low, "high": high, "p": p}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("density")
    return table.sort_index(ascending=False).astype({"seeds": int})
