"""How long and how much memory it takes to read a benchmark of 1,000,000 records over 20,000 structures.

Run: python tests/benchmarks/storage_scale.py [--records 1000000] [--structures 20000] [--folder FOLDER]

Makes the folder unless it is there, then measures, each in a process of its own: reading the three tables
with plain pyarrow, ``Benchmark.load``, ``.y`` of it, its ``table``, and a ``build`` that finds all done.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

EPOCHS = 15
LAYERS = 3

COMMON = """
import json, resource, sys, time
from pathlib import Path
import nnstruct as ns, pandas, pyarrow.parquet as pq
from nnstruct.benchmark import Benchmark, build
from nnstruct.structure.interchange import from_arrow
folder = Path({folder!r})
SETUP
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.process_time()
WORK
print(json.dumps([time.process_time() - started, peak() - before, peak()]))
"""
PLAIN = "tables = [pq.read_table(p, use_threads=False) for p in sorted((folder / 'data').glob('*.parquet'))]"
ASK = """
sys.path.insert(0, {here!r})
import storage_scale
structures = from_arrow(pq.read_table(folder / 'data' / 'structures.parquet'))
[s.fingerprint for s in structures]
"""
CASES = {
    "plain pyarrow": ("", PLAIN),
    "Benchmark.load": ("", "bench = Benchmark.load(folder)"),
    "load and y": ("", "y = Benchmark.load(folder).y"),
    "load and table": ("", "table = Benchmark.load(folder).table"),
    "build, all done": (
        ASK,
        "build(storage_scale.task(), structures, seeds={seeds}, config=storage_scale.CONFIG(), out=folder)",
    ),
}


def task():
    import numpy as np

    from nnstruct.tasks import Task

    inputs = np.arange(40, dtype=np.float32).reshape(20, 2)
    return Task.from_arrays("toy", inputs, np.arange(20) % 2)


def CONFIG():  # noqa: N802
    from nnstruct import TrainConfig

    return TrainConfig(epochs=EPOCHS)


def make(folder: Path, records: int, structures: int) -> None:
    """A finished folder, by the store itself."""
    import numpy as np

    import nnstruct as ns
    from nnstruct.benchmark import store as stores
    from nnstruct.record import Record

    stores.MAX_SHARDS = 10**9
    rng = np.random.default_rng(0)
    made, seen = [], set()
    while len(made) < structures:
        sizes = rng.integers(2, 12, LAYERS)
        edges = [
            (a, b + sizes[0]) for a in range(sizes[0]) for b in range(sizes[1]) if rng.random() < 0.6
        ] + [(a + sizes[0], b + sizes[0] + sizes[1]) for a in range(sizes[1]) for b in range(sizes[2])]
        one = ns.Structure(np.array(edges, dtype=np.int64).T, int(sizes.sum()), origin={"prior": "toy"})
        if one.fingerprint not in seen:
            seen.add(one.fingerprint)
            made.append(one)
    config, data = CONFIG(), task()
    seeds = records // structures
    with stores.Store(folder, data.name, data.fingerprint, [config]) as store:
        store.add_structures(made)
        for begin in range(0, structures, 1000):
            rows = []
            for one in made[begin : begin + 1000]:
                for seed in range(seeds):
                    val = np.sort(rng.random(EPOCHS))
                    rows.append(
                        Record(
                            one.fingerprint, one.family, data.name, data.fingerprint, config.id, seed, "ok",
                            1 - val, 1 - val, val, float(val[-1]), float(1 - val[-1]), one.num_edges, 0.1,
                            "none",
                        )
                    )  # fmt: skip
            store.add_records(rows)
        store.compact()
    (folder / "README.md").write_text("notes of a reader\n")


def measure(setup: str, work: str, **values: object) -> tuple[float, float]:
    code = COMMON.replace("SETUP", setup).replace("WORK", work).format(**values)
    found = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--structures", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    if not (folder / "manifest.json").exists():
        make(folder, options.records, options.structures)
    seeds = options.records // options.structures
    size = sum(path.stat().st_size for path in (folder / "data").iterdir()) / 2**20
    print(f"{options.records:,} records over {options.structures:,} structures, {size:.0f} MB on the disk")
    for name, (setup, work) in CASES.items():
        seconds, memory = measure(
            setup, work, folder=str(folder), here=str(Path(__file__).parent), seeds=seeds
        )
        print(f"{name:<16} {seconds:6.2f} CPU s  {memory:6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
