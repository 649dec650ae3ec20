"""One build by local processes and on a LocalCluster of Dask, with one worker and with two.

    python tests/benchmarks/dask_scaling.py [--recipe datasets/reber-mini/recipe.toml] [--runs 3]

Seconds of the wall clock, medians of several runs in turn, the start of the cluster apart. The records of all
must be the same, every column but the measured seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import distributed
import numpy as np
import pandas as pd

from nnstruct import Benchmark
from nnstruct.recipes import run_dataset_recipe

WAYS = (("local", 1), ("local", 2), ("dask", 1), ("dask", 2))


def built(recipe: Path, way: str, workers: int) -> tuple[float, float, Benchmark]:
    """Seconds that the cluster took to start and the build took after it, and what was built."""
    out = Path(tempfile.mkdtemp()) / "bench"
    started = time.monotonic()
    if way == "local":
        bench = run_dataset_recipe(recipe, out, workers=workers)
        return 0.0, time.monotonic() - started, bench
    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(workers)
        ready = time.monotonic()
        bench = run_dataset_recipe(recipe, out, executor=client)
        return ready - started, time.monotonic() - ready, bench


def told(bench: Benchmark) -> pd.DataFrame:
    """What was recorded, without what was measured of the machine."""
    table = bench.table.drop(columns="seconds")
    return table.sort_values(["fingerprint", "seed"], ignore_index=True)


def main() -> None:
    """Build, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, default=Path("datasets/reber-mini/recipe.toml"))
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {way: [] for way in WAYS}
    first = None
    for _ in range(given.runs):
        for way in WAYS:
            start, seconds, bench = built(given.recipe, *way)
            taken[way].append((start, seconds))
            first = told(bench) if first is None else first
            pd.testing.assert_frame_equal(told(bench), first)
    rows = [
        {"way": name, "workers": workers, "start": np.median([s for s, _ in runs])}
        | {"build": np.median([b for _, b in runs])}
        for (name, workers), runs in taken.items()
    ]
    print(pd.DataFrame(rows).round(1).to_string(index=False))
    print(f"{len(first)} records, the same by all ways")


if __name__ == "__main__":
    main()
