"""How many CPUs there are, what a number of workers may be, and workers that end with their parent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from nnstruct import processes
from nnstruct.errors import InvalidInputError
from nnstruct.processes import check_workers, num_cpus

PROGRAM = """
from nnstruct import Structure, TrainConfig, load_task
from nnstruct.population.job import Job
from nnstruct.population.train import stream

if __name__ == "__main__":
    task = load_task("reber", train=1500, val=50, test=50)
    jobs = [Job(Structure.from_layers([40, 40], family="lstm"), seed) for seed in range(200)]
    for _ in stream(jobs, task, TrainConfig(epochs=1), workers=2):
        print("a record", flush=True)
"""


def ps(column: str, *chosen: str) -> str:
    return subprocess.run(["ps", "-o", column, *chosen], capture_output=True, text=True, check=False).stdout


def children(parent: int) -> list[int]:
    return [int(word) for word in ps("pid=", "--ppid", str(parent)).split()]


def is_alive(process: int) -> bool:
    return ps("stat=", "-p", str(process)).strip() not in ("", "Z", "Zs")


@pytest.mark.skipif(os.name != "posix" or shutil.which("ps") is None, reason="needs a POSIX system and ps")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "a record\n"
        workers = children(process.pid)
        assert len(workers) >= 2
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not [worker for worker in workers if is_alive(worker)]


# ---- CPUs


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 64 CPUs; what is written by it are its control groups, by path under their mount."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(processes, "_MOUNT", tmp_path / "mount")
    monkeypatch.setattr(processes, "_OWN_GROUPS", tmp_path / "own")

    def write(own: str | None, files: dict[str, str]) -> None:
        if own is not None:
            (tmp_path / "own").write_text(own)
        for path, text in files.items():
            file = tmp_path / "mount" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return write


V1 = "9:memory:/x\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
HYBRID = "4:cpu,cpuacct:/a\n0::/b\n"
QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        # version 2: in a container the group is the root; else it is found by its path
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 64),
        ("0::/user/me\n", {"user/me/cpu.max": "300000 100000\n"}, 3),
        # the tightest of the group and those above it
        ("0::/user/me\n", {"user/me/cpu.max": "max 100000\n", "user/cpu.max": "500000 100000\n"}, 5),
        ("0::/a/b\n", {"a/b/cpu.max": "700000 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "700000 100000\n"}, 2),
        # another group's limit is not this process's
        ("0::/user/me\n", {"user/you/cpu.max": "300000 100000\n"}, 64),
        # a process outside of the root that it sees
        ("0::/../b\n", {"b/cpu.max": "300000 100000\n"}, 3),
        ("0::/a:b\n", {"a:b/cpu.max": "300000 100000\n"}, 3),
        # version 1, mounted by one name or the other; in a container at the mount itself
        (V1, {f"cpu/docker/abc/{QUOTA}": "600000", f"cpu/docker/abc/{PERIOD}": "200000"}, 3),
        (V1, {f"cpu,cpuacct/docker/abc/{QUOTA}": "600000", f"cpu,cpuacct/docker/abc/{PERIOD}": "100000"}, 6),
        (V1, {f"cpu/{QUOTA}": "500000\n", f"cpu/{PERIOD}": "100000\n"}, 5),
        (V1, {f"cpu/{QUOTA}": "-1\n", f"cpu/{PERIOD}": "100000\n"}, 64),
        (V1, {f"memory/x/{QUOTA}": "100000\n", f"memory/x/{PERIOD}": "100000\n"}, 64),
        # both at once
        (HYBRID, {f"cpu/a/{QUOTA}": "700000", f"cpu/a/{PERIOD}": "100000", "b/cpu.max": "800000 100000"}, 7),
        # nothing says which group it is: the mount's own
        (None, {"cpu.max": "400000 100000\n"}, 4),
        (None, {f"cpu/{QUOTA}": "500000\n", f"cpu/{PERIOD}": "100000\n"}, 5),
        # files that are not there or not readable limit nothing
        ("0::/\n", {}, 64),
        (None, {}, 64),
        ("0::/\n", {"cpu.max": "many\n"}, 64),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 64),
    ],
)
def test_cpus_are_no_more_than_the_control_groups_leave(machine, own, files, expected):
    machine(own, files)
    assert num_cpus() == expected


def test_cpus_are_no_more_than_the_process_is_bound_to(machine, monkeypatch):
    machine("0::/\n", {"cpu.max": "800000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6}, raising=False)
    assert num_cpus() == 3


@pytest.mark.parametrize(("counted", "expected"), [(6, 6), (None, 1)])
def test_where_there_is_no_affinity_all_cpus_count(machine, monkeypatch, counted, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert num_cpus() == expected


def test_the_files_of_this_machine_are_read_without_an_error():
    assert 1 <= num_cpus() <= os.cpu_count()


# ---- workers


def test_none_stands_for_one_worker_a_cpu(monkeypatch):
    monkeypatch.setattr(processes, "num_cpus", lambda: 7)
    assert check_workers(None) == 7


@pytest.mark.parametrize("workers", [3, np.int64(3), np.uint8(3)])
def test_a_number_of_workers_is_a_plain_integer(workers):
    assert check_workers(workers) == 3
    assert type(check_workers(workers)) is int


@pytest.mark.parametrize("workers", [0, -1, True, np.True_, 1.0, "2", [1], SimpleNamespace()])
def test_other_numbers_of_workers_are_refused(workers):
    with pytest.raises(InvalidInputError, match=r"^n_jobs must be a positive integer or None, got "):
        check_workers(workers, "n_jobs")
