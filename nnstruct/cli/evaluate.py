"""The command that compares predictors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnstruct.cli.options import Config, Debug, Executor, Quiet, Target
from nnstruct.errors import InvalidInputError

EVERY_ONE = "all"
FitWorkers = Annotated[int, typer.Option("--workers", "-w", min=1, help="Processes that fit.")]


def evaluate(
    benchmark: Annotated[Path, typer.Argument(help="A benchmark's folder.")],
    predictors: Annotated[
        str, typer.Option("--predictors", "-p", help="Names, separated by commas; all for each there is.")
    ] = "auto",
    target: Target = None,
    config: Config = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that the structures are dealt into.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Times that they are dealt anew.")] = 3,
    train_sizes: Annotated[
        str | None,
        typer.Option(
            help="Learn from random sets of these sizes in place of folds: numbers of structures, or shares "
            "with a point, separated by commas.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="What is scored: unseen, no-twins, all-rows; several with --train-sizes.")
    ] = "unseen",
    draws: Annotated[int, typer.Option(min=1, help="Random sets of each size.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Decides the parts and the predictors.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the scores to this CSV file.", show_default=False),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Keep results.parquet and the predictions in this folder.", show_default=False),
    ] = None,
    workers: FitWorkers = 1,
    executor: Executor = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare predictors on a benchmark by cross-validation or by numbers of labels, beside its ceiling."""
    from nnstruct.cli.inputs import load_benchmark
    from nnstruct.cli.tables import console, evaluation_table
    from nnstruct.files import write_atomically
    from nnstruct.predictors import PREDICTORS
    from nnstruct.predictors import evaluate as run

    names = [*PREDICTORS] if predictors == EVERY_ONE else _words(predictors)
    for name in names:
        PREDICTORS[name]
    bench = load_benchmark(benchmark, target, config)
    found = run(
        names, bench, folds=folds, repeats=repeats, train_sizes=_sizes(train_sizes), draws=draws,
        protocol=_words(protocol), name=benchmark.resolve().name, seed=seed, progress=not quiet,
        executor=executor or "local", workers=workers,
    )  # fmt: skip
    screen = console()
    screen.print(evaluation_table(found))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, found.table.to_csv().encode())
        screen.print(f"Scores written to {out}.")
    if save is not None:
        screen.print(f"Results kept in {found.save(save)}.")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _sizes(text: str | None) -> list[int | float] | None:
    """Numbers of structures, and shares where a number has a point."""
    if text is None:
        return None
    try:
        return [float(word) if "." in word else int(word) for word in _words(text)]
    except ValueError:
        rule = "be numbers of structures, or shares with a point, separated by commas"
        raise InvalidInputError("--train-sizes", rule, text) from None
