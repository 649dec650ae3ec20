"""A search carried through: ask, train, tell, until so many structures are scored."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.executors import LOCAL, Executor, open_executor
from nnstruct.recipes.dataset import Announce
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from distributed import Client

    from nnstruct.benchmark import Benchmark
    from nnstruct.search import Final, Search
    from nnstruct.tasks import Task


def run_search(
    search: Search,
    task: Task,
    *,
    out: str | Path,
    generations: int = 3,
    per_generation: int = 8,
    seeds: int = 1,
    config: TrainConfig | None = None,
    target: str = "val_last",
    workers: int | None = None,
    progress: bool = False,
    announce: Announce | None = None,
    executor: str | Client | Executor = LOCAL,
) -> Benchmark:
    """Train what a search asks for and tell it, generation by generation.

    Trainings are kept in a benchmark folder; with a search that has a storage, a run that was
    interrupted continues when it is repeated.

    Parameters
    ----------
    search : Search
        It may know scores already (:meth:`Search.warm_start`).
    task : Task
    out : path
        The benchmark folder of the structures found.
    generations, per_generation : int
        Structures are asked until ``generations * per_generation`` have a score, those of earlier
        runs included.
    seeds : int
        Trainings of each structure.
    config : TrainConfig, optional
    target : str
        The score that the search is told. What it chose by is biased upwards, so that the test data are
        better left for :func:`finish_search`.
    workers : int, optional
        Processes; by default one a CPU.
    progress : bool
        Show a bar.
    announce : callable, optional
        Called with a line of text after each generation.
    executor : str, distributed.Client or Executor
        Who trains; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    Benchmark
        Of the structures found.

    Raises
    ------
    InvalidInputError
        If an argument or a parameter of the search breaks its rule, the space holds too few structures,
        or ``out`` holds another task's records.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Search, Space, TrainConfig, load_task
    >>> from nnstruct.recipes import run_search
    >>> search = Search(Space("mlp", units=(4, 8)), seed=0, population=2)
    >>> bench = run_search(
    ...     search, load_task("digits"), out=tempfile.mkdtemp(), generations=2, per_generation=2,
    ...     config=TrainConfig(epochs=1), workers=1,
    ... )
    >>> len(bench), bool(search.best_claim == bench.y.max())
    (4, True)
    """
    from nnstruct.benchmark import Benchmark, build
    from nnstruct.progress import Progress

    generations = check_integer(generations, "generations")
    per_generation, seeds = check_integer(per_generation, "per_generation"), check_integer(seeds, "seeds")
    settings = config or TrainConfig()
    wanted = generations * per_generation
    done = search.num_trained
    with ExitStack() as stack:
        # A cluster is joined once, not once a generation.
        crew = executor if executor == LOCAL else stack.enter_context(open_executor(executor, workers))
        bar = None
        if progress and done < wanted:
            bar = stack.enter_context(Progress(wanted * seeds, done * seeds))
        while done < wanted:
            asked = search.ask(min(per_generation, wanted - done))
            bench = build(
                task, asked, seeds=seeds, config=settings, out=out, workers=workers,
                executor=crew, on_record=bar.advance if bar is not None else None,
            ).with_target(target)  # fmt: skip
            scores = bench.labels(asked)
            search.tell(asked, scores)
            done = search.num_trained
            if announce is not None:
                best = f", best so far {search.best_claim:.4f}" if search.num_scored else ""
                announce(f"{done} of {wanted} structures{best}")
    return Benchmark.load(out).select_config(settings.id).with_target(target)


def finish_search(
    search: Search,
    task: Task,
    *,
    out: str | Path,
    top: int = 5,
    seeds: int = 6,
    config: TrainConfig | None = None,
    target: str = "val_last",
    report: str = "test",
    workers: int | None = None,
    executor: str | Client | Executor = LOCAL,
) -> Final:
    """Train the finalists of a search again with new seeds; see :meth:`nnstruct.search.Search.finish`.

    Parameters
    ----------
    search : Search
    task : Task
    out : path
        A benchmark folder for these trainings alone. Those that it holds are not done again.
    top, seeds : int
        Finalists, and trainings of each.
    config : TrainConfig, optional
        It may have more epochs than those of the search.
    target, report : str
        The score that the winner is chosen by, and the one that is reported.
    workers : int, optional
    executor : str, distributed.Client or Executor
        As for :func:`run_search`.

    Returns
    -------
    Final

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule, or every training of a finalist diverged.
    NotFittedError
        Before a finite score was told.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Search, Space, TrainConfig, load_task
    >>> from nnstruct.recipes import finish_search, run_search
    >>> search, config = Search(Space("mlp", units=(4, 8)), population=2), TrainConfig(epochs=1)
    >>> room = tempfile.mkdtemp()
    >>> task = load_task("digits")
    >>> _ = run_search(search, task, out=f"{room}/a", generations=1, config=config, workers=1)
    >>> final = finish_search(search, task, out=f"{room}/b", top=2, seeds=2, config=config, workers=1)
    >>> final.table.shape[0], bool(final.interval[0] <= final.score <= final.interval[1])
    (2, True)
    """
    from nnstruct.benchmark import TARGETS, build

    def train(structures: list[Structure], numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
        bench = build(
            task, structures, seeds=numbers, config=config, out=out, workers=workers, executor=executor
        )
        keys = list(zip(bench.table["fingerprint"], bench.table["seed"], strict=True))
        pair = []
        for name in (target, report):
            known = dict(zip(keys, TARGETS[name](bench.table).tolist(), strict=True))
            rows = [[known.get((s.fingerprint, n), np.nan) for n in numbers] for s in structures]
            pair.append(np.array(rows, dtype=np.float64))
        return pair[0], pair[1]

    return search.finish(train, top=top, seeds=seeds)
