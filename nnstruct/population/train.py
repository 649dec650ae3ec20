"""From jobs to records: ordering, worker processes, streaming."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnstruct.checks import check_room
from nnstruct.errors import InvalidInputError
from nnstruct.executors import Executor, LocalExecutor, Lost, open_executor
from nnstruct.modules.parameters import check_trainable
from nnstruct.network import Network
from nnstruct.population.costs import relative_cost
from nnstruct.population.devices import check_device
from nnstruct.population.engines import choose_engine
from nnstruct.population.job import JOB_BYTES, Job
from nnstruct.population.outcome import failed_record
from nnstruct.processes import check_workers
from nnstruct.random import check_seed, seed_list
from nnstruct.record import Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from distributed import Client


class Trained(NamedTuple):
    """A record and the weights that were to be kept.

    Attributes
    ----------
    record : Record
    kept : mapping of int to mapping of str to float32 array
        Parameters by :func:`nnstruct.modules.parameter_shapes`, with running statistics, by the number of the
        epoch, from 1 on; epochs that a diverged training did not complete are not there.
    """

    record: Record
    kept: dict[int, dict[str, np.ndarray]]


def stream(
    jobs: Sequence[Job],
    task: Task,
    config: TrainConfig | None = None,
    *,
    engine: str = "auto",
    device: str = "cpu",
    workers: int | None = 1,
    executor: str | Client | Executor = "local",
) -> Iterator[Record]:
    """Train networks and yield each one's Record as soon as it is there.

    The largest networks start first, each worker is a process with one thread, and memory does not
    grow with the number of jobs. A record depends on its structure, seed, task and configuration
    only, not on the number of workers nor on the other jobs.

    Parameters
    ----------
    jobs : sequence of Job
        A structure and a seed each.
    task : Task
    config : TrainConfig, optional
        By default ``TrainConfig()``.
    engine : {"auto", "native", "fused", "batched", "reference"}
        ``native`` is the loop in C++, where there is a compiler, ``fused`` that in numba, ``batched``
        trains many networks at once with PyTorch, ``reference`` is the PyTorch module; ``auto`` picks
        by network and device. In the faithful and the corrected protocol ``reference`` stands in for
        ``batched``.
    device : str
        ``cpu``, or ``cuda``, ``cuda:1`` ... for the engines ``batched`` and ``reference``. On a GPU the
        faithful and the corrected protocol train with ``reference``, one network after the other.
    workers : int or None
        Processes; None for one a CPU core. One process feeds a GPU.
    executor : str, distributed.Client or Executor
        Who trains: ``local`` processes, ``threads`` of this one, the workers of a Dask cluster (a client, or
        the address of its scheduler), or an Executor; see :func:`nnstruct.executors.open_executor`. Where
        three workers die over a network, one after the other, its record has the status ``failed``.

    Yields
    ------
    Record
        In the order in which they finish.

    Raises
    ------
    InvalidInputError
        Before anything is trained: if a structure does not fit the task, a seed, the number of workers
        or the device is not valid, or the engine cannot train a network.
    UnknownNameError
        If there is no such engine.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import Job, stream
    >>> jobs = [Job(Structure.from_layers([n, 3], family="rnn_tanh"), seed=0) for n in (2, 6)]
    >>> for record in stream(jobs, load_task("reber"), TrainConfig(epochs=1)):  # the larger one starts first
    ...     print(record.parameters, record.status)
    236 ok
    84 ok
    """
    return _records(
        stream_kept(jobs, task, config, engine=engine, device=device, workers=workers, executor=executor)
    )


def stream_kept(
    jobs: Sequence[Job],
    task: Task,
    config: TrainConfig | None = None,
    *,
    keep: Collection[int] = (),
    engine: str = "auto",
    device: str = "cpu",
    workers: int | None = 1,
    executor: str | Client | Executor = "local",
) -> Iterator[Trained]:
    """Train networks as :func:`stream` does, and keep their weights after some epochs.

    Parameters
    ----------
    jobs, task, config, engine, device, workers, executor
        As for :func:`stream`.
    keep : collection of int
        Epochs, from 1 on, after which weights are kept.

    Yields
    ------
    Trained
        In the order in which they finish.

    Raises
    ------
    InvalidInputError, UnknownNameError
        As for :func:`stream`.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import Job, stream_kept
    >>> job = Job(Structure.from_layers([4]), seed=0)
    >>> ((record, kept),) = stream_kept([job], load_task("digits"), TrainConfig(epochs=3), keep=[1, 3])
    >>> list(kept), kept[3]["bias"].shape
    ([1, 3], (4, 1))
    """
    config = config or TrainConfig()
    jobs = [Job(structure, check_seed(seed)) for structure, seed in jobs]
    for job in jobs:
        check_trainable(job.structure, task, config)
        choose_engine(engine, job.structure, task, config, device)
    ordered = in_order(jobs, task, config)
    count = check_workers(workers)
    if device != "cpu" or (engine == "batched" and config.protocol == "clean"):
        if executor != "local":
            rule = "be 'local' for the engine 'batched' and for a GPU"
            raise InvalidInputError("executor", rule, executor)
        return _stream_on_device(ordered, task, config, keep, engine, check_device(device))
    crew = open_executor(executor, count)
    if isinstance(crew, LocalExecutor) and min(crew.workers, len(ordered)) <= 1:
        return _train_all(ordered, task, config, keep, engine)
    return _spread(crew, ordered, _Shared(task, config, tuple(keep), engine))


def train(
    structures: Iterable[Structure | Network],
    task: Task,
    *,
    seeds: int | Sequence[int] = 1,
    config: TrainConfig | None = None,
    engine: str = "auto",
    device: str = "cpu",
    workers: int | None = 1,
    executor: str | Client | Executor = "local",
) -> list[Record]:
    """Train every structure once for each seed; records in the order of structures, then seeds.

    A structure that occurs several times is trained once for each seed, and its record repeated.

    Parameters
    ----------
    structures : iterable of Structure or Network
    task : Task
    seeds : int or sequence of int
        A number of seeds (0, 1, ...) or the seeds themselves.
    config : TrainConfig, optional
        By default ``TrainConfig()``.
    engine : {"auto", "native", "fused", "batched", "reference"}
        As for :func:`stream`.
    device : str
        ``cpu``, ``cuda``, ``cuda:1`` ...
    workers : int or None
        Processes; None for one a CPU core.
    executor : str, distributed.Client or Executor
        As for :func:`stream`.

    Returns
    -------
    list of Record
        One for each structure and seed.

    Raises
    ------
    InvalidInputError
        Before anything is trained, as for :func:`stream`.
    UnknownNameError
        If there is no such engine.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import train
    >>> structure = Structure.from_layers([4, 4], family="rnn_tanh")
    >>> records = train([structure], load_task("reber"), seeds=2, config=TrainConfig(epochs=1))
    >>> [record.seed for record in records], records[0].status
    ([0, 1], 'ok')
    """
    chosen = check_structures(structures)
    numbers = seed_list(seeds)
    check_room(len(numbers), "seeds", JOB_BYTES * len(chosen) * len(numbers))
    jobs = [Job(structure, seed) for structure in chosen for seed in numbers]
    position = {(job.structure.fingerprint, job.seed): index for index, job in enumerate(jobs)}
    distinct = [jobs[index] for index in sorted(position.values())]
    found = {
        (record.fingerprint, record.seed): record
        for record in stream(
            distinct, task, config, engine=engine, device=device, workers=workers, executor=executor
        )
    }
    return [found[job.structure.fingerprint, job.seed] for job in jobs]


def train_network(
    structure: Structure,
    task: Task,
    *,
    seed: int = 0,
    config: TrainConfig | None = None,
    engine: str = "auto",
) -> tuple[Network, Record]:
    """Train one structure on the CPU and keep its weights.

    Parameters
    ----------
    structure : Structure
    task : Task
    seed : int
        Decides initial weights, batches and augmentation.
    config : TrainConfig, optional
        Of the protocol ``clean``; by default ``TrainConfig()``.
    engine : {"auto", "native", "fused", "batched", "reference"}
        As for :func:`stream`.

    Returns
    -------
    (Network, Record)
        :func:`nnstruct.modules.module_from_network` turns the Network into a PyTorch module.

    Raises
    ------
    InvalidInputError
        If the protocol is not ``clean`` (only there is each weight an edge), the structure does not fit the
        task, the seed is not valid, or the engine cannot train the network.
    UnknownNameError
        If there is no such engine.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import train_network
    >>> structure = Structure.from_layers([4, 4], family="rnn_tanh")
    >>> network, record = train_network(structure, load_task("reber"), config=TrainConfig(epochs=1))
    >>> network.weight.shape == (structure.num_edges, 1)
    True
    """
    config, seed = config or TrainConfig(), check_seed(seed)
    check_trainable(structure, task, config)
    if config.protocol != "clean":
        raise InvalidInputError("config.protocol", "be 'clean' to keep a Network", config.protocol)
    chosen = choose_engine(engine, structure, task, config)
    started = time.process_time()
    outcome = chosen.train_one(structure, task, config, seed, ())
    record = outcome.record(structure, task, config, seed, time.process_time() - started, chosen.name)
    values = dict(outcome.parameters)
    weight, bias = values.pop("weight"), values.pop("bias")
    return Network(structure, weight, bias, values), record


def in_order(jobs: Sequence[Job], task: Task, config: TrainConfig) -> list[Job]:
    """Networks in the order in which they are trained: the largest first.

    Parameters
    ----------
    jobs : sequence of Job
    task : Task
    config : TrainConfig

    Returns
    -------
    list of Job

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import Job
    >>> jobs = [Job(Structure.from_layers([n, 3]), seed=0) for n in (2, 6)]
    >>> [job.structure.num_units for job in in_order(jobs, load_task("digits"), TrainConfig())]
    [9, 5]
    """
    return sorted(jobs, key=lambda job: relative_cost(job.structure, task, config), reverse=True)


def _records(trained: Iterator[Trained]) -> Iterator[Record]:
    for record, _ in trained:
        yield record


def _train_all(
    jobs: Iterable[Job], task: Task, config: TrainConfig, keep: Collection[int], engine: str
) -> Iterator[Trained]:
    for structure, seed in jobs:
        chosen = choose_engine(engine, structure, task, config)
        started = time.process_time()
        outcome = chosen.train_one(structure, task, config, seed, keep)
        seconds = time.process_time() - started
        yield Trained(outcome.record(structure, task, config, seed, seconds, chosen.name), outcome.kept)


class _Shared(NamedTuple):
    """What all jobs of a call need."""

    task: Task
    config: TrainConfig
    keep: tuple[int, ...]
    engine: str


def _train_some(shared: _Shared, jobs: list[Job]) -> list[Trained]:
    return list(_train_all(jobs, *shared))


def _spread(crew: Executor, jobs: list[Job], shared: _Shared) -> Iterator[Trained]:
    # Workers may map large arrays from one file, but each would hash them anew.
    _ = shared.task.fingerprint
    costs = [float(relative_cost(job.structure, shared.task, shared.config)) for job in jobs]
    with crew:
        results: Iterator[tuple[int, Any]] = crew.run(_train_some, jobs, shared=shared, costs=costs)
        for place, trained in results:
            if isinstance(trained, Lost):
                trained = Trained(failed_record(*jobs[place], shared.task, shared.config, trained.reason), {})
            yield trained


def _stream_on_device(
    jobs: list[Job], task: Task, config: TrainConfig, keep: Collection[int], engine: str, device: str
) -> Iterator[Trained]:
    """Populations first, in this process; then, one by one, what no population takes."""
    from nnstruct.population.batched.engine import train_many
    from nnstruct.population.reference import train_one

    chosen = [choose_engine(engine, job.structure, task, config, device).name for job in jobs]
    together = [job for job, name in zip(jobs, chosen, strict=True) if name == "batched"]
    for index, outcome, seconds in train_many(together, task, config, device=device, keep=keep):
        structure, seed = together[index]
        yield Trained(outcome.record(structure, task, config, seed, seconds, "batched"), outcome.kept)
    for (structure, seed), name in zip(jobs, chosen, strict=True):
        if name == "reference":
            started = time.perf_counter()
            outcome = train_one(structure, task, config, seed, keep, device)
            seconds = time.perf_counter() - started
            yield Trained(outcome.record(structure, task, config, seed, seconds, name), outcome.kept)
