"""A search carried through: ask, train, tell, until so many structures are scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from nnstruct.checks import check_integer, check_rounds
from nnstruct.executors import LOCAL, Executor, open_executor
from nnstruct.files import write_atomically
from nnstruct.recipes.dataset import Announce
from nnstruct.recipes.lowered import Lowered
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
    lower: str = "epochs",
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
        runs included; with ``rungs``, until they cost as much as so many full trainings, or somewhat more.
    seeds : int
        Trainings of each structure; one that is measured again (``repeat_share``) has as many with new seeds.
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
    lower : {"epochs", "examples", "both"}
        What trainings of a lower fidelity have less of, where the search has ``rungs``; ``both``: the square
        root of the share of each. They are kept in folders beside ``out``, as ``out-0.111111``.

    Returns
    -------
    Benchmark
        Of the structures found, at the highest fidelity that was reached.

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

    generations = check_rounds(generations, "generations")
    per_generation, seeds = check_rounds(per_generation, "per_generation"), check_integer(seeds, "seeds")
    settings = config or TrainConfig()
    wanted = generations * per_generation
    lowered = Lowered(task, settings, Path(out), lower)
    fidelities, trainings = search.planned(wanted)
    left = search.trainings_left(wanted)
    with ExitStack() as stack:
        # A cluster is joined once, not once a generation.
        crew = executor if executor == LOCAL else stack.enter_context(open_executor(executor, workers))
        bar = None
        if progress and left:
            begun = search.num_trained * seeds
            bar = stack.enter_context(Progress(max(begun, round(trainings * seeds)), begun))
        while left:
            # Brief trainings leave a broken number: batches of one size are the same search in several calls.
            asked = search.ask(per_generation if len(fidelities) > 1 else min(per_generation, left))
            shares = search.fidelities_of(asked)
            kinds = list(zip(shares, search.measured_before(asked), strict=True))
            for share, before in sorted(set(kinds)):
                some = [one for one, kind in zip(asked, kinds, strict=True) if kind == (share, before)]
                numbers = range(before * seeds, (before + 1) * seeds)
                bench = build(
                    lowered.task_at(share), some, seeds=numbers, config=lowered.config_at(share),
                    out=lowered.folder_at(share), workers=workers, executor=crew,
                    on_record=bar.advance if bar is not None else None,
                )  # fmt: skip
                search.tell(some, _means(_scores(bench, target, some, numbers)), fidelity=share)
            left = search.trainings_left(wanted)
            if announce is not None:
                best = f", best so far {search.best_claim:.4f}" if search.num_scored else ""
                unit = "structures" if len(fidelities) == 1 else "trainings"
                announce(f"{search.spent:.4g} of {wanted} {unit}{best}")
    reached = [share for share in fidelities if lowered.folder_at(share).exists()] or [1.0]
    config_id = lowered.config_at(reached[-1]).id
    return Benchmark.load(lowered.folder_at(reached[-1])).select_config(config_id).with_target(target)


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
    from nnstruct.benchmark import build

    def train(structures: list[Structure], numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
        bench = build(
            task, structures, seeds=numbers, config=config, out=out, workers=workers, executor=executor
        )
        return _scores(bench, target, structures, numbers), _scores(bench, report, structures, numbers)

    return search.finish(train, top=top, seeds=seeds)


def _scores(
    bench: Benchmark, target: str, structures: Sequence[Structure], numbers: Sequence[int]
) -> np.ndarray:
    """What trainings of some seeds scored, float64 [structures, seeds]; NaN where there is no training."""
    from nnstruct.benchmark import TARGETS

    table = bench.table
    keys = zip(table["fingerprint"], table["seed"], strict=True)
    known = dict(zip(keys, TARGETS[target](table).tolist(), strict=True))
    rows = [[known.get((s.fingerprint, number), np.nan) for number in numbers] for s in structures]
    return np.array(rows, dtype=np.float64)


def _means(scores: np.ndarray) -> np.ndarray:
    """Means of the finite scores of each row, NaN where there is none."""
    return np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in scores])


def save_search(search: Search, final: Final | None, folder: Path) -> None:
    """What a search found, in files: ``history.csv``, ``best.json``, ``pareto.csv``, ``finalists.csv``.

    Parameters
    ----------
    search : Search
        With scores.
    final : Final or None
    folder : Path
        ``best.json`` is the winner of the finalists, else the believed best, in networkx' node-link form;
        ``pareto.csv`` is there for several objectives.
    """
    write_atomically(folder / "history.csv", search.history.to_csv(index=False).encode())
    best = search.best if final is None else final.winner
    graph = nx.node_link_data(best.to_networkx(), edges="edges")
    write_atomically(folder / "best.json", (json.dumps(graph) + "\n").encode())
    if len(search.history.attrs["objectives"]) > 1:
        write_atomically(folder / "pareto.csv", search.pareto.to_csv(index=False).encode())
    if final is not None:
        write_atomically(folder / "finalists.csv", final.table.to_csv(index=False).encode())
