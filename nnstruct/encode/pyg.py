"""Structures as standardised graphs, packed or in the form of PyG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import is_integer
from nnstruct.encode.graph import EDGE_FEATURES, GRAPH_FEATURES, NODE_FEATURES, edge_lists
from nnstruct.encode.packed import KINDS, PackedGraphs, pack_graphs, starts, unit_column
from nnstruct.encode.shortcuts import DEGREES, shown_attributes
from nnstruct.errors import InvalidInputError
from nnstruct.estimators import BaseEstimator, TransformerMixin, check_fitted
from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.fields import SIZES, size_of
from nnstruct.structure.interchange import geometric

if TYPE_CHECKING:
    from torch_geometric.data import Data

# A structure far outside of those seen in fit must not drive the network out of its range.
_FARTHEST = 8.0
_TINY = 1e-6


class GraphEncoder(TransformerMixin, BaseEstimator):
    """A transformer from structures to graphs, with everything learned learned in ``fit``.

    It learns means and standard deviations of the node, edge and graph features and of per-unit
    attributes that are numbers (their logarithm), which families occur, and which values the other
    attributes take. A value or family not seen in ``fit`` has zeros in its place.

    Parameters
    ----------
    contract : bool
        Leave out dead units and put edges in the place of skips; see
        :func:`nnstruct.encode.packed.pack_graphs`. A graph has fewer units than its structure then.

    Attributes
    ----------
    families_ : list of str
    attribute_values_ : dict of str to list
        Of attributes that are text.
    attribute_moments_ : dict of str to (float, float)
        Mean and standard deviation of log(1 + value) of attributes that are numbers from 0, and of sizes
        (``width``, ``kernel``, ``stride``, ``dilation``, ``groups``; a structure without one has 1), and
        each unit's numbers of residual edges and of units tied to it, where any structure has them.
    node_mean_, node_std_ : float32 [F]
    edge_mean_, edge_std_ : float32 [D]
    graph_mean_, graph_std_ : float32 [G]

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.encode import GraphEncoder
    >>> structures = [Structure.from_layers([2, width, 1]) for width in (2, 3, 4)]
    >>> graphs = GraphEncoder().fit_transform(structures)
    >>> graphs[0].num_nodes, graphs[0].edge_index.shape[1]
    (5, 12)
    """

    def __init__(self, contract: bool = False) -> None:
        self.contract = contract

    def fit(self, structures: Sequence[Structure | Network], y: Any = None) -> GraphEncoder:
        """Learn means, standard deviations and vocabularies.

        Parameters
        ----------
        structures : sequence of Structure or Network, at least one
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If ``structures`` is a single Structure, is empty, or holds anything else.
        """
        checked = check_structures(structures, empty=False)
        packed = pack_graphs(checked, contract=self.contract)
        self.families_ = sorted({structure.family for structure in checked})
        seen: dict[str, set] = {}
        for structure in checked:
            for name, values in shown_attributes(structure).items():
                seen.setdefault(name, set()).update(values)
        numbers = [
            name for name in sorted(seen) if name in SIZES or all(_is_number(value) for value in seen[name])
        ]
        self.attribute_values_ = {
            name: sorted(seen[name], key=_typed) for name in sorted(seen) if name not in numbers
        }
        self.attribute_moments_ = {
            name: _log_moments([number for s in checked for number in _numbers(s, name)]) for name in numbers
        }
        self.node_mean_, self.node_std_ = _moments(packed.nodes)
        self.edge_mean_, self.edge_std_ = _moments(edge_lists(packed)[1])
        self.graph_mean_, self.graph_std_ = _moments(packed.graph)
        return self

    def pack(self, structures: Sequence[Structure]) -> PackedGraphs:
        """Standardised graphs as flat arrays; see :class:`nnstruct.encode.packed.PackedGraphs`.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        PackedGraphs
            ``nodes`` float32 [N, F'] has the attributes behind the features of units, ``graph`` float32
            [n, G'] the families behind those of graphs.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        packed = pack_graphs(structures, contract=self.contract)
        overall = np.zeros((len(structures), self.widths[2]), dtype=np.float32)  # [n, G']
        overall[:, : len(GRAPH_FEATURES)] = _standard(packed.graph, self.graph_mean_, self.graph_std_)
        place = {name: column for column, name in enumerate(self.families_, len(GRAPH_FEATURES))}
        for row, structure in enumerate(structures):
            if structure.family in place:
                overall[row, place[structure.family]] = 1.0
        nodes = np.empty((len(packed.nodes), self.widths[0]), dtype=np.float32)  # [N, F']
        nodes[:, : len(NODE_FEATURES)] = _standard(packed.nodes, self.node_mean_, self.node_std_)
        self._write_attributes(structures, packed, nodes[:, len(NODE_FEATURES) :])
        return replace(packed, nodes=nodes, graph=overall)

    def transform(self, structures: Sequence[Structure | Network]) -> list[Data]:
        """PyG graphs, one a structure.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        list of torch_geometric.data.Data, length n
            ``x`` float32 [N, F'], ``edge_index`` int64 [2, M], ``edge_attr`` float32 [M, D],
            ``graph_attr`` float32 [1, G'].

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        import torch

        packed = self.pack(check_structures(structures))
        edge_index, edges = edge_lists(packed)
        edges = _standard(edges, self.edge_mean_, self.edge_std_)
        bounds = packed.first[
            len(KINDS) * packed.unit_start
        ]  # [n + 1], where the messages of each graph begin
        made, data = geometric(), []
        for row in range(len(packed)):
            units = slice(*packed.unit_start[row : row + 2])
            messages = slice(*bounds[row : row + 2])
            data.append(
                made.Data(
                    x=torch.from_numpy(packed.nodes[units]),
                    edge_index=torch.from_numpy(edge_index[:, messages] - units.start),
                    edge_attr=torch.from_numpy(edges[messages]),
                    graph_attr=torch.from_numpy(packed.graph[row : row + 1]),
                )
            )
        return data

    @property
    def widths(self) -> tuple[int, int, int]:
        """Columns of ``x``, ``edge_attr`` and ``graph_attr``."""
        check_fitted(self)
        values = sum(len(values) for values in self.attribute_values_.values())
        return (
            len(self.node_mean_) + values + len(self.attribute_moments_),
            len(self.edge_mean_),
            len(self.graph_mean_) + len(self.families_),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What ``fit`` learned, in forms that can be stored. :meth:`from_state` brings it back.

        Returns
        -------
        values : dict
            JSON values.
        arrays : dict of str to float32 array
            Means and standard deviations.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        values = {
            "contract": bool(self.contract),
            "families": self.families_,
            "attribute_values": self.attribute_values_,
            "attribute_moments": {name: list(pair) for name, pair in self.attribute_moments_.items()},
        }
        return values, {name: getattr(self, f"{name}_") for name in _ARRAYS}

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> GraphEncoder:
        """The encoder that :meth:`state` described.

        Parameters
        ----------
        values : mapping
            JSON values, the first that :meth:`state` gives.
        arrays : mapping of str to float32 array
            Means and standard deviations, the second.

        Returns
        -------
        GraphEncoder
            Fitted.

        Raises
        ------
        InvalidInputError
            If an array has another length than this version's features.
        """
        encoder = cls(contract=bool(values.get("contract", False)))
        encoder.families_ = [str(name) for name in values["families"]]
        encoder.attribute_values_ = {name: list(v) for name, v in values["attribute_values"].items()}
        moments = values.get("attribute_moments", {})
        encoder.attribute_moments_ = {
            name: (float(mean), float(std)) for name, (mean, std) in moments.items()
        }
        for name in _ARRAYS:
            array = np.array(arrays[name], dtype=np.float32)
            if array.shape != (_WIDTHS[name.split("_")[0]],):
                raise InvalidInputError(
                    f"arrays[{name!r}]", f"have shape [{_WIDTHS[name.split('_')[0]]}]", list(array.shape),
                    "This version of nnstruct encodes other features than the one that wrote it.",
                )  # fmt: skip
            setattr(encoder, f"{name}_", array)
        return encoder

    def _write_attributes(
        self, structures: Sequence[Structure], packed: PackedGraphs, columns: np.ndarray
    ) -> None:
        """One-hot values and logarithms of numbers, into float32 [N, attribute columns]."""
        columns[:] = 0.0
        if not columns.shape[1]:
            return
        offset = starts(s.num_units for s in structures)[:-1]
        units = np.repeat(offset, np.diff(packed.unit_start)) + packed.unit  # [N]
        column = 0
        for name, values in self.attribute_values_.items():
            places = {value: float(place) for place, value in enumerate(values, column)}
            place = unit_column(structures, name, places, -1.0)[units].astype(np.int64)
            known = np.flatnonzero(place >= 0)
            columns[known, place[known]] = 1.0
            column += len(values)
        for name, (mean, std) in self.attribute_moments_.items():
            found = {value for s in structures for value in shown_attributes(s).get(name, ())}
            numbers = [_number(name, value) for value in found]
            logs = {
                v: (np.log1p(x) - mean) / std for v, x in zip(found, numbers, strict=True) if x is not None
            }
            absent = 1.0 if name in SIZES else 0.0
            missing = (np.log1p(absent) - mean) / std if name in (*SIZES, *DEGREES) else 0.0
            written = unit_column(structures, name, logs, missing)[units]
            columns[:, column] = np.clip(written, -_FARTHEST, _FARTHEST)
            column += 1


_WIDTHS = {"node": len(NODE_FEATURES), "edge": len(EDGE_FEATURES), "graph": len(GRAPH_FEATURES)}
_ARRAYS = ("node_mean", "node_std", "edge_mean", "edge_std", "graph_mean", "graph_std")


def _is_number(value: Any) -> bool:
    return is_integer(value) and value >= 0


def _number(name: str, value: Any) -> float | None:
    """A value of an attribute as a number; None for one that is none."""
    if name in SIZES:
        return size_of(value)
    return float(value) if _is_number(value) else None


def _numbers(structure: Structure, name: str) -> Sequence[Any]:
    """An attribute of each unit, none where there is no such; sizes as numbers, 1 where there are none."""
    values = shown_attributes(structure).get(name, ())
    if name in DEGREES:
        return values or (0,) * structure.num_units
    if name not in SIZES:
        return values
    return [size_of(value) for value in values] or [1.0] * structure.num_units


def _log_moments(values: list[Any]) -> tuple[float, float]:
    logs = np.log1p(values)
    std = float(logs.std())
    return float(logs.mean()), std if std >= _TINY else 1.0


def _typed(value: Any) -> tuple[str, str]:
    return type(value).__name__, str(value)


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(rows):
        return np.zeros(rows.shape[1], np.float32), np.ones(rows.shape[1], np.float32)
    mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    std[std < _TINY] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)


def _standard(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    scaled = values - mean
    scaled /= std
    return np.clip(scaled, -_FARTHEST, _FARTHEST, out=scaled)
