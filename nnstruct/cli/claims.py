"""The command that lists the claims of papers and runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnstruct.cli.options import Debug

NOT_AS_EXPECTED = 1


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(help="Claims to run; none, to list all.", show_default=False)
    ] = None,
    run_all: Annotated[bool, typer.Option("--all", help="Run all claims.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the recipes lie.")] = Path("train/claims"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where outcomes are kept.")] = Path("runs/claims"),
    page: Annotated[
        Path | None,
        typer.Option(help="Write a page with all outcomes that are kept to this file.", show_default=False),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a claim does not come out as its recipe expects.")
    ] = False,
    debug: Debug = False,
) -> None:
    """List the papers' claims, or run some or all: the paper's figure, ours, and whether it holds."""
    from nnstruct.claims import claims_page, find_claims, load_outcome, run_claim
    from nnstruct.cli.tables import console, table
    from nnstruct.files import write_atomically
    from nnstruct.recipes.reading import check_known

    known = find_claims(folder)
    chosen = list(known) if run_all else list(names or [])
    for name in chosen:
        check_known(name, known, "each claim")
    screen, wrong = console(), []
    for name in chosen:
        outcome = run_claim(name, known[name])
        outcome.save(out)
        rows = [(measure.replace("_", " "), *outcome.interval(measure)) for measure in outcome.values]
        screen.print(f"{name}: {outcome.says}")
        screen.print(f"The paper: {outcome.figure} ({outcome.paper}).")
        screen.print(table(("measure", "mean", "from", "to"), rows))
        verdict = "It holds" if outcome.holds else "It does not hold"
        screen.print(f"{verdict}; {outcome.cpu_minutes:.1f} minutes of one core.\n")
        if outcome.holds != outcome.expected:
            wrong.append(name)
    kept = [load_outcome(out / f"{name}.json") for name in known if (out / f"{name}.json").is_file()]
    if not chosen:
        verdicts = {outcome.name: "yes" if outcome.holds else "no" for outcome in kept}
        shown = [(name, known[name].claim.says, verdicts.get(name, "")) for name in known]
        screen.print(table(("claim", "what is said", "holds"), shown))
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, claims_page(kept).encode())
        screen.print(f"{len(kept)} outcomes written to {page}.")
    if strict and wrong:
        screen.print(f"Not as expected: {', '.join(wrong)}.")
        raise typer.Exit(NOT_AS_EXPECTED)
