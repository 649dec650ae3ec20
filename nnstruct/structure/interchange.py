"""Structures to and from layers, PyG and Arrow."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.reading import parse_json
from nnstruct.structure.fields import all_attributes, as_flags, canonical_json, residual_of
from nnstruct.structure.list_columns import ListColumn
from nnstruct.structure.structure import Structure

if TYPE_CHECKING:
    import pyarrow as pa
    from torch_geometric.data import Data


# Fingerprints that are always computed again, of a table whose others are believed.
_CHECKED = 32
_LISTS = ("edge_source", "edge_target", "edge_recurrent", "unit_input", "unit_output")


def structure_from_layers(
    sizes: Sequence[int], *, family: str = "mlp", recurrence: str = "layer"
) -> Structure:
    """Fully connected layers; every unit of a layer feeds every unit of the next.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least one layer; the units of the first see the input, those of the
        last are read out.
    family : str
    recurrence : str
        Recurrent edges of a recurrent family; see :mod:`nnstruct.structure.recurrence`.

    Returns
    -------
    Structure
        Units are numbered layer by layer.

    Raises
    ------
    StructureError
        If there is no layer, or a size is no positive integer.

    Examples
    --------
    >>> structure_from_layers([3, 2]).forward_edges.shape
    (2, 6)
    """
    return Structure.from_layers(sizes, family=family, recurrence=recurrence)


def to_pyg(structure: Structure) -> Data:
    """PyG ``Data`` that holds a whole structure.

    Its ``unit_attributes`` is JSON text: those of ``operator``, ``activation``, ``stage``, ``channels``,
    ``join``, ``width``, ``kernel``, ``stride``, ``dilation``, ``groups`` and ``tie`` that the structure has,
    each with N values. ``family`` is text and ``origin`` JSON.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    torch_geometric.data.Data
        ``edge_index`` int64 [2, E], ``recurrent`` and ``residual`` bool [E], ``layer`` int64 [N], ``inputs``
        and ``outputs`` bool [N], ``num_nodes``, ``family``, and as JSON ``unit_attributes`` and ``origin``.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> data = to_pyg(Structure([[0], [1]], 2, family="cnn", attributes={"channels": [4, 8]}))
    >>> data.unit_attributes
    '{"channels": [4, 8]}'
    >>> structure = Structure.from_layers([2, 1])
    >>> from_pyg(to_pyg(structure)) == structure
    True
    """
    import torch

    return geometric().Data(
        edge_index=torch.from_numpy(structure.edge_index.copy()),
        recurrent=torch.from_numpy(structure.recurrent.copy()),
        residual=torch.from_numpy(structure.residual.copy()),
        layer=torch.from_numpy(structure.layer.copy()),
        inputs=torch.from_numpy(structure.inputs.copy()),
        outputs=torch.from_numpy(structure.outputs.copy()),
        num_nodes=structure.num_units,
        family=structure.family,
        unit_attributes=json.dumps(dict(structure.attributes)),
        origin=json.dumps(dict(structure.origin)),
    )


def geometric() -> ModuleType:
    """The module ``torch_geometric.data``, whose first import warns of what PyTorch no longer recommends.

    Returns
    -------
    module

    Examples
    --------
    >>> geometric().Data.__name__
    'Data'
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torch_geometric.data")


def from_pyg(data: Data, *, family: str | None = None, recurrence: str = "layer") -> Structure:
    """The structure that :func:`to_pyg` wrote, or that of any graph with an ``edge_index``.

    A graph from elsewhere may have ``recurrent`` (bool [E]), ``inputs`` and ``outputs`` (bool [N]) and a
    ``family``; all other fields are left alone. Where each edge leads both ways, as PyG writes graphs without
    directions, it is led from the lower unit to the higher one.

    Parameters
    ----------
    data : torch_geometric.data.Data
    family : str, optional
        Of a graph that does not say its own; ``mlp`` by default.
    recurrence : str
        Recurrent edges of a recurrent family whose graph marks none itself.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If there is no ``edge_index``, or the graph is of another family than ``family`` says.
    StructureError
        If the fields make no structure.

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Data
    >>> from nnstruct import Structure
    >>> Structure.from_pyg(Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=3), family="cnn").family
    'cnn'
    """
    if getattr(data, "edge_index", None) is None:
        found = sorted(data.keys()) if hasattr(data, "keys") else type(data).__name__
        raise InvalidInputError("data", "hold 'edge_index', as a graph of PyG does", found)
    if "unit_attributes" not in data:
        return _from_foreign_pyg(data, family, recurrence)
    for name in ("recurrent", "inputs", "outputs", "family", "origin"):
        if name not in data:
            raise InvalidInputError("data", f"hold {name!r}", sorted(data.keys()))
    if family is not None and family != data.family:
        raise InvalidInputError("family", f"be that of the graph, {data.family!r}, or left out", family)
    return Structure(
        data.edge_index.numpy(),
        int(data.num_nodes),
        recurrent=data.recurrent.numpy(),
        residual=as_flags("residual", data.get("residual"), data.edge_index.shape[1]),
        family=data.family,
        inputs=data.inputs.numpy(),
        outputs=data.outputs.numpy(),
        attributes={name: tuple(v) for name, v in json.loads(data.unit_attributes).items()},
        origin=json.loads(data.origin),
    )


def _from_foreign_pyg(data: Data, family: str | None, recurrence: str) -> Structure:
    own = data.get("family")
    if own is not None and family is not None and family != own:
        raise InvalidInputError("family", f"be that of the graph, {own!r}, or left out", family)
    edges = data.edge_index.cpu().numpy()
    late = as_flags("recurrent", data.get("recurrent"), edges.shape[1])
    flags = {name: data[name].cpu().numpy() for name in ("inputs", "outputs") if data.get(name) is not None}
    return Structure.from_edges(
        edges.T[~late].tolist(),
        family=own or family or "mlp",
        num_units=int(data.num_nodes),
        recurrent=edges.T[late].tolist() if late.any() else None,
        recurrence=recurrence,
        origin={"kind": "pyg"},
        **flags,
    )


def arrow_schema() -> pa.Schema:
    """The columns that hold a Structure in Arrow and Parquet; one row a structure.

    ``unit_attributes`` is JSON text: those of ``operator``, ``activation``, ``stage``, ``channels``,
    ``join``, ``width``, ``kernel``, ``stride``, ``dilation``, ``groups`` and ``tie`` that the structure has,
    each with N values, and the places of residual edges under ``residual``, where there are any. ``origin``
    is JSON text too; the lists of edges have E items and those of units N.

    Returns
    -------
    pyarrow.Schema
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("fingerprint", pa.string(), nullable=False),
            pa.field("family", pa.string(), nullable=False),
            pa.field("num_units", pa.int32(), nullable=False),
            pa.field("edge_source", pa.list_(pa.int32()), nullable=False),
            pa.field("edge_target", pa.list_(pa.int32()), nullable=False),
            pa.field("edge_recurrent", pa.list_(pa.bool_()), nullable=False),
            pa.field("unit_input", pa.list_(pa.bool_()), nullable=False),
            pa.field("unit_output", pa.list_(pa.bool_()), nullable=False),
            pa.field("unit_attributes", pa.string(), nullable=False),
            pa.field("origin", pa.string(), nullable=False),
        ]
    )


def to_arrow(structures: Iterable[Structure]) -> pa.Table:
    """A table of structures, one row each.

    Parameters
    ----------
    structures : iterable of Structure

    Returns
    -------
    pyarrow.Table
        Columns as in :func:`arrow_schema`.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> structures = [Structure.from_layers([2, 3])]
    >>> from_arrow(to_arrow(structures)) == structures
    True
    """
    import pyarrow as pa

    rows = [
        {
            "fingerprint": s.fingerprint,
            "family": s.family,
            "num_units": s.num_units,
            "edge_source": s.edge_index[0],
            "edge_target": s.edge_index[1],
            "edge_recurrent": s.recurrent,
            "unit_input": s.inputs,
            "unit_output": s.outputs,
            "unit_attributes": canonical_json(all_attributes(s.attributes, s.residual)),
            "origin": canonical_json(dict(s.origin)),
        }
        for s in structures
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema())


def from_arrow(table: pa.Table, *, verify: bool = True) -> list[Structure]:
    """The structures of :func:`to_arrow`.

    Parameters
    ----------
    table : pyarrow.Table
    verify : bool
        Recompute each fingerprint and compare it with the stored one. Otherwise 32 of them are, spread over
        the rows, and the others are believed: a millisecond a structure.

    Returns
    -------
    list of Structure
        In the order of the rows.

    Raises
    ------
    InvalidInputError
        If a column is missing.
    CorruptFileError
        If a row holds no structure, or its fingerprint does not fit it.
    """
    missing = set(arrow_schema().names) - set(table.column_names)
    if missing:
        raise InvalidInputError("table", "hold the columns of arrow_schema()", f"no {sorted(missing)[0]!r}")
    columns: dict[str, Any] = {}
    try:
        for name in arrow_schema().names:
            column = table.column(name).combine_chunks()
            columns[name] = ListColumn(column) if name in _LISTS else column.to_pylist()
    except (ValueError, TypeError) as error:
        raise CorruptFileError(f"the column {name!r} holds no part of structures: {error}") from error
    structures = []
    checked = set(np.linspace(0, table.num_rows - 1, min(table.num_rows, _CHECKED)).astype(int).tolist())
    for row in range(table.num_rows):
        try:
            structure = _structure_from_row({name: column[row] for name, column in columns.items()})
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise CorruptFileError(f"row {row}: no structure can be read from it: {error}") from error
        stored = columns["fingerprint"][row]
        if (verify or row in checked) and structure.fingerprint != stored:
            raise CorruptFileError(f"row {row}: the fingerprint {stored} does not fit the structure stored.")
        structure.__dict__["fingerprint"] = stored
        structures.append(structure)
    return structures


def _structure_from_row(row: dict[str, Any]) -> Structure:
    units = row["num_units"]
    # Before arrays of that length are made.
    flags = [len(row[name]) for name in ("unit_input", "unit_output")]
    if units > min(flags):
        raise ValueError(f"num_units is {units}, though {min(flags)} units have flags")
    attributes = {} if row["unit_attributes"] == "{}" else parse_json(row["unit_attributes"])
    return Structure(
        np.stack([row["edge_source"], row["edge_target"]]).astype(np.int64),
        units,
        recurrent=row["edge_recurrent"].astype(bool),
        residual=residual_of(attributes, len(row["edge_source"])),
        family=row["family"],
        inputs=row["unit_input"].astype(bool),
        outputs=row["unit_output"].astype(bool),
        attributes=attributes,
        origin=parse_json(row["origin"]),
    )
