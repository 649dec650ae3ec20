"""Commands that make things: quickstart, build, train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnstruct.cli.options import Data, Debug, Device, Download, Executor, Quiet, Workers, keeps

if TYPE_CHECKING:
    from rich.console import Console

    from nnstruct.quickstart import Summary


def quickstart(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for all that it makes.")] = Path(
        "runs/quickstart"
    ),
    structures: Annotated[int, typer.Option(min=20, help="Structures to draw and train.")] = 240,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each structure.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything random.")] = 0,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Go the whole way once: structures, trainings, predictors, a guided search, a report.

    Takes about two minutes on two cores and needs no network. Run again on the same folder, it
    goes on where it stopped.
    """
    from nnstruct.cli.tables import console

    screen = console(quiet=quiet)
    screen.print("nnstruct quickstart: structures, trainings, predictors, search, report (about two minutes)")
    from nnstruct import quickstart as course

    keeps(ctx, out)
    summary = course.run(out, seed=seed, structures=structures, seeds=seeds, workers=workers, quiet=quiet)
    if quiet:
        typer.echo(str(summary.report))
    else:
        _print_summary(summary, screen)


def _print_summary(summary: Summary, screen: Console) -> None:
    from nnstruct.cli.tables import commands, count, evaluation_table, facts
    from nnstruct.report.sections import origin_of

    screen.print()
    screen.print(evaluation_table(summary.evaluation))
    best, y = summary.best, summary.benchmark.y
    by_search = best.fingerprint not in set(summary.benchmark.fingerprints)
    rows = [
        (
            "structures never seen",
            f"{summary.predictor}: R2 {summary.held_out.r2:.3f}, Kendall tau {summary.held_out.kendall:.3f} "
            f"on {count(len(summary.held_out.y))}",
        ),
        (
            "best structure",
            f"{summary.best_score:.4f} with {best.num_units} units in {best.num_layers} layers, "
            f"from {'the search' if by_search else origin_of(best)} ({best.fingerprint[:12]})",
        ),
        ("best before the search", f"{y.max():.4f} of {count(len(y))}"),
        ("report", str(summary.report)),
        ("benchmark", str(summary.out / "benchmark")),
        ("saved predictors", str(summary.out / "models")),
        ("time", f"{summary.seconds:.0f} s"),
    ]
    screen.print(facts(rows))
    commands(summary.commands, screen)


def build(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="A dataset recipe, or a folder with a recipe.toml.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The benchmark's folder.", show_default="beside recipe.toml, else runs/NAME"
        ),
    ] = None,
    data: Data = None,
    download: Download = False,
    workers: Workers = None,
    executor: Executor = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the structures of a recipe and train them into a benchmark.

    What the folder holds already is not trained again.
    """
    from nnstruct.cli.tables import console, facts
    from nnstruct.recipes import run_dataset_recipe
    from nnstruct.recipes.dataset import dataset_folder
    from nnstruct.recipes.reading import recipe_file

    folder = out if out is not None else dataset_folder(recipe_file(recipe))
    keeps(ctx, folder)
    screen = console(quiet=quiet)
    bench = run_dataset_recipe(
        recipe, folder, workers=workers, device=device, progress=not quiet, announce=screen.print,
        executor=executor,
    )  # fmt: skip
    status = bench.table["status"]
    diverged, failed = int((status == "diverged").sum()), int((status == "failed").sum())
    lost = f", {failed} failed" if failed else ""
    rows = [
        ("structures", str(len(bench))),
        ("trainings", f"{len(status)}, {diverged} of them diverged{lost}"),
        ("noise ceiling", f"{bench.noise_ceiling} for the label {bench.target}"),
        ("benchmark", str(folder)),
        ("card", str(folder / "README.md")),
    ]
    if quiet:
        typer.echo(str(folder))
    screen.print(facts(rows))


def train(
    recipe: Annotated[Path, typer.Argument(help="A predictor recipe.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the saved predictor.", show_default="runs/NAME"),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(
            help="Folder of published tables, or the file of the recipe's table.",
            show_default="the environment variable NNSTRUCT_TABLES",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a score is not as expected.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Evaluate the predictor of a recipe as the recipe says, fit it to everything and save it.

    Scores are compared with those that the recipe expects, and kept beside the predictor.
    """
    from nnstruct.cli.tables import checks_table, console, end_as_expected, evaluation_table, facts
    from nnstruct.recipes import run_predictor_recipe

    screen = console(quiet=quiet)
    run = run_predictor_recipe(recipe, out, tables=tables, progress=not quiet, announce=screen.print)
    screen.print(evaluation_table(run.evaluation))
    if run.checks:
        screen.print(checks_table(run.checks))
    saved = [] if run.folder is None else [("predictor", str(run.folder))]
    screen.print(facts([*saved, ("scores", str(run.scores)), ("time", f"{run.seconds:.1f} s")]))
    if quiet:
        typer.echo(str(run.folder or run.scores))
    end_as_expected(run.checks, strict=strict)
