"""Accuracy from trained weights: statistics of weights, a network that reads them, and what needs no weights.

Run: python tests/benchmarks/from_weights.py [--dataset datasets/cnn-zoo] [--seeds 0 1 2]
     [--kept runs/from-weights.jsonl] > train/results/from-weights.md

The label is the test accuracy after the last epoch. For each seed a fifth of the structures is held out with
all their trainings, or a fifth of the trainings; weights are those after the last epoch or after the first
one. Each fit is written to the file of ``--kept`` when it is done, and is not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from nnstruct.benchmark import Benchmark
from nnstruct.encode import FeatureTable, WeightTable
from nnstruct.predictors import WeightGraphNetwork

HEAD = """# Accuracy from trained weights

Kendall's tau / R2 of predicted and true test accuracy after the last epoch, on held-out structures of
`datasets/cnn-zoo` with all their trainings, or on held-out trainings whose structures were seen: means over
splits, with 95% intervals of tau by a bootstrap over held-out structures. Written by
`python tests/benchmarks/from_weights.py`, which says how.
"""
CASES = {
    "structures held out, last epoch": ("structures", "last"),
    "trainings held out, last epoch": ("trainings", "last"),
    "structures held out, weights after epoch 1": ("structures", 1),
}
RESAMPLES = 200
BLIND = ("structure", "structure and configuration")


class Rows(NamedTuple):
    """Trainings of the zoo, some to learn from and the others to predict."""

    networks: list
    y: np.ndarray
    table: Any
    settings: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    seed: int


def trees(seed: int) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(100, max_features=0.4, min_samples_leaf=2, random_state=seed)


def boosting(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=150, max_leaf_nodes=8, early_stopping=False, random_state=seed
    )


def linear(seed: int) -> Pipeline:
    return make_pipeline(StandardScaler(), BayesianRidge())


def on_weights(make: Callable[[int], Any], structure: str | None) -> Callable[[Rows], np.ndarray]:
    """A regressor on the columns that :class:`WeightStatistics` learns from, without its deviations."""

    def predicted(rows: Rows) -> np.ndarray:
        inside, outside = ([rows.networks[i] for i in part] for part in (rows.inside, rows.outside))
        table = WeightTable(structure=structure)
        model = make(rows.seed).fit(table.fit(inside).transform(inside), rows.y[rows.inside])
        return model.predict(table.transform(outside))

    return predicted


def on_graphs(probes: np.ndarray | None = None) -> Callable[[Rows], np.ndarray]:
    """One member of the network that reads weights."""

    def predicted(rows: Rows) -> np.ndarray:
        model = WeightGraphNetwork(members=1, probes=probes, random_state=rows.seed)
        model.fit([rows.networks[i] for i in rows.inside], rows.y[rows.inside])
        return model.predict([rows.networks[i] for i in rows.outside])

    return predicted


def without_weights(configured: bool) -> Callable[[Rows], np.ndarray]:
    """Extra trees on columns of the structure, with or without the configuration."""

    def predicted(rows: Rows) -> np.ndarray:
        structures = [network.structure for network in rows.networks]
        place = {structure: row for row, structure in enumerate(dict.fromkeys(structures))}
        table = FeatureTable().fit(list(dict.fromkeys(structures[i] for i in rows.inside)))
        values = table.transform(list(place))[[place[structure] for structure in structures]]
        if configured:
            values = np.concatenate([values, rows.settings], axis=1)
        return trees(rows.seed).fit(values[rows.inside], rows.y[rows.inside]).predict(values[rows.outside])

    return predicted


def settings(bench: Benchmark, table: Any) -> np.ndarray:
    """The configuration of each training as columns: logarithms of numbers, words one by one."""
    configs = [bench.configs[name].model_dump() for name in table["config_id"]]
    found = [
        [np.log10(config[name] + 1e-5) for config in configs]
        for name in ("learning_rate", "weight_decay", "init_gain")
    ]
    for name in ("optimizer", "normalization"):
        words = sorted({config[name] for config in configs})
        found += [[float(config[name] == word) for config in configs] for word in words]
    return np.array(found).T


def noise(side: int = 7, count: int = 16) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 1, side, side))


METHODS: dict[str, Callable[[Rows], np.ndarray]] = {
    "validation accuracy at that epoch": lambda rows: rows.table["val_then"].to_numpy()[rows.outside],
    "structure": without_weights(False),
    "structure and configuration": without_weights(True),
    "statnn, linear": on_weights(linear, None),
    "statnn, extra trees": on_weights(trees, None),
    "statnn, boosting": on_weights(boosting, None),
    "statnn and structure, extra trees": on_weights(trees, "auto"),
    "weight-gnn": on_graphs(),
    "weight-gnn, probed with noise": on_graphs(noise()),
}


def split(bench: Benchmark, table: Any, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows held out."""
    rng = np.random.default_rng(seed)
    if kind == "trainings":
        order = rng.permutation(len(table))
        return np.sort(order[len(table) // 5 :]), np.sort(order[: len(table) // 5])
    names = sorted(set(table["fingerprint"]))
    held_out = set(rng.permutation(names)[: len(names) // 5].tolist())
    out = table["fingerprint"].isin(held_out).to_numpy()
    return np.flatnonzero(~out), np.flatnonzero(out)


def kept_results(path: Path) -> dict[tuple[str, str, int], dict]:
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return {(each["case"], each["method"], each["seed"]): each for each in found}


def measure(bench: Benchmark, seeds: list[int], methods: list[str], path: Path) -> None:
    """Every fit that is not there yet, one line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    loaded: dict[Any, tuple[list, Any]] = {}
    for seed in seeds:
        for case, (kind, epoch) in CASES.items():
            for method in methods:
                if (case, method, seed) in kept_results(path) or (method in BLIND and epoch != "last"):
                    continue
                if epoch not in loaded:
                    rows = bench.networks(epoch=epoch)
                    loaded[epoch] = list(rows), rows.table
                networks, table = loaded[epoch]
                inside, outside = split(bench, table, kind, seed)
                y = table["test"].to_numpy(dtype=float)
                started = time.process_time()
                found = METHODS[method](
                    Rows(networks, y, table, settings(bench, table), inside, outside, seed)
                )
                result = {
                    "case": case, "method": method, "seed": seed, "seconds": time.process_time() - started,
                    "fingerprint": table["fingerprint"].iloc[outside].tolist(),
                    "y": y[outside].tolist(), "predicted": np.asarray(found).tolist(),
                }  # fmt: skip
                with path.open("a") as file:
                    file.write(json.dumps(result) + "\n")


def interval(results: list[dict]) -> tuple[float, float]:
    """Of the mean tau over splits: structures held out are drawn again in each."""
    rng, means = np.random.default_rng(0), []
    places = []
    for each in results:
        names = np.array(each["fingerprint"])
        places.append([np.flatnonzero(names == name) for name in np.unique(names)])
    for _ in range(RESAMPLES):
        taus = []
        for each, own in zip(results, places, strict=True):
            drawn = np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))])
            y, predicted = np.array(each["y"])[drawn], np.array(each["predicted"])[drawn]
            taus.append(stats.kendalltau(predicted, y).statistic)
        means.append(np.mean(taus))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def cell(results: list[dict], compared: bool) -> str:
    taus = [stats.kendalltau(each["predicted"], each["y"]).statistic for each in results]
    low, high = interval(results)
    r2 = "" if compared else f" / {np.mean([r2_score(each['y'], each['predicted']) for each in results]):.2f}"
    return f"{np.mean(taus):.3f} [{low:.3f}, {high:.3f}]{r2}"


def joined(
    results: dict[tuple[str, str, int], dict], first: str, second: str
) -> dict[tuple[str, str, int], dict]:
    """The mean of two methods as a further one."""
    name, found = f"mean of {first} and {second}", {}
    for (case, method, seed), each in results.items():
        if method == first and (case, second, seed) in results:
            other = results[case, second, seed]
            mean = np.add(each["predicted"], other["predicted"]) / 2
            seconds = each["seconds"] + other["seconds"]
            found[case, name, seed] = {**each, "predicted": mean.tolist(), "seconds": seconds}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=Path("datasets/cnn-zoo"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--kept", type=Path, default=Path("runs/from-weights.jsonl"))
    options = parser.parse_args()
    measure(Benchmark.load(options.dataset), options.seeds, options.methods, options.kept)
    results = kept_results(options.kept)
    results |= joined(results, "statnn and structure, extra trees", "weight-gnn")
    print(HEAD)
    print("| from | " + " | ".join(CASES) + " | splits | CPU s |\n|---" + "|---" * (len(CASES) + 2) + "|")
    for method in dict.fromkeys(method for _, method, _ in results):
        cells, seconds, counts = [method], [], []
        for case in CASES:
            own = [each for (at, by, _), each in results.items() if (at, by) == (case, method)]
            cells.append(cell(own, method.startswith("validation")) if own else "")
            seconds += [each["seconds"] for each in own]
            counts += [len(own)] if own else []
        splits = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
        print("| " + " | ".join([*cells, splits, f"{np.mean(seconds):.0f}"]) + " |")


if __name__ == "__main__":
    main()
