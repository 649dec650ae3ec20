"""Kill builds again and again with SIGKILL, let them go on, and compare the bytes with an undisturbed build.

Run (Linux): python tests/executors/kill_rounds.py MODE [--rounds 100] [--seed 0]

MODE is what is killed: ``local`` (a build with all its processes), ``worker`` (one of its two worker
processes, from outside), ``dask-worker``, ``dask-scheduler`` (it is started again at its address with a new
worker), ``dask-client`` (the process that called), ``search`` or ``prune`` (a whole process). After each kill
the folder has to load; when a build is through its bytes are compared, and the next one begins. Where three
workers were killed over one training it failed, as it should, and the call is made once more before bytes are
compared. It prints kills, builds, and what was lost or left behind in shared memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import nnstruct as ns
from nnstruct.benchmark import Benchmark, generate
from nnstruct.errors import MissingDataError, NnstructError
from nnstruct.executors import sweep

TASK = ns.load_task("reber", train=200, val=50, test=50)
CONFIG = ns.TrainConfig(epochs=2)
STRUCTURES = [ns.Structure.from_layers([n, n], family="rnn_tanh") for n in range(8, 32)]
SEEDS = 5
PORT = 18786
MODES = ["local", "worker", "dask-worker", "dask-scheduler", "dask-client", "search", "prune"]


def build(folder: Path, executor: object = "local", workers: int = 1) -> None:
    generate.FLUSH_RECORDS = 5  # so that a build that is often killed gets on
    ns.build(TASK, STRUCTURES, seeds=SEEDS, config=CONFIG, out=folder, executor=executor, workers=workers)


def search(folder: Path, *_: object) -> None:
    from nnstruct.recipes import run_search
    from nnstruct.search import Search

    space = ns.Space("rnn_tanh", units=(8, 24))
    storage = f"sqlite:///{folder}/study.db"
    run = Search(space, seed=0, population=6, storage=storage, study_name="kill")
    run_search(run, TASK, out=folder, generations=8, per_generation=4, config=CONFIG, workers=1)


def prune(folder: Path, *_: object) -> None:
    from nnstruct.pruning import run_trajectories

    methods = ["random", "magnitude-class-blind", "magnitude-class-uniform"]
    run_trajectories(
        "mlp:8", ns.load_task("digits"), [0.8, 0.6, 0.4, 0.2], methods, seeds=4, out=folder,
        config=ns.TrainConfig(epochs=2),
    )  # fmt: skip


def contents(folder: Path) -> dict[str, object]:
    """What has to be the same, whatever happened."""
    if (folder / "data").exists():
        return {
            name: (folder / "data" / f"{name}.parquet").read_bytes() for name in ("structures", "records")
        }
    from nnstruct.pruning.trajectories.trajectory import Trajectory

    found = {path.name: Trajectory.load(path) for path in sorted(folder.glob("*.parquet"))}
    return {name: run.table.drop(columns="seconds").to_csv() for name, run in found.items()}


def records_of(folder: Path) -> int:
    try:
        return len(Benchmark.load(folder).table)
    except MissingDataError:
        return 0


def grandchildren(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


class Rounds:
    """Counts kills and builds."""

    def __init__(self, mode: str, rounds: int, seed: int) -> None:
        self.mode, self.rounds, self.rng = mode, rounds, random.Random(seed)
        self.kills = self.builds = self.losses = self.different = self.failed = self.clients = 0
        self.port = PORT + self.rng.randrange(1000)  # one that was just in use is not free at once
        self.room = Path(tempfile.mkdtemp())
        self.work = {"search": search, "prune": prune}.get(mode, build)
        self.reference: dict[str, object] = {}
        self.seconds = 0.0

    def run(self) -> None:
        whole = self.room / "whole"
        whole.mkdir()
        self.work(whole)
        warm = self.room / "warm"
        warm.mkdir()
        started = time.monotonic()
        self.work(warm)
        self.seconds = time.monotonic() - started
        self.reference = contents(whole)
        print(f"undisturbed: {self.seconds:.1f} s", flush=True)
        while self.kills < self.rounds:
            folder = self.room / f"build-{self.builds}"
            folder.mkdir()
            getattr(self, f"_{self.mode.replace('-', '_')}")(folder)
            self.builds += 1
            self.different += contents(folder) != self.reference
            shutil.rmtree(folder)
            print(self.told(), flush=True)
        swept = [str(path) for path in sweep()]
        print(f"swept from shared memory in the end: {swept}")

    def told(self) -> str:
        return (
            f"{self.mode}: {self.kills} kills in {self.builds} builds; records lost {self.losses}, "
            f"trainings over which three workers died {self.failed}, clients started again {self.clients}, "
            f"builds that differ {self.different}"
        )

    def _checked(self, folder: Path, before: int) -> int:
        """The folder loads after a kill, and holds no fewer records than before."""
        if self.mode == "prune":
            return 0
        now = records_of(folder)
        self.losses += max(0, before - now)
        return now

    def _whole(self, folder: Path, workers: int = 1) -> None:
        """Kill the process with all that it has started."""
        before = 0
        while True:
            child = _forked(_leader, self.work, folder, "local", workers)
            limit = None if self.kills >= self.rounds else self.rng.uniform(0.0, self.seconds / 2)
            child.join(limit)
            if child.exitcode is not None:
                assert child.exitcode == 0, child.exitcode
                return
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has no group of its own yet, and no children
                child.kill()
            child.join()
            self.kills += 1
            before = self._checked(folder, before)

    def _local(self, folder: Path) -> None:
        self._whole(folder, 2 if self.builds % 4 == 3 else 1)  # workers take long to start

    _search = _prune = _local

    def _worker(self, folder: Path) -> None:
        """Kill one worker process at a time, in most cases after some record came."""
        child, before = _forked(_leader, self.work, folder, "local", 2), 0
        while child.is_alive():
            child.join(self.rng.uniform(0.0, 0.5))
            now = records_of(folder)
            if now <= before and self.rng.random() < 0.95:  # workers that never begin end a build
                continue
            before = now
            workers = grandchildren(child.pid)
            if child.is_alive() and workers and self.kills < self.rounds:
                os.kill(self.rng.choice(workers), signal.SIGKILL)
                self.kills += 1
        assert child.exitcode == 0, child.exitcode
        self._again(folder, "local")

    def _again(self, folder: Path, executor: str) -> None:
        """Trainings over which three workers were killed failed, as they should; another call trains them."""
        failed = int((Benchmark.load(folder).table["status"] == "failed").sum())
        if failed:
            self.failed += failed
            child = _forked(_leader, self.work, folder, executor, 1)
            child.join()
            assert child.exitcode == 0, child.exitcode

    def _dask_worker(self, folder: Path) -> None:
        """Kill one worker at a time; another one comes in its place."""
        scheduler, workers = scheduler_of(self.port), [worker_of(self.port), worker_of(self.port)]
        child = _forked(_leader, self.work, folder, address_of(self.port), 1)
        try:
            while child.is_alive():
                child.join(self.rng.uniform(0.5, 2.0))
                if child.is_alive() and self.kills < self.rounds:
                    unlucky = self.rng.randrange(2)
                    workers[unlucky].kill()
                    workers[unlucky].join()
                    workers[unlucky] = worker_of(self.port)
                    self.kills += 1
            assert child.exitcode == 0, child.exitcode
            self._again(folder, address_of(self.port))
        finally:
            end([scheduler, *workers])
        self.port += 1

    def _dask_scheduler(self, folder: Path) -> None:
        """Kill the scheduler and its workers; new ones come, and the client finds them again."""
        address = address_of(self.port)
        processes = [scheduler_of(self.port), worker_of(self.port)]
        child = _forked(_leader, self.work, folder, address, 1)
        before = 0
        try:
            while child.is_alive():
                child.join(0.1)
                now = records_of(folder)
                if not child.is_alive() or now <= before or self.kills >= self.rounds:
                    continue
                end(processes)
                self.kills += 1
                before = self._checked(folder, before)
                processes = [scheduler_of(self.port), worker_of(self.port)]
            if child.exitcode != 0:  # it waited too long for a scheduler: the client is started again
                self.clients += 1
                child = _forked(_leader, self.work, folder, address, 1)
                child.join()
                assert child.exitcode == 0, child.exitcode
            self._again(folder, address)
        finally:
            end([*processes, child])
        self.port += 1

    def _dask_client(self, folder: Path) -> None:
        """Kill the process that called; the same call goes on where it stopped."""
        processes, before = [scheduler_of(self.port), worker_of(self.port)], 0
        try:
            while True:
                child = _forked(_leader, self.work, folder, address_of(self.port), 1)
                while child.is_alive() and (self.kills >= self.rounds or records_of(folder) <= before):
                    child.join(0.1)
                if not child.is_alive():
                    assert child.exitcode == 0, child.exitcode
                    return
                end([child])
                self.kills += 1
                before = self._checked(folder, before)
        finally:
            end([*processes, child])
            self.port += 1


def _forked(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that has imported what this one has."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def end(processes: Sequence[BaseProcess]) -> None:
    """Kill some processes."""
    for process in processes:
        process.kill()
        process.join()


def address_of(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"


def scheduler_of(port: int) -> BaseProcess:
    """What ``dask scheduler`` starts."""
    return _forked(_dask, "scheduler", ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"])


def worker_of(port: int) -> BaseProcess:
    """What ``dask worker`` starts."""
    return _forked(_dask, "worker", [address_of(port), "--nthreads", "1", "--no-nanny", "--no-dashboard"])


def _dask(name: str, arguments: list[str]) -> None:
    from distributed.cli import dask_scheduler, dask_worker

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    {"scheduler": dask_scheduler, "worker": dask_worker}[name].main(arguments)


def _leader(work, folder: Path, executor: object, workers: int) -> None:
    os.setpgrp()
    import logging

    logging.disable(logging.WARNING)
    try:
        work(folder, executor, workers)
    except NnstructError as error:
        print(error)
        sys.exit(3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    Rounds(options.mode, options.rounds, options.seed).run()
