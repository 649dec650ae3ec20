"""The commands that list what there is: parts by name, benchmarks, saved predictors."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from nnstruct.cli.options import Debug
from nnstruct.errors import UnknownNameError, nearest

# What is listed: the word on the command line, and where its registry is.
KINDS = {
    "acquisitions": ("nnstruct.search", "ACQUISITIONS", "JOINT_ACQUISITIONS"),
    "engines": ("nnstruct.population.engines", "ENGINES"),
    "families": ("nnstruct.structure.families", "FAMILIES"),
    "operators": ("nnstruct.search", "OPERATORS"),
    "predictors": ("nnstruct.predictors", "PREDICTORS"),
    "priors": ("nnstruct.priors", "PRIORS"),
    "probes": ("nnstruct.probes", "PROBE_FAMILIES"),
    "properties": ("nnstruct.properties", "PROPERTY_FAMILIES", "NETWORK_FAMILIES"),
    "pruners": ("nnstruct.pruning", "PRUNERS"),
    "selections": ("nnstruct.search", "SELECTIONS"),
    "tables": ("nnstruct.tables", "TABLES"),
    "targets": ("nnstruct.benchmark", "TARGETS"),
    "tasks": ("nnstruct.tasks", "TASKS"),
}
BENCHMARKS = "benchmarks"


def list_parts(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(help=f"{', '.join([*KINDS, BENCHMARKS])}; none, for their names.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """List what there is by name, with a line each: priors, tasks, predictors, operators and more."""
    from nnstruct.cli.tables import console, table
    from nnstruct.plugins import load_plugins

    load_plugins()
    screen = console()
    for kind in kinds or []:
        if kind not in KINDS and kind != BENCHMARKS:
            known = sorted([*KINDS, BENCHMARKS])
            raise UnknownNameError("KIND", f"be one of {', '.join(known)}", kind, nearest(kind, known))
    if not kinds:
        rows = [(kind, len(found), ", ".join(name for name, _ in found)) for kind, found in _all()]
        screen.print(table(("kind", "", "names"), rows, words=True))
        return
    for kind in kinds:
        screen.print(table((kind, "what it is"), parts_of(kind), words=True))


def predictors(debug: Debug = False) -> None:
    """List the fitted predictors that come with the package: what each was fitted to, and its scores."""
    from nnstruct.cli.tables import console, table
    from nnstruct.predictors import pretrained_cards

    rows = [
        (
            card["name"],
            card["says"],
            "-" if card["structures"] is None else str(card["structures"]),
            "-" if card["r2"] is None else f"{card['r2']:.2f}",
            "-" if card["kendall"] is None else f"{card['kendall']:.2f}",
            "-" if card["ceiling"] is None else f"{card['ceiling']:.2f}",
        )
        for card in pretrained_cards()
    ]
    screen = console()
    columns = ("name", "what it predicts", "fitted to", "R2", "tau", "ceiling")
    screen.print(table(columns, rows, words=True))
    screen.print('In Python: ns.load_pretrained("NAME"); on the command line: nnstruct score NAME STRUCTURES')


def parts_of(kind: str) -> list[tuple[str, str]]:
    """The names of a kind with a line each.

    Parameters
    ----------
    kind : str

    Returns
    -------
    list of (str, str)
    """
    if kind == BENCHMARKS:
        from nnstruct.benchmark import benchmark_names, find_benchmark

        return [(name, str(find_benchmark(name))) for name in benchmark_names()]
    module, *registries = KINDS[kind]
    found = [getattr(importlib.import_module(module), name) for name in registries]
    rows: list[tuple[str, Any]] = [(name, registry.about(name)) for registry in found for name in registry]
    return sorted(rows)


def _all() -> list[tuple[str, list[tuple[str, str]]]]:
    return [(kind, parts_of(kind)) for kind in sorted([*KINDS, BENCHMARKS])]
