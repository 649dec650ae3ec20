"""Multilayer perceptrons on any acyclic graphs, for a population."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nnstruct.modules.mlp.module import ACTIVATION_FUNCTIONS, NORM_EPSILON, SMALLEST_NORMALIZED_LAYER
from nnstruct.modules.mlp.parameters import activations
from nnstruct.population.batched.blocks import Blocks, Slots
from nnstruct.population.batched.clean import PaddedUnits
from nnstruct.population.batched.model import PARAMETER_COPIES, Batch, BatchedModel
from nnstruct.structure import Structure


class BatchedMLP(BatchedModel):
    """A :class:`nnstruct.population.batched.model.BatchedModel` of :class:`nnstruct.modules.MaskedMLP`.

    Parameters
    ----------
    structures : sequence of Structure
        Of the family ``mlp``.
    input_shape : tuple of int
        Of one example.
    num_classes : int
    normalized : bool
        Whether layers are normalised.
    align : int
        Layers are padded to a multiple of it.
    device : str
        Where masks of activations and of padding are kept, as PyTorch names it.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        normalized: bool = False,
        align: int = 1,
        device: str = "cpu",
    ) -> None:
        self.structures, self.normalized = structures, normalized
        self.lookup: np.ndarray | None = None
        self.values, self.num_classes = math.prod(input_shape), num_classes
        self.units = PaddedUnits(structures, align)
        depth, total = len(self.units.ends), self.units.ends[-1]
        with_input = np.zeros(depth, dtype=bool)
        names = sorted({name for structure in structures for name in activations(structure)})
        kind = np.zeros((len(structures), total), dtype=np.int64)
        real = np.zeros((len(structures), total), dtype=np.float32)
        for row, structure in enumerate(structures):
            with_input[structure.layer[structure.inputs]] = True
            place = self.units.place(structure)
            kind[row, place] = [names.index(name) for name in activations(structure)]
            real[row, place] = 1.0
        self._kinds = {
            name: torch.from_numpy(kind == number)[..., None].to(device) for number, name in enumerate(names)
        }
        self._real = torch.from_numpy(real)[..., None].to(device)  # [P, N, 1]
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, width in enumerate(self.units.widths.tolist()):
            shapes[f"table{layer}"] = (1 + self.values if with_input[layer] else 1, width)  # row 0: bias
            if layer:
                shapes[f"forward{layer}"] = (self.units.ends[layer - 1], width)
        if normalized:
            shapes |= {"norm_scale": (total,), "norm_shift": (total,)}
        shapes["readout"] = (total, num_classes)
        shapes["readout_bias"] = (num_classes,)
        self.blocks = Blocks(shapes)

    def numbers_held(self, steps: int, lanes: int) -> int:
        """An estimate from the number of units, layers and inputs; ``steps`` is of no use here."""
        units, depth = self.units.ends[-1], len(self.units.ends)
        return lanes * (units * (8 + depth) + self.values) + PARAMETER_COPIES * self.blocks.size

    def slots(self, index: int) -> Slots:
        """The places of edges, biases, input weights and read-out, and of scales and shifts."""
        structure, position = self.structures[index], self.blocks.position
        layer, rank, place = structure.layer, self.units.rank(structure), self.units.place(structure)
        source, target = structure.edge_index
        inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
        weight = np.empty(structure.num_edges, dtype=np.int64)
        bias = np.empty(structure.num_units, dtype=np.int64)
        input_weight = np.empty((len(inputs), self.values), dtype=np.int64)
        for here in range(structure.num_layers):
            units = np.flatnonzero(layer == here)
            bias[units] = position(f"table{here}", 0, rank[units])
            rows = np.flatnonzero(layer[inputs] == here)
            if len(rows):
                columns = rank[inputs[rows]][:, None]
                input_weight[rows] = position(f"table{here}", 1 + np.arange(self.values), columns)
            edges = np.flatnonzero(layer[target] == here)
            if len(edges):
                weight[edges] = position(f"forward{here}", place[source[edges]], rank[target[edges]])
        slots = {
            "weight": weight[:, None],
            "bias": bias[:, None],
            "input_weight": input_weight[:, :, None],
            "readout_weight": position("readout", place[outputs], np.arange(self.num_classes)[:, None]),
            "readout_bias": position("readout_bias"),
        }
        if self.normalized:
            slots |= {name: position(name, place) for name in ("norm_scale", "norm_shift")}
        return slots

    def scores(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """The linear read-out of the output units."""
        states = batch.features[:, :0]
        for layer in range(len(self.units.ends)):
            start, stop = self.units.starts[layer], self.units.ends[layer]
            table = parameters[f"table{layer}"]
            sums = table.mT @ batch.features[:, : table.shape[1]]  # [P, H, B]
            if layer:
                sums = torch.baddbmm(sums, parameters[f"forward{layer}"].mT, states)
            if self.normalized:
                sums = self._normalize(sums, parameters, slice(start, stop))
            states = torch.cat([states, self._activate(sums, slice(start, stop))], dim=1)
        return torch.baddbmm(parameters["readout_bias"][..., None], parameters["readout"].mT, states)

    def _activate(self, sums: Tensor, here: slice) -> Tensor:
        if len(self._kinds) == 1:
            return ACTIVATION_FUNCTIONS[next(iter(self._kinds))](sums)
        result = torch.zeros_like(sums)
        for name, chosen in self._kinds.items():
            result = torch.where(chosen[:, here], ACTIVATION_FUNCTIONS[name](sums), result)
        return result

    def _normalize(self, sums: Tensor, parameters: Mapping[str, Tensor], here: slice) -> Tensor:
        real = self._real[:, here].to(sums.dtype)  # [P, H, 1]
        size = real.sum(1, keepdim=True)
        share = real / size.clamp(min=1.0)
        centred = sums - (sums * share).sum(1, keepdim=True)
        spread = (centred.square() * share).sum(1, keepdim=True)
        scaled = centred * torch.rsqrt(spread + NORM_EPSILON)
        values = torch.where(size >= SMALLEST_NORMALIZED_LAYER, scaled, sums) * real
        return torch.addcmul(
            parameters["norm_shift"][:, here, None], values, parameters["norm_scale"][:, here, None]
        )
