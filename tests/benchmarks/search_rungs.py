"""What brief trainings first save a search: searches with rungs and without, at the same cost in epochs.

    python tests/benchmarks/search_rungs.py [--datasets datasets] [--seeds 10] [--out FOLDER]

Searches among the structures of two benchmarks, without training: with a constant rate a training of one
epoch is the beginning of one of six, so that the learning curves hold both. Told is the validation
accuracy of one seed after so many epochs as the fidelity says; what would be handed over is judged by the
mean test accuracy of all seeds after all epochs. The GRU networks of reber-rnn (1,000 structures, six
epochs) are hardly ranked by their first epoch, the perceptrons of mnist-mlp (2,000, five epochs) are
nearly as by the last; ``rank correlations`` says how much. Without rungs every training is a full one;
with them as :class:`nnstruct.search.Rungs` has it, a third of each rung again at the next. ``guided``:
:class:`GroupedGaussianProcess`, 16 draws first. Batches of 8. Regrets at the cost of so many full
trainings, in thousandths; ``ratio``: at what share of a cost a search with rungs has in the mean what one
without has for all of it. Intervals: seeds drawn anew, 2,000 times.

What is done is kept in the folder, so that a run that was stopped goes on. A guided run takes 5 to 20 CPU
seconds.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats

from nnstruct import Benchmark
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import Rungs, Search, TableSpace
from nnstruct.structure import Structure

from kept_runs import kept_runs, trainings_to  # isort: skip

# Folder, family and epochs of each rung.
TABLES = {"reber-rnn": ("gru", (1, 3, 6)), "mnist-mlp": ("mlp", (1, 3, 5))}
WAYS = ("guided", "guided, rungs", "guided, rungs by belief", "evolution", "evolution, rungs")
BATCH, INITIAL, MOST = 8, 16, 48
SHOWN = (16, 24, 32, 48)


@dataclass(frozen=True)
class Curves:
    """Learning curves of one family, and what each structure is worth.

    Attributes
    ----------
    val : float64 [n, seeds, epochs]
        NaN where a structure has fewer seeds.
    worth : float64 [n]
        Mean test accuracy.
    """

    structures: list[Structure]
    val: np.ndarray
    worth: np.ndarray
    epochs: tuple[int, ...]

    @classmethod
    def of(cls, folder: Path, family: str, epochs: tuple[int, ...]) -> Curves:
        """Those of a benchmark."""
        bench = Benchmark.load(folder)
        structures = [structure for structure in bench.structures if structure.family == family]
        table = bench.table[bench.table["fingerprint"].isin({s.fingerprint for s in structures})]
        place = {structure.fingerprint: row for row, structure in enumerate(structures)}
        seeds = sorted(set(table["seed"]))
        val = np.full((len(structures), len(seeds), epochs[-1]), np.nan)
        test = np.full(val.shape[:2], np.nan)
        columns = (table[name] for name in ("fingerprint", "seed", "val", "test"))
        for fingerprint, seed, curve, last in zip(*columns, strict=True):
            at = place[fingerprint], seeds.index(seed)
            val[at], test[at] = curve, last
        return cls(structures, val, np.nanmean(test, axis=1), epochs)

    def correlations(self) -> list[float]:
        """Of one training's score on each rung with what a structure is worth."""
        return [float(stats.spearmanr(self.val[:, 0, e - 1], self.worth)[0]) for e in self.epochs]

    def rungs(self, way: str) -> Rungs | None:
        """Those of a way to search."""
        if "rungs" not in way:
            return None
        shares = tuple(epochs / self.epochs[-1] for epochs in self.epochs)
        return Rungs(shares, promotion="belief" if "belief" in way else "score")


def searched(curves: Curves, space: TableSpace, way: str, seed: int) -> dict:
    """Regrets of what one search would hand over, and what it had cost then."""
    guide = GroupedGaussianProcess(random_state=seed) if way.startswith("guided") else None
    place = {structure.fingerprint: row for row, structure in enumerate(curves.structures)}
    search = Search(space, guide, seed=seed, initial=INITIAL, population=INITIAL, rungs=curves.rungs(way))
    rng = np.random.default_rng(seed)
    own = rng.integers(np.isfinite(curves.val[:, :, 0]).sum(axis=1))  # the seed that each is trained with
    spent, regrets, started = [], [], time.process_time()
    while search.trainings_left(MOST):
        asked = search.ask(BATCH)
        for structure, share in zip(asked, search.fidelities_of(asked), strict=True):
            row, epochs = place[structure.fingerprint], round(share * curves.epochs[-1])
            search.tell([structure], [curves.val[row, own[row], epochs - 1]], fidelity=share)
        spent.append(search.spent)
        regrets.append(float(curves.worth.max() - curves.worth[place[search.best.fingerprint]]))
    return {"seed": seed, "spent": spent, "regrets": regrets, "cpu": time.process_time() - started}


def by_cost(runs: list[dict]) -> np.ndarray:
    """The regret of each run that has cost so much, float [runs, MOST]; that of its first batch before."""
    rows = []
    for run in runs:
        done = [np.flatnonzero(np.array(run["spent"]) <= cost + 1e-6) for cost in range(1, MOST + 1)]
        rows.append([run["regrets"][places[-1] if len(places) else 0] for places in done])
    return np.array(rows)


def main() -> None:
    """Search, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--out", type=Path, default=Path("runs/search-rungs"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows, rng = [], np.random.default_rng(0)
    for name in given.tables:
        curves = Curves.of(given.datasets / name, *TABLES[name])
        print(f"{name}: rank correlations {[round(c, 2) for c in curves.correlations()]}", flush=True)
        known: dict[str, np.ndarray] = {}
        space = TableSpace((curves.structures, curves.worth))
        for way in given.ways:
            kept = given.out / f"{name}-{way.replace(', ', '-').replace(' ', '-')}.jsonl"
            runs = kept_runs(kept, given.seeds, partial(searched, curves, space, way))
            regrets = known[way] = by_cost(runs)
            row = {"table": name, "way": way, "seeds": len(runs), "cpu": np.mean([r["cpu"] for r in runs])}
            drawn = rng.integers(len(runs), size=(2000, len(runs)))
            for cost in SHOWN:
                values = 1000 * regrets[:, cost - 1]
                low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
                row[f"at {cost}"] = f"{values.mean():.1f} [{low:.1f}, {high:.1f}]"
            plain = known.get(way.partition(",")[0])
            for cost in SHOWN if plain is not None and "rungs" in way else ():
                again = [
                    trainings_to(-regrets[seeds], -plain[seeds, cost - 1].mean()) / cost for seeds in drawn
                ]
                low, high = np.quantile(again, [0.025, 0.975], method="nearest")
                whole = trainings_to(-regrets, -plain[:, cost - 1].mean()) / cost
                row[f"ratio {cost}"] = f"{whole:.2f} [{low:.2f}, {high:.2f}]"
            rows.append(row)
            print(row, flush=True)
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
