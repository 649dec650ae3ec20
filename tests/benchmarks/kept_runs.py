"""What the benchmarks of searches share: runs that a file keeps, and when a mean is reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import isotonic_regression


def kept_runs(file: Path, seeds: int, searched: Callable[[int], dict]) -> list[dict]:
    """The runs of seeds 0 to ``seeds`` - 1; those that the file has not are made and added to it.

    ``searched`` makes the run of a seed, which is under ``seed`` in what it returns.
    """
    lines = file.read_text().splitlines() if file.exists() else []
    done = {row["seed"]: row for row in map(json.loads, lines)}
    for seed in range(seeds):
        if seed not in done:
            done[seed] = searched(seed)
            with file.open("a") as kept:
                kept.write(json.dumps(done[seed]) + "\n")
    return [done[seed] for seed in range(seeds)]


def trainings_to(curves: np.ndarray, goal: float, each: int = 1) -> float:
    """After how many trainings the mean of the curves, float [seeds, steps], is at least ``goal``.

    A step is ``each`` trainings.
    """
    reached = np.flatnonzero(curves.mean(axis=0) >= goal - 1e-9)  # means of one set of numbers may differ so
    return (float(reached[0]) + 1) * each if len(reached) else np.inf


def steady(curves: np.ndarray) -> np.ndarray:
    """The mean of curves, float [seeds, steps], as the nearest one that never falls, float [1, steps].

    Where scores are noisy a mean wanders, and the first step at which it is high enough is one of luck.
    """
    return isotonic_regression(curves.mean(axis=0)).x[None]
