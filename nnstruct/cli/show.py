"""The command that says what a path holds, and draws it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnstruct.cli.options import MODEL, Config, Debug, Family, Resolution, Shape, Target
from nnstruct.errors import InvalidInputError
from nnstruct.files import write_atomically

if TYPE_CHECKING:
    from rich.console import Console

    from nnstruct.benchmark import Benchmark, ScoredBenchmark
    from nnstruct.network import Network
    from nnstruct.structure import Structure

DRAWN = 6


def show(
    path: Annotated[
        Path,
        typer.Argument(
            help=f"A benchmark, a quickstart's folder, a saved predictor, a structure file, or {MODEL}."
        ),
    ],
    target: Target = None,
    config: Config = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw structures, the best first, to this PNG, SVG or PDF file.", show_default=False
        ),
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option(help="Draw only the structure whose fingerprint begins so.", show_default=False),
    ] = None,
    family: Family = None,
    shape: Shape = None,
    resolution: Resolution = "unit",
    debug: Debug = False,
) -> None:
    """Summarise a benchmark, a saved predictor, a file of structures or a trained model."""
    from nnstruct.cli.inputs import (
        PREDICTOR,
        QUICKSTART,
        STRUCTURES,
        kind_of,
        load_benchmark,
        read_structures,
    )
    from nnstruct.cli.models import ModelReading, is_model, read_model, shapes_of
    from nnstruct.cli.tables import console

    screen = console()
    kind = kind_of(path)
    if kind == PREDICTOR:
        if picture is not None:
            raise InvalidInputError("--picture", "be given with a benchmark or structures", str(path))
        _show_predictor(path, screen)
        return
    if kind == STRUCTURES:
        if is_model(path):
            network = read_model(path, ModelReading(resolution, shapes_of(shape), family=family or "module"))
            structures = [network.structure]
            show_network(network, screen)
        else:
            structures = read_structures(path, family)
            _show_structures(structures, screen)
        titles = [f"{s.num_units} units, {s.forward_edges.shape[1]} edges" for s in structures]
    else:
        bench = load_benchmark(path, target, config)
        structures, titles = ([], []) if picture is None else _best_first(bench)
        from nnstruct.benchmark import ScoredBenchmark

        if isinstance(bench, ScoredBenchmark):
            _show_scores(bench, screen)
        else:
            _show_benchmark(bench, screen)
        if kind == QUICKSTART:
            _show_quickstart(path, screen)
    if picture is not None:
        draw(*_picked(structures, titles, pick), picture)
        screen.print(f"Drawn to {picture}.")


def _best_first(bench: Benchmark) -> tuple[list[Structure], list[str]]:
    import numpy as np

    y = bench.y
    order = np.argsort(-y, kind="stable")
    structures = [bench.structures[i] for i in order]
    return structures, [f"{y[i]:.4f}, {s.num_units} units" for i, s in zip(order, structures, strict=True)]


def _picked(
    structures: list[Structure], titles: list[str], pick: str | None
) -> tuple[list[Structure], list[str]]:
    if pick is None:
        return structures[:DRAWN], titles[:DRAWN]
    for structure, title in zip(structures, titles, strict=True):
        if structure.fingerprint.startswith(pick):
            return [structure], [title]
    raise InvalidInputError("--pick", "be the beginning of a structure's fingerprint", pick)


def draw(structures: Sequence[Structure], titles: Sequence[str], path: Path) -> None:
    """Draw structures side by side, three in a row, to a picture file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from nnstruct.report.images import figure_bytes

    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg", ".pdf"):
        raise InvalidInputError("--picture", "end with .png, .svg or .pdf", str(path))
    columns = min(3, len(structures))
    rows = -(-len(structures) // columns)
    width, height = (4.4, 3.2) if len(structures) > 1 else (8.0, 5.0)
    with mpl.rc_context({"font.family": "DejaVu Sans", "svg.hashsalt": "nnstruct"}):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for structure, title, ax in zip(structures, titles, axes, strict=False):
            structure.plot(ax, title=title)
        for ax in axes[len(structures) :]:
            ax.set_axis_off()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, figure_bytes(figure, suffix[1:]))


def _show_benchmark(bench: Benchmark, screen: Console) -> None:
    from nnstruct.benchmark.facts import facts as count
    from nnstruct.cli.tables import facts, number, table

    counted = count(bench, by_family=False)
    (config,) = counted["configs"].values()
    y = bench.y
    seeds = ", ".join(map(str, counted["seeds"]))
    settings = ", ".join(f"{name} {value}" for name, value in config["config"].items())
    failed = f", {counted['failed']} failed" if counted["failed"] else ""
    rows = [
        ("task", f"{counted['task']} (data {counted['task_fingerprint']})"),
        ("structures", f"{len(bench)} with a label, {len(bench.unlabelled)} without"),
        ("trainings", f"{counted['records']} with the seeds {seeds}; {counted['diverged']} diverged{failed}"),
        ("training", settings or "not recorded"),
        ("CPU hours", number(counted["cpu_hours"])),
        *((what.replace("_", " "), _span(counted[what])) for what in ("units", "forward_edges")),
        (f"label ({bench.target})", f"{y.min():.4f} to {y.max():.4f}, mean {y.mean():.4f}"),
        ("noise ceiling", str(bench.noise_ceiling)),
    ]
    screen.print(facts(rows, title="Benchmark"))
    groups: Any = [
        (row["prior"], row["family"], row["structures"], row["records"], row["mean_test"])
        for row in config["groups"]
    ]
    screen.print(table(("prior", "family", "structures", "trainings", "mean test"), groups))
    ceilings = [
        (
            name,
            found["value"],
            f"{number(found['low'])} to {number(found['high'])}",
            number(found["seeds_for_90"], 0),
        )
        for name, found in config["ceilings"].items()
    ]
    screen.print(table(("label", "noise ceiling", "95% interval", "seeds for 0.9"), ceilings))
    _show_best(bench, screen)


def _show_scores(bench: ScoredBenchmark, screen: Console) -> None:
    from nnstruct.cli.tables import facts, number

    y = bench.y
    rows = [
        ("table", bench.name),
        ("tasks", ", ".join(bench.tasks)),
        ("labels", f"{', '.join(bench.targets)} of {bench.task}"),
        ("structures", f"{len(bench)} with a label, {len(bench.unlabelled)} without; twins: {bench.twins}"),
        ("costs", ", ".join(map(str, bench.costs.columns)) or "not known"),
        (f"label ({bench.target})", f"{number(y.min())} to {number(y.max())}, mean {number(y.mean())}"),
        ("noise ceiling", str(bench.noise_ceiling)),
    ]
    screen.print(facts(rows, title="Benchmark of scores"))
    _show_best(bench, screen)


def _show_best(bench: Benchmark, screen: Console) -> None:
    from nnstruct.cli.tables import table

    y, spread = bench.y, bench.y_std
    best = sorted(range(len(bench)), key=lambda i: -y[i])[:5]
    screen.print(
        table(
            ("best structures", "label", "sd", "units", "layers", "edges", "prior"),
            (
                (s.fingerprint[:12], float(y[i]), float(spread[i]), *_sizes(s), _origin(s))
                for i, s in zip(best, bench.structures_at(best), strict=True)
            ),
        )
    )


def _show_quickstart(path: Path, screen: Console) -> None:
    from nnstruct.cli.tables import facts

    models = ", ".join(sorted(entry.name for entry in (path / "models").glob("[!.]*")))
    screen.print(facts([("report", str(path / "report.html")), ("predictors", models or "none yet")]))


def _show_predictor(path: Path, screen: Console) -> None:
    from nnstruct.cli.inputs import named_predictor
    from nnstruct.cli.tables import count, facts
    from nnstruct.predictors import load_predictor, load_pretrained

    predictor = load_pretrained(str(path)) if named_predictor(path) else load_predictor(path)
    rows = [
        ("predictor", type(predictor).name),
        ("fitted to", count(predictor.num_structures_)),
        *((name, str(value)) for name, value in sorted(predictor.get_params(deep=False).items())),
        *((name.replace("_", " "), str(value)) for name, value in predictor.metadata_.items()),
    ]
    screen.print(facts(rows, title="Saved predictor"))


def _show_structures(structures: Sequence[Structure], screen: Console) -> None:
    from nnstruct.cli.tables import count, table

    shown = structures[:20]
    rows = ((s.fingerprint[:12], s.family, *_sizes(s), len(s.dead_units), _origin(s)) for s in shown)
    columns = ("fingerprint", "family", "units", "layers", "edges", "dead", "origin")
    screen.print(table(columns, rows, title=count(len(structures))))
    if len(shown) < len(structures):
        screen.print(f"{len(structures) - len(shown)} more.")


def show_network(network: Network, screen: Console) -> None:
    """What a trained network is made of: units, edges, parameters by layer, and what is dead."""
    from nnstruct.cli.tables import facts, table

    structure = network.structure
    delayed = int(structure.recurrent.sum())
    rows = [
        ("family", structure.family),
        ("fingerprint", structure.fingerprint[:12]),
        ("units", f"{structure.num_units} in {structure.num_layers} layers, {len(network.dead_units)} dead"),
        ("edges", f"{structure.num_edges - delayed} forward, {delayed} recurrent"),
        ("effective depth", str(network.effective_depth)),
        ("not known", "; ".join(network.opaque) or "nothing"),
    ]
    screen.print(facts(rows, title="Network"))
    try:
        layers = network.layers()
    except InvalidInputError:  # at layer resolution edges have no weights
        return
    counts, shares = ["weights", "nonzero"], ["density", "effective_density"]
    cells = (
        (
            f"{row['name']} {row['operator']}".strip(),
            row["role"].removeprefix("weight_"),
            *(int(row[name]) for name in counts),
            *(float(row[name]) for name in shares),
        )
        for row in layers.to_dict("records")
    )
    screen.print(table(("layer", "role", *counts, "density", "on a path"), cells))


def _sizes(structure: Structure) -> tuple[int, int, int]:
    return structure.num_units, structure.num_layers, structure.forward_edges.shape[1]


def _origin(structure: Structure) -> str:
    return str(structure.origin.get("prior") or structure.origin.get("kind") or "user")


def _span(span: dict[str, float]) -> str:
    return f"{span['min']} to {span['max']}, median {span['median']:g}"
