"""What a path on the command line holds: a benchmark, a predictor, structures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.cli.models import FILES, ModelReading, is_model, names_function, read_model
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError

if TYPE_CHECKING:
    import networkx as nx

    from nnstruct.benchmark import Benchmark
    from nnstruct.structure import Structure

BENCHMARK, PREDICTOR, QUICKSTART, STRUCTURES = "benchmark", "predictor", "quickstart", "structures"
DEFAULT_FAMILY = "mlp"


def kind_of(path: Path) -> str:
    """What lies at a path.

    Raises
    ------
    MissingDataError
        If nothing does.
    InvalidInputError
        If it is nothing that nnstruct reads.
    """
    if not path.exists() and not names_function(path):
        raise MissingDataError(f"There is no {path}.")
    if is_model(path):
        return STRUCTURES
    if path.is_dir():
        marks = (
            (PREDICTOR, "predictor.json"),
            (QUICKSTART, "quickstart.json"),
            (BENCHMARK, "manifest.json"),
            (BENCHMARK, "scores.json"),
        )
        for kind, mark in marks:
            if (path / mark).exists():
                return kind
        raise InvalidInputError(
            "the folder", "be a benchmark, a saved predictor or a quickstart's", str(path)
        )
    if path.suffix.lower() not in _READERS:
        hint = "Pickle files are never read." if path.suffix.lower() in (".pkl", ".pickle", ".joblib") else ""
        raise InvalidInputError("the file", f"end with {', '.join([*_READERS, *FILES])}", str(path), hint)
    return STRUCTURES


def load_benchmark(path: Path, target: str | None = None, config: str | None = None) -> Benchmark:
    """A benchmark folder, or the one in a quickstart's folder, with one label a structure."""
    from nnstruct.benchmark import Benchmark

    folder = path / "benchmark" if (path / "quickstart.json").exists() else path
    bench = Benchmark.load(folder, target=target)
    if config is not None:
        bench = bench.select_config(config)
    found = sorted(set(bench.table.get("config_id", ())))
    if len(found) > 1:
        raise InvalidInputError("--config", f"be one of {', '.join(found)}", config)
    if not len(bench):
        raise InvalidInputError(str(folder), "hold at least one structure with a label", 0)
    return bench


def read_structures(
    path: Path, family: str | None = None, reading: ModelReading | None = None
) -> list[Structure]:
    """Structures from a file.

    Parameters
    ----------
    path : Path
        Parquet with the columns of :func:`nnstruct.structure.interchange.arrow_schema`, GraphML, or JSON in
        networkx' node-link form (one graph or a list of them); or what
        :func:`nnstruct.cli.models.read_model` reads.
    family : str, optional
        Of graphs that do not say their own.
    reading : ModelReading, optional
        How a model is read.

    Raises
    ------
    MissingDataError, InvalidInputError, CorruptFileError, UnsupportedOperationError
    """
    kind_of(path)
    if is_model(path):
        return [read_model(path, reading).structure]
    structures = _READERS[path.suffix.lower()](path, family)
    if not structures:
        raise InvalidInputError(str(path), "hold at least one structure", 0)
    return structures


def _from_parquet(path: Path, family: str | None) -> list[Structure]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from nnstruct.structure.interchange import from_arrow

    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise CorruptFileError(f"{path} is not a readable Parquet file: {error}.") from error
    return from_arrow(table)


def _from_graphml(path: Path, family: str | None) -> list[Structure]:
    import xml.etree.ElementTree as ET

    import networkx as nx

    try:
        graph = nx.read_graphml(path)
    except (ET.ParseError, nx.NetworkXError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is not a GraphML file: {error}.") from error
    return [_structure(graph, family)]


def _from_json(path: Path, family: str | None) -> list[Structure]:
    import networkx as nx

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        graphs = [_node_link(item) for item in (content if isinstance(content, list) else [content])]
    except (ValueError, KeyError, TypeError, AttributeError, nx.NetworkXError) as error:
        raise CorruptFileError(f"{path} is not a graph in networkx' node-link form: {error!r}.") from error
    return [_structure(graph, family) for graph in graphs]


def _node_link(item: Any) -> nx.Graph:
    import networkx as nx

    # networkx wrote the edges as "links" before version 3.4.
    return nx.node_link_graph(item, edges="links" if "links" in item else "edges")


def _structure(graph: nx.Graph, family: str | None) -> Structure:
    from nnstruct.structure import Structure

    chosen = family or graph.graph.get("family") or DEFAULT_FAMILY
    return Structure.from_networkx(graph, family=str(chosen))


_READERS: dict[str, Callable[[Path, str | None], list[Structure]]] = {
    ".parquet": _from_parquet,
    ".graphml": _from_graphml,
    ".json": _from_json,
}
