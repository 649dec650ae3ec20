"""The defaults of a search, one changed at a time, in the table of NAS-Bench-201.

    python tests/benchmarks/search_defaults.py [--tables FOLDER] [--seeds 10] [--tasks cifar10] [--out FOLDER]

``default``: :class:`nnstruct.Search` as it is, with a :class:`GroupedGaussianProcess` as guide, in batches
of 8. In each other row one thing differs. Told and looked for is one label of the table, the test accuracy
after 200 epochs, mean over the table's seeds, so that the noise of a training is left out. Regrets after
48 and 96 cells in points of accuracy, and how much higher they are than by default: mean of the
differences seed by seed (the first draws of a seed are the same, where as many are drawn) with its 95%
interval by 2,000 draws of seeds. ``found``: runs that had asked the best of all 15,625 cells within 96;
``cells``: the median of how many that took.

What is done is kept in the folder, so that a run that was stopped goes on. A run takes 2 to 4 CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct.predictors import PREDICTORS
from nnstruct.search import Search, TableSpace
from nnstruct.tables import read
from nnstruct.tables.folder import table_file

from kept_runs import kept_runs  # isort: skip

MOST, SHOWN = 96, (48, 96)
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "guide: none": {"guide": None},
    "guide: extra-trees": {"guide": "extra-trees"},
    "acquisition: ei": {"acquisition": "ei"},
    "acquisition: nei": {"acquisition": "nei"},
    "acquisition: thompson": {"acquisition": "thompson"},
    "exploration: 0.5": {"exploration": 0.5},
    "exploration: 2": {"exploration": 2.0},
    "initial: 16": {"initial": 16},
    "batch: 4": {"batch": 4},
    "batch: 16": {"batch": 16},
    "random_share: 0": {"random_share": 0.0},
    "random_share: 0.25": {"random_share": 0.25},
    "inner_generations: 1": {"inner_generations": 1},
    "inner_generations: 8": {"inner_generations": 8},
    "offspring: 10": {"offspring": 10},
    "offspring: 40": {"offspring": 40},
}


def searched(space: TableSpace, changes: dict[str, Any], seed: int) -> dict:
    """Best scores after each cell of one search."""
    given = {"guide": "grouped-gp", "batch": 8} | changes
    name, batch = given.pop("guide"), given.pop("batch")
    guide = None if name is None else PREDICTORS[name](random_state=seed)
    search, told, started = Search(space, guide, seed=seed, **given), [], time.process_time()
    while len(told) < MOST:
        asked = search.ask(batch)
        scores = space.score(asked)
        search.tell(asked, scores)
        told += scores.tolist()
    best = np.maximum.accumulate(told)
    found = np.flatnonzero(best == space.y.max())
    row: dict[str, Any] = {f"regret_{count}": float(space.y.max() - best[count - 1]) for count in SHOWN}
    row["cells"] = int(found[0]) + 1 if len(found) else None
    return row | {"seed": seed, "cpu": time.process_time() - started}


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of the table, by default NNSTRUCT_TABLES")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", nargs="+", default=["cifar10"])
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES))
    parser.add_argument("--out", type=Path, default=Path("runs/search-defaults"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file, rng, rows = table_file("nasbench201.csv.gz", given.tables), np.random.default_rng(0), []
    for task in given.tasks:
        space = TableSpace(read("nasbench201", file, task=task, twins="keep").with_target("test"))
        regrets: dict[str, np.ndarray] = {}
        for name in dict.fromkeys(["default", *given.changes]):
            kept = given.out / f"{task}-{name.replace(': ', '-')}.jsonl"
            runs = kept_runs(kept, given.seeds, partial(searched, space, CHANGES[name]))
            regrets[name] = 100 * np.array([[run[f"regret_{count}"] for count in SHOWN] for run in runs])
            more = regrets[name] - regrets["default"]
            means = more[rng.integers(len(more), size=(2000, len(more)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975], axis=0)
            cells = [run["cells"] or np.inf for run in runs]
            row = {"task": task, "changed": name, "runs": len(runs)}
            for place, count in enumerate(SHOWN):
                row[f"regret {count}"] = f"{regrets[name][:, place].mean():.2f}"
                row[f"more {count}"] = f"{more[:, place].mean():+.2f} [{low[place]:+.2f}, {high[place]:+.2f}]"
            row |= {"found": f"{np.isfinite(cells).mean():.0%}", "cells": np.median(cells)}
            rows.append(row | {"cpu": np.mean([run["cpu"] for run in runs])})
            print(rows[-1], flush=True)
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
