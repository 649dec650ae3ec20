"""The command that compares predictors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnstruct.cli.options import Config, Debug, Quiet, Target


def evaluate(
    benchmark: Annotated[Path, typer.Argument(help="A benchmark's folder.")],
    predictors: Annotated[
        str | None,
        typer.Option(
            "--predictors", "-p", help="Names, separated by commas.", show_default="all but the slow gnn"
        ),
    ] = None,
    target: Target = None,
    config: Config = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that the structures are dealt into.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Times that they are dealt anew.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides the parts and the predictors.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the scores to this CSV file.", show_default=False),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare predictors on a benchmark by repeated cross-validation, beside its noise ceiling."""
    from nnstruct.cli.inputs import load_benchmark
    from nnstruct.cli.tables import console, evaluation_table
    from nnstruct.files import write_atomically
    from nnstruct.predictors import PREDICTORS
    from nnstruct.predictors import evaluate as run

    names = [name.strip() for name in predictors.split(",")] if predictors else [*PREDICTORS]
    for name in names:
        PREDICTORS[name]
    if predictors is None:
        names.remove("gnn")
    bench = load_benchmark(benchmark, target, config)
    found = run(names, bench, folds=folds, repeats=repeats, seed=seed, progress=not quiet)
    screen = console()
    screen.print(evaluation_table(found))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, found.table.to_csv().encode())
        screen.print(f"Scores written to {out}.")
