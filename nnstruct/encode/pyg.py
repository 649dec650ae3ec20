"""Structures as standardised PyG graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from nnstruct.encode.graph import (
    EDGE_FEATURES,
    GRAPH_FEATURES,
    NODE_FEATURES,
    EncodedGraph,
    encode_graph,
)
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    from torch_geometric.data import Data

# A structure far outside of those seen in fit must not drive the network out of its range.
_FARTHEST = 8.0
_TINY = 1e-6


class GraphEncoder(TransformerMixin, BaseEstimator):
    """A transformer from structures to PyG graphs, with everything learned learned in ``fit``.

    It learns means and standard deviations of the node, edge and graph features and of per-unit
    attributes that are numbers (their logarithm), which families occur, and which values the other
    attributes take. A value or family not seen in ``fit`` has zeros in its place.

    Attributes
    ----------
    families_ : list of str
    attribute_values_ : dict of str to list
        Of attributes that are text.
    attribute_moments_ : dict of str to (float, float)
        Mean and standard deviation of log(1 + value) of attributes that are numbers from 0.
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
        graphs = [encode_graph(structure) for structure in check_structures(structures, empty=False)]
        self.families_ = sorted({graph.family for graph in graphs})
        seen: dict[str, set] = {}
        for graph in graphs:
            for name, values in graph.attributes.items():
                seen.setdefault(name, set()).update(values)
        numbers = [name for name in sorted(seen) if all(_is_number(value) for value in seen[name])]
        self.attribute_values_ = {
            name: sorted(seen[name], key=_typed) for name in sorted(seen) if name not in numbers
        }
        self.attribute_moments_ = {
            name: _log_moments([v for g in graphs for v in g.attributes.get(name, ())]) for name in numbers
        }
        self.node_mean_, self.node_std_ = _moments(np.concatenate([g.nodes for g in graphs]))
        self.edge_mean_, self.edge_std_ = _moments(np.concatenate([g.edges for g in graphs]))
        self.graph_mean_, self.graph_std_ = _moments(np.stack([g.graph for g in graphs]))
        return self

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
        from torch_geometric.data import Data

        check_is_fitted(self)
        data = []
        for graph in map(encode_graph, check_structures(structures)):
            nodes = np.concatenate(
                [
                    _standard(graph.nodes, self.node_mean_, self.node_std_),
                    self._one_hot(graph),
                    self._numbers(graph),
                ],
                axis=1,
            )  # [N, F']
            overall = np.concatenate(
                [
                    _standard(graph.graph, self.graph_mean_, self.graph_std_),
                    [float(graph.family == name) for name in self.families_],
                ]
            )  # [G']
            data.append(
                Data(
                    x=torch.from_numpy(nodes.astype(np.float32)),
                    edge_index=torch.from_numpy(graph.edge_index.copy()),
                    edge_attr=torch.from_numpy(_standard(graph.edges, self.edge_mean_, self.edge_std_)),
                    graph_attr=torch.from_numpy(overall.astype(np.float32))[None],
                )
            )
        return data

    @property
    def widths(self) -> tuple[int, int, int]:
        """Columns of ``x``, ``edge_attr`` and ``graph_attr``."""
        check_is_fitted(self)
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
        check_is_fitted(self)
        values = {
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
        encoder = cls()
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

    def _one_hot(self, graph: EncodedGraph) -> np.ndarray:
        n = len(graph.nodes)
        parts = [np.zeros((n, 0), dtype=np.float32)]
        for name, values in self.attribute_values_.items():
            block = np.zeros((n, len(values)), dtype=np.float32)
            position = {_typed(value): index for index, value in enumerate(values)}
            for unit, value in enumerate(graph.attributes.get(name, ())):
                if _typed(value) in position:
                    block[unit, position[_typed(value)]] = 1.0
            parts.append(block)
        return np.concatenate(parts, axis=1)  # [N, attribute values]

    def _numbers(self, graph: EncodedGraph) -> np.ndarray:
        columns = np.zeros((len(graph.nodes), len(self.attribute_moments_)), dtype=np.float32)
        for column, (name, (mean, std)) in enumerate(self.attribute_moments_.items()):
            values = graph.attributes.get(name, ())
            known = [unit for unit, value in enumerate(values) if _is_number(value)]
            logs = np.log1p([values[unit] for unit in known])
            columns[known, column] = _standard(logs, np.asarray(mean), np.asarray(std))
        return columns  # [N, attributes that are numbers]


_WIDTHS = {"node": len(NODE_FEATURES), "edge": len(EDGE_FEATURES), "graph": len(GRAPH_FEATURES)}
_ARRAYS = ("node_mean", "node_std", "edge_mean", "edge_std", "graph_mean", "graph_std")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _log_moments(values: list[int]) -> tuple[float, float]:
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
    return np.clip((values - mean) / std, -_FARTHEST, _FARTHEST).astype(np.float32)
