"""The command that measures structures and tells which measures go with the label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnstruct.cli.options import MODEL, Config, Debug, Family, Quiet, Resolution, Shape, Target
from nnstruct.errors import InvalidInputError
from nnstruct.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def features(
    benchmark: Annotated[
        Path,
        typer.Argument(
            help=f"A benchmark's folder, a Parquet, GraphML or JSON file of structures, or {MODEL}."
        ),
    ],
    families: Annotated[
        str | None,
        typer.Option("--families", "-f", help="Names, separated by commas.", show_default="all"),
    ] = None,
    target: Target = None,
    config: Config = None,
    top: Annotated[int, typer.Option(min=1, help="Measures to print and to draw.")] = 15,
    importance: Annotated[
        bool, typer.Option("--importance", help="Also shuffle each family among structures not seen.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw what is found to this .png, .svg or .pdf file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the features to this CSV file.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the folds and the shuffles.")] = 0,
    family: Family = None,
    shape: Shape = None,
    resolution: Resolution = "unit",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure structures; for a benchmark, tell which measures and families go with its label."""
    from nnstruct.cli.inputs import STRUCTURES, kind_of, load_benchmark, read_structures
    from nnstruct.cli.models import ModelReading, shapes_of
    from nnstruct.cli.tables import console, count
    from nnstruct.properties import PROPERTY_FAMILIES
    from nnstruct.properties import features as measure

    names = [name.strip() for name in families.split(",")] if families else [*PROPERTY_FAMILIES]
    for name in names:
        PROPERTY_FAMILIES[name]
    if picture is not None and picture.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InvalidInputError("--picture", "end with .png, .svg or .pdf", str(picture))
    bare = kind_of(benchmark) == STRUCTURES
    if bare and (importance or picture is not None):
        raise InvalidInputError("--importance and --picture", "be given with a benchmark", str(benchmark))
    bench = None if bare else load_benchmark(benchmark, target, config)
    how = ModelReading(resolution, shapes_of(shape), family=family or "module")
    structures = read_structures(benchmark, family, how) if bench is None else bench.structures
    table = measure(structures, names, progress=not quiet)
    screen = console(quiet=quiet)
    if bench is not None:
        from nnstruct.predictors import RandomForest
        from nnstruct.predictors.feature_study import family_importance, label_correlations

        correlations = label_correlations(table, bench.y)
        forest = RandomForest(families=names, random_state=seed)
        losses = family_importance(forest, bench, seed=seed) if importance else None
        _print(screen, correlations.head(top), losses, len(structures))
        if picture is not None:
            draw(table, correlations, losses, picture, top)
            screen.print(f"Drawn to {picture}.")
    else:
        measures = f"{count(len(table.columns), 'measure')} of {', '.join(names)}"
        screen.print(f"{count(len(structures))}, {measures}")
        if len(structures) == 1:
            _print_one(screen, table)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        labelled = table.copy()
        if bench is not None:
            labelled.insert(0, "label", bench.y)
        labelled.insert(0, "fingerprint", [structure.fingerprint for structure in structures])
        write_atomically(out, labelled.to_csv(index=False).encode())
        screen.print(f"Features written to {out}.")


def _print(screen: Console, top: pd.DataFrame, losses: pd.DataFrame | None, structures: int) -> None:
    from nnstruct.cli.tables import count, table

    rows = ((str(name), float(row["spearman"]), int(row["known"])) for name, row in top.iterrows())
    title = f"Measures that go with the label of {count(structures)}"
    screen.print(table(("measure", "Spearman", "structures"), rows, title=title))
    if losses is not None:
        shown = ((str(n), float(r["loss"]), float(r["sd"]), int(r["columns"])) for n, r in losses.iterrows())
        title = f"R2 lost by shuffling a family on held-out folds (forest, R2 {losses.attrs['r2']:.3f})"
        screen.print(table(("family", "R2 lost", "sd", "columns"), shown, title=title))


def _print_one(screen: Console, measured: pd.DataFrame) -> None:
    from nnstruct.cli.tables import table

    rows = ((str(name), float(value)) for name, value in measured.iloc[0].items())
    screen.print(table(("measure", "value"), rows))


def draw(
    table: pd.DataFrame, correlations: pd.DataFrame, losses: pd.DataFrame | None, path: Path, top: int
) -> None:
    """Draw correlations with the label, among the measures and, if known, family importances."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from nnstruct.report.feature_plots import correlation_bars, correlation_map, importance_bars
    from nnstruct.report.images import figure_bytes

    panels = 2 + (losses is not None)
    with mpl.rc_context({"font.family": "DejaVu Sans", "svg.hashsalt": "nnstruct"}):
        figure = Figure(figsize=(7.4 * panels, 1.4 + 0.3 * max(10, top)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        correlation_bars(axes[0], correlations, top=top)
        if len(correlations) > 1:
            correlation_map(axes[1], table, list(correlations.index[:top]))
        else:
            axes[1].set_axis_off()
        if losses is not None:
            importance_bars(axes[2], losses)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, figure_bytes(figure, path.suffix[1:].lower(), dpi=130))
