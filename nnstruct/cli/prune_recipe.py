"""``nnstruct prune`` on a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nnstruct.cli.options import keeps

if TYPE_CHECKING:
    from rich.console import Console


def run_recipe(
    ctx: typer.Context,
    recipe: Path,
    out: Path | None,
    workers: int,
    screen: Console,
    *,
    quiet: bool,
    strict: bool,
    executor: str | None = None,
) -> None:
    """Run a pruning recipe and print its tables; ends with code 1 where ``strict`` finds a claim untrue."""
    from nnstruct.cli.tables import facts, table
    from nnstruct.recipes import run_pruning_recipe
    from nnstruct.recipes.dataset import RUNS

    keeps(ctx, out if out is not None else RUNS / recipe.stem)
    run = run_pruning_recipe(
        recipe, out, workers=workers, announce=screen.print, executor=executor or "local"
    )
    head = ("method", "density", "seeds", "test before", "test after", "95% low", "high", "above dense")
    names = ["before", "after", "after_low", "after_high", "above_dense"]
    rows = [
        (str(label), f"{100 * density:.4g}%", int(seeds), *values)
        for (label, density, seeds), values in zip(
            run.table[["label", "density", "seeds"]].itertuples(index=False),
            run.table[names].to_numpy().tolist(),
            strict=True,
        )
    ]
    screen.print(table(head, rows))
    if len(run.comparisons):
        columns = ["first", "second", "density", "difference", "low", "high", "p_holm"]
        tests = [tuple(row) for row in run.comparisons[columns].itertuples(index=False)]
        screen.print(
            table(("first", "second", "density", "difference", "95% low", "high", "p (Holm)"), tests)
        )
    if run.claims:
        claims = [(claim.text, claim.found, "yes" if claim.holds else "no") for claim in run.claims]
        screen.print(table(("expected", "found", "holds"), claims))
    screen.print(facts([("tables and plot", str(run.folder))]))
    if quiet:
        typer.echo(str(run.folder))
    untrue = [claim.text for claim in run.claims if not claim.holds]
    if untrue:
        typer.echo(f"Warning: not as the recipe expects: {'; '.join(untrue)}.", err=True)
        if strict:
            raise typer.Exit(1)
