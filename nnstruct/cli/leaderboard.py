"""The command that puts evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnstruct.cli.options import Debug


def leaderboard(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files that evaluations were saved to.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write a page to this .md or .html file.", show_default=False),
    ] = None,
    metric: Annotated[str, typer.Option(help="What orders the predictors.")] = "kendall",
    debug: Debug = False,
) -> None:
    """Put saved evaluations side by side: a table a benchmark, training size and protocol."""
    from nnstruct.cli.tables import console, table
    from nnstruct.files import write_atomically
    from nnstruct.predictors import leaderboard as collected
    from nnstruct.predictors import leaderboard_page

    board = collected(paths, metric=metric)
    screen = console()
    if out is not None:
        page = leaderboard_page(board, out.suffix.lower())
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, page.encode())
        screen.print(f"{len(board)} rows written to {out}.")
        return
    shown = [
        (row["predictor"], row["benchmark"], _labels(row), row["protocol"], row[metric], row[f"{metric}_sd"])
        for row in board.to_dict("records")
    ]
    screen.print(table(("predictor", "benchmark", "labels", "protocol", metric, "sd"), shown))


def _labels(row: dict) -> str:
    return f"{row['folds']} folds" if row["folds"] else str(row["train_size"])
