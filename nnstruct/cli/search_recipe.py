"""``nnstruct search`` on a recipe, and what any search shows at its end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nnstruct.cli.options import keeps
from nnstruct.errors import InvalidInputError

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.search import Final, Search

# Options that go with a recipe.
_BESIDE = ("recipe", "out", "data", "download", "workers", "executor", "strict", "quiet", "debug")


def run_recipe(
    ctx: typer.Context,
    recipe: Path,
    workers: int | None,
    executor: str | None,
    *,
    quiet: bool,
    strict: bool,
) -> None:
    """Run a search recipe and print what it found; code 1 where ``strict`` finds a score outside."""
    from nnstruct.cli.tables import checks_table, console, end_as_expected
    from nnstruct.recipes import run_search_recipe
    from nnstruct.recipes.dataset import RUNS

    for name in ctx.params:
        if _is_given(ctx, name) and name not in _BESIDE:
            rule = "be left out with a recipe, which says it"
            raise InvalidInputError(f"--{name.replace('_', '-')}", rule, ctx.params[name])
    out = ctx.params["out"] if _is_given(ctx, "out") else RUNS / recipe.stem
    keeps(ctx, out)
    screen = console(quiet=quiet)
    run = run_search_recipe(
        recipe,
        out,
        workers=workers,
        progress=not quiet,
        announce=None if quiet else screen.print,
        executor=executor or "local",
    )
    show_found(run.search, run.found, run.final, run.folder, quiet=quiet)
    if run.checks:
        screen.print(checks_table(run.checks))
    end_as_expected(run.checks, strict=strict)


def _is_given(ctx: typer.Context, name: str) -> bool:
    return str(ctx.get_parameter_source(name)).endswith("COMMANDLINE")


def show_found(search: Search, found: Benchmark, final: Final | None, out: Path, *, quiet: bool) -> None:
    """Print what a search found and where it lies."""
    from nnstruct.cli.tables import Cell, console, facts, table

    history = search.history
    best = search.best if final is None else final.winner
    screen = console()
    if quiet:
        score = search.best_score if final is None else final.score
        screen.print(f"{score:.4f} {best.fingerprint}")
        return
    top = history[history["operator"] != "told"].sort_values("score", ascending=False, kind="stable").head(5)
    columns = ("fingerprint", "score", "believed", "believed_std", "units", "edges", "operator")
    rows: list[list[Cell]] = [
        [row["fingerprint"][:12], *(row[name] for name in columns[1:])] for row in top.to_dict("records")
    ]
    screen.print(table(("best found", "claimed", "believed", "std", "units", "edges", "by"), rows))
    if len(history.attrs["objectives"]) > 1:
        front = search.pareto
        shown: list[list[Cell]] = [
            [row["fingerprint"][:12], *(row[name] for name in front.columns[1:-1])]
            for row in front.to_dict("records")
        ]
        screen.print(table(("front", *front.columns[1:-1]), shown))
    outcome = [("claimed best of all", f"{search.best_claim:.4f}")]
    if final is None:
        mean, std = search.best_belief
        said = "" if math.isnan(mean) else f", believed to have {mean:.4f} with a deviation of {std:.4f}"
        outcome += [("believed best", f"{best!r}, which claims {search.best_score:.4f}{said}")]
    else:
        low, high = final.interval
        outcome += [
            ("winner, trained again", f"{best!r}"),
            ("its test score", f"{final.score:.4f}, 95% interval of the mean {low:.4f} to {high:.4f}"),
        ]
    screen.print(
        facts(
            [
                *outcome,
                ("best structure", f"{out / 'best.json'} (networkx node-link)"),
                ("history", str(out / "history.csv")),
                ("trainings", f"{out / 'benchmark'} ({len(found.table)} records)"),
            ]
        )
    )
