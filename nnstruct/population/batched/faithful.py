"""The faithful and the corrected protocol for a population.

All cells that read one layer run at once: the layer behind it and the skip cells that leave it. So a
batch takes as many passes over the steps as there are layers, not cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nnstruct.modules.rnn.faithful_layout import FaithfulLayout
from nnstruct.population.batched.blocks import Blocks, Slots
from nnstruct.population.batched.model import PARAMETER_COPIES, Batch, read_out
from nnstruct.population.batched.stack import StackPlan, run_stack
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES


class BatchedFaithful:
    """A :class:`nnstruct.population.batched.model.BatchedModel` of the paper's networks.

    Parameters
    ----------
    structures : sequence of Structure
        Of one recurrent family.
    symbols : int64 [V]
        The symbols that occur, sorted; a batch's features stand in this order. The embedding of the
        others is kept, and never changes.
    num_symbols, num_classes : int
    corrected : bool
        Whether masks fit the gates.
    align : int
        Layers are padded to a multiple of it.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        symbols: np.ndarray,
        num_symbols: int,
        num_classes: int,
        *,
        corrected: bool,
        align: int = 1,
    ) -> None:
        self.layouts = [FaithfulLayout(structure) for structure in structures]
        self.family, self.corrected = structures[0].family, corrected
        self.gates = FAMILIES[self.family].gates
        self.used = np.isin(np.arange(num_symbols), symbols)
        self._num_symbols, self._num_classes = num_symbols, num_classes
        depth = max(len(layout.units) for layout in self.layouts)
        widths = np.zeros(depth, dtype=np.int64)
        targets: list[set[int]] = [set() for _ in range(depth)]  # by source, the embedding first
        for layout in self.layouts:
            for layer, units in enumerate(layout.units):
                widths[layer] = max(widths[layer], len(units))
            for cell in layout.cells:
                targets[cell.source + 1].add(cell.target)
        self.widths = (-(-widths // align) * align).tolist()
        self.groups = {source - 1: sorted(found) for source, found in enumerate(targets) if found}
        self.finals = sorted({len(layout.units) - 1 for layout in self.layouts})
        shapes: dict[str, tuple[int, ...]] = {
            "embedding": (int(self.used.sum()), self.widths[0]),
            "embedding_rest": (int((~self.used).sum()), self.widths[0]),
        }
        for source, group in self.groups.items():
            cells, width = len(group), max(self.widths[target] for target in group)
            reads = self.widths[max(source, 0)]
            shapes[f"input{source}"] = (cells, reads, self.gates, width)
            shapes[f"hidden{source}"] = (cells, width, self.gates, width)
            shapes[f"bias_ih{source}"] = (cells, self.gates, width)
            shapes[f"bias_hh{source}"] = (cells, self.gates, width)
        for layer in self.finals:
            shapes[f"readout{layer}"] = (self.widths[layer], num_classes)
        shapes["readout_bias"] = (num_classes,)
        self.blocks = Blocks(shapes)
        self.lookup: np.ndarray | None = np.zeros((num_symbols, 1 + len(symbols)), dtype=np.float32)
        self.lookup[:, 0] = 1.0
        self.lookup[symbols, 1 + np.arange(len(symbols))] = 1.0

    def numbers_held(self, steps: int, lanes: int) -> int:
        """Numbers that a training step holds for each network."""
        units = sum(len(group) * max(self.widths[t] for t in group) for group in self.groups.values())
        states = units * (self.gates + (4 if self.gates > 1 else 3)) + self.blocks.shapes["embedding"][0] + 1
        return steps * lanes * states + PARAMETER_COPIES * self.blocks.size

    def slots(self, index: int) -> Slots:
        """Where the named parameters of a network stand in its row."""
        layout, position = self.layouts[index], self.blocks.position
        embedding: np.ndarray = np.empty((self._num_symbols, len(layout.units[0])), dtype=np.int64)
        for name, chosen in (("embedding", self.used), ("embedding_rest", ~self.used)):
            rows = np.arange(chosen.sum())[:, None]
            embedding[chosen] = position(name, rows, np.arange(embedding.shape[1]))
        slots = {"embedding.weight": embedding}
        gate = np.arange(self.gates)[:, None, None]
        for cell in layout.cells:
            hidden, inputs = cell.mask.shape
            row = np.arange(hidden)[:, None]
            at = self.groups[cell.source].index(cell.target)
            mask = layout.gate_mask(cell.mask, aligned=self.corrected)
            weight = position(f"input{cell.source}", at, np.arange(inputs), gate, row)  # [g, H, I]
            own = position(f"hidden{cell.source}", at, np.arange(hidden), gate, row)
            prefix = f"cells.{cell.name}."
            slots[prefix + "weight_ih"] = np.where(mask, weight.reshape(mask.shape), -1)
            slots[prefix + "weight_hh"] = own.reshape(-1, hidden)
            for kind in ("bias_ih", "bias_hh"):
                bias = position(f"{kind}{cell.source}", at, gate[..., 0], np.arange(hidden))  # [g, H]
                slots[prefix + kind] = bias.reshape(-1)
        last = len(layout.units) - 1
        classes, units = np.arange(self._num_classes)[:, None], np.arange(len(layout.units[last]))
        slots["readout.weight"] = position(f"readout{last}", units, classes)
        slots["readout.bias"] = position("readout_bias")
        return slots

    def scores(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Class scores [P, C, B]."""
        outputs: dict[int, Tensor] = {}  # by layer, [P, H, T * B]
        for source, group in self.groups.items():
            if source < 0:
                table = parameters["embedding"] @ parameters["input-1"][:, 0].flatten(2)  # [P, V, g * H]
                given, weight = batch.features[:, 1:], table[:, None]
            else:
                given, weight = outputs[source], parameters[f"input{source}"].flatten(3)
            for target, states in zip(
                group, self._run(source, given, weight, parameters, batch), strict=True
            ):
                if states.shape[1] > self.widths[target]:
                    states = states[:, : self.widths[target]]
                outputs[target] = outputs[target] + states if target in outputs else states
        scores = parameters["readout_bias"][..., None]
        for layer in self.finals:
            states = outputs[layer].unflatten(2, (batch.steps, -1))  # [P, H, T, B]
            scores = torch.baddbmm(scores, parameters[f"readout{layer}"].mT, read_out(states, batch.read))
        return scores

    def _run(
        self,
        source: int,
        given: Tensor,
        weight: Tensor,
        parameters: Mapping[str, Tensor],
        batch: Batch,
    ) -> tuple[Tensor, ...]:
        """States [P, H, T * B] of the G cells that read ``given`` [P, I, T * B].

        Their weights are [P, G, I, g * H].
        """
        count, cells = weight.shape[:2]
        merged = count * cells
        width = self.blocks.shapes[f"hidden{source}"][1]
        bias, inner = parameters[f"bias_ih{source}"], parameters[f"bias_hh{source}"]  # [P, G, g, H]
        inner_bias = None
        if self.family == "gru":
            inner_bias = [inner[:, :, 2].reshape(merged, width)]
            bias = torch.cat([bias[:, :, :2] + inner[:, :, :2], bias[:, :, 2:]], dim=2)
        else:
            bias = bias + inner
        spread = given[:, None].expand(-1, cells, -1, -1).reshape(merged, *given.shape[1:])
        gates = torch.baddbmm(
            bias.reshape(merged, -1, 1), weight.reshape(merged, *weight.shape[2:]).mT, spread
        )
        recurrent = parameters[f"hidden{source}"].flatten(3).reshape(merged, width, -1)
        states = run_stack(
            StackPlan(self.family, (width,), local=True),
            [gates.unflatten(2, (batch.steps, -1))],
            [],
            [recurrent],
            inner_bias,
        )  # [P * G, H, T, B]
        return states.unflatten(0, (count, cells)).flatten(3).unbind(1)
