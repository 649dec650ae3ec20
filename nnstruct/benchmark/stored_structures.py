"""Structures of a folder, each parsed when it is first asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nnstruct.structure import Structure
from nnstruct.structure.interchange import from_arrow


class StoredStructures(Mapping[str, Structure]):
    """Structures by fingerprint, in the order of the rows.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of :func:`nnstruct.structure.interchange.arrow_schema`, a row a fingerprint.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._rows = {name: row for row, name in enumerate(table.column("fingerprint").to_pylist())}
        self._parsed: dict[str, Structure] = {}
        self._told: dict[tuple[str, ...], StructureSizes] = {}

    def __getitem__(self, name: str) -> Structure:
        if name not in self._parsed:
            self._parse([name])
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def of(self, names: Iterable[str]) -> list[Structure]:
        """Several at once, which is quicker than one by one.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        list of Structure
        """
        wanted = list(names)
        self._parse([name for name in wanted if name not in self._parsed])
        return [self._parsed[name] for name in wanted]

    def subset(self, names: Iterable[str]) -> StoredStructures:
        """Some of them, in a given order; what is parsed of one is parsed of the other.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        StoredStructures
        """
        part = object.__new__(StoredStructures)
        part._table, part._parsed, part._told = self._table, self._parsed, self._told
        part._rows = {name: self._rows[name] for name in names}
        return part

    def sizes(self, names: Sequence[str]) -> StructureSizes:
        """As :func:`sizes_of`, from the columns.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        StructureSizes
        """
        asked = tuple(names)
        found = self._told.get(asked)
        if found is None:
            found = self._sizes(names)
            self._told.clear()  # a card asks of one list several times
            self._told[asked] = found
        return found

    def _sizes(self, names: Sequence[str]) -> StructureSizes:
        rows = pa.array([self._rows[name] for name in names], pa.int64())
        table = self._table.select(["num_units", "family", "origin", "edge_recurrent"]).take(rows)
        flags = table.column("edge_recurrent").combine_chunks()
        edges = pc.list_value_length(flags).to_numpy(zero_copy_only=False).astype(np.int64)
        owner = np.repeat(np.arange(len(edges)), edges)
        delayed = np.bincount(
            owner, weights=flags.flatten().to_numpy(zero_copy_only=False), minlength=len(edges)
        )
        recurrent = delayed.astype(np.int64)
        return StructureSizes(
            table.column("num_units").to_numpy().astype(np.int64),
            edges - recurrent,
            recurrent,
            table.column("family").to_pylist(),
            [json.loads(text) for text in table.column("origin").to_pylist()],
        )

    def _parse(self, names: list[str]) -> None:
        if names:
            rows = np.array([self._rows[name] for name in names], dtype=np.int64)
            self._parsed |= zip(names, from_arrow(self._table.take(pa.array(rows))), strict=True)


class StructureSizes(NamedTuple):
    """What a card tells of some structures, without parsing them where they are stored.

    Attributes
    ----------
    units, forward, recurrent : int64 [n]
        Units, and edges within a time step and from one to the next.
    families : list of str
    origins : list of mapping
    """

    units: np.ndarray
    forward: np.ndarray
    recurrent: np.ndarray
    families: list[str]
    origins: list[Mapping[str, Any]]


def sizes_of(structures: Mapping[str, Structure], names: Sequence[str]) -> StructureSizes:
    """Sizes, families and origins of some structures.

    Parameters
    ----------
    structures : mapping of str to Structure
    names : sequence of str
        Fingerprints.

    Returns
    -------
    StructureSizes
    """
    if isinstance(structures, StoredStructures):
        return structures.sizes(names)
    found = [structures[name] for name in names]
    return StructureSizes(
        np.array([s.num_units for s in found], dtype=np.int64),
        np.array([s.forward_edges.shape[1] for s in found], dtype=np.int64),
        np.array([s.recurrent_edges.shape[1] for s in found], dtype=np.int64),
        [s.family for s in found],
        [s.origin for s in found],
    )


def structures_of(structures: Mapping[str, Structure], names: Iterable[str]) -> list[Structure]:
    """Structures of some fingerprints, parsed at once where they are stored.

    Parameters
    ----------
    structures : mapping of str to Structure
    names : iterable of str

    Returns
    -------
    list of Structure
    """
    if isinstance(structures, StoredStructures):
        return structures.of(names)
    return [structures[name] for name in names]


def some_structures(structures: Mapping[str, Structure], names: Iterable[str]) -> Mapping[str, Structure]:
    """The mapping of some fingerprints only, in their order.

    Parameters
    ----------
    structures : mapping of str to Structure
    names : iterable of str

    Returns
    -------
    mapping of str to Structure
    """
    if isinstance(structures, StoredStructures):
        return structures.subset(names)
    return {name: structures[name] for name in names}
