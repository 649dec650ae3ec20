"""What labels of one search space tell of another: without a label there, and with a few.

Run: NNSTRUCT_TABLES=FOLDER python tests/benchmarks/across_spaces.py [--datasets datasets] [--draws 5]
     [--out runs/across-spaces.jsonl] [--page train/results/across-spaces.md]

The spaces are the cells of NAS-Bench-201 and the networks of NAS-Bench-Macro, both with their accuracy on
CIFAR-10 (``nasbench201.csv.gz`` and ``nasbench_macro.csv.gz`` in the folder that NNSTRUCT_TABLES names), and
the networks of datasets/fashion-cnn. A draw takes up to 600 structures of each source with their labels as
normal scores within the space, merged where there are two, and tests on up to 400 of the target. Without a
label a random forest and a graph network are fitted to the sources alone. With 20 labels of the target the
ensemble has models of both other spaces as a prior (``SourceModels``), beside one from scratch. A draw that
stands in the file of ``--out`` is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from nnstruct import tables
from nnstruct.benchmark import Benchmark
from nnstruct.errors import OutsideRangeWarning
from nnstruct.intervals import mean_interval
from nnstruct.predictors import GNN, Ensemble, RandomForest, SourceModels

SPACES = ("NAS-Bench-201", "NAS-Bench-Macro", "fashion-cnn")
LEARNED, TESTED, FEW = 600, 400, 20
PREDICTORS = {"forest": RandomForest, "graph network": GNN}
HEAD = """# Across spaces

Predictors of one space asked about another: Spearman's rank correlation on structures of the target, means
over draws with 95% intervals (Student's t). NAS-Bench-201 and NAS-Bench-Macro are trained on CIFAR-10,
`fashion-cnn` on Fashion-MNIST. Written by `python tests/benchmarks/across_spaces.py`, which says how.

## Without a label of the target
"""
WITH_FEW = f"""
## With {FEW} labels of the target
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
    return float(stats.spearmanr(said, y).statistic) if np.ptp(said) else 0.0


def pairs() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each target with each source, and with both others."""
    for target in SPACES:
        others = tuple(name for name in SPACES if name != target)
        yield from ((target, sources) for sources in (*((name,) for name in others), others))


def learned(name: str, datasets: Path, rng: np.random.Generator) -> Benchmark:
    """Some structures of a space and the normal scores of their labels."""
    structures, y = space(name, datasets)
    chosen = rng.permutation(len(structures))[:LEARNED]
    scores = stats.norm.ppf((stats.rankdata(y[chosen]) - 0.5) / len(chosen))
    return Benchmark.from_scores([structures[i] for i in chosen], scores, task="normal scores")


def draw(target: str, sources: tuple[str, ...], datasets: Path, number: int) -> Iterator[dict[str, Any]]:
    """What sources say of a target, in one draw."""
    structures, y = space(target, datasets)
    order = np.random.default_rng([number, SPACES.index(target)]).permutation(len(structures))
    few, tested = order[:FEW], order[FEW:][:TESTED]
    test, truth = [structures[i] for i in tested], y[tested]
    rng = np.random.default_rng([number, *map(SPACES.index, sources)])
    first, *others = (learned(name, datasets, rng) for name in sources)
    merged = first.merge(*others) if others else first
    for name, predictor in PREDICTORS.items():
        model = predictor(random_state=number).fit(merged.structures, merged.y)
        yield {"model": name, "rank": rank(np.asarray(model.predict(test)), truth)}
    if not others:
        return
    prior = SourceModels.fit(dict(zip(sources, (first, *others), strict=True)), seed=number)
    for name, given in (("scratch", None), ("prior", prior)):
        ensemble = Ensemble(prior=given, random_state=number).fit([structures[i] for i in few], y[few])
        yield {"model": name, "rank": rank(np.asarray(ensemble.predict(test)), truth)}


def shown(values: np.ndarray, sign: str = "") -> str:
    """Mean and interval."""
    mean, low, high = mean_interval(values)
    return f"{mean:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def page(rows: list[dict[str, Any]]) -> str:
    """The results as a page."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in sorted(rows, key=lambda row: row["draw"]):
        found.setdefault((row["target"], row["sources"], row["model"]), []).append(row["rank"])
    without = ["| target | sources | draws | forest | graph network |", "|---|---|---|---|---|"]
    few = ["| target | from scratch | the prior adds |", "|---|---|---|"]
    for target, sources in pairs():
        key = (target, " and ".join(sources))
        if len(found.get((*key, "forest"), [])) < 2:
            continue
        values = {name: np.array(found.get((*key, name), [])) for name in (*PREDICTORS, "scratch", "prior")}
        cells = [*key, str(len(values["forest"])), *(shown(values[name]) for name in PREDICTORS)]
        without.append(f"| {' | '.join(cells)} |")
        if len(sources) > 1:
            more = shown(values["prior"] - values["scratch"], "+")
            few.append(f"| {target} | {shown(values['scratch'])} | {more} |")
    minutes = sum({(r["target"], r["sources"], r["draw"]): r["seconds"] for r in rows}.values()) / 60
    tables_of = [HEAD, *without, WITH_FEW, *few, "", f"{minutes:.0f} CPU minutes on one core."]
    return "\n".join(tables_of) + "\n"


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
    found = {(row["target"], row["sources"], row["draw"]) for row in rows}
    for number in range(options.draws):
        for target, sources in pairs():
            if (target, " and ".join(sources), number) in found:
                continue
            started = time.process_time()
            new = list(draw(target, sources, options.datasets, number))
            seconds = time.process_time() - started
            about = {"target": target, "sources": " and ".join(sources), "draw": number, "seconds": seconds}
            with options.out.open("a") as file:
                file.writelines(json.dumps(about | row) + "\n" for row in new)
            rows += [about | row for row in new]
    if options.page is None:
        print(page(rows))
    else:
        options.page.write_text(page(rows))


if __name__ == "__main__":
    main()
