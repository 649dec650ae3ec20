"""The commands, and what becomes of an error in one of them."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nnstruct import __version__
from nnstruct.cli.claims import claims
from nnstruct.cli.evaluate import evaluate
from nnstruct.cli.extract import extract
from nnstruct.cli.features import features
from nnstruct.cli.leaderboard import leaderboard
from nnstruct.cli.make import build, quickstart, train
from nnstruct.cli.options import DEBUG, KEPT, without_plugins
from nnstruct.cli.parts import list_parts, predictors
from nnstruct.cli.prune import prune
from nnstruct.cli.report import report
from nnstruct.cli.score import score
from nnstruct.cli.search import search
from nnstruct.cli.show import show
from nnstruct.errors import NnstructError
from nnstruct.estimators import own_process
from nnstruct.reading import one_line

FAILED, INTERRUPTED = 1, 130


class Commands(TyperGroup):
    """Turns what a command raises into one sentence and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--plugin FILE.py`` wherever it stands."""
        files, rest = without_plugins(args)
        return super().parse_args(ctx, [*(word for file in files for word in ("--plugin", file)), *rest])

    def invoke(self, ctx: Any) -> Any:
        """Run a command; its errors become exit codes."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. {ctx.meta.get(KEPT, 'Nothing was written.')}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of a pipe has seen enough; typer ends without a word.
            raise
        except (NnstructError, OSError, MemoryError) as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            typer.echo(f"Error: {_sentence(error)}", err=True)
            raise typer.Exit(FAILED) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, NnstructError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    if isinstance(error, MemoryError):
        return f"There is not enough memory. {one_line(error)}".strip()
    return " ".join(str(error).split())


app = typer.Typer(
    name="nnstruct",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Predict a neural network's performance from its structure.\n\n"
    "Start with [bold]nnstruct quickstart[/]: it goes the whole way once and leaves a report.",
)
_MAKE = (quickstart, build, train, evaluate, leaderboard, report, claims)
_USE = (extract, features, score, search, prune, show)
for _command in (*_MAKE, *_USE):
    app.command()(_command)
app.command("list")(list_parts)
app.command()(predictors)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"nnstruct {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            help="Run this Python file, which registers parts of your own. Repeat for several.",
            show_default=False,
        ),
    ] = None,
) -> None:
    if plugin:
        from nnstruct.plugins import load_plugin

        for file in plugin:
            load_plugin(file)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 failed with one sentence on the standard error, 2 wrong usage, 130
    interrupted.
    """
    own_process()
    app(prog_name="nnstruct")
