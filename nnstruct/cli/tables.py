"""What commands print: tables of results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from nnstruct.predictors import Evaluation
    from nnstruct.predictors.report import ScoreTable
    from nnstruct.recipes.expected import Check

Cell = str | int | float
# Columns of an evaluation that fit a terminal beside R2, and their headings there.
_NARROW = {"MAE": "MAE", "Kendall tau": "tau", "inside 90%": "in 90%", "fit [s]": "fit [s]"}


class Screen(Console):
    """A console on which no table loses a part of a number.

    A table that needs more room than there is gets it: the lines of a terminal wrap, those of a file or pipe
    are as long as they have to be. Text goes over several lines there from 200 characters on.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, tables in the width that they need.

        Parameters
        ----------
        *objects
        **options
            Of ``rich.console.Console.print``.
        """
        before = self.width
        tables = [item for item in objects if isinstance(item, Table)]
        if not tables:
            super().print(*objects, **options)
            return
        wide = self.options.update(max_width=_WIDEST)
        needed = [Measurement.get(self, wide, item) for item in tables]
        room = 0 if self.is_terminal else _TEXT
        least = max(max(size.minimum, min(size.maximum, room)) for size in needed)
        try:
            self.width = max(before, min(least, _WIDEST))
            super().print(*objects, **{"crop": False, **options})
        finally:
            self.width = before


_WIDEST = 1000
_TEXT = 200


def console(*, quiet: bool = False) -> Screen:
    """Where results go: the standard output; brackets in a path are no markup."""
    return Screen(quiet=quiet, highlight=False, markup=False)


def table(
    columns: Iterable[str], rows: Iterable[Iterable[Cell]], title: str | None = None, *, words: bool = False
) -> Table:
    """A table whose first column is text and whose others are numbers, which are never cut.

    Parameters
    ----------
    columns : iterable of str
        Headings.
    rows : iterable of iterable of str, int or float
    title : str, optional
    words : bool
        Whether the other columns are text, too, which may go over several lines.

    Returns
    -------
    rich.table.Table
    """
    made = Table(
        box=box.SIMPLE,
        title=title,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, column in enumerate(columns):
        right = index and not words
        made.add_column(
            column, justify="right" if right else "left", no_wrap=bool(right or index == 0), overflow="fold"
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, str) else number(cell) for cell in row))
    return made


def count(number: int, what: str = "structure") -> str:
    """A number and what it counts, ``1 structure`` or ``2 structures``.

    Parameters
    ----------
    number : int
    what : str
        A word whose plural ends with s.

    Returns
    -------
    str

    Examples
    --------
    >>> count(1), count(2), count(0, "row")
    ('1 structure', '2 structures', '0 rows')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def number(value: float, places: int = 4) -> str:
    """An integer as it is, a float with so many places, a dash for what is no number."""
    if isinstance(value, int | np.integer):
        return str(value)
    return f"{value:.{places}f}" if math.isfinite(value) else "-"


def facts(rows: Iterable[tuple[str, str]], title: str | None = None) -> Table:
    """Names and what they stand for, in two columns."""
    made = Table(box=None, show_header=False, title=title, title_justify="left", title_style="bold")
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made


def evaluation_table(evaluation: Evaluation) -> Table:
    """Scores by predictor, the best first, and the noise ceiling below them.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    rich.table.Table
        Of the columns that a terminal has room for.
    """
    scores = evaluation.scores
    if evaluation.train_sizes:
        return _curve_table(evaluation, scores)
    places = [scores.columns.index(name) for name in _NARROW]
    how = f"{evaluation.repeats} x {evaluation.folds}-fold cross-validation on"
    if evaluation.folds == 1:
        how = "learned from another benchmark, asked about"
    made = table(
        ("predictor", f"R2 [{evaluation.confidence:.0%} interval]", *_NARROW.values()),
        ((name, str(row[0]), *(row[place].value for place in places)) for name, row in scores.rows.items()),
        title=f"{how} {count(evaluation.num_structures)}",
    )
    made.add_section()
    made.add_row("noise ceiling", str(scores.ceiling), style="yellow")
    return made


def _curve_table(evaluation: Evaluation, scores: ScoreTable) -> Table:
    headings = {"Kendall tau": "tau", "R2": "R2", "precision@k": "P@k", "N@k": "N@k", "inside 90%": "in 90%"}
    places = [scores.columns.index(name) for name in headings]
    made = table(
        ("predictor, labels, scored", *headings.values()),
        ((name, *(str(row[place]) for place in places)) for name, row in scores.rows.items()),
        title=(
            f"{evaluation.repeats} random training sets of each size from "
            f"{count(evaluation.num_structures)}, mean ± sd"
        ),
    )
    made.add_section()
    made.add_row("noise ceiling of R2", "", str(scores.ceiling), style="yellow")
    return made


def commands(rows: Iterable[tuple[str, str]], to: Console) -> None:
    """What to do next; a command is never broken, so that it can be copied."""
    to.print("\nWhat to do next", style="bold")
    for what, command in rows:
        to.print(Padding(what, (0, 0, 0, 2)))
        to.print(f"    {command}", style="cyan", soft_wrap=True)


def checks_table(checks: Sequence[Check]) -> Table:
    """Scores beside what a recipe expects of them."""
    rows: list[list[Cell]] = [
        [c.label, number(c.value), f"{c.low:g} to {c.high:g}", "within" if c.within else "outside"]
        for c in checks
    ]
    return table(("score", "found", "expected", ""), rows)


def end_as_expected(checks: Sequence[Check], *, strict: bool) -> None:
    """Warn of scores outside their bounds; where ``strict``, end with code 1."""
    outside = [check.label for check in checks if not check.within]
    if outside:
        typer.echo(f"Warning: not as the recipe expects: {', '.join(outside)}.", err=True)
        if strict:
            raise typer.Exit(1)
