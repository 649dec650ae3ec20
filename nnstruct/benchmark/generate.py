"""Training structures into a benchmark."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from nnstruct.benchmark.bench import Benchmark
from nnstruct.benchmark.card import NAME as CARD
from nnstruct.benchmark.card import write_card_unless_foreign
from nnstruct.benchmark.contents import Contents
from nnstruct.benchmark.early import check_stop, watched_records
from nnstruct.benchmark.portion import Portion, check_kept_epochs
from nnstruct.benchmark.store import Store
from nnstruct.benchmark.stored_structures import StoredStructures
from nnstruct.checks import check_room
from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors import LOCAL, Executor, check_executor, open_executor
from nnstruct.network import Network
from nnstruct.processes import check_workers
from nnstruct.random import seed_list
from nnstruct.record import STATUS_FAILED, Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.tasks.base import Task
from nnstruct.tasks.catalogue import task_of

if TYPE_CHECKING:
    from distributed import Client
    from optuna.pruners import BasePruner

    from nnstruct.population import Trained
    from nnstruct.progress import Progress

FLUSH_RECORDS = 256
FLUSH_SECONDS = 5.0
PAIR_BYTES = 100  # of a structure and a seed in a list of them

Pair = tuple[Structure, int]
Emit = Callable[[Sequence[Record]], None]


def build(
    task: Task | str,
    structures: Iterable[Structure | Network],
    *,
    seeds: int | Sequence[int] = 1,
    config: TrainConfig | Sequence[TrainConfig] | None = None,
    protocol: str | None = None,
    out: str | Path | None = None,
    engine: str = "auto",
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = False,
    wait: float = 0.0,
    on_record: Callable[[Record], None] | None = None,
    keep_weights: bool | Sequence[int] = False,
    executor: str | Client | Executor = "local",
    stop: str | BasePruner | None = None,
) -> Benchmark:
    """Train every structure with every seed and return the benchmark.

    What ``out`` already holds is not trained again, so a call that was interrupted, by whatever
    means, continues when it is repeated, and its records are those of an undisturbed call. More
    seeds, structures or configurations may be added by later calls. While it runs, records reach
    the disk after at most a few seconds' worth of training; at the end they are merged into
    ``data/structures.parquet``, ``data/records.parquet`` (the same bytes for any number of
    workers) and ``data/costs.parquet``, and ``README.md`` is written, a dataset card.

    Parameters
    ----------
    task : Task or str
        A task, or the name of one.
    structures : iterable of Structure or Network
        Relabelled copies count once; the first one is trained.
    seeds : int or sequence of int
        A number n means seeds 0 to n - 1.
    config : TrainConfig or sequence of TrainConfig, optional
        ``TrainConfig()`` by default. With several, such as the budgets of a study of fidelities, every
        structure is trained with each; :meth:`Benchmark.select_config` gives the labels of one.
    protocol : {"clean", "faithful", "corrected"}, optional
        Replaces ``config.protocol``.
    out : path, optional
        Folder of the benchmark; by default nothing is written.
    engine, device : str
        See :func:`nnstruct.population.stream`.
    workers : int, optional
        Processes; by default one a CPU, and never more than there are trainings to do.
    progress : bool
        Show a bar with the rate and the time left.
    wait : float
        Seconds to wait while another process builds in ``out``; ``math.inf`` waits for ever.
    on_record : callable, optional
        Called with each new record.
    keep_weights : bool or sequence of int
        Keep the trained weights of every structure and seed, in half precision: after the last epoch, or
        after the epochs named, from 1 on. They lie beside the records (``data/weights-*.safetensors``) and
        :meth:`Benchmark.networks` reads them. Records that are there without them are trained again.
    executor : str, distributed.Client or Executor
        Who trains: ``local`` processes, or the workers of a Dask cluster, by a client or by the address of
        its scheduler, such as ``tcp://scheduler:8786``; see :mod:`nnstruct.executors`. The records are the
        same. A network over which three workers died has a record of the status ``failed`` that says why;
        the next call trains it again.
    stop : {"median", "hyperband"} or optuna.pruners.BasePruner, optional
        Ends hopeless trainings early, by their validation scores and those of the trainings before; see
        :func:`nnstruct.population.check_rule`. Their records have the status ``stopped``, a reason, and no
        test score. One process trains then, and a record depends on those before it.

    Returns
    -------
    Benchmark
        Everything that ``out`` holds for this configuration (or these), structures in the order in which
        they were first given.

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule, or ``out`` holds another task's records.
    FolderBusyError
        If another process builds in ``out``.
    CorruptFileError
        If a file in ``out`` is missing or damaged.

    Examples
    --------
    >>> from nnstruct import Structure, build
    >>> from nnstruct.record import TrainConfig
    >>> from nnstruct.tasks import Task
    >>> strings, classes = ["ab", "ba", "bb", "aa", "aab", "abb"] * 9, [1, 0, 1, 0, 1, 1] * 9
    >>> task = Task.from_sequences("ends-in-b", strings, classes)
    >>> nets = [Structure.from_layers([n, n], family="rnn_tanh") for n in (2, 3)]
    >>> bench = build(task, nets, seeds=2, config=TrainConfig(epochs=2))
    >>> len(bench), len(bench.table), bench.y.shape
    (2, 4, (2,))
    """
    if isinstance(config, Sequence):
        if not config:
            raise InvalidInputError("config", "hold one TrainConfig or more", config)
        given, several = list(structures), list({_config(c, protocol).id: c for c in config}.values())
        built = [
            build(
                task, given, seeds=seeds, config=one, protocol=protocol, out=out, engine=engine,
                device=device, workers=workers, progress=progress, wait=wait, on_record=on_record,
                keep_weights=keep_weights, executor=executor, stop=stop,
            )
            for one in several
        ]  # fmt: skip
        return built[0].merge(*built[1:])
    settings = _config(config, protocol)
    watching = check_stop(stop, engine, device, executor)
    loaded = task_of(task)
    wanted = _distinct(structures)
    chosen_seeds = seed_list(seeds)
    check_room(len(chosen_seeds), "seeds", PAIR_BYTES * len(wanted) * len(chosen_seeds))
    most = 1 if watching else check_workers(workers)
    keep = check_kept_epochs(keep_weights, settings)
    portion = Portion(keep)

    crew = check_executor(executor)

    def start(pairs: list[Pair], stack: ExitStack, before: Contents | None = None) -> Iterator[Record]:
        """Have the engine check every structure; nothing is trained before the first record is taken."""
        records = begin(pairs, stack)
        if stop is None or not pairs:
            return records
        left, every = {(s.fingerprint, seed) for s, seed in pairs}, itertools.product(wanted, chosen_seeds)
        done = [(wanted[name], seed) for name, seed in every if (name, seed) not in left]
        return watched_records(stop, records, done, before, loaded, settings)

    def begin(pairs: list[Pair], stack: ExitStack) -> Iterator[Record]:
        nonlocal crew
        if not pairs:
            return iter(())
        count = min(most, len(pairs))
        how: dict[str, Any] = {"engine": engine, "device": device, "workers": count}
        if crew != LOCAL:
            crew = how["executor"] = stack.enter_context(open_executor(crew, count))
        if keep:
            return portion.records_of(_stream_kept(pairs, loaded, settings, keep, **how))
        return _stream(pairs, loaded, settings, **how)

    def finish(records: Iterator[Record], pairs: list[Pair], emit: Emit, total: int) -> None:
        with ExitStack() as stack:
            bar = stack.enter_context(_progress(progress, total, total - len(pairs)))
            if bar is not None and isinstance(crew, Executor) and crew.note:
                bar.say(crew.note)
            buffer = stack.enter_context(_Buffer(emit))
            stack.callback(getattr(records, "close", lambda: None))
            for record in _expected(records, pairs, loaded, settings):
                buffer.add(record)
                if bar is not None:
                    bar.advance(record)
                if on_record is not None:
                    on_record(record)

    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise InvalidInputError("out", "be a folder, or not be there yet", str(out))
    if out is None:
        kept: list[Record] = []
        pairs = [(structure, seed) for structure in wanted.values() for seed in chosen_seeds]
        with ExitStack() as stack:
            finish(start(pairs, stack), pairs, kept.extend, len(pairs))
        bench = Benchmark.from_records(list(wanted.values()), kept, [settings], metric=loaded.score_name)
        bench._weights = portion.in_memory(loaded.fingerprint)
        return bench

    with (
        ExitStack() as stack,
        Store(out, loaded.name, loaded.fingerprint, [settings], metric=loaded.score_name, wait=wait) as store,
    ):
        before = store.read()
        known = StoredStructures(before.structures)
        left = _left(before, list(wanted), chosen_seeds, loaded.fingerprint, settings.id, keep)
        # A known structure is trained as it was first labelled, whoever asks for it.
        pairs = [(known[name] if name in known else wanted[name], seed) for name, seed in left]
        new = [name for name in wanted if name not in known]
        records = start(pairs, stack, before)
        store.add_structures(wanted[name] for name in new)

        def emit(written: Sequence[Record]) -> None:
            # Weights first: a record that is on the disk is not trained again.
            store.add_weights(portion.of(written))
            store.add_records(written)
            portion.drop(written)

        finish(records, pairs, emit, len(wanted) * len(chosen_seeds))
        changed = store.compact()
        bench = Benchmark.from_contents(store.read() if changed else before)
        if changed or not (Path(out) / CARD).exists():
            write_card_unless_foreign(bench, Path(out))
    return bench.select_config(settings.id)


def _left(
    before: Contents, wanted: list[str], seeds: list[int], task: str, config: str, keep: Sequence[int]
) -> list[tuple[str, int]]:
    """Fingerprints and seeds of trainings that are not there yet, or not with the weights to be kept."""
    rows = before.rows
    counts = np.ones(len(rows), dtype=bool)
    for name, value in (("task_fingerprint", task), ("config_id", config)):
        found, codes = rows.words(name)
        counts &= codes == (found.index(value) if value in found else -1)
    found, codes = rows.words("status")
    counts &= codes != (found.index(STATUS_FAILED) if STATUS_FAILED in found else -1)
    place, column_of = (
        {name: at for at, name in enumerate(wanted)},
        {seed: at for at, seed in enumerate(seeds)},
    )
    names, codes = rows.words("fingerprint")
    row = np.array([place.get(name, -1) for name in names], dtype=np.int64)[codes[counts]]
    stored, inverse = np.unique(rows.values("seed")[counts], return_inverse=True)
    column = np.array([column_of.get(int(seed), -1) for seed in stored], dtype=np.int64)[inverse]
    asked = (row >= 0) & (column >= 0)
    done = np.zeros((len(wanted), len(seeds)), dtype=bool)
    done[row[asked], column[asked]] = True
    if keep:
        for at, seed_at in np.argwhere(done):
            epochs = before.weights.epochs((wanted[at], task, config, seeds[seed_at]))
            done[at, seed_at] = set(keep) <= set(epochs)
    return [(wanted[at], seeds[seed_at]) for at, seed_at in np.argwhere(~done)]


def _stream(pairs: list[Pair], task: Task, config: TrainConfig, **how: Any) -> Iterator[Record]:
    from nnstruct.population import Job, stream

    return iter(stream([Job(structure, seed) for structure, seed in pairs], task, config, **how))


def _stream_kept(
    pairs: list[Pair], task: Task, config: TrainConfig, keep: Sequence[int], **how: Any
) -> Iterator[Trained]:
    from nnstruct.population import Job, stream_kept

    jobs = [Job(structure, seed) for structure, seed in pairs]
    return stream_kept(jobs, task, config, keep=keep, **how)


def _expected(
    records: Iterable[Record], pairs: list[Pair], task: Task, config: TrainConfig
) -> Iterator[Record]:
    """The records that were asked for, each once; an error where one is foreign or never comes."""
    pending = {(s.fingerprint, task.fingerprint, config.id, seed) for s, seed in pairs}
    for record in records:
        if record.key not in pending:
            raise NnstructError(
                f"The engine {record.engine!r} returned a record nobody asked for: {record.key}."
            )
        pending.remove(record.key)
        yield record
    if pending:
        raise NnstructError(f"The engine ended with {len(pending)} records missing, such as {min(pending)}.")


class _Buffer(AbstractContextManager["_Buffer"]):
    """Hands records on in portions worth a write, and what is left when it is closed.

    A portion is due when it holds :data:`FLUSH_RECORDS` records, when it is
    :data:`FLUSH_SECONDS` old, or when it took that long to train: slow trainings are written one
    by one, fast ones by the hundred, and a kill loses little of either.
    """

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.records: list[Record] = []
        self.worth, self.since = 0.0, time.monotonic()

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.worth += record.seconds if math.isfinite(record.seconds) else 0.0
        age = time.monotonic() - self.since
        if len(self.records) >= FLUSH_RECORDS or max(age, self.worth) >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self.records:
            # Only emptied once written: an interrupt within the write must not lose the portion.
            self.emit(self.records)
        self.records = []
        self.worth, self.since = 0.0, time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.flush()


def _config(config: TrainConfig | None, protocol: str | None) -> TrainConfig:
    chosen = TrainConfig() if config is None else config
    if not isinstance(chosen, TrainConfig):
        raise InvalidInputError("config", "be a TrainConfig", config)
    if protocol is None:
        return chosen
    known = get_args(TrainConfig.model_fields["protocol"].annotation)
    if protocol not in known:
        raise InvalidInputError("protocol", f"be one of {', '.join(known)}", protocol)
    return chosen.model_copy(update={"protocol": protocol})


def _distinct(structures: Iterable[Structure | Network]) -> dict[str, Structure]:
    distinct: dict[str, Structure] = {}
    for structure in check_structures(structures, empty=False):
        distinct.setdefault(structure.fingerprint, structure)
    return distinct


def _progress(show: bool, total: int, done: int) -> AbstractContextManager[Progress | None]:
    if not show:
        return nullcontext(None)
    from nnstruct.progress import Progress

    return Progress(total, done)
