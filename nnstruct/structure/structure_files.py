"""Structures in files: Parquet, networkx' node-link JSON, GraphML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.files import parquet_bytes, write_atomically
from nnstruct.reading import mapping, read_bytes, read_json, reading
from nnstruct.structure.checks import check_structures
from nnstruct.structure.interchange import from_arrow, to_arrow
from nnstruct.structure.structure import Structure
from nnstruct.unpacking import read_parquet

if TYPE_CHECKING:
    import networkx as nx

DEFAULT_FAMILY = "mlp"
_PICKLES = (".pkl", ".pickle", ".joblib")


def save_structures(structures: Iterable[Structure], path: str | Path) -> Path:
    """Write structures to a file that :func:`load_structures` reads.

    Parameters
    ----------
    structures : iterable of Structure or Network
        At least one.
    path : path
        ``.parquet`` keeps everything, in little space. ``.json``: a list of graphs in networkx' node-link
        form, without origins. Folders on the way are made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If the name ends otherwise, or there is no structure.

    Examples
    --------
    >>> import tempfile
    >>> import nnstruct as ns
    >>> nets = [ns.Structure.from_layers([2, 3]), ns.Structure.from_layers([2, 2], family="gru")]
    >>> file = ns.save_structures(nets, tempfile.mkdtemp() + "/nets.parquet")
    >>> ns.load_structures(file) == nets
    True
    """
    given, file = check_structures(structures, empty=False), Path(path)
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        data = parquet_bytes(to_arrow(given))
    elif suffix == ".json":
        import networkx as nx

        graphs = [nx.node_link_data(structure.to_networkx(), edges="edges") for structure in given]
        data = (json.dumps(graphs) + "\n").encode()
    else:
        raise InvalidInputError("path", "end with .parquet or .json", str(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, data)
    return file


def load_structures(path: str | Path, *, family: str | None = None, verify: bool = True) -> list[Structure]:
    """Read structures from a file.

    Parameters
    ----------
    path : path
        ``.parquet`` of :func:`save_structures`; ``.json``, one graph in networkx' node-link form or a list of
        them; ``.graphml``.
    family : str, optional
        Of graphs that do not say their own; ``mlp`` by default.
    verify : bool
        Whether all fingerprints in a Parquet file are computed again and compared. Without, a few are, and
        the others believed; the file's pages have checksums of their own.

    Returns
    -------
    list of Structure

    Raises
    ------
    MissingDataError
        If there is no file.
    InvalidInputError
        If it is of another kind, or holds no structure.
    CorruptFileError
        If it cannot be read.
    StructureError
        If a graph makes no structure.

    Examples
    --------
    >>> import tempfile
    >>> import networkx as nx
    >>> import nnstruct as ns
    >>> file = tempfile.mkdtemp() + "/graph.graphml"
    >>> nx.write_graphml(nx.path_graph(4), file)
    >>> ns.load_structures(file, family="rnn_tanh")[0].family
    'rnn_tanh'
    """
    if not isinstance(path, str | Path):
        raise InvalidInputError("path", "be the path of a file", path)
    file = Path(path)
    if not file.exists():
        raise MissingDataError(f"There is no {file}.")
    suffix = file.suffix.lower()
    if suffix not in READERS:
        hint = "Pickle files are never read." if suffix in _PICKLES else ""
        raise InvalidInputError("the file", f"end with {', '.join(READERS)}", str(path), hint)
    with reading(file, _FORMS[suffix]):
        structures = _from_parquet(file, verify) if suffix == ".parquet" else READERS[suffix](file, family)
    if not structures:
        raise InvalidInputError(str(path), "hold at least one structure", 0)
    return structures


def structures_of(given: Any) -> Any:
    """The structures in what a caller hands over.

    Parameters
    ----------
    given : iterable of Structure, object with ``structures``, pair (structures, y), or path
        The path is that of a file, or of a folder with ``data/structures.parquet``, as a benchmark's is.

    Returns
    -------
    iterable of Structure
        What is none of these is given back as it is.

    Raises
    ------
    MissingDataError
        If nothing lies at the path.
    """
    if isinstance(given, str | Path):
        inside = Path(given) / "data" / "structures.parquet"
        return load_structures(inside if inside.is_file() else given)
    if hasattr(given, "structures"):
        return given.structures
    if isinstance(given, tuple) and len(given) == 2 and _is_list(given[0]) and not _is_structure(given[1]):
        return given[0]
    return given


def _is_list(given: Any) -> bool:
    return not _is_structure(given) and isinstance(given, Iterable)


def _is_structure(given: Any) -> bool:
    return isinstance(getattr(given, "structure", given), Structure)


def _from_parquet(path: Path, verify: bool) -> list[Structure]:
    return from_arrow(read_parquet(path), verify=verify)


def _from_graphml(path: Path, family: str | None) -> list[Structure]:
    import io

    import networkx as nx

    return [_structure(nx.read_graphml(io.BytesIO(read_bytes(path))), family)]


def _from_json(path: Path, family: str | None) -> list[Structure]:
    content = read_json(path)
    items = content if isinstance(content, list) else [content]
    return [_structure(_node_link(mapping(item, "a graph")), family) for item in items]


def _node_link(item: Any) -> nx.Graph:
    import networkx as nx

    # networkx wrote the edges as "links" before version 3.4.
    return nx.node_link_graph(item, edges="links" if "links" in item else "edges")


def _structure(graph: nx.Graph, family: str | None) -> Structure:
    chosen = family or graph.graph.get("family") or DEFAULT_FAMILY
    return Structure.from_networkx(graph, family=str(chosen))


_FORMS = {
    ".parquet": "a Parquet file of structures",
    ".graphml": "a GraphML file",
    ".json": "a graph in networkx' node-link form",
}
READERS: dict[str, Callable[[Path, str | None], list[Structure]]] = {
    ".parquet": lambda path, family: _from_parquet(path, True),
    ".graphml": _from_graphml,
    ".json": _from_json,
}
