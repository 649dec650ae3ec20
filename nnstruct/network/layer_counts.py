"""Weights by layer in the Networks of nnstruct's own modules."""

from __future__ import annotations

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.cell_layout import CellLayout
from nnstruct.network.network import Network

# Name, operator, role; how many weights could be, are not zero, and are between units that are alive.
Row = tuple[str, str, str, int, int, int]


class LayerCounts:
    """The weights of a Network by what they join.

    Parameters
    ----------
    network : Network
        Of a module of nnstruct; what it lacks, as a read-out, is not counted.

    Raises
    ------
    InvalidInputError
        If its units are operators, so that its edges have no weights.
    """

    def __init__(self, network: Network) -> None:
        structure = network.structure
        self.structure, self.tensors, self.family = structure, network.tensors, structure.family
        self.layout: CellLayout | None = None
        if self.family == "cnn":
            self.layout = CellLayout(structure)
        elif self.family == "module":
            if "readout_weight" not in self.tensors:
                hint = 'Extract at the resolution "unit" or "weight".'
                raise InvalidInputError("network", "have weights on its edges", structure, hint)
            # Pruning has left other edges than the rules of the family would need.
            self.family = "cnn"
            self.layout = CellLayout(structure, (network.weight != 0).any(axis=1))
        self.width = network.weight.shape[1]
        self.nonzero = np.count_nonzero(network.weight, axis=1)  # [E]
        self.alive = structure.reachability.from_input & structure.reachability.to_output

    def rows(self) -> list[Row]:
        """All rows: of the input, forward edges, own kernels, recurrent edges and the read-out."""
        return [
            *self._of_input(),
            *self._of_edges("forward", recurrent=False),
            *self._of_own_kernels(),
            *self._of_edges("recurrent", recurrent=True),
            *self._of_readout(),
        ]

    def _row(self, name: str, role: str, weights: int, nonzero: np.ndarray, alive: np.ndarray) -> Row:
        """A row from the counts of some units or edges, int64 [n], and whether each is alive, bool [n]."""
        return name, self.family, role, int(weights), int(nonzero.sum()), int(nonzero[alive].sum())

    def _of_input(self) -> list[Row]:
        units = np.flatnonzero(self.structure.inputs)
        if "input_weight" in self.tensors:
            held = list(self.tensors["input_weight"])  # [I, ...]
        else:
            held = [self.tensors[f"input_weight.{u}"] for u in units if f"input_weight.{u}" in self.tensors]
        if len(held) != len(units):
            return []
        nonzero = np.array([np.count_nonzero(values) for values in held])
        return [self._row("", "input", sum(values.size for values in held), nonzero, self.alive[units])]

    def _of_edges(self, role: str, *, recurrent: bool) -> list[Row]:
        structure, rows = self.structure, []
        weightless = structure.residual if self.layout is None else np.zeros_like(structure.residual)
        chosen = np.flatnonzero((structure.recurrent == recurrent) & ~weightless)
        source, target = structure.edge_index[:, chosen]
        pair = structure.layer[source] * structure.num_layers + structure.layer[target]
        alive = self.alive[source] & self.alive[target]
        for code in np.unique(pair):
            here = pair == code
            first, second = divmod(int(code), structure.num_layers)
            weights = self._dense(first, second)
            if weights:  # else maps are only passed on
                nonzero = self.nonzero[chosen[here]]
                rows.append(self._row(f"{first} -> {second}", role, weights, nonzero, alive[here]))
        return rows

    def _dense(self, first: int, second: int) -> int:
        """Weights that there would be if every unit of one layer fed every unit of another."""
        sources, targets = (np.flatnonzero(self.structure.layer == layer) for layer in (first, second))
        if self.layout is not None:
            return self.layout.dense_size(sources, targets)
        return len(sources) * len(targets) * self.width

    def _of_own_kernels(self) -> list[Row]:
        if self.layout is None or "unit_weight" not in self.tensors:
            return []
        units, rows = self.layout.own_units, []
        nonzero = np.count_nonzero(self.tensors["unit_weight"], axis=1)
        for layer in np.unique(self.structure.layer[units]):
            here = self.structure.layer[units] == layer
            weights = self.layout.own_size[units[here]].sum()
            rows.append(self._row(str(layer), "unit", weights, nonzero[here], self.alive[units[here]]))
        return rows

    def _of_readout(self) -> list[Row]:
        if "readout_weight" not in self.tensors:
            return []
        read = np.flatnonzero(self.structure.outputs)
        if self.layout is not None:
            read = np.repeat(read, self.layout.cells.channels[read])
        weight = self.tensors["readout_weight"]  # [C, O]
        return [self._row("", "readout", weight.size, np.count_nonzero(weight, axis=0), self.alive[read])]
