"""The protocol of Stier, Darji and Granitzer (2021, arXiv 2107.12917), oddities included."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.described import sizes_of
from nnstruct.modules.rnn.cells import step
from nnstruct.modules.rnn.faithful_layout import FaithfulLayout
from nnstruct.structure import Structure


class MaskedCell(nn.Module):
    """A recurrent cell with masked input weights and dense recurrent ones.

    Parameters
    ----------
    family : str
    weight_mask : bool [g * H, I]
        The gates stand one after the other.
    parameters : mapping of str to float32 array
        ``weight_ih`` [g * H, I], ``weight_hh`` [g * H, H], ``bias_ih`` and ``bias_hh`` [g * H].

    Shapes
    ------
    sequence : float32 [T, B, I]
    output : float32 [T, B, H]
    """

    mask: Tensor

    def __init__(self, family: str, weight_mask: np.ndarray, parameters: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.family = family
        self.hidden = parameters["weight_hh"].shape[1]
        self.gates = len(weight_mask) // self.hidden
        self.register_buffer("mask", torch.tensor(weight_mask, dtype=torch.float32))
        self.weight_ih = nn.Parameter(torch.tensor(parameters["weight_ih"]) * self.mask)
        self.weight_hh = nn.Parameter(torch.tensor(parameters["weight_hh"]))
        self.bias_ih = nn.Parameter(torch.tensor(parameters["bias_ih"]))
        self.bias_hh = nn.Parameter(torch.tensor(parameters["bias_hh"]))

    def forward(self, sequence: Tensor) -> Tensor:
        """States of a sequence, from a state of zeros.

        Parameters
        ----------
        sequence : Tensor [T, B, I]

        Returns
        -------
        Tensor [T, B, H]
        """
        by_gate = (self.gates, self.hidden, -1)
        weight_ih = (self.weight_ih * self.mask).view(by_gate).mT  # [g, I, H]
        weight_hh = self.weight_hh.view(by_gate).mT  # [g, H, H]
        bias_ih, bias_hh = self.bias_ih.view(self.gates, -1), self.bias_hh.view(self.gates, -1)
        if self.family == "gru":
            bias = torch.cat([bias_ih[:2] + bias_hh[:2], bias_ih[2:], bias_hh[2:]])
        else:
            # A plain sum would give both the same gradient array, which clipping in place would scale twice.
            bias = bias_ih + 1.0 * bias_hh
        hidden = cell = sequence.new_zeros(sequence.shape[1], self.hidden)
        states = []
        for inputs in sequence:
            forward, recurrent = inputs @ weight_ih, hidden @ weight_hh  # [g, B, H]
            hidden, cell = step(self.family, forward, recurrent, bias, (hidden, cell))
            states.append(hidden)
        return torch.stack(states)

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        held, size = int(self.mask.sum()), self.mask.numel()
        return f"family={self.family!r}, inputs={self.mask.shape[1]}, units={self.hidden}, mask={held}/{size}"


class FaithfulRNN(nn.Module):
    """The recurrent network that Stier, Darji and Granitzer trained (2021, arXiv:2107.12917).

    - Layer 0 reads an embedding of the symbols as wide as itself through dense weights; layer l
      reads layer l - 1 through the mask of their edges.
    - Every cell is densely recurrent within itself and has two biases.
    - Each pair of connected layers two or more apart has a recurrent cell of its own, with its
      own state, whose output is added to the target layer's output after that layer's recurrence.
    - The masks of gated cells are misaligned with the gates (``corrected=False``).
    - Sequences are padded with symbol 0 to the longest of the batch and read out after the
      padding (``corrected=False``), so that a prediction depends on its batch companions.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    parameters : mapping of str to float32 array
        As :func:`nnstruct.modules.initial_parameters` draws them for this protocol.
    corrected : bool
        Align masks with gates and read out at each sequence's own last symbol.

    Shapes
    ------
    symbols : int64 [B, T], padded with 0
    lengths : int64 [B]
    output : float32 [B, C]
    """

    def __init__(
        self, structure: Structure, parameters: Mapping[str, np.ndarray], *, corrected: bool = False
    ) -> None:
        super().__init__()
        self.structure, self.corrected = structure, corrected
        self.layout = FaithfulLayout(structure)
        self.embedding = nn.Embedding(*parameters["embedding.weight"].shape)
        self.cells = nn.ModuleDict()
        for cell in self.layout.cells:
            prefix = f"cells.{cell.name}."
            own = {k.removeprefix(prefix): v for k, v in parameters.items() if k.startswith(prefix)}
            mask = self.layout.gate_mask(cell.mask, aligned=corrected)
            self.cells[cell.name] = MaskedCell(structure.family, mask, own)
        self.readout = nn.Linear(*parameters["readout.weight"].shape[::-1])
        with torch.no_grad():
            self.embedding.weight.copy_(torch.tensor(parameters["embedding.weight"]))
            self.readout.weight.copy_(torch.tensor(parameters["readout.weight"]))
            self.readout.bias.copy_(torch.tensor(parameters["readout.bias"]))

    def forward(self, symbols: Tensor, lengths: Tensor) -> Tensor:
        """Class scores of sequences.

        Parameters
        ----------
        symbols : int64 Tensor [B, T]
            Padded with 0, which has an embedding like any other symbol.
        lengths : int64 Tensor [B]
            Symbols of each sequence, from 1 to T.

        Returns
        -------
        Tensor [B, C]
            Read out behind the longest sequence; with ``corrected`` at each sequence's own last symbol.
        """
        longest = int(lengths.max())
        embedded = self.embedding(symbols[:, :longest]).transpose(0, 1)  # [T, B, n_0]
        outputs: list[Tensor] = []
        for cell in self.layout.cells:
            source = embedded if cell.source < 0 else outputs[cell.source]
            result = self.cells[cell.name](source)  # [T, B, n_target]
            if cell.target == len(outputs):
                outputs.append(result)
            else:
                outputs[cell.target] = outputs[cell.target] + result
        final = outputs[-1]
        if self.corrected:
            return self.readout(final[lengths - 1, torch.arange(len(lengths), device=lengths.device)])
        return self.readout(final[-1])

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        sizes = f"symbols={self.embedding.num_embeddings}, outputs={self.readout.out_features}"
        return f"{sizes_of(self.structure)}, {sizes}, corrected={self.corrected}"

    @torch.no_grad()
    def parameters_by_name(self) -> dict[str, np.ndarray]:
        """Current values in the layout of :func:`nnstruct.modules.parameter_shapes`.

        Returns
        -------
        dict of str to float32 array
            Copies.
        """
        return {name: value.cpu().numpy().copy() for name, value in self.named_parameters()}
