"""Workers do not outlive the process that started them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
from nnstruct import Structure, TrainConfig, load_task
from nnstruct.population.job import Job
from nnstruct.population.train import stream

if __name__ == "__main__":
    task = load_task("reber", train=3000, val=50, test=50)
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
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(tmp_path, blow):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "a record\n"
        workers = children(process.pid)
        assert len(workers) >= 2
    finally:
        process.send_signal(blow)
        process.wait()
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not [worker for worker in workers if is_alive(worker)]
