"""What a predictor of another task or family saves a search: trainings to a score, with it and without.

    python tests/benchmarks/search_offline_guide.py [--datasets datasets] [--seeds 10] [--out FOLDER]

Searches in tables, without training: datasets/many-tasks has 400 perceptrons or 360 recurrent structures,
labelled by the mean of three seeds, datasets/reber-rnn 1,000 of each cell by that of eight or nine. Source
and target have the same graphs; with ``--unseen`` the search is among every second graph, and the guide
knows the others alone. ``without``: a Gaussian process that knows only what the search was told.
``offline``: one that was fitted on all structures of the source before the search began, and saved; its
errors are learned as scores come in. ``evolution``: no guide. For each pair of source and target, seeds 0
to SEEDS - 1: the best score so far after each training, and how many trainings of ``offline`` have, in the
mean, the score that ``without`` has after 8, 16, 24 and 32. Intervals: seeds drawn anew, 2,000 times.

What is done is kept in the folder, so that a run that was stopped goes on. A search takes 2 to 5 CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct import load_benchmark
from nnstruct.errors import OutsideRangeWarning
from nnstruct.predictors import GroupedGaussianProcess, load_predictor
from nnstruct.search import Search, TableSpace
from nnstruct.structure import Structure

from kept_runs import kept_runs, trainings_to  # isort: skip

# Family and benchmark of the source, and of the target.
PAIRS = (
    ("mlp", "many-tasks/teacher", "mlp", "many-tasks/digits"),
    ("gru", "many-tasks/narma-10", "gru", "many-tasks/multi-sine"),
    ("rnn_tanh", "many-tasks/copy", "rnn_tanh", "many-tasks/narma-10"),
    ("gru", "many-tasks/reber-next", "rnn_tanh", "many-tasks/reber-next"),
    ("gru", "reber-rnn", "rnn_tanh", "reber-rnn"),
)
BATCH, INITIAL, MOST = 4, 16, 32
WAYS = ("evolution", "without", "offline")


def labelled(folder: Path, family: str, name: str) -> tuple[list[Structure], np.ndarray]:
    """The structures of one family in a benchmark, and their labels."""
    bench = load_benchmark(folder / name)
    rows = [row for row, structure in enumerate(bench.structures) if structure.family == family]
    return [bench.structures[row] for row in rows], bench.y[rows]


def graph_of(structure: Structure) -> tuple[int, bytes]:
    """What structures of several families have in common."""
    return structure.num_units, structure.forward_edges.tobytes()


def taken(structures: list[Structure], y: np.ndarray, keep: np.ndarray) -> tuple[list[Structure], np.ndarray]:
    """A part of the structures, and their labels."""
    return [structure for structure, wanted in zip(structures, keep, strict=True) if wanted], y[keep]


def searched(space: TableSpace, way: str, seed: int, saved: Path) -> dict:
    """The best so far after each training of one search."""
    guide, initial = None, INITIAL
    if way == "without":
        guide = GroupedGaussianProcess(random_state=seed)
    elif way == "offline":
        guide, initial = load_predictor(saved), 1
    search = Search(space, guide, seed=seed, initial=initial, population=INITIAL)
    told: list[float] = []
    started = time.process_time()
    while len(told) < MOST:
        asked = search.ask(BATCH)
        scores = space.score(asked)
        search.tell(asked, scores)
        told += scores.tolist()
    best = np.maximum.accumulate(told).tolist()
    return {"seed": seed, "best": best, "cpu": time.process_time() - started}


def summary(pair: str, curves: dict[str, np.ndarray], top: float) -> list[dict]:
    """A row for each number of trainings of ``without``."""
    rows, rng = [], np.random.default_rng(0)
    plain, offline = curves["without"], curves["offline"]
    for count in (8, 16, 24, 32):
        drawn = []
        for _ in range(2000):
            chosen = rng.integers(len(plain), size=len(plain))
            drawn.append(trainings_to(offline[chosen], plain[chosen, count - 1].mean()) / count)
        needed = trainings_to(offline, plain[:, count - 1].mean())
        low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
        regrets = {way: top - curves[way][:, count - 1].mean() for way in curves}
        rows.append(
            {"pair": pair, "trainings": count, **regrets, "offline_needs": needed}
            | {"ratio": needed / count, "low": low, "high": high}
        )
    return rows


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pairs", type=int, nargs="+", default=list(range(len(PAIRS))), help="by number")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--unseen", action="store_true", help="of graphs that the guide does not know")
    parser.add_argument("--out", type=Path, default=Path("runs/search-offline-guide"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", OutsideRangeWarning)
    rows = []
    for family, source, to_family, target in (PAIRS[number] for number in given.pairs):
        pair = f"{family} {Path(source).name} -> {to_family} {Path(target).name}"
        structures, y = labelled(given.datasets, to_family, target)
        saved = Path(tempfile.mkdtemp()) / "guide"
        known, labels = labelled(given.datasets, family, source)
        if given.unseen:
            structures, y = taken(structures, y, np.arange(len(y)) % 2 == 0)
            graphs = {graph_of(structure) for structure in structures}
            known, labels = taken(known, labels, np.array([graph_of(one) not in graphs for one in known]))
        space = TableSpace((structures, y))
        guide = GroupedGaussianProcess(random_state=0).fit(known, labels)
        guide.save(saved)
        curves: dict[str, list[list[float]]] = {}
        for way in given.ways:
            name = pair.replace(" -> ", "-").replace(" ", "-") + ("-unseen" if given.unseen else "")
            kept = given.out / f"{name}-{way}.jsonl"
            runs = kept_runs(kept, given.seeds, partial(searched, space, way, saved=saved))
            curves[way] = [run["best"] for run in runs]
        place = int((guide.predict(structures) > guide.predict([structures[int(y.argmax())]])[0]).sum()) + 1
        print(f"{pair}: the best of {len(y)} is number {place} in the eyes of the saved guide", flush=True)
        rows += summary(pair, {way: np.array(best) for way, best in curves.items()}, float(y.max()))
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
