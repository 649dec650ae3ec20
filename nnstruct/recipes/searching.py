"""A search carried through: ask, train, tell, until so many structures are scored."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.checks import check_integer
from nnstruct.recipes.dataset import Announce
from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.search import Search
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
    target: str = "test",
    workers: int | None = None,
    progress: bool = False,
    announce: Announce | None = None,
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
        The score.
    workers : int, optional
        Processes; by default one a CPU.
    progress : bool
        Show a bar.
    announce : callable, optional
        Called with a line of text after each generation.

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
    >>> len(bench), bool(search.best_score == bench.y.max())
    (4, True)
    """
    from nnstruct.benchmark import Benchmark, build
    from nnstruct.benchmark.progress import Progress

    generations = check_integer(generations, "generations")
    per_generation, seeds = check_integer(per_generation, "per_generation"), check_integer(seeds, "seeds")
    settings = config or TrainConfig()
    wanted = generations * per_generation
    done = num_scored(search)
    with ExitStack() as stack:
        bar = None
        if progress and done < wanted:
            bar = stack.enter_context(Progress(wanted * seeds, done * seeds))
        while done < wanted:
            asked = search.ask(min(per_generation, wanted - done))
            bench = build(
                task, asked, seeds=seeds, config=settings, out=out, workers=workers,
                on_record=bar.advance if bar is not None else None,
            ).with_target(target)  # fmt: skip
            scores = bench.labels(asked)
            search.tell(asked, scores)
            done = num_scored(search)
            if announce is not None:
                announce(f"{done} of {wanted} structures, best so far {search.best_score:.4f}")
    return Benchmark.load(out).select_config(settings.id).with_target(target)


def num_scored(search: Search) -> int:
    """Structures that a search asked for and was told about, diverged ones included.

    Parameters
    ----------
    search : Search

    Returns
    -------
    int
    """
    history = search.history
    return int(((history["operator"] != "told") & (history["state"] != "pending")).sum())
