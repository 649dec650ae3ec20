"""The quickstart from its first step to its last."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.checks import check_integer
from nnstruct.quickstart.course import BENCHMARK, HELD_OUT, MODELS, Course
from nnstruct.quickstart.settings import Settings
from nnstruct.quickstart.steps import (
    choose_guide,
    compare_predictors,
    fit_models,
    make_benchmark,
    make_report,
    run_guided_search,
)

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation
    from nnstruct.report import HeldOut
    from nnstruct.structure import Structure


@dataclass(frozen=True, eq=False)
class Summary:
    """What a quickstart found and where it lies.

    Attributes
    ----------
    out, report : Path
        The folder, and the report in it.
    benchmark, found : Benchmark
        All structures drawn, and those that the search chose.
    evaluation : Evaluation
    predictor : str
        The best in the evaluation.
    held_out : HeldOut
        Its predictions of structures put aside, beside the truth.
    best : Structure
        The best of all, in the eyes of a guide that knows every validation score.
    best_score : float
        Its mean test score, by which nothing was chosen.
    guide : str
        What guided the search.
    commands : list of (str, str)
        What to do next, and the command for it.
    seconds : float
        That this call took.
    """

    out: Path
    report: Path
    benchmark: Benchmark
    found: Benchmark
    evaluation: Evaluation
    predictor: str
    held_out: HeldOut
    best: Structure
    best_score: float
    guide: str
    commands: list[tuple[str, str]]
    seconds: float


def run(
    out: str | Path,
    *,
    seed: int = 0,
    structures: int = 240,
    seeds: int = 3,
    workers: int | None = None,
    quiet: bool = False,
    settings: Settings | None = None,
) -> Summary:
    """Go the whole way once and leave a folder with everything in it.

    Draws structures from every prior, trains them on Reber strings, compares predictors, scores
    structures put aside, runs a short guided search and writes a report. Interrupted, it continues
    when it is called again with the same folder.

    Parameters
    ----------
    out : str or Path
        Folder for the benchmark, the predictors, the search and ``report.html``.
    seed : int
        Decides all that is random: structures, trainings, folds and search.
    structures : int
        At least 20.
    seeds : int
        Trainings of each structure; 2 at least, or the noise ceiling stays unknown.
    workers : int, optional
        Processes; by default one a CPU.
    quiet : bool
        Print nothing.
    settings : Settings, optional
        By default ``Settings()``, which takes two minutes on two cores.

    Returns
    -------
    Summary

    Raises
    ------
    InvalidInputError
        If there are fewer than 20 structures, or another argument breaks its rule.

    Examples
    --------
    >>> from nnstruct.quickstart import run
    >>> summary = run("runs/first", structures=60)  # doctest: +SKIP
    >>> summary.report  # doctest: +SKIP
    PosixPath('runs/first/report.html')
    """
    from rich.console import Console

    structures = check_integer(structures, "structures", low=20, rule="be an integer, at least 20", each=1000)
    started = time.perf_counter()
    chosen = settings or Settings()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    course = Course(folder, Console(quiet=quiet, highlight=False, markup=False), quiet, workers, seed, chosen)
    bench = make_benchmark(course, structures, seeds)
    evaluation = compare_predictors(course, bench)
    predictor = str(evaluation.table["r2"].idxmax())
    held_out = fit_models(course, bench, predictor)
    guide = choose_guide(evaluation)
    search, found = run_guided_search(course, bench, guide, seeds)
    commands = next_commands(folder, predictor, guide)
    with course.step("Write the report") as say:
        report = make_report(course, bench, evaluation, held_out, search, found, commands)
        say(f"{report}, {report.stat().st_size / 1e6:.1f} MB")
    best = search.best
    where = bench if best.fingerprint in set(bench.fingerprints) else found
    score = float(where.labels([best])[0])
    return Summary(
        folder, report, bench, found, evaluation, predictor, held_out, best, score, guide, commands,
        time.perf_counter() - started,
    )  # fmt: skip


def next_commands(folder: Path, predictor: str, guide: str) -> list[tuple[str, str]]:
    """What to do next in a quickstart's folder, and the command for it.

    Parameters
    ----------
    folder : Path
        As :func:`run` left it.
    predictor : str
        Name of the predictor to score with; a saved one.
    guide : str
        Name of the predictor to search with.

    Returns
    -------
    list of (str, str)
        A sentence, and a line for the shell.

    Examples
    --------
    >>> from pathlib import Path
    >>> from nnstruct.quickstart import next_commands
    >>> commands = next_commands(Path("first"), "gnn", "random-forest")
    >>> commands[0][1]
    'nnstruct show first/benchmark --picture first/best.png'
    """

    def place(name: str) -> str:
        return shlex.quote(str(folder / name))

    return [
        (
            "See what the benchmark holds and draw its best structure:",
            f"nnstruct show {place(BENCHMARK)} --picture {place('best.png')}",
        ),
        (
            "Score structures with a saved predictor; a GraphML file of your own will do as well:",
            f"nnstruct score {place(f'{MODELS}/{predictor}')} {place(HELD_OUT)} --out {place('scores.csv')}",
        ),
        (
            "Search further from what is known:",
            f"nnstruct search --benchmark {place(BENCHMARK)} --guide {guide} --generations 5 "
            f"--out {place('longer-search')}",
        ),
    ]
