"""Recurrent networks for a population: each edge is a weight and each weight an edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nnstruct.population.batched.blocks import Blocks, Slots
from nnstruct.population.batched.model import PARAMETER_COPIES, Batch, BatchedModel, read_out
from nnstruct.population.batched.stack import StackPlan, run_stack
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES


def is_local(structure: Structure) -> bool:
    """Whether recurrent edges stay within their layer.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool
        True also where there are no recurrent edges.
    """
    source, target = structure.edge_index[:, structure.recurrent]
    return bool((structure.layer[source] == structure.layer[target]).all())


class PaddedUnits:
    """Units of several structures in common layers, each as wide as the widest.

    Parameters
    ----------
    structures : sequence of Structure
    align : int
        Widths are multiples of it.

    Attributes
    ----------
    widths : int64 [L]
        Places in each layer.
    starts : int64 [L]
        The first place of each layer.
    ends : tuple of int
        Behind the last place of each layer.
    """

    def __init__(self, structures: Sequence[Structure], align: int) -> None:
        depth = max(structure.num_layers for structure in structures)
        widths = np.zeros(depth, dtype=np.int64)
        for structure in structures:
            sizes = structure.layer_sizes
            widths[: len(sizes)] = np.maximum(widths[: len(sizes)], sizes)
        self.widths = -(-widths // align) * align
        self.ends = tuple(np.cumsum(self.widths).tolist())
        self.starts = np.array([0, *self.ends[:-1]])

    def rank(self, structure: Structure) -> np.ndarray:
        """Each unit's place within its layer.

        Parameters
        ----------
        structure : Structure
            Of N units.

        Returns
        -------
        int64 [N]
            From 0 on in each layer, in the order of the units.
        """
        order = np.argsort(structure.layer, kind="stable")
        first = np.cumsum(structure.layer_sizes) - structure.layer_sizes
        rank = np.empty(structure.num_units, dtype=np.int64)
        rank[order] = np.arange(structure.num_units) - first[structure.layer[order]]
        return rank

    def place(self, structure: Structure) -> np.ndarray:
        """Each unit's place among those of all layers.

        Parameters
        ----------
        structure : Structure
            Of N units, one of those that the layers were made for.

        Returns
        -------
        int64 [N]
        """
        return self.starts[structure.layer] + self.rank(structure)


class BatchedClean(BatchedModel):
    """A :class:`nnstruct.population.batched.model.BatchedModel` of the clean protocol.

    Parameters
    ----------
    structures : sequence of Structure
        Of one recurrent family.
    num_symbols, num_classes : int
        Symbols, the padding among them, or channels of a series and one more; and outputs.
    align : int
        Layers are padded to a multiple of it.
    series : bool
        Whether inputs are series of real values.
    every_step : bool
        Whether every step is read out, and not the last one alone.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        num_symbols: int,
        num_classes: int,
        align: int = 1,
        *,
        series: bool = False,
        every_step: bool = False,
    ) -> None:
        self.every_step = every_step
        self.structures, self.num_symbols = structures, num_symbols
        family = structures[0].family
        self.gates = FAMILIES[family].gates
        self.has_inner_bias = FAMILIES[family].biases > self.gates
        self.units = PaddedUnits(structures, align)
        self.plan = StackPlan(family, self.units.ends, all(map(is_local, structures)))
        depth, total = len(self.units.ends), self.units.ends[-1]
        with_input = np.zeros(depth, dtype=bool)
        for structure in structures:
            with_input[structure.layer[structure.inputs]] = True
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, width in enumerate(self.units.widths.tolist()):
            first, last = self.plan.recurrent_span(layer)
            # Row 0 of a table is the bias, which the padding symbol sees alone.
            shapes[f"table{layer}"] = (num_symbols if with_input[layer] else 1, self.gates, width)
            shapes[f"recurrent{layer}"] = (last - first, self.gates, width)
            if layer:
                shapes[f"forward{layer}"] = (self.units.ends[layer - 1], self.gates, width)
            if self.has_inner_bias:
                shapes[f"inner{layer}"] = (width,)
        shapes["readout"] = (total, num_classes)
        shapes["readout_bias"] = (num_classes,)
        self.blocks = Blocks(shapes)
        self.lookup: np.ndarray | None = None
        if not series:
            self.lookup = np.eye(num_symbols, dtype=np.float32)
            self.lookup[:, 0] = 1.0

    def numbers_held(self, steps: int, lanes: int) -> int:
        """An estimate: gates, states and what a gated cell keeps, the input and the parameters."""
        states = self.units.ends[-1] * (self.gates + (4 if self.gates > 1 else 3)) + self.num_symbols
        return steps * lanes * states + PARAMETER_COPIES * self.blocks.size

    def slots(self, index: int) -> Slots:
        """The places of edges, biases, input weights and read-out."""
        structure, position = self.structures[index], self.blocks.position
        layer, rank = structure.layer, self.units.rank(structure)
        place = self.units.place(structure)
        source, target = structure.edge_index
        gate = np.arange(self.gates)
        inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
        weight = np.empty((structure.num_edges, self.gates), dtype=np.int64)
        bias = np.empty((structure.num_units, FAMILIES[structure.family].biases), dtype=np.int64)
        symbol = np.arange(1, self.num_symbols)
        input_weight = np.empty((len(inputs), len(symbol), self.gates), dtype=np.int64)
        for here in range(structure.num_layers):
            units = np.flatnonzero(layer == here)
            bias[units, : self.gates] = position(f"table{here}", 0, gate, rank[units][:, None])
            if self.has_inner_bias:
                bias[units, self.gates] = position(f"inner{here}", rank[units])
            rows = np.flatnonzero(layer[inputs] == here)
            if len(rows):
                at = rank[inputs[rows]][:, None, None]
                input_weight[rows] = position(f"table{here}", symbol[:, None], gate, at)
            edges = np.flatnonzero(layer[target] == here)
            first, _ = self.plan.recurrent_span(here)
            for name, origin, delayed in (("forward", 0, False), ("recurrent", first, True)):
                chosen = edges[structure.recurrent[edges] == delayed]
                if len(chosen):
                    reads = (place[source[chosen]] - origin)[:, None]
                    weight[chosen] = position(f"{name}{here}", reads, gate, rank[target[chosen]][:, None])
        classes = np.arange(self.blocks.shapes["readout_bias"][0])
        return {
            "weight": weight,
            "bias": bias,
            "input_weight": input_weight,
            "readout_weight": position("readout", place[outputs], classes[:, None]),
            "readout_bias": position("readout_bias"),
        }

    def scores(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """The linear read-out of the states at each sequence's own last step, or [P, C, T * B] of all."""

        def matrices(name: str, layers: range) -> list[Tensor]:
            return [parameters[f"{name}{layer}"].flatten(2) for layer in layers]

        layers = range(len(self.units.ends))
        gates = [
            (table.mT @ batch.features[:, : table.shape[1]]).unflatten(2, (batch.steps, -1))
            for table in matrices("table", layers)
        ]
        inner = [parameters[f"inner{layer}"] for layer in layers] if self.has_inner_bias else None
        states = run_stack(
            self.plan, gates, matrices("forward", layers[1:]), matrices("recurrent", layers), inner
        )  # [P, N, T, B]
        last = states.flatten(2) if self.every_step else read_out(states, batch.read)
        return torch.baddbmm(parameters["readout_bias"][..., None], parameters["readout"].mT, last)
