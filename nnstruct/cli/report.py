"""The command that writes a report of one's own runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnstruct.cli.options import Config, Debug, Quiet, Target

if TYPE_CHECKING:
    from nnstruct.predictors import Evaluation
    from nnstruct.report import HeldOut

NONE = "none"


def report(
    benchmark: Annotated[Path, typer.Argument(help="A benchmark's folder or name.")],
    predictors: Annotated[
        str, typer.Option("--predictors", "-p", help="Names to compare, separated by commas, or none.")
    ] = "mean,bayesian-ridge,random-forest",
    search: Annotated[
        Path | None,
        typer.Option(help="Folder or database of a search on it.", show_default=False),
    ] = None,
    unguided: Annotated[
        Path | None,
        typer.Option(help="Those of a search without a guide, to stand beside.", show_default=False),
    ] = None,
    target: Target = None,
    config: Config = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that the structures are dealt into.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Times that they are dealt anew.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Decides the parts and the predictors.")] = 0,
    title: Annotated[
        str | None, typer.Option(help="Of the page.", show_default="the benchmark's name")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("runs/report.html"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a report of a benchmark, predictors on it and a search: one HTML file that needs no network."""
    from nnstruct.cli.inputs import load_benchmark
    from nnstruct.cli.tables import console
    from nnstruct.predictors import PREDICTORS, evaluate
    from nnstruct.report import provenance_of, write_report
    from nnstruct.search import read_history, read_structures

    names = [] if predictors == NONE else [word.strip() for word in predictors.split(",")]
    for name in names:
        PREDICTORS[name]
    bench = load_benchmark(benchmark, target, config)
    found = None
    if names:
        found = evaluate(names, bench, folds=folds, repeats=repeats, seed=seed, progress=not quiet)
    written = write_report(
        out,
        bench,
        evaluation=found,
        held_out=None if found is None else _best(found),
        history=None if search is None else read_history(search),
        unguided=None if unguided is None else read_history(unguided),
        structures={
            name: structure
            for storage in (search, unguided)
            if storage is not None
            for name, structure in read_structures(storage).items()
        },
        title=title or f"Benchmark {benchmark.resolve().name}",
        provenance=provenance_of(
            bench, seed=seed if names else None, command=shlex.join(["nnstruct", *sys.argv[1:]])
        ),
    )
    if quiet:
        typer.echo(str(written))
    console(quiet=quiet).print(f"Report written to {written}.")


def _best(evaluation: Evaluation) -> HeldOut:
    """Predictions of the best predictor for structures that it was not fitted to, in the first repeat."""
    from nnstruct.predictors.metrics import scores
    from nnstruct.report import HeldOut

    name = str(evaluation.table["r2"].idxmax())
    rows = evaluation.predictions
    rows = rows[(rows["predictor"] == name) & (rows["repeat"] == rows["repeat"].min())]
    y, mean, std = (rows[column].to_numpy(dtype=float) for column in ("y", "y_pred", "y_std_pred"))
    reached = scores(y, mean[None, :])
    return HeldOut(name, y, mean, std, reached["r2"], reached["kendall"])
