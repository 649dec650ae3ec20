"""The steps of the quickstart; each finds what an earlier run left and goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.files import parquet_bytes, write_atomically
from nnstruct.quickstart.course import BENCHMARK, EVALUATION, HELD_OUT, MODELS, REPORT, SEARCH, STUDY, Course
from nnstruct.recipes.reading import FILE_NAME, to_toml

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation, Predictor
    from nnstruct.report import HeldOut
    from nnstruct.search import Search
    from nnstruct.structure import Structure


def make_benchmark(course: Course, structures: int, seeds: int) -> Benchmark:
    """Draw the structures and train them, or take up what an earlier run left.

    Parameters
    ----------
    course : Course
    structures : int
        How many to draw.
    seeds : int
        Trainings of each.

    Returns
    -------
    Benchmark
        Of the structures that have a label; also a folder of ``course.folder``.
    """
    settings = course.settings
    recipe = settings.recipe(structures, seeds, course.seed)
    fewest, most = settings.units
    with course.step(f"Draw {structures} structures of {fewest} to {most} units") as say:
        drawn = recipe.structures(settings.family)
        priors = {str(structure.origin["prior"]) for structure in drawn}
        say(f"{len(drawn)} {settings.family} networks from {len(priors)} priors, no two alike")
    times = f"{seeds} seed{'s' if seeds > 1 else ''}"
    with course.step(f"Train each with {times} on {settings.task}") as say:
        from nnstruct.recipes.dataset import build_dataset

        folder = course.folder / BENCHMARK
        folder.mkdir(exist_ok=True)
        write_atomically(folder / FILE_NAME, to_toml(recipe).encode())
        everything = build_dataset(recipe, folder, workers=course.workers, progress=not course.quiet)
        labelled = set(everything.fingerprints)
        bench = everything.select(s.fingerprint for s in drawn if s.fingerprint in labelled)
        y, ceiling = bench.y, bench.noise_ceiling
        say(f"{len(bench.table)} trainings, label {y.min():.3f} to {y.max():.3f}, noise ceiling {ceiling}")
    return bench


def compare_predictors(course: Course, bench: Benchmark) -> Evaluation:
    """Compare the predictors by cross-validation, or read the comparison that an earlier run left.

    Parameters
    ----------
    course : Course
    bench : Benchmark

    Returns
    -------
    Evaluation
    """
    from nnstruct.recipes.stored import benchmark_key, digest, load_evaluation, save_evaluation

    settings = course.settings
    with course.step(f"Compare {len(settings.predictors)} predictors by cross-validation") as say:
        from nnstruct.predictors import evaluate

        folder = course.folder / EVALUATION
        params = {name: dict(settings.params.get(name, {})) for name in settings.predictors}
        key = digest(benchmark_key(bench), params, settings.folds, settings.repeats, course.seed)
        evaluation = load_evaluation(folder, key)
        if evaluation is None:
            evaluation = evaluate(
                {name: settings.make(name, course.seed) for name in settings.predictors},
                bench,
                folds=settings.folds,
                repeats=settings.repeats,
                seed=course.seed,
                progress=not course.quiet,
                workers=course.workers,
            )
            save_evaluation(evaluation, folder, key)
        r2 = evaluation.table["r2"]
        say(f"best is {r2.idxmax()} with R2 {r2.max():.3f}")
    return evaluation


def fit_models(course: Course, bench: Benchmark, best: str) -> HeldOut:
    """Fit each predictor to a part of the benchmark, save it, and ask the best one about the rest.

    Parameters
    ----------
    course : Course
    bench : Benchmark
    best : str
        Name of the predictor to ask.

    Returns
    -------
    HeldOut
        Its predictions of the structures put aside, beside the truth.
    """
    from nnstruct.predictors import load_predictor
    from nnstruct.predictors.fitting import fit_with_noise
    from nnstruct.recipes.predictor import describe
    from nnstruct.recipes.stored import benchmark_key, digest

    settings = course.settings
    with course.step("Fit predictors to four fifths, ask them about the rest") as say:
        train, test = bench.split(test=settings.test_share, seed=course.seed)
        fitted: dict[str, Predictor] = {}
        for name in settings.predictors:
            model = settings.make(name, course.seed)
            key = digest(benchmark_key(train), model.get_params(deep=False))
            folder = course.folder / MODELS / name
            with suppress(InvalidInputError, OSError):
                fitted[name] = load_predictor(folder)
            if name not in fitted or fitted[name].metadata_.get("key") != key:
                fit_with_noise(model, train.structures, train.y, train.label_noise, train.bounds)
                model.save(folder, metadata=describe(train) | {"key": key}, overwrite=True)
                fitted[name] = model
        _write_structures(course.folder / HELD_OUT, test.structures)
        held_out = _held_out(best, fitted[best], test)
        say(f"{best} on {len(test)} structures it has not seen: R2 {held_out.r2:.3f}")
        say(f"Kendall tau {held_out.kendall:.3f}")
    return held_out


def _held_out(name: str, model: Predictor, test: Benchmark) -> HeldOut:
    from nnstruct.predictors.metrics import scores
    from nnstruct.report import HeldOut

    mean, std = model.predict(test.structures, return_std=True)
    found = scores(test.y, mean[None, :])
    return HeldOut(name, test.y, mean, std, found["r2"], found["kendall"])


def choose_guide(evaluation: Evaluation) -> str:
    """The best predictor that is quick enough to be fitted anew in each generation.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
        The name with the highest R2, the GNN and the mean left out where there is any other.
    """
    classical = evaluation.table["r2"].drop(["gnn", "mean"], errors="ignore")
    return str((classical if len(classical) else evaluation.table["r2"]).idxmax())


def run_guided_search(course: Course, bench: Benchmark, guide: str, seeds: int) -> tuple[Search, Benchmark]:
    """Search for better structures, or go on with the search that an earlier run left.

    Parameters
    ----------
    course : Course
    bench : Benchmark
        What the search knows at its start.
    guide : str
        Name of the predictor that guides it.
    seeds : int
        Trainings of each structure that it chooses.

    Returns
    -------
    search : Search
    found : Benchmark
        Of the structures that it chose.
    """
    from nnstruct.recipes.searching import run_search
    from nnstruct.recipes.stored import benchmark_key, digest
    from nnstruct.search import Search
    from nnstruct.tasks import load_task

    settings = course.settings
    with course.step(f"Search for better structures, guided by {guide}") as say:
        space = settings.recipe(len(bench), seeds, course.seed).space.of(settings.family)
        search = Search(
            space,
            settings.make(guide, course.seed),
            seed=course.seed,
            storage=f"sqlite:///{course.folder / STUDY}",
            study_name=f"quickstart-{digest(benchmark_key(bench), guide, course.seed)}",
        )
        known = bench.with_target("val_last")  # the test data are for the report
        search.warm_start(known.structures, known.y)
        found = run_search(
            search,
            load_task(settings.task, **settings.task_options),
            out=course.folder / SEARCH,
            generations=settings.generations,
            per_generation=settings.per_generation,
            seeds=seeds,
            config=settings.config,
            target="val_last",
            workers=course.workers,
            progress=not course.quiet,
        ).with_target(settings.target)
        asked = set(search.history.query("operator != 'told'")["fingerprint"])
        found = found.select(name for name in found.fingerprints if name in asked)
        y, before = found.y, bench.y
        say(f"{len(found)} structures trained, best {y.max():.4f}; best known before {before.max():.4f}")
        say(f"{np.mean(y > np.median(before)):.0%} are better than the median before")
    return search, found


def make_report(
    course: Course,
    bench: Benchmark,
    evaluation: Evaluation,
    held_out: HeldOut,
    search: Search,
    found: Benchmark,
    commands: Sequence[tuple[str, str]],
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    course : Course
    bench : Benchmark
    evaluation : Evaluation
    held_out : HeldOut
    search : Search
    found : Benchmark
        Of the structures that the search chose.
    commands : sequence of (str, str)
        What to do next, and the command for it.

    Returns
    -------
    Path
        ``report.html`` in the folder of the run.
    """
    from nnstruct.report import provenance_of, write_report

    return write_report(
        course.folder / REPORT,
        bench,
        evaluation=evaluation,
        held_out=held_out,
        history=search.history,
        found=found,
        title="From structure to search: a first run",
        steps=course.done,
        commands=commands,
        provenance=provenance_of(
            bench, seed=course.seed, command=f"nnstruct quickstart --out {course.folder}"
        ),
    )


def _write_structures(path: Path, structures: Sequence[Structure]) -> None:
    from nnstruct.structure.interchange import to_arrow

    write_atomically(path, parquet_bytes(to_arrow(structures)))
