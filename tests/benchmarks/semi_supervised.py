"""What structures without a label are worth where labels are few: the assessor beside distillation.

Run: NNSTRUCT_TABLES=FOLDER python tests/benchmarks/semi_supervised.py [--datasets datasets]
     [--out runs/semi-supervised.jsonl] [--draws 20] [--cases cells reber]
     [--page train/results/semi-supervised.md]

``cells`` are those of NAS-Bench-201 with their accuracy on CIFAR-10 (``nasbench201.csv.gz`` in the folder
that NNSTRUCT_TABLES names), ``reber`` the tanh networks of datasets/reber-rnn. A draw takes n structures with
their labels, up to 1,000 others without, and tests on 1,000 of neither where there are as many; of the
small benchmark all that have no label in the draw are tested. Every predictor gets the same ones. A draw that
stands in the file of ``--out`` is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from nnstruct import tables
from nnstruct.benchmark import Benchmark
from nnstruct.intervals import mean_interval
from nnstruct.predictors import GNN, SemiSupervisedAssessor

SIZES = {"cells": (50, 100, 156), "reber": (20, 50, 100)}
UNLABELLED, TESTED = 1000, 1000
PREDICTORS = {"assessor": SemiSupervisedAssessor, "gnn": GNN}
TITLES = {"cells": "NAS-Bench-201, CIFAR-10", "reber": "reber-rnn, tanh"}
HEAD = """# Structures without a label

Kendall's tau on structures that no predictor has seen a label of: means over draws, and of the difference
that structures without a label make the mean with its 95% interval (Student's t over draws). `assessor` is
`SemiSupervisedAssessor` (Tang et al., 2020), `gnn` is `GNN`, which learns from structures without a label by
distillation: forests and a Gaussian process tell it what they say of them. The assessor's width of similarity
and share of edges were chosen on draws of the same table, whose cells may be among these. Written by
`python tests/benchmarks/semi_supervised.py`, which says how.
"""


def labelled(case: str, datasets: Path) -> tuple[list[Any], np.ndarray]:
    """Structures and labels of a case."""
    if case == "cells":
        path = Path(os.environ["NNSTRUCT_TABLES"]) / "nasbench201.csv.gz"
        bench = tables.read("nasbench201", path, task="cifar10", twins="keep")
        return list(bench.structures), np.asarray(bench.y)
    bench = Benchmark.load(datasets / "reber-rnn")
    counts = bench.table["config_id"].value_counts(sort=False).sort_index()
    bench = bench.select_config(str(counts.idxmax()))
    rows = [i for i, structure in enumerate(bench.structures) if structure.family == "rnn_tanh"]
    return [bench.structures[i] for i in rows], bench.y[rows]


def draw(structures: list[Any], y: np.ndarray, size: int, number: int) -> Iterator[dict[str, Any]]:
    """What each predictor says in one draw, with and without structures without a label."""
    order = np.random.default_rng([number, size]).permutation(len(structures))
    inside, rest = order[:size], order[size:]
    others = [structures[i] for i in rest[:UNLABELLED]]
    tested = rest[UNLABELLED:][:TESTED] if len(rest) >= UNLABELLED + TESTED else rest
    train, test = ([structures[i] for i in part] for part in (inside, tested))
    for name, predictor in PREDICTORS.items():
        for unlabelled in ([], others):
            started = time.process_time()
            model = predictor(random_state=number)
            model.fit(train, y[inside], **({"unlabelled": unlabelled} if unlabelled else {}))
            mean = np.asarray(model.predict(test))
            tau = float(stats.kendalltau(mean, y[tested]).statistic)
            seconds = time.process_time() - started
            yield {"predictor": name, "unlabelled": len(unlabelled), "tau": tau, "seconds": seconds}


def page(rows: list[dict[str, Any]]) -> str:
    """The results as a page."""
    lines = ["| benchmark | labels | draws | predictor | alone | with others | difference | CPU s |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for case, sizes in SIZES.items():
        for size in sizes:
            for name in PREDICTORS:
                mine = [r for r in rows if (r["case"], r["size"], r["predictor"]) == (case, size, name)]
                alone = {r["draw"]: r for r in mine if not r["unlabelled"]}
                more = {r["draw"]: r for r in mine if r["unlabelled"]}
                both = sorted(alone.keys() & more.keys())
                if not both:
                    continue
                a, b = (np.array([part[d]["tau"] for d in both]) for part in (alone, more))
                mean, low, high = mean_interval(b - a)
                between = f" [{low:+.3f}, {high:+.3f}]" if len(both) > 1 else ""
                cost = " / ".join(
                    f"{np.mean([part[d]['seconds'] for d in both]):.0f}" for part in (alone, more)
                )
                lines.append(
                    f"| {TITLES[case]} | {size} | {len(both)} | {name} | {a.mean():.3f} | {b.mean():.3f} "
                    f"| {mean:+.3f}{between} | {cost} |"
                )
    minutes = sum(row["seconds"] for row in rows) / 60
    return f"{HEAD}\n" + "\n".join(lines) + f"\n\n{minutes:.0f} CPU minutes on one core.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--out", type=Path, default=Path("runs/semi-supervised.jsonl"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--cases", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--page", type=Path, help="where to write the results; printed otherwise")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kept = options.out.read_text().splitlines() if options.out.exists() else []
    rows = [json.loads(line) for line in kept]
    found = {(row["case"], row["size"], row["draw"]) for row in rows}
    for number in range(options.draws):
        for case in options.cases:
            due = [size for size in SIZES[case] if (case, size, number) not in found]
            if not due:
                continue
            structures, y = labelled(case, options.datasets)
            for size in due:
                new = [
                    {"case": case, "size": size, "draw": number, **row}
                    for row in draw(structures, y, size, number)
                ]
                with options.out.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
                rows += new
    if options.page is None:
        print(page(rows))
    else:
        options.page.write_text(page(rows))


if __name__ == "__main__":
    main()
