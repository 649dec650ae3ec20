"""Guided against unguided searches in the project's own spaces, on labels that cost nothing.

    python tests/benchmarks/search_surrogates.py [--datasets datasets] [--seeds 10] [--worlds NAME ...]
           [--ways NAME ...] [--out FOLDER]

A world is a space and a truth, made of extra trees and a Gaussian process that are both fitted to the labels
of a shipped benchmark: their mean or, among perceptrons, the lower of the two, less a small price of edges,
so that neither the largest nor the smallest network is the best. (The process promises .948 to trees of 31
units, as much as the best label, where extra trees say .922: by the mean a search would be after errors of
the process. Of the best recurrent networks both say the same within .007.) In the noisy worlds a training's
score is the truth and a normal error. ``noisy``: as large as that of one training of the benchmark, in the
mean over all of its structures. ``noise by level``: as large as that of the benchmark's structures of about
the same accuracy; among perceptrons the best fifth has .003, the worst .101, and the mean of the variances
is that of .064. What counts is the truth of the structure that a search would hand over: for a guided one
the structure that it believes to be the best (``Search.best``), for the others that with the highest score.

``ratio``: trainings after which the mean of a way, over the seeds, is what plain evolution has in the mean
after 500, divided by 500; both means made steady (isotonic regression), since under noise the first time
that a wandering mean is high enough is one of luck. Intervals: seeds drawn anew, 2,000 times. The truth is a
Gaussian process and trees, so that neither kind of guide is at home alone.

What is done is kept in the folder, so that a run that was stopped goes on. A guided run takes 5 to 20 CPU
seconds, one without a guide 1 to 5.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
import pandas as pd

from nnstruct import Benchmark, load_benchmark
from nnstruct.errors import OutsideRangeWarning
from nnstruct.predictors import ExtraTrees, GroupedGaussianProcess, RandomForest
from nnstruct.priors import PRIORS, sample
from nnstruct.recipes import DatasetRecipe, read_recipe
from nnstruct.search import Search
from nnstruct.search.spaces.drawn import DrawnSpace
from nnstruct.structure import Structure
from nnstruct.structure.ports import with_ports
from nnstruct.structure.space import Space

from kept_runs import kept_runs, steady, trainings_to  # isort: skip
from path_networks import PathNetworks  # isort: skip

BATCH, INITIAL, GUIDED, UNGUIDED = 8, 32, 160, 500
PRICE = 0.02  # of ten times as many edges
# The folder under datasets, the family, what becomes of two predictions, and the noise of a score.
WORLDS = {
    "reber-gru": ("reber-rnn", "gru", np.mean, None),
    "reber-gru, noisy": ("reber-rnn", "gru", np.mean, "noisy"),
    "reber-gru, noise by level": ("reber-rnn", "gru", np.mean, "by level"),
    "mnist-mlp": ("mnist-mlp", "mlp", np.min, None),
    "mnist-mlp, noisy": ("mnist-mlp", "mlp", np.min, "noisy"),
    "mnist-mlp, noise by level": ("mnist-mlp", "mlp", np.min, "by level"),
}
LEVELS = 20  # parts of a benchmark, by accuracy, whose noise is told apart
GUIDED_WAYS = {
    "guided": {},
    "guided, expected improvement": {"acquisition": "ei", "exploration": 0.0},
    "guided, noisy expected improvement": {"acquisition": "nei"},
    "guided, Thompson": {"acquisition": "thompson"},
    "guided, no inner evolution": {"inner_generations": 1},
    "guided, no random draws": {"random_share": 0.0},
    "guided, 16 draws first": {"initial": 16},
    "guided, a tenth repeated": {"repeat_share": 0.1},
    "guided, a quarter repeated": {"repeat_share": 0.25},
    "guided, half repeated": {"repeat_share": 0.5},
    "guided, five times the offspring": {"offspring": 100, "inner_generations": 8},
    "guided by a random forest": {},
    "BANANAS-like": {
        "acquisition": "thompson", "inner_generations": 1, "crossover_rate": 0.0, "random_share": 0.0,
    },
}  # fmt: skip
GUIDES = {"guided by a random forest": RandomForest, "BANANAS-like": PathNetworks}
# Ways that take long: so many trainings, and what they would hand over is looked at after these numbers only.
MOST = {"guided by a random forest": 104, "BANANAS-like": 104}
LOOKED_AT = (48, 104)
EVOLUTIONS = {
    "evolution": {},
    "regularised evolution": {"removal": "oldest", "crossover_rate": 0.0, "mutation_rate": 0.0},
    "local search": {"population": 2, "initial": 16, "crossover_rate": 0.0, "mutation_rate": 0.0},
}
WAYS = (*GUIDED_WAYS, *EVOLUTIONS, "TPE over priors and units", "random draws")


class RecipeSpace(DrawnSpace):
    """A benchmark's space: the units that its recipe lets see the input do so here too."""

    def __init__(self, space: Space, inputs: str) -> None:
        super().__init__(space)
        self.inputs = inputs

    def seen(self, structure: Structure | None) -> Structure | None:
        return None if structure is None else with_ports(structure, inputs=self.inputs)

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        return [self.seen(structure) for structure in super().draw(n, rng)]

    def mutate(self, structure: Structure, rng: np.random.Generator, operator: str | None = None):
        return self.seen(super().mutate(structure, rng, operator))

    def cross(self, first: Structure, second: Structure, rng: np.random.Generator):
        return self.seen(super().cross(first, second, rng))


@dataclass(frozen=True)
class World:
    """A space; of structures the truth and the standard deviation of a training's error, float [n] each."""

    space: RecipeSpace
    truth: Callable[[list[Structure]], tuple[np.ndarray, np.ndarray]]


def error_of(table: pd.DataFrame, noise: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """From accuracies to standard deviations of one training, by the seeds of a benchmark's table."""
    if noise is None:
        return np.zeros_like
    seeds = table.groupby("fingerprint")["test"]
    means, spread = seeds.mean().to_numpy(), seeds.var().to_numpy()
    parts = np.array_split(np.argsort(means), LEVELS if noise == "by level" else 1)
    levels, variances = ([values[part].mean() for part in parts] for values in (means, spread))
    return lambda accuracy: np.sqrt(np.interp(accuracy, levels, variances))


@cache
def fitted(folder: Path, family: str) -> tuple[Benchmark, ExtraTrees, GroupedGaussianProcess]:
    """One family of a benchmark, and both models of its labels."""
    bench = load_benchmark(folder).select_family(family)
    trees = ExtraTrees(n_estimators=200, min_samples_leaf=2, random_state=0).fit(bench.structures, bench.y)
    return bench, trees, GroupedGaussianProcess(random_state=0).fit(bench.structures, bench.y)


def world_of(folder: Path, family: str, joined: Callable[..., np.ndarray], noise: str | None) -> World:
    """The space and the truth of one family of a benchmark."""
    bench, trees, process = fitted(folder, family)
    recipe = read_recipe(folder / "recipe.toml", DatasetRecipe)
    error = error_of(bench.table, noise)

    def truth(structures: list[Structure]) -> tuple[np.ndarray, np.ndarray]:
        edges = np.array([structure.num_edges for structure in structures], dtype=np.float64)
        value = joined([trees.predict(structures), process.predict(structures)], axis=0)
        return value - PRICE * np.log10(np.maximum(edges, 1.0)), error(value)

    return World(RecipeSpace(recipe.space.of(family), recipe.sample.inputs), truth)


def searched(world: World, way: str, seed: int) -> dict:
    """The truth of what a search would hand over, after each batch."""
    rng = np.random.default_rng(seed)
    most = MOST.get(way, GUIDED) if way in GUIDED_WAYS else UNGUIDED
    started = time.process_time()
    if way in GUIDED_WAYS:
        model = GUIDES.get(way, GroupedGaussianProcess)
        options = {"initial": INITIAL, **GUIDED_WAYS[way]}
        search = Search(world.space, model(random_state=seed), seed=seed, **options)
    elif way in EVOLUTIONS:
        search = Search(world.space, None, seed=seed, **{"initial": INITIAL, **EVOLUTIONS[way]})
    else:
        search = None
        draws = drawn(world.space, way, seed, most)
    asked: list[Structure] = []
    told: list[float] = []
    true: list[float] = []
    handed = []
    while len(asked) < most:
        chosen = next(draws) if search is None else search.ask(BATCH)
        values, error = world.truth(chosen)
        scores = values + error * rng.standard_normal(len(chosen))
        asked, told, true = asked + chosen, told + scores.tolist(), true + values.tolist()
        if search is None:
            draws.send(scores)
        else:
            search.tell(chosen, scores)
        if way in MOST and handed and len(asked) not in LOOKED_AT:
            handed.append(handed[-1])
        elif way in GUIDED_WAYS and len(asked) >= INITIAL:
            best = search.best.fingerprint
            handed.append(next(t for s, t in zip(asked, true, strict=True) if s.fingerprint == best))
        else:
            handed.append(true[int(np.argmax(told))])
    return {"seed": seed, "handed": handed, "cpu": time.process_time() - started}


def drawn(world: RecipeSpace, way: str, seed: int, most: int):
    """Batches of structures; takes the scores of each in turn."""
    space = world.space
    if way == "random draws":
        structures = [world.seen(structure) for structure in sample(space, most + BATCH, seed=seed)]
        for start in range(0, most, BATCH):
            yield structures[start : start + BATCH]
            yield None
        return
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=INITIAL, constant_liar=True),
    )
    names = [name for name in PRIORS if PRIORS[name].in_turn]
    low, high = space.units
    while True:
        trials, structures = [], []
        for _ in range(BATCH):
            trial = study.ask()
            prior, units = trial.suggest_categorical("prior", names), trial.suggest_int("units", low, high)
            narrow = Space(space.family, units=(units, units), recurrence=space.recurrence)
            found = sample(narrow, 1, seed=1000 * seed + trial.number, priors=[prior])
            trials.append(trial)
            structures += map(world.seen, found)
        scores = yield structures
        for trial, score in zip(trials, scores, strict=True):
            study.tell(trial, float(score))
        yield None


def summary(name: str, curves: dict[str, np.ndarray]) -> list[dict]:
    """A row for each way, of one world."""
    rows, rng = [], np.random.default_rng(0)
    plain, top = curves["evolution"], max(found.max() for found in curves.values())

    def ratio(own: np.ndarray, other: np.ndarray) -> float:
        return trainings_to(steady(own), steady(other)[0, -1], BATCH) / UNGUIDED

    for way, found in curves.items():
        ratios = []
        for _ in range(2000):
            own, other = (rng.integers(len(part), size=len(part)) for part in (found, plain))
            ratios.append(ratio(found[own], plain[other]))
        low, high = np.quantile(ratios, [0.025, 0.975], method="nearest")
        regret = {
            f"regret {count}": 1000 * (top - found[:, count // BATCH - 1].mean())
            for count in (48, 104, 160, 496)
            if count // BATCH <= found.shape[1]
        }
        row = {"world": name, "way": way, "seeds": len(found), **regret}
        rows.append(row | {"ratio": ratio(found, plain), "low": low, "high": high})
    return rows


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--out", type=Path, default=Path("runs/search-surrogates"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", OutsideRangeWarning)
    rows = []
    for name in given.worlds:
        folder, *rest = WORLDS[name]
        world = world_of(given.datasets / folder, *rest)
        curves = {}
        for way in dict.fromkeys(["evolution", *given.ways]):
            kept = given.out / f"{name}-{way}.jsonl".replace(", ", "-").replace(" ", "-")
            runs = kept_runs(kept, given.seeds, partial(searched, world, way))
            curves[way] = np.array([run["handed"] for run in runs])
            cpu = np.median([run["cpu"] for run in runs])
            end = curves[way][:, -1].mean()
            print(f"{name}, {way}: {cpu:.0f} CPU s a run, at the end {end:.4f}", flush=True)
        rows += summary(name, curves)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
