"""Which families of graph measures carry the signal: cross-validated scores by family and predictor.

Run: python tests/benchmarks/family_scores.py datasets/reber-rnn [--network rnn_tanh] [--target test]
     [--config ID] [--predictors bayesian-ridge extra-trees] [--repeats 2] [--most 1000] [--trees 200]
     [--families paper layered paper,layered] [--whole gnn auto]

Each predictor sees one family of measures, then all families; the same folds for all. R2 and Kendall's
tau with 95% intervals by a bootstrap over structures, and the noise ceiling. ``--whole`` names predictors
that see structures their own way, instead.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from nnstruct.benchmark import Benchmark
from nnstruct.predictors import PREDICTORS, evaluate
from nnstruct.properties import PROPERTY_FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("benchmark")
    parser.add_argument("--network", help="only structures of this family of networks")
    parser.add_argument("--target", default="test")
    parser.add_argument("--config", help="only records of this configuration")
    parser.add_argument("--predictors", nargs="+", default=["bayesian-ridge", "extra-trees"])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--most", type=int, default=1000, help="structures, the first of the benchmark")
    parser.add_argument("--trees", type=int, default=200, help="of predictors that have trees")
    parser.add_argument(
        "--families", nargs="+", help="of measures, several by commas; by default each, then all together"
    )
    parser.add_argument("--whole", nargs="+", default=[], help="predictors that need no families of measures")
    options = parser.parse_args()
    bench = Benchmark.load(options.benchmark, target=options.target)
    if options.config:
        bench = bench.select_config(options.config)
    if options.network:
        bench = bench.select_family(options.network)
    bench = bench.select(bench.fingerprints[: options.most])
    if options.whole:
        scores = evaluate({n: PREDICTORS[n]() for n in options.whole}, bench, repeats=options.repeats).table
        print(f"{bench}; noise ceiling {bench.noise_ceiling}")
        for name, row in scores.iterrows():
            print(f"| {name} | {' | '.join(interval(row, s) for s in ('r2', 'kendall'))} |", flush=True)
        return
    if options.families:
        choices = {names: tuple(names.split(",")) for names in options.families}
    else:
        choices = {name: (name,) for name in PROPERTY_FAMILIES} | {"all": tuple(PROPERTY_FAMILIES)}
    predictors = {}
    for family, families in choices.items():
        for name in options.predictors:
            chosen = PREDICTORS[name](families=families, random_state=0)
            if "n_estimators" in chosen.get_params():
                chosen.set_params(n_estimators=options.trees)
            predictors[f"{family} {name}"] = chosen
    started = time.process_time()
    scores = evaluate(predictors, bench, repeats=options.repeats).table
    print(f"{bench}; noise ceiling {bench.noise_ceiling}; {time.process_time() - started:.0f} CPU s\n")
    heads = [f"{name}: {score}" for name in options.predictors for score in ("R2", "tau")]
    print(f"| measures | {' | '.join(heads)} |")
    print("|" + "---|" * (1 + len(heads)))
    for family in choices:
        cells = []
        for name in options.predictors:
            row = scores.loc[f"{family} {name}"]
            cells += [interval(row, score) for score in ("r2", "kendall")]
        print(f"| {family} | {' | '.join(cells)} |", flush=True)


def interval(row: Any, score: str) -> str:
    """A score and its interval."""
    return f"{row[score]:.2f} [{row[score + '_low']:.2f}, {row[score + '_high']:.2f}]"


if __name__ == "__main__":
    main()
