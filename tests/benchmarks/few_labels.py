"""What earlier benchmarks are worth where a new task has few labels: the ensemble with and without a prior.

Run: python tests/benchmarks/few_labels.py [--datasets datasets] [--sizes 10 20 50 100] [--draws 5 5 3 3]
     [--benchmarks fashion-cnn ...]
     > train/results/few-labels.md

Each shipped benchmark is left out in turn. Draw number d takes its family number d (modulo their number), n
structures at random to learn from and up to 300 others to predict. ``known``: all other benchmarks are the
prior, also those on the same data. ``unknown``: only those on other data. R2 of a draw counts as at least -1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.metrics import r2_score

from nnstruct.benchmark import Benchmark
from nnstruct.predictors import Ensemble, SourceModels
from nnstruct.predictors.sources import shipped_sources
from nnstruct.predictors.sources.shipped import DATA

TESTED = 300
HEAD = """# Few labels

The ensemble with models of earlier benchmarks as a prior, minus from scratch: R2 / Kendall's tau, means over
draws (in the last rows over benchmarks) with their standard errors, and the share that the members from
scratch keep. `known`: with other benchmarks on the same data; `unknown`: without. Written by
`python tests/benchmarks/few_labels.py`, which says how.
"""


def labelled(folder: Path) -> Benchmark:
    """The benchmark with the configuration that has most records."""
    bench = Benchmark.load(folder)
    counts = bench.table["config_id"].value_counts(sort=False).sort_index()
    return bench.select_config(str(counts.idxmax()))


def scores(model: Ensemble, structures: list, y: np.ndarray) -> np.ndarray:
    """R2 and tau, float64 [2]."""
    mean = model.predict(structures)
    tau = stats.kendalltau(mean, y).statistic
    return np.array([max(r2_score(y, mean), -1.0), tau if np.isfinite(tau) else 0.0])


def compared(
    bench: Benchmark, priors: dict[str, SourceModels], size: int, draw: int
) -> dict[str, np.ndarray]:
    """Scores from scratch and with each prior, and the share that is from scratch, by one draw."""
    families = sorted({structure.family for structure in bench.structures})
    family = families[draw % len(families)]
    rows = [i for i, structure in enumerate(bench.structures) if structure.family == family]
    order = np.random.default_rng([draw, size]).permutation(rows)
    inside, outside = order[:size], order[size : size + TESTED]
    train, test = ([bench.structures[i] for i in part] for part in (inside, outside))
    found = {
        "scratch": scores(Ensemble(random_state=draw).fit(train, bench.y[inside]), test, bench.y[outside])
    }
    for name, prior in priors.items():
        model = Ensemble(prior=prior, random_state=draw).fit(train, bench.y[inside])
        share = model.prior_weights_.get("scratch", 0.0)
        found[name] = np.append(scores(model, test, bench.y[outside]) - found["scratch"], share)
    return found


def line(name: str, size: int, found: list[dict[str, np.ndarray]]) -> str:
    """A row of the table."""
    cells = [name, str(size), str(len(found))]
    cells.append("{:.2f} / {:.2f}".format(*np.mean([draw["scratch"] for draw in found], axis=0)))
    for kind in ("known", "unknown"):
        values = np.array([draw[kind] for draw in found])  # [draws, 3]
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros(3)
        r2, tau, share = values.mean(axis=0)
        cells.append(f"{r2:+.3f} ± {error[0]:.3f} / {tau:+.3f} ± {error[1]:.3f} | {share:.2f}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50, 100])
    parser.add_argument("--draws", type=int, nargs="+", default=[5, 5, 3, 3], help="one for each size")
    parser.add_argument("--benchmarks", nargs="+", choices=DATA, default=list(DATA))
    options = parser.parse_args()
    started, models = time.process_time(), shipped_sources()
    print(HEAD)
    print("| benchmark | labels | draws | scratch | known | share | unknown | share |\n" + "|" + "---|" * 8)
    together: dict[int, list[dict[str, np.ndarray]]] = {size: [] for size in options.sizes}
    for name in options.benchmarks:
        bench = labelled(options.datasets / name)
        priors = {"known": models.without(name), "unknown": models.without(DATA[name])}
        for size, draws in zip(options.sizes, options.draws, strict=True):
            if size + 20 > len(bench.structures):
                continue
            found = [compared(bench, priors, size, draw) for draw in range(draws)]
            together[size].append(
                {kind: np.mean([draw[kind] for draw in found], axis=0) for kind in found[0]}
            )
            print(line(name, size, found), flush=True)
    for size, found in together.items():
        print(line("**mean of benchmarks**", size, found))
    untrained = models.untrained
    assert untrained is not None
    print("\nWithout any label, from benchmarks on other data (`load_pretrained`): Kendall's tau by source\n")
    print("| source | tau |\n|---|---|")
    for source, tau in untrained.kendall.items():
        print(f"| {source} | {tau:.2f} |")
    print(f"\nOf its score, slope {untrained.slope:.3f}, deviation {untrained.std:.3f} of that of the label.")
    print(f"\n{(time.process_time() - started) / 60:.0f} CPU minutes on one core.")


if __name__ == "__main__":
    main()
