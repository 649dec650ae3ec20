"""Questions to the best cell of NAS-Bench-201: searches in the table, without training.

    python tests/benchmarks/search_nasbench201.py [--tables FOLDER] [--seeds 30] [--out FOLDER]

For each of the three tasks and each way to search, seeds 0 to SEEDS - 1: after how many structures the best
of all 15,625 was among those asked, and the regret after 50 and 100. Score and regret are one label of the
table: by default the test accuracy after 200 epochs, mean over the table's seeds. ``cells`` counts each cell;
``classes`` counts isomorphic cells once: a class that was asked before costs nothing.

What is done is kept in the folder, so that a run that was stopped goes on. A guided run takes 10 to 40 CPU
seconds.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import Search, TableSpace
from nnstruct.tables import read
from nnstruct.tables.folder import table_file

from kept_runs import kept_runs  # isort: skip

TASKS = ("cifar10", "cifar100", "imagenet16-120")
MOST, BATCH, INITIAL = 400, 8, 16
WAYS = {
    "expected improvement": {"acquisition": "ei", "exploration": 0.0},
    "upper confidence bound": {"acquisition": "ucb"},
    "noisy expected improvement": {"acquisition": "nei"},
    "thompson": {"acquisition": "thompson"},
    "evolution": {},
}


def searched(space: TableSpace, classes: np.ndarray, way: str, seed: int) -> dict:
    """One search, until the best is found or :data:`MOST` are asked."""
    guide = None if way == "evolution" else GroupedGaussianProcess(random_state=seed)
    search = Search(space, guide, seed=seed, initial=INITIAL, **WAYS[way])
    place = {structure.fingerprint: row for row, structure in enumerate(space.structures)}
    best, asked, started = space.y.max(), [], time.process_time()
    while len(asked) < MOST and not any(space.y[row] == best for row in asked):
        chosen = search.ask(BATCH)
        search.tell(chosen, space.score(chosen))
        asked += [place[structure.fingerprint] for structure in chosen]
    scores = space.y[asked]
    found = int(np.argmax(scores)) + 1 if scores.max() == best else None
    row = {"way": way, "seed": seed, "cells": found, "cpu": time.process_time() - started}
    row["classes"] = None if found is None else len(set(classes[asked[:found]].tolist()))
    for count in (50, 100):
        row[f"regret_{count}"] = float(best - scores[:count].max())
    return row


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of the table, by default NNSTRUCT_TABLES")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--target", default="test", help="test, val, or val_12 and test_12 after 12 epochs")
    parser.add_argument("--out", type=Path, default=Path("runs/search-nasbench201"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = table_file("nasbench201.csv.gz", given.tables)
    rows = []
    for task in given.tasks:
        bench = read("nasbench201", file, task=task, twins="keep").with_target(given.target)
        space = TableSpace(bench)
        _, classes = np.unique(bench.groups, return_inverse=True)
        for way in given.ways:
            kept = given.out / f"{task}-{given.target}-{way.replace(' ', '-')}.jsonl"
            runs = kept_runs(kept, given.seeds, partial(searched, space, classes, way))
            rows += [{"task": task, **run} for run in runs]
    table = pd.DataFrame(rows)
    for name in ("cells", "classes"):
        table[name] = table[name].fillna(MOST + 1)
    summary = table.groupby(["task", "way"], sort=False).agg(
        runs=("seed", "size"),
        cells=("cells", "median"),
        cells_25=("cells", lambda values: values.quantile(0.25)),
        cells_75=("cells", lambda values: values.quantile(0.75)),
        cells_most=("cells", "max"),
        classes=("classes", "median"),
        regret_50=("regret_50", "mean"),
        regret_100=("regret_100", "mean"),
        cpu=("cpu", "median"),
    )
    print(summary.round(4).to_string())


if __name__ == "__main__":
    main()
