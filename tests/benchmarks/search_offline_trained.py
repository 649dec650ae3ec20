"""What a saved guide saves real searches: those of three recipes, with it and without.

    nnstruct train train/guide-reber-gru.toml
    nnstruct train train/guide-teacher-mlp.toml
    python tests/benchmarks/search_offline_trained.py [--seeds 10] [--out FOLDER]

The searches of four recipes, train/search-NAME-offline.toml: reber-tanh, reber-relu and reber-next, guided
by what GRU networks reach on Reber words, and digits, guided by what perceptrons reach on the task
teacher. They are told the validation accuracy of one training, seeds 0 to SEEDS - 1. ``without``: the same
predictor, which knows only what it is told, 16 draws first. After each batch of four, what the search
would hand over is trained again with six new seeds: their mean test accuracy counts. ``needs``: the
trainings after which the mean of ``offline`` is what ``without`` has in the mean after as many as stand
before it. Intervals: seeds drawn anew, 2,000 times.

What is done is kept in the folder, so that a run that was stopped goes on. A search takes 10 to 20 CPU
seconds.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct import load_task
from nnstruct.errors import OutsideRangeWarning
from nnstruct.population import train
from nnstruct.predictors import GroupedGaussianProcess, load_predictor
from nnstruct.recipes import SearchRecipe, read_recipe
from nnstruct.search import Search
from nnstruct.structure import Structure

from kept_runs import kept_runs, trainings_to  # isort: skip

NAMES = ("reber-tanh", "reber-relu", "reber-next", "digits")
WAYS = ("without", "offline")
BATCH, INITIAL, MOST, AGAIN = 4, 16, 48, 6
SHOWN = (16, 24, 32, 48)


def searched(file: Path, way: str, seed: int) -> dict:
    """Mean test accuracy of what one search would hand over, after each batch."""
    recipe = read_recipe(file, SearchRecipe)
    task, again = load_task(recipe.task.name, **recipe.task.options), {}

    def accuracies(structures: list[Structure], seeds: list[int]) -> dict[str, list[tuple[float, float]]]:
        found: dict[str, list[tuple[float, float]]] = {}
        for record in train(structures, task, seeds=seeds, config=recipe.train):
            found.setdefault(record.fingerprint, []).append((float(record.val[-1]), record.test))
        return found

    guide, initial = GroupedGaussianProcess(random_state=seed), INITIAL
    if way == "offline":
        guide, initial = load_predictor(file.parent / str(recipe.guide.saved)), 1
    search = Search(recipe.space.of(recipe.space.families[0]), guide, seed=seed, initial=initial)
    curve, started = [], time.process_time()
    for _ in range(MOST // BATCH):
        asked = search.ask(BATCH)
        told = accuracies(asked, [seed])
        search.tell(asked, [told[structure.fingerprint][0][0] for structure in asked])
        best = search.best.fingerprint
        if best not in again:
            rows = accuracies([search.best], [1_000_000 + number for number in range(AGAIN)])
            again[best] = float(np.mean([test for _, test in rows[best]]))
        curve.append(again[best])
    return {"seed": seed, "test": curve, "cpu": time.process_time() - started}


def summary(name: str, plain: np.ndarray, offline: np.ndarray) -> list[dict]:
    """A row for each number of trainings of ``without``; both float [seeds, batches]."""
    rows, rng = [], np.random.default_rng(0)
    for count in SHOWN:
        place, drawn, gains = count // BATCH - 1, [], []
        for _ in range(2000):
            chosen = rng.integers(len(plain), size=len(plain))
            goal = plain[chosen, place].mean()
            drawn.append(trainings_to(offline[chosen], goal, BATCH) / count)
            gains.append(offline[chosen, place].mean() - goal)
        needs = trainings_to(offline, plain[:, place].mean(), BATCH)
        low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
        rows.append(
            {"recipe": name, "trainings": count, "without": plain[:, place].mean()}
            | {"offline": offline[:, place].mean(), "gain": np.mean(gains)}
            | dict(zip(("gain_low", "gain_high"), np.quantile(gains, [0.025, 0.975]), strict=True))
            | {"needs": needs, "ratio": needs / count, "low": low, "high": high}
        )
    return rows


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", type=Path, default=Path("train"), help="their folder")
    parser.add_argument("--names", nargs="+", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/search-offline-trained"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", OutsideRangeWarning)
    rows = []
    for name in (f"search-{short}-offline" for short in given.names):
        curves = {}
        for way in WAYS:
            file = given.recipes / f"{name}.toml"
            runs = kept_runs(given.out / f"{name}-{way}.jsonl", given.seeds, partial(searched, file, way))
            curves[way] = np.array([run["test"] for run in runs])
            first = ", ".join(f"{value:.4f}" for value in curves[way].mean(axis=0))
            print(
                f"{name}, {way}, {np.mean([run['cpu'] for run in runs]):.0f} CPU s a run: {first}", flush=True
            )
        rows += summary(name, curves["without"], curves["offline"])
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
