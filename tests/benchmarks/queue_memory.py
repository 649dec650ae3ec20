"""Queue many networks, kill the build half-way, resume it: is memory flat, and is anything lost?

Run (Linux): python tests/benchmarks/queue_memory.py [--networks 10000] [--workers 2] [--engine auto]

Prints the memory of the build's processes (resident, without what they share, in MB) over each run and
how many records were there after the kill and at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SEEDS = 5
EPOCHS = 1


def build(folder: str, networks: int, workers: int, engine: str) -> None:
    """What the child process does."""
    import nnstruct as ns

    task = ns.load_task("reber", train=200, val=50, test=50)
    space = ns.Space("rnn_tanh", units=(8, 50))
    structures = ns.priors.sample(space, n=networks // SEEDS, seed=0)
    config = ns.TrainConfig(epochs=EPOCHS)
    ns.build(task, structures, seeds=SEEDS, config=config, out=folder, workers=workers, engine=engine)


def start(folder: Path, options: argparse.Namespace) -> subprocess.Popen:
    code = f"import queue_memory; queue_memory.build({str(folder)!r}, {options.networks}, "
    code += f"{options.workers}, {options.engine!r})"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, env=environment, start_new_session=True
    )


def private_megabytes(group: int) -> list[float]:
    """Of each process of a group, the largest first."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                resident, shared = map(int, (entry / "statm").read_text().split()[1:3])
                found.append((resident - shared) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        except (OSError, ValueError):
            continue
    return sorted(found, reverse=True)


def records_in(folder: Path) -> int:
    from nnstruct.benchmark import Benchmark
    from nnstruct.errors import NnstructError

    try:
        return len(Benchmark.load(folder).table)
    except NnstructError:
        return 0


def watch(
    process: subprocess.Popen, folder: Path, kill_at: int | None
) -> Iterator[tuple[float, list[float]]]:
    started, checked = time.monotonic(), 0.0
    while process.poll() is None:
        time.sleep(1.0)
        now = time.monotonic() - started
        memory = private_megabytes(process.pid)
        if memory:
            yield now, memory
        if kill_at is not None and now - checked > 5.0:
            checked = now
            if records_in(folder) >= kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def report(name: str, samples: list[tuple[float, list[float]]]) -> None:
    total = np.array([sum(memory) for _, memory in samples])
    largest = np.array([memory[0] for _, memory in samples])
    print(
        f"{name}: {samples[-1][0]:.0f} s; memory of all processes, of the largest one, by quarter of the run:"
    )
    # The first samples show the start-up, in which the parts are still being imported.
    for number, rows in enumerate(np.array_split(np.arange(len(total)), 4)):
        print(f"  quarter {number + 1}: {np.median(total[rows]):6.0f} MB {np.median(largest[rows]):6.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "queue"
        report("until killed", list(watch(start(folder, options), folder, options.networks // 2)))
        before = records_in(folder)
        print(f"records after the kill: {before}")
        report("resumed", list(watch(start(folder, options), folder, None)))
        after = records_in(folder)
        expected = options.networks // SEEDS * SEEDS
        print(f"records at the end: {after} of {expected}; nothing lost: {after == expected >= before}")


if __name__ == "__main__":
    main()
