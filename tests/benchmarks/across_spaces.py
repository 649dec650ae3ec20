"""What labels of one search space tell of another: without a label there, and with few.

Run: NNSTRUCT_TABLES=FOLDER python tests/benchmarks/across_spaces.py [--datasets datasets] [--draws 5]
     [--out runs/across-spaces.jsonl] [--page train/results/across-spaces.md]

The spaces are the cells of NAS-Bench-201 and the networks of NAS-Bench-Macro, both with their accuracy on
CIFAR-10 (``nasbench201.csv.gz`` and ``nasbench_macro.csv.gz`` in the folder that NNSTRUCT_TABLES names), and
the networks of datasets/fashion-cnn. A draw takes up to 2,000 structures of the source with their labels, and
tests on up to 1,000 of the target. Without a label the models of the source alone are asked
(``SourceModels``); with n labels of the target the ensemble has them as a prior, beside one from scratch.
A draw that stands in the file of ``--out`` is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from nnstruct import tables
from nnstruct.benchmark import Benchmark
from nnstruct.errors import OutsideRangeWarning
from nnstruct.intervals import mean_interval
from nnstruct.predictors import Ensemble, SourceModels

SPACES = ("NAS-Bench-201", "NAS-Bench-Macro", "fashion-cnn")
LEARNED, TESTED, SIZES = 2000, 1000, (10, 20, 50)
HEAD = """# Across spaces

Models of one space asked about another: Spearman's rank correlation on structures of the target, means over
draws with 95% intervals. `no label`: the source's models alone, of measures of structure. `n labels`: the
ensemble from scratch, and what the source as a prior adds to it. NAS-Bench-201 and NAS-Bench-Macro are
trained on CIFAR-10, `fashion-cnn` on Fashion-MNIST. Written by
`python tests/benchmarks/across_spaces.py`, which says how.
"""


@cache
def space(name: str, datasets: Path) -> tuple[list[Any], np.ndarray]:
    """Structures and labels of a space."""
    folder = Path(os.environ["NNSTRUCT_TABLES"])
    if name == "NAS-Bench-201":
        bench = tables.read("nasbench201", folder / "nasbench201.csv.gz", task="cifar10", twins="merge")
    elif name == "NAS-Bench-Macro":
        bench = tables.read("macro", folder / "nasbench_macro.csv.gz", twins="merge")
    else:
        bench = Benchmark.load(datasets / name)
    return list(bench.structures), np.asarray(bench.y)


def rank(said: np.ndarray, y: np.ndarray) -> float:
    """Spearman's correlation, 0 where nothing is told apart."""
    found = float(stats.spearmanr(said, y).statistic)
    return found if np.isfinite(found) else 0.0


def draw(source: str, target: str, datasets: Path, number: int) -> Iterator[dict[str, Any]]:
    """What the models of a source say of a target, in one draw."""
    known, asked = space(source, datasets), space(target, datasets)
    rng = np.random.default_rng([number, SPACES.index(source), SPACES.index(target)])
    inside = rng.permutation(len(known[0]))[:LEARNED]
    order = rng.permutation(len(asked[0]))
    tested = order[max(SIZES) :][:TESTED]
    test, truth = [asked[0][i] for i in tested], asked[1][tested]
    scores = Benchmark.from_scores([known[0][i] for i in inside], known[1][inside], task=source)
    models = SourceModels.fit({source: scores}, seed=number)
    said = models.predict(test).mean(axis=1)
    yield {"labels": 0, "rank": rank(said, truth)}
    for size in SIZES:
        few = order[:size]
        train = [asked[0][i] for i in few]
        for name, prior in (("scratch", None), ("prior", models)):
            model = Ensemble(prior=prior, random_state=number).fit(train, asked[1][few])
            yield {"labels": size, "model": name, "rank": rank(np.asarray(model.predict(test)), truth)}


def shown(values: list[float], sign: str = "") -> str:
    """Mean and interval."""
    mean, low, high = mean_interval(np.array(values))
    return f"{mean:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def page(rows: list[dict[str, Any]]) -> str:
    """The results as a page."""
    columns = ["source", "target", "draws", "no label"]
    for size in SIZES:
        columns += [f"{size} labels", "the prior adds"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for source, target in permutations(SPACES, 2):
        mine = [r for r in rows if (r["source"], r["target"]) == (source, target)]
        if len({r["draw"] for r in mine}) < 2:
            continue
        zero = [r["rank"] for r in mine if not r["labels"]]
        cells = [source, target, str(len(zero)), shown(zero)]
        for size in SIZES:
            alone, more = (
                {r["draw"]: r["rank"] for r in mine if (r["labels"], r.get("model")) == (size, name)}
                for name in ("scratch", "prior")
            )
            cells += [shown(list(alone.values())), shown([more[d] - alone[d] for d in alone], "+")]
        lines.append(f"| {' | '.join(cells)} |")
    minutes = sum(row["seconds"] for row in rows if not row["labels"]) / 60
    return f"{HEAD}\n" + "\n".join(lines) + f"\n\n{minutes:.0f} CPU minutes on one core.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--out", type=Path, default=Path("runs/across-spaces.jsonl"))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--page", type=Path, help="where to write the results; printed otherwise")
    options = parser.parse_args()
    warnings.simplefilter("ignore", OutsideRangeWarning)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kept = options.out.read_text().splitlines() if options.out.exists() else []
    rows = [json.loads(line) for line in kept]
    found = {(row["source"], row["target"], row["draw"]) for row in rows}
    for number in range(options.draws):
        for source, target in permutations(SPACES, 2):
            if (source, target, number) in found:
                continue
            started = time.process_time()
            new = list(draw(source, target, options.datasets, number))
            seconds = time.process_time() - started
            about = {"source": source, "target": target, "draw": number, "seconds": seconds}
            with options.out.open("a") as file:
                file.writelines(json.dumps(about | row) + "\n" for row in new)
            rows += [about | row for row in new]
    if options.page is None:
        print(page(rows))
    else:
        options.page.write_text(page(rows))


if __name__ == "__main__":
    main()
