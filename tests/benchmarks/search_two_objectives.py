"""Accuracy and FLOPs in NAS-Bench-Macro: evaluations that a front costs, with a guide and by NSGA-II.

    python tests/benchmarks/search_two_objectives.py [--tables FOLDER] [--seeds 10] [--out FOLDER]

A search in the table of 6,561 networks, without training. Hypervolumes are measured from the corner of the
table's lowest accuracy and highest FLOPs, as a share of that of the table's own front. For each seed: the
shortfall after some numbers of evaluations, and after how many evaluations the guided search has what NSGA-II
has after 200 (the mean over the seeds). What is done is kept in the folder, so that a run that was stopped
goes on. A guided run takes about 12 CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import Search, TableSpace, Tournament
from nnstruct.search.pareto import hypervolume
from nnstruct.structure import Structure
from nnstruct.tables import read
from nnstruct.tables.folder import table_file

BATCH, MOST, GUIDED = 8, 200, 64
WAYS = {"nsga2": MOST, "guided": GUIDED}


class Flops:
    """What the table says, by fingerprint."""

    __name__ = "multiply_adds"

    def __init__(self, structures: list[Structure], values: np.ndarray) -> None:
        self.known = dict(zip((s.fingerprint for s in structures), values.tolist(), strict=True))

    def __call__(self, structure: Structure) -> float:
        return self.known[structure.fingerprint]


def searched(space: TableSpace, flops: Flops, way: str, seed: int) -> dict:
    """The share of the table's hypervolume after each evaluation of one search."""
    corner = [float(space.y.min()), max(flops.known.values())]
    guide = GroupedGaussianProcess(random_state=seed) if way == "guided" else None
    options = {"initial": 16} if guide is not None else {"population": 32, "selection": Tournament(2)}
    search = Search(space, guide, seed=seed, objectives=["accuracy", flops], reference=corner, **options)
    started, asked = time.process_time(), []
    while len(asked) < WAYS[way]:
        chosen = search.ask(BATCH)
        search.tell(chosen, space.score(chosen))
        asked += chosen
    cpu = time.process_time() - started
    turned = np.array([corner[0], -corner[1]])

    def volume(structures: list[Structure]) -> float:
        points = np.column_stack([space.score(structures), [-flops(s) for s in structures]])
        return hypervolume(points, turned)

    whole = volume(space.structures)
    shares = [volume(asked[:count]) / whole for count in range(1, len(asked) + 1)]
    return {"way": way, "seed": seed, "cpu": cpu, "shares": shares}


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of the table, by default NNSTRUCT_TABLES")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/search-two-objectives"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    bench = read("macro", table_file("nasbench_macro.csv.gz", given.tables), task="cifar10", twins="keep")
    space, flops = TableSpace(bench), Flops(bench.structures, np.asarray(bench.costs["flops"]))
    rows = []
    for way in WAYS:
        kept = given.out / f"{way}.jsonl"
        known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        done = {row["seed"]: row for row in known}
        for seed in range(given.seeds):
            if seed not in done:
                done[seed] = searched(space, flops, way, seed)
                with kept.open("a") as lines:
                    lines.write(json.dumps(done[seed]) + "\n")
            rows.append(done[seed])
    goal = float(np.mean([row["shares"][-1] for row in rows if row["way"] == "nsga2"]))
    table = []
    for row in rows:
        shares = np.array(row["shares"])
        reached = np.flatnonzero(shares >= goal)
        table.append(
            {
                "way": row["way"],
                "seed": row["seed"],
                **{
                    f"short_{n}": 100 * (1 - shares[n - 1])
                    for n in (32, 50, 64, 100, 200)
                    if n <= len(shares)
                },
                "evaluations": int(reached[0]) + 1 if len(reached) else np.inf,
                "cpu": row["cpu"],
            }
        )
    frame = pd.DataFrame(table)
    print(f"NSGA-II has {100 * goal:.2f}% of the table's hypervolume after {MOST} evaluations")
    print(frame.groupby("way").describe(percentiles=[0.25, 0.5, 0.75]).round(2).T.to_string())
    print(frame.groupby("way")["evaluations"].quantile([0.25, 0.5, 0.75, 1.0]).to_string())


if __name__ == "__main__":
    main()
