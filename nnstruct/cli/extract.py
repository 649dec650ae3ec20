"""The command that turns a trained model into a graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnstruct.cli.options import MODEL, Debug, Quiet, Resolution, Shape
from nnstruct.errors import InvalidInputError

if TYPE_CHECKING:
    from nnstruct.network import Network

_FORMATS = (".parquet", ".graphml", ".json", ".csv")


def extract(
    model: Annotated[
        Path,
        typer.Argument(help=f"{MODEL[0].upper()}{MODEL[1:]}."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the structure to this .parquet file, the graph with its weights to this .graphml or "
            ".json (networkx node-link) file, or the density of each layer to this .csv file.",
            show_default=False,
        ),
    ] = None,
    resolution: Resolution = "unit",
    family: Annotated[
        str, typer.Option(help="module, auto (the family that could have drawn it, if any) or a name.")
    ] = "module",
    shape: Shape = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, help="Weights up to this magnitude count as zero.")
    ] = 0.0,
    opaque: Annotated[
        bool,
        typer.Option("--opaque", help="Units in place of operations that are not supported, not an error."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw it to this PNG, SVG or PDF file.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn a trained model into a graph of its neurons, weights or layers."""
    from nnstruct.cli.models import ModelReading, read_model, shapes_of
    from nnstruct.cli.show import draw, show_network
    from nnstruct.cli.tables import console

    if out is not None and out.suffix.lower() not in _FORMATS:
        raise InvalidInputError("--out", f"end with {', '.join(_FORMATS)}", str(out))
    network = read_model(model, ModelReading(resolution, shapes_of(shape), threshold, opaque, family))
    screen = console(quiet=quiet)
    show_network(network, screen)
    if picture is not None:
        structure = network.structure
        title = f"{model.name}: {structure.num_units} units, {structure.forward_edges.shape[1]} edges"
        draw([structure], [title], picture)
        screen.print(f"Drawn to {picture}.")
    if out is not None:
        _write(network, out)
        screen.print(f"Written to {out}.")


def _write(network: Network, out: Path) -> None:
    from nnstruct.files import parquet_bytes, write_atomically

    out.parent.mkdir(parents=True, exist_ok=True)
    suffix = out.suffix.lower()
    if suffix == ".graphml":
        network.to_graphml(out)
    elif suffix == ".parquet":
        from nnstruct.structure.interchange import to_arrow

        write_atomically(out, parquet_bytes(to_arrow([network.structure])))
    elif suffix == ".csv":
        write_atomically(out, network.layers().to_csv(index=False).encode())
    else:
        import json

        import networkx as nx

        graph = nx.node_link_data(network.to_networkx(), edges="edges")
        write_atomically(out, json.dumps(graph).encode())
