"""Whether what a Gaussian process believes of structures is what further trainings give.

    python tests/benchmarks/belief_bias.py [--datasets datasets] [--draws 32] [--families gru rnn_tanh]

A draw looks as a search does: of 160 structures of reber-rnn, 60 at random and 100 out of the best fifth, one
label each is told, that of one seed, and what is believed of them is compared with the mean labels of their
other seeds. The best fifth is that by the other seeds. ``all``: mean difference; ``highest``: that of the
structure with the highest belief, whose mean label is ``reached``. ``without noise``: the process's mean
brought back from the bent labels as if a training had no noise, which is near the median of its scores.
``sem``: standard errors over the draws. ``within 1`` and ``within 2``: the share of the structures whose mean
label lies so many deviations from the belief or nearer, 68% and 95% where the deviation is as it says, which
counts the guide's own and the standard error of the other seeds; ``highest within`` that of the highest
beliefs. A draw takes 1 CPU second.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct import load_benchmark
from nnstruct.predictors import GroupedGaussianProcess

AT_RANDOM, GOOD = 60, 100


def drawn(structures: list, labels: np.ndarray, draw: int) -> list[dict]:
    """A row each with and without noise, of one draw."""
    rng, seed = np.random.default_rng(draw), draw % labels.shape[1]
    rest = np.delete(labels, seed, axis=1)
    others = np.nanmean(rest, axis=1)
    error = np.nanstd(rest, axis=1, ddof=1) / np.sqrt(np.isfinite(rest).sum(axis=1))
    best = np.argsort(-others)[: len(others) // 5]
    parts = [rng.choice(len(others), AT_RANDOM, replace=False), rng.choice(best, GOOD, replace=False)]
    places = np.unique(np.concatenate(parts))
    places = places[np.isfinite(labels[places, seed])]
    told = [structures[place] for place in places]
    guide = GroupedGaussianProcess(random_state=0).fit(told, labels[places, seed])
    mean, covariance, _ = guide.joint(told)
    beliefs = {"as predicted": guide.predict(told)}
    beliefs["without noise"] = guide.transform_.moments(mean, np.sqrt(np.diag(covariance)))[0]
    rows = []
    for way, belief in beliefs.items():
        highest, true = int(np.argmax(belief)), others[places]
        row = {"way": way, "all": (belief - true).mean(), "highest": belief[highest] - true[highest]}
        row["reached"] = true[highest]
        if way == "as predicted":
            off = np.abs(belief - true) / np.hypot(guide.expected(told)[1], error[places])
            row |= {f"within {most}": (off <= most).mean() for most in (1, 2)}
            row |= {f"highest within {most}": float(off[highest] <= most) for most in (1, 2)}
        rows.append(row)
    return rows


def main() -> None:
    """Draw, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets"))
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--families", nargs="+", default=["gru", "rnn_tanh"])
    given = parser.parse_args()
    for family in given.families:
        bench = load_benchmark(given.datasets / "reber-rnn").select_family(family)
        labels = bench.table.pivot_table(index="fingerprint", columns="seed", values="test")
        labels = labels.loc[[structure.fingerprint for structure in bench.structures]].to_numpy()
        rows = [row for draw in range(given.draws) for row in drawn(bench.structures, labels, draw)]
        table = pd.DataFrame(rows).groupby("way", sort=False)
        print(family)
        print(table.agg(["mean", "sem"]).round(4).to_string())


if __name__ == "__main__":
    main()
