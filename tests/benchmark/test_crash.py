"""A build that is killed at any moment continues, loses nothing and repeats nothing in its files."""

import math
import multiprocessing
import shutil
import signal
import time
from collections import Counter

import numpy as np
import pytest
from benchmark_fakes import CONFIG, build_in_child, data_bytes, make_structures, make_task

from nnstruct import files
from nnstruct.benchmark import Benchmark, build, generate, store
from nnstruct.benchmark.contents import read_contents

STRUCTURES, SEEDS = 40, 3
TASK, FEW = make_task(), make_structures(4)


@pytest.fixture(scope="module")
def context():
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["benchmark_fakes", "nnstruct.benchmark.generate"])
    return chosen


def start(context, folder, delay, wait=0.0, endless=False):
    ready = context.Event()
    child = context.Process(
        target=build_in_child, args=(folder, STRUCTURES, SEEDS, delay, 6, ready, wait, endless), daemon=True
    )
    child.start()
    assert ready.wait(600)
    return child


def test_kills_leave_the_bytes_of_an_undisturbed_build(tmp_path, context, engine):
    undisturbed = tmp_path / "undisturbed"
    build(make_task(), make_structures(STRUCTURES), seeds=SEEDS, config=CONFIG, out=undisturbed)

    killed = tmp_path / "killed"
    rng = np.random.default_rng(7)
    for _ in range(6):
        child = start(context, killed, 0.03, endless=True)
        time.sleep(rng.uniform(0.02, 0.25))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL, "the build was over before it could be killed"
        keys = Benchmark.load(killed).table[["fingerprint", "seed"]] if (killed / "data").exists() else []
        assert len(keys) < STRUCTURES * SEEDS
    last = start(context, killed, 0.0)
    last.join()
    assert last.exitcode == 0

    table = Benchmark.load(killed).table
    assert len(table) == STRUCTURES * SEEDS
    assert not table.duplicated(["fingerprint", "seed"]).any()
    assert data_bytes(killed) == data_bytes(undisturbed)
    assert not list((killed / "shards").iterdir())
    trained = Counter((tmp_path / "killed.log").read_text().splitlines())
    assert len(trained) == STRUCTURES * SEEDS
    # A kill costs the portion that was not yet written (two records) and the one being written (three).
    assert sum(trained.values()) <= STRUCTURES * SEEDS + 6 * 5


def test_two_builds_on_one_folder_share_the_work(tmp_path, context, engine):
    folder = tmp_path / "shared"
    children = [start(context, folder, 0.002, wait=60.0) for _ in range(2)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    lines = (tmp_path / "shared.log").read_text().splitlines()
    assert len(lines) == len(set(lines)) == STRUCTURES * SEEDS
    build(make_task(), make_structures(STRUCTURES), seeds=SEEDS, config=CONFIG, out=tmp_path / "alone")
    assert data_bytes(folder) == data_bytes(tmp_path / "alone")


class Crash(BaseException):
    """Stands for the loss of power: nothing after it reaches the disk."""


class Disk:
    """Counts the operations that change the disk and stops at a chosen one."""

    def __init__(self, monkeypatch, limit=math.inf):
        self.done, self.limit = 0, limit
        for name in ("write_and_sync", "move", "remove", "sync_folder"):
            monkeypatch.setattr(files, name, self._guarded(name, getattr(files, name)))

    def _guarded(self, name, operation):
        def guarded(*arguments):
            if self.done >= self.limit:
                if name == "write_and_sync" and self.done == self.limit:
                    path, data = arguments
                    path.write_bytes(data[: len(data) // 2])
                self.done += 1
                raise Crash
            self.done += 1
            return operation(*arguments)

        return guarded


def small_build(folder):
    return build(TASK, FEW, seeds=3, config=CONFIG, out=folder)


def test_a_crash_at_every_single_disk_operation_is_survived(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(generate, "FLUSH_RECORDS", 4)
    monkeypatch.setattr(store, "MAX_SHARDS", 3)
    # The crash is simulated, so the disk need not be waited for, nor the card's numbers counted.
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)
    monkeypatch.setattr(generate, "write_card_unless_foreign", lambda bench, folder: None)
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        small_build(tmp_path / "whole")
        operations = disk.done
    expected = data_bytes(tmp_path / "whole")
    assert operations > 40

    folder = tmp_path / "crashed"
    for limit in range(operations):
        shutil.rmtree(folder, ignore_errors=True)
        with monkeypatch.context() as patch:
            Disk(patch, limit)
            with pytest.raises(Crash):
                small_build(folder)
        begun = (folder / "manifest.json").exists()
        written = read_contents(folder).records.num_rows if begun else 0
        engine.trained.clear()
        bench = small_build(folder)
        assert len(engine.trained) == 12 - written, f"operation {limit}: written work was done again"
        assert len(bench.table) == 12, f"operation {limit}"
        assert data_bytes(folder) == expected, f"operation {limit}"
        leftovers = [p.name for p in folder.rglob("*") if p.suffix in (".tmp", ".new")]
        assert not leftovers, f"operation {limit}"


def test_a_crash_while_recovering_is_survived_too(tmp_path, engine, monkeypatch):
    whole, folder = tmp_path / "whole", tmp_path / "crashed"
    small_build(whole)
    rng = np.random.default_rng(0)
    for _ in range(40):
        with monkeypatch.context() as patch:
            Disk(patch, int(rng.integers(0, 12)))
            try:
                small_build(folder)
                break
            except Crash:
                pass
    small_build(folder)
    assert data_bytes(folder) == data_bytes(whole)
