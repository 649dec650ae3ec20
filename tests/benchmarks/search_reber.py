"""Real searches on Reber words: what a guide saves, and whether its word can be trusted.

    python tests/benchmarks/search_reber.py [--seeds 10] [--family gru] [--out FOLDER]

Seeds 0 to SEEDS - 1, each with a guided search (160 trainings) and plain evolution (500), told the
validation accuracy of one training. What counts is what the structure that they would hand over reaches
when it is trained again with six new seeds: for the guided search the one that it believes to be the best,
for evolution that with the highest score. ``claimed``, ``believed`` and ``retrained`` are validation
accuracies of the structure handed over at the end, ``test`` the mean test accuracy. ``std`` is the guide's
deviation of what it believes, ``error`` the standard error of the six trainings, and ``off`` the difference
of both means by both together, sqrt(std ** 2 + error ** 2): within 1 for 68% of searches and within 2 for
95%, if both are as they say. For evolution, which believes nothing, it is that of what it claims by ``error``
alone.

What is done is kept in the folder, so that a run that was stopped goes on. A pair of searches takes two CPU
minutes.
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

from nnstruct import load_task
from nnstruct.population import train
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.record import TrainConfig
from nnstruct.search import Search
from nnstruct.structure import Structure
from nnstruct.structure.space import Space

BATCH, INITIAL, AGAIN = 8, 32, 6
MOST = {"guided": 160, "guided, repeats": 160, "evolution": 500}
REPEATED = 0.25
SHOWN = (48, 104, 160, 256, 376, 496)
CONFIG = TrainConfig(epochs=6, batch_size=64)


class Trained:
    """Validation and test accuracies of structures on one task, each training done once."""

    def __init__(self) -> None:
        self.task = load_task("reber")
        self.known: dict[tuple[str, int], tuple[float, float]] = {}

    def __call__(self, structures: list[Structure], seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
        new = [s for s in structures if (s.fingerprint, seeds[0]) not in self.known]
        for record in train(new, self.task, seeds=seeds, config=CONFIG) if new else ():
            self.known[record.fingerprint, record.seed] = float(record.val[-1]), record.test
        rows = [[self.known[s.fingerprint, seed] for seed in seeds] for s in structures]
        found = np.array(rows)
        return found[:, :, 0], found[:, :, 1]


def searched(way: str, family: str, seed: int) -> dict:
    """One search: what it would hand over after some numbers of trainings, trained again."""
    trained, started = Trained(), time.process_time()
    guide = GroupedGaussianProcess(random_state=seed) if way.startswith("guided") else None
    space = Space(family, units=(10, 60))
    share = REPEATED if way == "guided, repeats" else 0.0
    search = Search(space, guide, seed=seed, initial=INITIAL, repeat_share=share)
    again = [1_000_000 + number for number in range(AGAIN)]
    count, rows, choosing = 0, {}, 0.0
    while count < MOST[way]:
        before = time.process_time()
        chosen = search.ask(BATCH)
        choosing += time.process_time() - before
        numbers = [seed + 1000 * before for before in search.measured_before(chosen)]
        scores = [trained([s], [number])[0][0, 0] for s, number in zip(chosen, numbers, strict=True)]
        search.tell(chosen, scores)
        count += BATCH
        if count in SHOWN or count >= MOST[way]:
            val, test = trained([search.best], again)
            rows[count] = {"claimed": search.best_score, "val": val[0].tolist(), "test": test[0].tolist()}
    believed, std = search.best_belief if guide else (None, None)
    claim = float(np.nanmax(search.history["score"]))
    return {
        "seed": seed, "rows": rows, "believed": believed, "believed_std": std, "highest": claim,
        "choosing": choosing, "cpu": time.process_time() - started,
    }  # fmt: skip


def curve(runs: list[dict], count: int) -> np.ndarray:
    """Mean test accuracy of what each run would hand over after so many trainings."""
    return np.array([np.mean(run["rows"][str(count)]["test"]) for run in runs])


def main() -> None:
    """Search, and print three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--family", default="gru")
    parser.add_argument("--out", type=Path, default=Path("runs/search-reber"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[dict]] = {way: [] for way in MOST}
    for seed in range(given.seeds):
        for way in MOST:
            kept = given.out / f"{given.family}-{way}-{seed}.json"
            if not kept.exists():
                kept.write_text(json.dumps(searched(way, given.family, seed)))
            runs[way].append(json.loads(kept.read_text()))
            print(f"{way}, seed {seed}: {runs[way][-1]['cpu']:.0f} CPU s", flush=True)
    rng, curves = np.random.default_rng(0), []
    for way, found in runs.items():
        for count in map(int, found[0]["rows"]):
            values = curve(found, count)
            means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            row = {"way": way, "trainings": count, "test": values.mean(), "low": low, "high": high}
            curves.append(row)
    print(pd.DataFrame(curves).round(4).to_string(index=False))
    truths = []
    for way, found in runs.items():
        for run in found:
            last = run["rows"][str(max(map(int, run["rows"])))]
            error = np.std(last["val"], ddof=1) / np.sqrt(AGAIN)
            said, std = run["believed"], run.get("believed_std")
            if said is None:
                said, std = last["claimed"], 0.0
            off = (said - np.mean(last["val"])) / np.hypot(std, error) if std is not None else np.nan
            truths.append(
                {"way": way, "seed": run["seed"], "highest": run["highest"], "claimed": last["claimed"]}
                | {"believed": run["believed"], "std": std, "retrained": np.mean(last["val"])}
                | {"error": error, "test": np.mean(last["test"]), "off": off}
            )
    table = pd.DataFrame(truths)
    print(table.round(4).to_string(index=False))
    for way, part in table.groupby("way", sort=False):
        off = part["off"].abs()
        within = ", ".join(
            f"{(off <= bound).sum()} of {off.notna().sum()} within {bound}" for bound in (1, 2)
        )
        print(f"{way}: {within}; the square root of the mean square is {np.sqrt((off**2).mean()):.2f}")


if __name__ == "__main__":
    main()
