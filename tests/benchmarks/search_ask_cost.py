"""CPU seconds of one ``ask(8)`` after 100, 1,000 and 10,000 scores.

    python tests/benchmarks/search_ask_cost.py [--told 100 1000 10000] [--guides grouped-gp none]

The space is ``rnn_tanh`` of 10 to 50 units, that of the command; scores are made up from measures of
the graph, with noise. ``first`` is the first ask, that fits the guide; ``next`` the mean of three asks after
it, each after another 8 scores.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nnstruct import Search, Space
from nnstruct.predictors import PREDICTORS
from nnstruct.priors import sample
from nnstruct.structure import Structure

SPACE = Space("rnn_tanh", units=(10, 50))


def score(structure: Structure, rng: np.random.Generator) -> float:
    """Deep and sparse is good."""
    edges = structure.forward_edges.shape[1]
    return float(structure.num_layers / 20 - np.log(edges) / 5 + rng.normal(scale=0.02))


def measured(guide: str, known: list[Structure], told: int) -> dict:
    """CPU seconds of asks of one search."""
    rng = np.random.default_rng(0)
    predictor = None if guide == "none" else PREDICTORS[guide](random_state=0)
    search = Search(SPACE, predictor, seed=0, initial=8)
    started = time.process_time()
    search.tell(known[:told], [score(s, rng) for s in known[:told]])
    row = {"guide": guide, "told": told, "tell": time.process_time() - started}
    spent = []
    for _ in range(4):
        started = time.process_time()
        asked = search.ask(8)
        spent.append(time.process_time() - started)
        search.tell(asked, [score(s, rng) for s in asked])
    return {**row, "first": spent[0], "next": float(np.mean(spent[1:]))}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--told", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--guides", nargs="+", default=["grouped-gp", "none"])
    given = parser.parse_args()
    known = sample(SPACE, max(given.told), seed=1)
    rows = [measured(guide, known, told) for told in given.told for guide in given.guides]
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
