"""Trained Networks as graphs with weights on edges and units, packed one behind the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnstruct.encode.unit_activations import unit_activations
from nnstruct.encode.weight_table import have_weights
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.properties.statnn import statistics_row
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.fields import SIZES, size_of

# A row of more values than this is told by their statistics.
MOST_VALUES = 64
ON_EDGES = ("weight",)
ON_UNITS = (
    "input_weight",
    "readout_weight",
    "unit_weight",
    "bias",
    "norm_scale",
    "norm_shift",
    "norm_mean",
    "norm_var",
    "probes",
)
ON_GRAPH = ("readout_bias",)
_SUMMARY = 8
_WORDS = ("operator", "activation", "join")
_COUNTS = ("stage", "channels", *SIZES)
_DEGREES = 4


@dataclass(frozen=True)
class PackedNetworks:
    """Graphs one behind the other, units and edges of each together.

    Attributes
    ----------
    units : float32 [N, node_width]
    edge_index : int64 [2, M]
        Of units counted within their graph.
    edges : float32 [M, edge_width]
    graphs : float32 [B, graph_width]
    num_units, num_edges : int64 [B]
    """

    units: np.ndarray
    edge_index: np.ndarray
    edges: np.ndarray
    graphs: np.ndarray
    num_units: np.ndarray
    num_edges: np.ndarray


class WeightGraphEncoder:
    """From Networks to graphs whose edges and units carry the trained values.

    An edge carries its weights (one, or one a kernel position or gate) and whether it is recurrent. A unit
    carries its bias, normalisation, its row of the input weights and its column of the read-out: what a unit
    has with the fixed inputs and classes of the task. Beside them stand its place in the structure, its
    operator, activation and numbers, and the means of its activations on probe inputs, where there are some.
    Relabelling the units permutes rows and changes none of them.

    Values of a kind are divided by their root mean square over all that ``fit`` has seen; ``asinh`` draws in
    the large ones. The logarithm of each row's own root mean square stands beside it. A row of more than 64
    values is told by their statistics instead (:data:`nnstruct.properties.statnn.STATISTICS`).

    Structures without weights are taken where all are without; the columns of values are then missing.

    Parameters
    ----------
    probes : array, optional
        Inputs of a task, the first axis counts them: images, vectors, or sequences of symbols from 1 on
        without padding.

    Attributes
    ----------
    learned : dict
        JSON values: which columns there are and what their values are divided by.
    """

    def __init__(self, probes: np.ndarray | None = None) -> None:
        self.probes = probes

    def fit(self, networks: Sequence[Network | Structure]) -> Self:
        """Learn the columns and their scales.

        Parameters
        ----------
        networks : sequence of Network or Structure, at least one

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If some have weights and others not.
        """
        weighted = have_weights(networks)
        structures = check_structures(networks)
        words = {
            name: sorted({str(value) for s in structures for value in s.attributes.get(name, ())})
            for name in _WORDS
        }
        counts = [name for name in _COUNTS if any(name in s.attributes for s in structures)]
        self.learned: dict[str, Any] = {
            "weighted": weighted,
            "families": sorted({s.family for s in structures}),
            "words": {name: found for name, found in words.items() if found},
            "counts": counts,
            "widths": {},
            "scales": {},
        }
        if weighted:
            self._learn_values(networks)
        return self

    def _learn_values(self, networks: Sequence[Any]) -> None:
        squares: dict[str, float] = {}
        sizes: dict[str, int] = {}
        widths: dict[str, int] = {}
        for network in networks:
            for name, _, rows in _carried(network, self.probes):
                widths[name] = max(widths.get(name, 0), rows.shape[1])
                squares[name] = squares.get(name, 0.0) + float((rows.astype(np.float64) ** 2).sum())
                sizes[name] = sizes.get(name, 0) + rows.size
        self.learned["widths"] = {name: width for name, width in widths.items() if width}
        for name in self.learned["widths"]:
            scale = (squares[name] / max(1, sizes[name])) ** 0.5
            self.learned["scales"][name] = scale if scale > 0 else 1.0

    @property
    def widths(self) -> tuple[int, int, int]:
        """Columns of units, edges and graphs."""
        learned = self.learned
        units = 3 + _DEGREES + 3 + len(learned["counts"]) + sum(map(len, learned["words"].values()))
        return (
            units + sum(map(self._width, ON_UNITS)),
            2 + sum(map(self._width, ON_EDGES)),
            4 + len(learned["families"]) + sum(map(self._width, ON_GRAPH)),
        )

    def _width(self, name: str) -> int:
        width = self.learned["widths"].get(name, 0)
        return 0 if not width else 2 + (width if width <= MOST_VALUES else _SUMMARY)

    def transform(self, networks: Sequence[Network | Structure]) -> PackedNetworks:
        """The graphs of networks.

        Parameters
        ----------
        networks : sequence of n Network or Structure, as in ``fit``

        Returns
        -------
        PackedNetworks

        Raises
        ------
        InvalidInputError
            If they have weights and those of ``fit`` had none, or the other way round, or more of a kind
            than those.
        """
        weighted = self.learned["weighted"]
        if have_weights(networks) != weighted:
            rule = f"be {'Networks' if weighted else 'Structures'}, as in fit"
            raise InvalidInputError("structures", rule, networks[0])
        units, edges, graphs = [], [], []
        structures = check_structures(networks)
        for item, structure in zip(networks, structures, strict=True):
            blocks: dict[str, list[np.ndarray]] = {name: [] for name in (*ON_UNITS, *ON_EDGES, *ON_GRAPH)}
            if isinstance(item, Network):
                blocks = self._values(item)
            units.append(
                np.concatenate([self._places(structure), *(b for n in ON_UNITS for b in blocks[n])], 1)
            )
            edges.append(
                np.concatenate([_edge_kinds(structure), *(b for n in ON_EDGES for b in blocks[n])], 1)
            )
            graphs.append(
                np.concatenate([self._sizes(structure), *(b[0] for n in ON_GRAPH for b in blocks[n])])
            )
        return PackedNetworks(
            units=np.concatenate(units).astype(np.float32),
            edge_index=np.concatenate([s.edge_index for s in structures], axis=1),
            edges=np.concatenate(edges).astype(np.float32),
            graphs=np.stack(graphs).astype(np.float32),
            num_units=np.array([s.num_units for s in structures]),
            num_edges=np.array([s.num_edges for s in structures]),
        )

    def _values(self, network: Network) -> dict[str, list[np.ndarray]]:
        """Columns of values for all units, all edges and the graph, by kind."""
        structure = network.structure
        counts = {
            **dict.fromkeys(ON_UNITS, structure.num_units),
            "weight": structure.num_edges,
            "readout_bias": 1,
        }
        blocks: dict[str, list[np.ndarray]] = {name: [] for name in counts}
        for name in self.learned["widths"]:
            blocks[name] = [np.zeros((counts[name], self._width(name)))]
        for name, where, rows in _carried(network, self.probes):
            width = self.learned["widths"].get(name, 0)
            if rows.shape[1] > width:
                rule = f"hold at most {width} numbers of the kind {name} a row, as in fit"
                raise InvalidInputError("structures", rule, rows.shape[1])
            if len(rows):
                blocks[name][0][where] = _columns(rows, width, self.learned["scales"][name])
        return blocks

    def _places(self, structure: Structure) -> np.ndarray:
        """What a unit is in its structure, float [N, c]."""
        n, forward = structure.num_units, ~structure.recurrent
        source, target = structure.edge_index
        last = max(1, structure.num_layers - 1)
        degrees = [
            np.log1p(np.bincount(ends[chosen], minlength=n))
            for ends in (source, target) for chosen in (forward, ~forward)
        ]  # fmt: skip
        columns = [
            structure.inputs, structure.outputs, np.ones(n), *degrees,
            structure.layer / last, np.log1p(structure.layer), np.log(structure.layer_sizes[structure.layer]),
        ]  # fmt: skip
        for name in self.learned["counts"]:
            missing = 0 if name == "stage" else 1
            columns.append(np.log1p([_number(v) for v in structure.attributes.get(name, (missing,) * n)]))
        for name, known in self.learned["words"].items():
            held = np.array([str(value) for value in structure.attributes.get(name, ("",) * n)])
            columns += [held == word for word in known]
        return np.stack(columns, axis=1).astype(float)

    def _sizes(self, structure: Structure) -> np.ndarray:
        sizes = [structure.num_units, structure.num_edges, structure.num_layers, structure.outputs.sum()]
        families = [float(structure.family == name) for name in self.learned["families"]]
        return np.concatenate([np.log1p(sizes) / 4.0, families])

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What :meth:`from_state` needs.

        Returns
        -------
        values : dict
            Of JSON values.
        arrays : dict of str to array
        """
        return self.learned, {} if self.probes is None else {"probes": np.asarray(self.probes)}

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The encoder that :meth:`state` told of.

        Parameters
        ----------
        values : mapping
        arrays : mapping

        Returns
        -------
        WeightGraphEncoder
        """
        made = cls(arrays.get("probes"))
        made.learned = dict(values)
        return made


def _number(value: Any) -> float:
    """Of a stage, channels or a size; 0 for words that are none."""
    return float(size_of(value) or 0.0) if isinstance(value, str) else float(value)


def _edge_kinds(structure: Structure) -> np.ndarray:
    span = structure.layer[structure.edge_index[1]] - structure.layer[structure.edge_index[0]]
    kind = structure.recurrent.astype(float) - structure.residual
    return np.stack([kind, np.sign(span) * np.log1p(np.abs(span))], axis=1)


def _columns(rows: np.ndarray, width: int, scale: float) -> np.ndarray:
    """Values of a kind as columns: that they are there, their size, and themselves or their statistics."""
    rows = rows.astype(np.float64)
    size = np.log(np.sqrt((rows**2).mean(axis=1)) / scale + 1e-3)  # [n]
    values = np.zeros((len(rows), width if width <= MOST_VALUES else _SUMMARY))
    if width <= MOST_VALUES:
        values[:, : rows.shape[1]] = rows / scale
    else:
        values[:, :-1] = [statistics_row(row / scale) for row in rows]
        values[:, -1] = np.abs(rows / scale).mean(axis=1)
    return np.concatenate([np.ones((len(rows), 1)), size[:, None], np.arcsinh(values)], axis=1)


def _carried(network: Network, probes: np.ndarray | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Kinds of values, the units, edges or graph that carry them, and float [those, k]."""
    structure, tensors = network.structure, network.tensors
    everyone = np.arange(structure.num_units)
    inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
    yield "weight", np.arange(structure.num_edges), network.weight
    yield "bias", everyone, network.bias
    for name, value in tensors.items():
        kind, _, unit = name.partition(".")
        if kind == "input_weight" and unit.isdecimal() and int(unit) < len(everyone):
            yield kind, np.array([int(unit)]), value.reshape(1, -1)
        elif name == "input_weight" and len(value) == len(inputs):
            yield name, inputs, value.reshape(len(value), -1)
        elif name == "readout_weight" and value.ndim == 2:
            ends = np.cumsum(_channels(structure)[outputs])
            if len(ends) and ends[-1] == value.shape[1]:
                yield from _read_out(outputs, ends, value)
        elif name == "unit_weight":
            own = CellLayout(structure).own_units
            if len(own) == len(value):
                yield name, np.asarray(own), value.reshape(len(value), -1)
        elif name == "readout_bias":
            yield name, np.array([0]), value.reshape(1, -1)
        elif name in ON_UNITS and len(value) == len(everyone):
            yield name, everyone, value.reshape(len(value), -1)
    if probes is not None:
        yield "probes", everyone, unit_activations(network, probes)


def _read_out(
    outputs: np.ndarray, ends: np.ndarray, weight: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    starts = np.concatenate([[0], ends[:-1]])
    if (ends - starts == 1).all():
        yield "readout_weight", outputs, weight.T
        return
    for unit, start, end in zip(outputs, starts, ends, strict=True):
        yield "readout_weight", np.array([unit]), weight[:, start:end].T.reshape(1, -1)


def _channels(structure: Structure) -> np.ndarray:
    return np.array(structure.attributes.get("channels", (1,) * structure.num_units), dtype=np.int64)
