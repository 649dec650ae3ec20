"""Trains many networks at once with PyTorch, on a GPU or on the CPU."""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.modules.parameters import check_trainable
from nnstruct.population.batched.buckets import buckets
from nnstruct.population.batched.models import obstacle
from nnstruct.population.batched.population import Population
from nnstruct.population.devices import check_device
from nnstruct.population.outcome import Outcome
from nnstruct.random import check_seed
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from nnstruct.population.job import Job

# A graph's memory comes on top of that of the plain steps before it.
SHARE_OF_GPU_MEMORY = 0.4
CPU_MEMORY = 2**28


def train_many(
    jobs: Sequence[Job],
    task: Task,
    config: TrainConfig,
    *,
    device: str = "cpu",
    population_size: int | None = None,
    tf32: bool = False,
    keep: Collection[int] = (),
) -> Iterator[tuple[int, Outcome, float]]:
    """Train networks in populations and yield them as each population finishes.

    A network's outcome does not depend on its companions, but for the rounding of float32.

    Parameters
    ----------
    jobs : sequence of Job
        A structure and a seed each.
    task : Task
    config : TrainConfig
    device : str
        ``cpu``, ``cuda``, ``cuda:1`` ...
    population_size : int, optional
        Most networks at once; by default what the device's memory holds.
    tf32 : bool
        Whether a GPU may round the factors of products to 10 bits, which is faster and less exact.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.

    Yields
    ------
    (int, Outcome, float)
        The index into ``jobs``, the outcome and the network's share of the seconds.

    Raises
    ------
    InvalidInputError
        Before anything is trained, if a network cannot be trained or the device is not there.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import Job
    >>> jobs = [Job(Structure.from_layers([n, 3], family="rnn_tanh"), 0) for n in (3, 4)]
    >>> found = train_many(jobs, load_task("reber"), TrainConfig(epochs=1))
    >>> sorted((index, len(outcome.val)) for index, outcome, _ in found)
    [(0, 1), (1, 1)]
    """
    for structure, seed in jobs:
        check_trainable(structure, task, config)
        check_seed(seed)
        if reason := obstacle(structure, task, config):
            raise InvalidInputError("engine", f"be one that trains {reason}", "batched")
    if population_size is not None:
        rule = "be a positive integer or None"
        population_size = check_integer(population_size, "population_size", rule=rule)
    return _train_buckets(jobs, task, config, check_device(device), population_size, tf32, keep)


def train_one(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int] = ()
) -> Outcome:
    """Train one network, a population of one on the CPU.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Decides initial weights and batches.
    keep : collection of int
        Epochs, from 1 on, after which parameters are kept.

    Returns
    -------
    Outcome

    Raises
    ------
    InvalidInputError
        If the network cannot be trained by this engine.
    """
    from nnstruct.population.job import Job

    ((_, outcome, _),) = train_many([Job(structure, seed)], task, config, keep=keep)
    return outcome


def _train_buckets(
    jobs: Sequence[Job],
    task: Task,
    config: TrainConfig,
    device: str,
    population_size: int | None,
    tf32: bool,
    keep: Collection[int],
) -> Iterator[tuple[int, Outcome, float]]:
    on_gpu = device != "cpu"
    memory = int(SHARE_OF_GPU_MEMORY * torch.cuda.mem_get_info(device)[0]) if on_gpu else CPU_MEMORY
    clock = time.perf_counter if on_gpu else time.process_time
    started = clock()
    for members, model in buckets(
        jobs, task, config, population_size=population_size, memory=memory, device=device
    ):
        with _settings(device, tf32):
            chosen = [jobs[index] for index in members]
            outcomes = Population(chosen, model, task, config, device).train(keep)
        if on_gpu:
            gc.collect()  # a population and its graphs refer to each other
        share = (clock() - started) / len(members)
        for index, outcome in zip(members, outcomes, strict=True):
            yield index, outcome, share
        started = clock()


@contextmanager
def _settings(device: str, tf32: bool) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with nullcontext() if device == "cpu" else torch.cuda.device(device):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
