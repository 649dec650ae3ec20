"""The command that predicts the performance of structures."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnstruct.cli.options import MODEL, Config, Debug, Quiet, Resolution, Shape
from nnstruct.errors import InvalidInputError, OutsideRangeWarning
from nnstruct.estimators import ask_only
from nnstruct.files import write_atomically
from nnstruct.predictors.homes import FITTED, LIGHT
from nnstruct.reading import read_json

if TYPE_CHECKING:
    from nnstruct.cli.models import ModelReading
    from nnstruct.predictors import Predictor
    from nnstruct.structure import Structure


def score(
    model: Annotated[
        Path,
        typer.Argument(
            help="A saved predictor's folder, one of nnstruct predictors, or a benchmark, which auto learns."
        ),
    ],
    structures: Annotated[
        Path,
        typer.Argument(
            help=f"A benchmark's folder, a Parquet, GraphML or JSON (networkx node-link) file, or {MODEL}."
        ),
    ],
    family: Annotated[
        str | None,
        typer.Option(
            help="Of graphs that do not say their own; of models: module, auto (one that could have drawn "
            "it) or a name.",
            show_default="that of the predictor; auto",
        ),
    ] = None,
    config: Config = None,
    limit: Annotated[int, typer.Option(min=0, help="Most rows to print; 0 for all.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write all rows, in the order given, to this CSV file.", show_default=False
        ),
    ] = None,
    shape: Shape = None,
    resolution: Resolution = "unit",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict the performance of structures, with an uncertainty; the best come first."""
    from nnstruct.cli.models import ModelReading, shapes_of
    from nnstruct.cli.tables import Cell, console, count, table

    predictor, known = _predictor(model, config)
    how = ModelReading(resolution, shapes_of(shape), family=family or "auto")
    nets, labels = _read(structures, family, config, known, how)
    strange = sorted({net.family for net in nets} - set(known.get("families") or [n.family for n in nets]))
    if strange and predictor.range_ is None:  # an older file, which knows its families alone
        typer.echo(f"Warning: {model} was fitted to no structures of {', '.join(strange)}.", err=True)
    rows = _scores(predictor, nets, labels)
    screen = console(quiet=quiet and out is not None)
    ordered = sorted(rows, key=lambda row: -row["prediction"])
    shown = ordered[:limit] if limit else ordered
    target = known.get("target", "the label")
    cells: list[list[Cell]] = [[row["fingerprint"][:12], *list(row.values())[1:]] for row in shown]
    title = f"{type(predictor).name} predicts {target} of {count(len(rows))}"
    screen.print(table(list(rows[0]), cells, title=title))
    if len(shown) < len(rows):
        screen.print(f"{len(rows) - len(shown)} more rows; --limit 0 prints all, --out FILE.csv writes all.")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([list(rows[0]), *(row.values() for row in rows)])
        write_atomically(out, text.getvalue().encode())
        screen.print(f"Scores written to {out}.")


def _predictor(path: Path, config: str | None) -> tuple[Predictor, dict[str, Any]]:
    """A saved predictor, or the default one fitted to a benchmark, and what is known of its training."""
    from nnstruct.cli.inputs import (
        BENCHMARK,
        QUICKSTART,
        STRUCTURES,
        kind_of,
        load_benchmark,
        named_predictor,
    )

    if named_predictor(path) is not None:
        if str(path) in FITTED:
            ask_only()
        from nnstruct.predictors.pretrained import load_pretrained

        shipped = load_pretrained(str(path))
        return shipped, getattr(shipped, "metadata_", {})
    kind = kind_of(path)
    if kind == STRUCTURES:
        raise InvalidInputError("MODEL", "be the folder of a saved predictor or of a benchmark", str(path))
    if kind not in (BENCHMARK, QUICKSTART):
        if _name_in(path) in LIGHT:
            ask_only()
        from nnstruct.predictors.persistence import load_predictor

        model = load_predictor(path)
        return model, getattr(model, "metadata_", {})
    from nnstruct.predictors.ensemble import Ensemble
    from nnstruct.predictors.fitting import fit_with_noise
    from nnstruct.recipes.predictor import describe

    bench = load_benchmark(path, config=config)
    fitted = Ensemble()
    fit_with_noise(fitted, bench.structures, bench.y, bench.label_noise, bench.bounds)
    return fitted, describe(bench)


def _read(
    path: Path, family: str | None, config: str | None, known: dict[str, Any], how: ModelReading
) -> tuple[list[Structure], Any]:
    """Structures, and their labels where they come from a benchmark."""
    from nnstruct.cli.inputs import PREDICTOR, STRUCTURES, kind_of, load_benchmark, read_structures

    kind = kind_of(path)
    if kind == PREDICTOR:
        raise InvalidInputError("STRUCTURES", "be a benchmark or a file of structures", str(path))
    if kind == STRUCTURES:
        families = known.get("families") or []
        return read_structures(path, family or (families[0] if len(families) == 1 else None), how), None
    bench = load_benchmark(path, known.get("target"), config)
    return bench.structures, bench.y


def _name_in(folder: Path) -> str:
    """The name of the predictor in a folder; nothing where the file is damaged, as will be said later."""
    try:
        return str(read_json(folder / "predictor.json")["predictor"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _scores(predictor: Predictor, structures: list[Structure], labels: Any) -> list[dict[str, Any]]:
    """A row a structure, in the order given."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", OutsideRangeWarning)
        mean, std = predictor.predict(structures, return_std=True)
    for warning in told:
        typer.echo(f"Warning: {warning.message}", err=True)
    columns: dict[str, list[Any]] = {
        "fingerprint": [structure.fingerprint for structure in structures],
        "units": [structure.num_units for structure in structures],
        "edges": [structure.forward_edges.shape[1] for structure in structures],
        "prediction": mean.tolist(),
        "std": std.tolist(),
        "outside": predictor.outside(structures),
    }
    if labels is not None:
        columns["measured"] = labels.tolist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
