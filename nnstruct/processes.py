"""Processes and threads: how many CPUs there are, and workers that do not outlive their parent."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnstruct.checks import check_integer

MOST_WORKERS = 4096  # of one machine

_MOST_THREADS = 256
_SECONDS = 2.0
# Linux: the control groups of this process, and where those that share out CPU time are mounted.
_OWN_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def physical_memory() -> int | None:
    """Bytes of memory that this machine has.

    Returns
    -------
    int or None
        None where the system does not say.
    """
    try:
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def num_cpus() -> int:
    """CPUs that this process may use: those that it is bound to, and no more than its container's quota.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> from nnstruct.processes import num_cpus
    >>> num_cpus() >= 1
    True
    """
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # there is no affinity on macOS and Windows
        bound = os.cpu_count() or 1
    quota = _cpu_quota()
    return bound if quota is None else max(1, min(bound, math.ceil(quota)))


def check_workers(workers: Any, field: str = "workers") -> int:
    """A number of worker processes as a plain int; None stands for one a CPU.

    Parameters
    ----------
    workers : int or None
    field : str
        What the value is called where the caller wrote it.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If it is neither None nor a positive integer of at most 4,096.

    Examples
    --------
    >>> from nnstruct.processes import check_workers, num_cpus
    >>> check_workers(3), check_workers(None) == num_cpus()
    (3, True)
    """
    if workers is None:
        return num_cpus()
    check_integer(workers, field, rule="be a positive integer or None")
    return check_integer(workers, field, high=MOST_WORKERS)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads of the CPU inside, and as many as before afterwards.

    Two threads on a busy machine with two cores wait for each other most of the time.

    Parameters
    ----------
    count : int
        More than there can be are as many as there can be.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.processes import torch_threads
    >>> with torch_threads(1):
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(count, max(num_cpus(), _MOST_THREADS)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def end_with_parent() -> None:
    """End this process soon after its parent has ended, however that came about.

    A worker whose parent was killed would otherwise go on with what it has been given, and may never notice.
    Called again, it does nothing.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="end with parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


def _cpu_quota() -> float | None:
    """CPUs' worth of time that this process's control groups leave it, the tightest; None without a limit."""
    return min((quota for group in _groups() if (quota := _quota_of(group)) is not None), default=None)


def _groups() -> Iterator[Path]:
    """The folders of the control groups that this process is in, each followed by those above it.

    A line of the file reads ``number:controllers:path``; in version 2 it names no controller. Where a
    container shows a group's files at the mount itself, its path leads nowhere but to them in the end.
    """
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines or ["0::/", "0:cpu:/"]:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [_MOUNT / "cpu", _MOUNT / controllers] if controllers else [_MOUNT]
        steps = [step for step in path.split("/") if step not in ("", "..")]
        for depth in range(len(steps), -1, -1):
            yield from (mount.joinpath(*steps[:depth]) for mount in mounts)


def _quota_of(group: Path) -> float | None:
    """CPUs' worth of time of one control group, of either version; None without a limit or without files."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return int(quota) / int(period)  # "max" is no integer
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        used, of = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return used / of if used > 0 and of > 0 else None  # -1: no limit
    except (OSError, ValueError):
        return None
