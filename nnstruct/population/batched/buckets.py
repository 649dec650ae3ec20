"""Which networks are trained together: alike in size, and as many as the memory holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from nnstruct.population.batched.clean import is_local
from nnstruct.population.batched.model import BatchedModel
from nnstruct.population.batched.models import make_model
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from nnstruct.population.job import Job

# Networks of several seeds see different batches, so that each needs its own input and the longest of all
# batches counts: from so many networks a seed on, seeds are kept apart.
KEEP_SEEDS_APART = 512
MOST_NETWORKS = 4096
BYTES_A_NUMBER = 4
# Launching the kernels of a step takes as long as a step over so many bytes: from the number of kernels
# (some thousand), 3 microseconds each, and a memory read at 3 TB/s (GPU) or 10 GB/s (CPU core) four times.
LAUNCH_BYTES = {"cuda": 2 * 10**9, "cpu": 10**7}


def buckets(
    jobs: Sequence[Job],
    task: Task,
    config: TrainConfig,
    *,
    population_size: int | None,
    memory: int,
    device: str = "cpu",
) -> Iterator[tuple[list[int], BatchedModel]]:
    """Indices of the jobs to train together, the largest first, and their model.

    Parameters
    ----------
    jobs : sequence of Job
    task : Task
    config : TrainConfig
    population_size : int or None
        Most networks in a bucket; None for what ``memory`` holds, at most 4,096.
    memory : int
        Bytes that a bucket may take; looked at where ``population_size`` is None. Then a bucket also ends
        where padding to its largest network would cost more than another bucket.
    device : str
        ``cpu``, ``cuda``, ``cuda:1`` ...

    Yields
    ------
    members : list of int
        Indices into ``jobs``, all of one family.
    model : BatchedModel
        Of their structures, in that order.
    """
    for group in _groups(jobs, population_size or KEEP_SEEDS_APART):
        if population_size is not None:
            ends = list(range(population_size, len(group) + population_size, population_size))
        else:
            sizer = _Sizer([jobs[index].structure for index in group], task, config, memory, device)
            ends = sizer.ends(len(group))
        for start, end in zip([0, *ends], ends, strict=False):
            chosen = group[start:end]
            yield chosen, make_model([jobs[index].structure for index in chosen], task, config, device)


class _Sizer:
    """Where to cut structures, sorted by size, so that padding and launches together cost least."""

    def __init__(
        self, structures: list[Structure], task: Task, config: TrainConfig, memory: int, device: str
    ) -> None:
        self.structures, self.task, self.config, self.device = structures, task, config, device
        self.memory = memory
        self.steps = task.input_shape[0] if task.is_sequence else 1
        self.lanes = min(config.batch_size, len(task.train))
        self.cost = cache(self._cost)

    def _cost(self, start: int, end: int) -> float:
        """Bytes that a step of these networks moves, its launches included; infinite beyond the memory."""
        model = make_model(self.structures[start:end], self.task, self.config, self.device)
        held = BYTES_A_NUMBER * model.numbers_held(self.steps, self.lanes) * (end - start)
        if held > self.memory and end - start > 1:
            return math.inf
        return held + LAUNCH_BYTES[self.device.partition(":")[0]]

    def _halve(self, start: int, end: int) -> Iterator[int]:
        """Ends of the parts: halves as long as they cost less than the whole."""
        middle = (start + end) // 2
        whole = self.cost(start, end)
        if end - start == 1 or self.cost(start, middle) + self.cost(middle, end) > whole:
            yield end
        elif end - start > 1:
            yield from self._halve(start, middle)
            yield from self._halve(middle, end)

    def ends(self, count: int) -> list[int]:
        """Ends of the buckets: parts by halving, neighbours joined where that costs less."""
        found: list[int] = []
        for start in range(0, count, MOST_NETWORKS):
            for end in self._halve(start, min(start + MOST_NETWORKS, count)):
                last, before = (found[-1] if found else 0), (found[-2] if len(found) > 1 else 0)
                joined = found and end - before <= MOST_NETWORKS
                if joined and self.cost(before, end) <= self.cost(before, last) + self.cost(last, end):
                    found[-1] = end
                else:
                    found.append(end)
        return found


def _groups(jobs: Sequence[Job], many: int) -> list[list[int]]:
    """Jobs that may share a population, each group sorted by size, the largest first."""
    found: dict[tuple[str, bool], list[int]] = {}
    for index, (structure, _) in enumerate(jobs):
        found.setdefault((structure.family, is_local(structure)), []).append(index)
    groups = []
    for members in found.values():
        by_seed: dict[int, list[int]] = {}
        for index in members:
            by_seed.setdefault(jobs[index].seed, []).append(index)
        apart = len(by_seed) > 1 and len(members) >= many * len(by_seed)
        groups += list(by_seed.values()) if apart else [members]
    return [sorted(group, key=lambda index: _size(jobs[index].structure), reverse=True) for group in groups]


def _size(structure: Structure) -> tuple[int, int, int]:
    return structure.num_layers, structure.num_units, structure.num_edges
