"""Guided against unguided search among convolutional networks that were trained cheaply on CIFAR-10.

    python tests/benchmarks/search_cheap_cnns.py [--datasets datasets] [--seeds 20] [--trainings 96]

A search in the table of datasets/cifar-cnn/low (420 networks, two seeds each), without training: it is told
the accuracy of one seed, in the first half of the runs that of seed 0, in the others of seed 1. What counts
is the mean over both seeds of the structure that it would hand over: for the guided search the one that it
believes to be the best, for the others that with the highest score. Intervals: runs drawn anew, 2,000
times.

A guided run takes some five CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct import load_benchmark
from nnstruct.errors import OutsideRangeWarning
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import Search, TableSpace

BATCH, INITIAL = 8, 16
WAYS = ("guided", "evolution", "random draws")
SHOWN = (16, 32, 48, 64, 96)


def handed(
    space: TableSpace, told: dict[str, float], truth: dict[str, float], way: str, seed: int, most: int
):
    """The mean accuracy of what would be handed over after each batch."""
    if way == "random draws":
        order = np.random.default_rng(seed).permutation(len(space.structures))[:most]
        names = [space.structures[place].fingerprint for place in order]
        best = [max(names[: count + BATCH], key=told.__getitem__) for count in range(0, most, BATCH)]
        return [truth[name] for name in best]
    guide = GroupedGaussianProcess(random_state=seed) if way == "guided" else None
    search = Search(space, guide, seed=seed, initial=INITIAL, population=INITIAL)
    found = []
    for _ in range(most // BATCH):
        asked = search.ask(BATCH)
        search.tell(asked, [told[structure.fingerprint] for structure in asked])
        found.append(truth[search.best.fingerprint])
    return found


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trainings", type=int, default=96)
    given = parser.parse_args()
    warnings.simplefilter("ignore", OutsideRangeWarning)
    bench = load_benchmark(given.datasets / "cifar-cnn" / "low")
    truth = dict(zip((s.fingerprint for s in bench.structures), bench.y.tolist(), strict=True))
    space = TableSpace((bench.structures, bench.y))
    first = bench.table.set_index(["fingerprint", "seed"])["test"]
    runs: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for way in WAYS:
        for seed in range(given.seeds):
            told = {name: float(first[name, int(seed >= given.seeds / 2)]) for name in truth}
            runs[way].append(handed(space, told, truth, way, seed, given.trainings))
    rng, rows = np.random.default_rng(0), []
    top = max(truth.values())
    for way in WAYS:
        found = top - np.array(runs[way])
        for count in (count for count in SHOWN if count <= given.trainings):
            regret = 1000 * found[:, count // BATCH - 1]
            means = regret[rng.integers(len(regret), size=(2000, len(regret)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            row = {"way": way, "runs": len(regret), "trainings": count, "regret": regret.mean()}
            rows.append(row | {"low": low, "high": high})
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
