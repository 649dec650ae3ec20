"""Workers of a Dask cluster, on this machine or many."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from nnstruct import __version__
from nnstruct.errors import InvalidInputError, LostClusterError, NnstructError
from nnstruct.executors.base import LOGGER, Executor, Lost, Task, tell_of_death
from nnstruct.executors.messages import packed, unpacked
from nnstruct.executors.shard_files import ShardFiles, check_storage
from nnstruct.executors.shards import ShardQueue, WorkShard

if TYPE_CHECKING:
    from distributed import Client, Future

# A shard takes the caller and the scheduler some 20 ms, so that a thousand workers keep them busy for less
# than half of the time.
_SECONDS, _SECONDS_A_WORKER, _MOST = 10.0, 0.05, 1000
_LOOK = 1.0  # seconds between looks at who is there
_CONNECT = 30.0


class DaskExecutor(Executor):
    """Workers of a Dask cluster; the extra ``dask`` brings it.

    Each thread of a worker gets one shard at a time, so that it is known over which one a worker died.
    Results come back to this process, which alone writes files: a shared folder is not needed. With
    ``storage`` workers write them there instead, and what they finish while nobody listens is read by the
    next call. Workers that come late get their share.

    Parameters
    ----------
    cluster : distributed.Client or str
        A client, or the address of a scheduler, such as ``tcp://scheduler:8786``.
    tries : int
        How many workers an item may cost before it is given up.
    storage : str or path, optional
        A folder, or a URL that fsspec knows (such as ``s3://bucket/shards``), which this process and all
        workers see; whoever may write there is trusted as the workers are. By default results stream back.

    Raises
    ------
    InvalidInputError
        If the cluster is neither, no scheduler answers at the address, or nobody knows the URL.

    Examples
    --------
    One line makes a cluster of this machine::

        client = distributed.Client(distributed.LocalCluster(n_workers=2, threads_per_worker=1))
        nnstruct.build(task, structures, executor=client)
    """

    def __init__(self, cluster: Client | str, *, tries: int = 3, storage: str | Path | None = None) -> None:
        super().__init__(tries=tries)
        self.storage = None if storage is None else check_storage(storage)
        self._owns = isinstance(cluster, str)
        self.client = _connect(cluster) if isinstance(cluster, str) else cluster
        self.address = str(self.client.scheduler.address) if self.client.scheduler else "the cluster"

    @property
    def workers(self) -> int:
        """Threads of all workers that are there; at least 1, as some may come."""
        return max(1, sum(self._threads().values()))

    @property
    def note(self) -> str:
        """Where the dashboard is."""
        found = len(self._threads())
        workers = f"{found} worker{'' if found == 1 else 's'} at {self.address}"
        return f"Dask: {workers}, dashboard {self.client.dashboard_link}"

    def close(self) -> None:
        """Leave the cluster, where this executor came to it by an address."""
        if self._owns:
            with suppress(OSError, TimeoutError):
                self.client.close(timeout=5)

    def run(
        self, task: Task, items: Sequence[Any], *, shared: Any = None, costs: Sequence[float] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Work on all items; see :meth:`Executor.run`.

        Parameters
        ----------
        task, items, shared, costs
            As there. The workers need the same release of nnstruct.

        Yields
        ------
        (int, object)

        Raises
        ------
        LostClusterError
            If the scheduler is gone.
        """
        if self.storage is None:
            yield from self._run(task, shared, list(items), costs, None)
            return
        files = ShardFiles.of(self.storage, (task, shared), items)
        there = dict(files.finished())
        yield from there.items()
        left = [place for place in range(len(items)) if place not in there]
        prices = None if costs is None else [costs[place] for place in left]
        chosen = [items[place] for place in left]
        for place, result in self._run(task, shared, chosen, prices, files.of_items(left)):
            yield left[place], result
        files.remove()

    def _run(
        self,
        task: Task,
        shared: Any,
        items: list[Any],
        costs: Sequence[float] | None,
        files: ShardFiles | None,
    ) -> Iterator[tuple[int, Any]]:  # fmt: skip
        if not items:
            return
        queue = ShardQueue(
            costs or [1.0] * len(items),
            seconds=_SECONDS, most=_MOST, tries=self.tries, a_worker=_SECONDS_A_WORKER,
        )  # fmt: skip
        crew = _Crew(self, (task, shared), items, queue, files)
        try:
            yield from crew.results()
        finally:
            crew.leave()

    def _threads(self) -> dict[str, int]:
        """Threads of each worker by its address."""
        try:
            return dict(self.client.nthreads())
        except Exception as error:  # a closed client has an error of its own
            raise self.lost() from error

    def lost(self) -> LostClusterError:
        """The error for a scheduler that is gone, to be raised by the caller.

        Returns
        -------
        LostClusterError
        """
        return LostClusterError(
            f"The Dask scheduler at {self.address} does not answer. What is finished is kept; start the "
            "scheduler and its workers, and make the same call again."
        )


class _Crew:
    """A cluster's workers at one list of items."""

    def __init__(
        self, executor: DaskExecutor, sent: Any, items: Sequence[Any], queue: ShardQueue,
        files: ShardFiles | None,
    ) -> None:  # fmt: skip
        self.executor, self.client, self.sent = executor, executor.client, sent
        self.items, self.queue, self.files = items, queue, files
        self.threads: dict[str, int] = {}
        self.running: dict[Future, tuple[str, WorkShard]] = {}
        self.ended: SimpleQueue[Future] = SimpleQueue()
        self.common: Future | None = None
        self.looked, self.answered = -float("inf"), time.monotonic()
        self.warned = False

    def results(self) -> Iterator[tuple[int, Any]]:
        """What :meth:`DaskExecutor.run` yields."""
        while True:
            yield from self._look()
            self._dispatch()
            if not self.running and not self.queue:
                return
            with suppress(Empty):
                yield from self._take(self.ended.get(timeout=_LOOK))
            with suppress(Empty):  # all that is there, before the next look
                while True:
                    yield from self._take(self.ended.get_nowait())

    def leave(self) -> None:
        """Take back what is under way."""
        futures = [*self.running, *([self.common] if self.common is not None else [])]
        self.running = {}
        with suppress(Exception):  # of a client that is closed by now there is nothing to take back
            self.client.cancel(futures, force=True)

    def _look(self) -> Iterator[tuple[int, Any]]:
        """See who is there; those who are gone have died over what they had in hand."""
        now = time.monotonic()
        if now - self.looked < _LOOK:
            return
        self.looked = now
        try:
            self.threads = self.executor._threads()
            self.answered = now
        except LostClusterError:
            # A scheduler that is started again at its address is found again, for some time.
            if self.client.status in ("closing", "closed") or now - self.answered > _CONNECT:
                raise
            self.threads = {}
            return
        gone = {address for address, _ in self.running.values()} - self.threads.keys()
        for address in sorted(gone):
            yield from self._bury(address)
        if not self.threads and not self.warned:
            self.warned = True
            LOGGER.warning("%s has no worker; the work waits until one comes.", self.executor.address)

    def _bury(self, address: str, why: str = "is gone") -> Iterator[tuple[int, Any]]:
        """Give what a dead worker had in hand to others, each shard alone, or give it up."""
        futures = [future for future, (where, _) in self.running.items() if where == address]
        shards = [self.running.pop(future)[1] for future in futures]
        with suppress(Exception):  # of a client that is closed by now there is nothing to take back
            self.client.cancel(futures, force=True)
        lost: list[tuple[int, int]] = []
        for shard in shards:
            lost += [(place, shard.deaths + 1) for place in self.queue.died(shard, alone=len(shards) == 1)]
        count = sum(len(shard.places) for shard in shards)
        most = max((shard.deaths + 1 for shard in shards), default=0)
        fate = f"try {most} of {self.queue.tries}, " + ("given up" if lost else "and other workers go on")
        tell_of_death(f"The Dask worker {address} {why}", count, fate)
        for place, deaths in lost:
            yield place, Lost(f"{deaths} Dask workers died over it; the last one was {address}")

    def _dispatch(self) -> None:
        """Give every thread a shard; one that a worker died over has a worker to itself."""
        load: Counter[str] = Counter(address for address, _ in self.running.values())
        quarantined = {address for address, shard in self.running.values() if shard.deaths}
        slots = sum(self.threads.values())
        for turn in range(max(self.threads.values(), default=0)):
            for address, threads in self.threads.items():
                if not self.queue:
                    return
                if threads <= turn or load[address] != turn or address in quarantined:
                    continue
                shard = self.queue.take(slots)
                if shard.deaths and load[address]:
                    self.queue.put_back(shard)
                    continue
                if shard.deaths:
                    quarantined.add(address)
                self._submit(shard, address)
                load[address] += 1

    def _submit(self, shard: WorkShard, address: str) -> None:
        if self.common is None or self.common.status in ("lost", "cancelled", "error"):
            self.common = self._scatter()
        # As bytes, which the scheduler passes on: it would import all that the items need.
        items = [bytearray(part) for part in packed([self.items[place] for place in shard.places])]
        try:
            future = self.client.submit(
                _work,
                self.common,
                items,
                None if self.files is None else self.files.of_items(shard.places),
                __version__,
                workers=[address],
                allow_other_workers=False,
                pure=False,
            )
        except Exception as error:
            if self.client.status == "running" and not isinstance(error, OSError | TimeoutError):
                raise
            raise self.executor.lost() from error
        self.running[future] = (address, shard)
        future.add_done_callback(self.ended.put)

    def _scatter(self) -> Future:
        try:
            return self.client.scatter([self.sent], hash=False)[0]
        except Exception as error:
            if self.client.status == "running" and not isinstance(error, OSError | TimeoutError):
                raise
            raise self.executor.lost() from error

    def _take(self, future: Future) -> Iterator[tuple[int, Any]]:
        """Results of a shard that has ended in some way."""
        from distributed import KilledWorker

        if future not in self.running:
            return
        address, shard = self.running[future]
        if future.status == "finished":
            try:
                seconds, results = future.result(timeout=_CONNECT)
            except (OSError, TimeoutError, RuntimeError, KeyError):
                results = None  # it died with its results in hand
            if results is not None and self.files is not None:
                results = self.files.read(results)
        elif future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                yield from self._bury(address, "was started again and again")
                return
            raise error
        else:
            results = None  # the worker is gone, or what all share with another one, or the scheduler is
        if results is None:
            self.looked = -float("inf")
            yield from self._look()
            if self.running.pop(future, None) is not None:  # its worker is still there
                self.queue.put_back(shard)
            return
        del self.running[future]
        self.queue.finished(shard, seconds)
        yield from zip(shard.places, results, strict=True)


def _work(
    common: tuple[Task, Any], items: list[bytearray], files: ShardFiles | None, version: str
) -> tuple[float, Any]:
    """What a Dask worker does with a shard: seconds, and results or the name of a file that holds them."""
    if version != __version__:
        raise NnstructError(
            f"A Dask worker has nnstruct {__version__}, this process {version}: give both one release."
        )
    task, shared = common
    started = time.perf_counter()
    results = task(shared, unpacked(items))
    seconds = time.perf_counter() - started
    return seconds, results if files is None else files.write(results)


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidInputError(
            "dask", "be installed to use a cluster", "nothing", "Run: pip install 'nnstruct[dask]'"
        ) from error
    try:
        return Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        hint = "Start one with `dask scheduler`, or name another address."
        raise InvalidInputError(
            "executor", "be the address of a Dask scheduler that answers", address, hint
        ) from error
