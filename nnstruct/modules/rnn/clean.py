"""The clean protocol: each edge is a weight and each weight an edge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.modules.described import sizes_of
from nnstruct.modules.residual import weighted_units, with_unit_weights
from nnstruct.modules.rnn.cells import step
from nnstruct.modules.ties import Ties
from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES


class CleanRNN(nn.Module):
    """A recurrent network whose weights are the edges of a Structure.

    A unit's pre-activation at time t sums its forward edges from units at t, its recurrent edges
    from units at t - 1, its bias and, for an input unit, the weight of the symbol at t or the weighted
    values of the series at t. Gates share the unit's edges. A linear read-out sees the output units at
    each sequence's own last step, or at every step.

    Inside, units stand in the order of their layers (:attr:`order`), so that a layer reads a
    prefix of the units already computed; masks are buffers.

    Parameters
    ----------
    structure : Structure
        Of the family ``rnn_tanh``, ``rnn_relu``, ``gru`` or ``lstm``.
    parameters : mapping of str to float32 array
        As :func:`nnstruct.modules.initial_parameters` draws them.
    every_step : bool
        Whether every step is read out, and not the last one alone.

    Attributes
    ----------
    edge_places : int64 array [2, E]
        Where each edge's weights stand in the dense ones: source and target in the order of the layers.

    Shapes
    ------
    inputs : int64 [B, T], symbols from 1 on, padded with 0; or float32 [B, T, D], a series
    lengths : int64 [B]
    output : float32 [B, C], or [B, T', C] with ``every_step``, T' being the longest length

    Examples
    --------
    >>> import torch
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> structure = Structure.from_layers([3, 2], family="gru")
    >>> module = build_module(structure, load_task("reber"), seed=0)
    >>> module(torch.tensor([[1, 2, 3]]), torch.tensor([3])).shape
    torch.Size([1, 2])
    """

    order: Tensor
    shortcut: Tensor | None
    computes: Tensor | None
    forward_mask: Tensor
    recurrent_mask: Tensor
    forward_weight: nn.Parameter
    recurrent_weight: nn.Parameter

    def __init__(
        self, structure: Structure, parameters: Mapping[str, np.ndarray], *, every_step: bool = False
    ) -> None:
        super().__init__()
        self.structure, self.every_step = structure, every_step
        gates, units = FAMILIES[structure.family].gates, structure.num_units
        order = np.argsort(structure.layer, kind="stable")
        place = np.argsort(order)
        self.layer_ends = np.cumsum(structure.layer_sizes).tolist()
        self.edge_places = place[structure.edge_index]  # [2, E]
        source, target = self.edge_places
        self.register_buffer("order", torch.from_numpy(order))
        self.register_buffer("shortcut", None)
        self.register_buffer("computes", None)
        if structure.residual.any():
            shortcut = torch.zeros(units, units)  # [target, source]
            shortcut[target[structure.residual], source[structure.residual]] = 1.0
            self.register_buffer("shortcut", shortcut)
            self.register_buffer("computes", torch.from_numpy(weighted_units(structure)[order]).float())
        self._ties = Ties(structure, place)
        plain = self._ties.owned & ~structure.recurrent
        for name, chosen in (("forward", plain), ("recurrent", structure.recurrent)):
            mask = torch.zeros(units, units)  # [target, source]
            mask[target[chosen], source[chosen]] = 1.0
            dense = torch.zeros(gates, units, units)  # [g, target, source]
            dense[:, target[chosen], source[chosen]] = torch.tensor(parameters["weight"][chosen].T)
            self.register_buffer(f"{name}_mask", mask)
            self.register_parameter(f"{name}_weight", nn.Parameter(dense))
        self.bias = nn.Parameter(torch.tensor(parameters["bias"][order].T.copy()))  # [b, N]
        self._input_places = place[structure.inputs]
        self._output_places = place[structure.outputs]
        # Row 0 is the padding: it feeds nothing and gets no gradient.
        table = torch.tensor(parameters["input_weight"]).permute(1, 2, 0)  # [S - 1, g, I]
        self.input_weight = nn.Parameter(torch.cat([torch.zeros_like(table[:1]), table]).contiguous())
        self.readout = nn.Linear(*parameters["readout_weight"].shape[::-1])
        with torch.no_grad():
            self.readout.weight.copy_(torch.tensor(parameters["readout_weight"]))
            self.readout.bias.copy_(torch.tensor(parameters["readout_bias"]))

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Scores of sequences.

        Parameters
        ----------
        inputs : int64 Tensor [B, T], or float32 Tensor [B, T, D]
            Symbols from 1 on, padded with 0; or series of D channels.
        lengths : int64 Tensor [B]
            Steps of each sequence, from 1 to T.

        Returns
        -------
        Tensor [B, C], or [B, T', C] with ``every_step``
            Read out at each sequence's own last step; or at all steps up to the longest length T', where
            those behind a sequence's end mean nothing.
        """
        forward_weight = self.forward_weight * self.forward_mask
        bias: Tensor = self.bias
        added = self.shortcut
        if self._ties:
            weight, flows = self._ties.weights(forward_weight[0])
            forward_weight = weight[None]
            bias = bias[:, self._ties.bias_owner.to(bias.device)]
            added = flows if added is None else added if flows is None else added + flows
        recurrent_weight = (self.recurrent_weight * self.recurrent_mask).mT  # [g, source, target]
        real_symbol = torch.ones(len(self.input_weight), 1, 1, device=inputs.device)
        real_symbol[0] = 0.0
        table = self.input_weight * real_symbol  # [S, g, I]
        series = inputs.is_floating_point()
        batch, units = len(inputs), self.structure.num_units
        hidden = cell = table.new_zeros(batch, units)
        last, read = hidden, []
        for time in range(int(lengths.max())):
            recurrent = hidden @ recurrent_weight  # [g, B, N]
            from_input = table.new_zeros(recurrent.shape)
            # [B, g, I], a row of the table or a product with all but the padding's
            entering = torch.tensordot(inputs[:, time], table[1:], 1) if series else table[inputs[:, time]]
            from_input[:, :, self._input_places] = entering.transpose(0, 1)
            now, now_cell = hidden[:, :0], cell[:, :0]
            start = 0
            for end in self.layer_ends:
                here = slice(start, end)
                forward = now @ forward_weight[:, here, :start].mT + from_input[:, :, here]  # [g, B, H]
                new, new_cell = step(
                    self.structure.family,
                    forward,
                    recurrent[:, :, here],
                    bias[:, here],
                    (hidden[:, here], cell[:, here]),
                )
                if added is not None and self.computes is not None:
                    new = new * self.computes[here] + now @ added[here, :start].T
                now, now_cell = torch.cat([now, new], 1), torch.cat([now_cell, new_cell], 1)
                start = end
            hidden, cell = now, now_cell
            if self.every_step:
                read.append(hidden[:, self._output_places])
            else:
                last = torch.where((lengths == time + 1)[:, None], hidden, last)
        if self.every_step:
            return self.readout(torch.stack(read, dim=1))
        return self.readout(last[:, self._output_places])

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        inputs, outputs = len(self.input_weight) - 1, self.readout.out_features
        return f"{sizes_of(self.structure)}, inputs={inputs}, outputs={outputs}"

    @torch.no_grad()
    def parameters_by_name(self) -> dict[str, np.ndarray]:
        """Copies of the current values in the layout of :func:`nnstruct.modules.parameter_shapes`.

        Returns
        -------
        dict of str to float32 array
        """
        source, target = self.edge_places
        dense = torch.where(
            torch.tensor(self.structure.recurrent)[None],
            self.recurrent_weight.cpu()[:, target, source],
            self.forward_weight.cpu()[:, target, source],
        )
        place = np.argsort(self.order.cpu().numpy())
        values = {
            "weight": torch.from_numpy(with_unit_weights(dense.T.numpy(), self.structure)),
            "bias": self.bias[:, self._ties.bias_owner.to(self.bias.device)].cpu().T[place],
            "input_weight": self.input_weight.cpu()[1:].permute(2, 0, 1),
            "readout_weight": self.readout.weight.cpu(),
            "readout_bias": self.readout.bias.cpu(),
        }
        return {name: np.array(value.numpy(), order="C") for name, value in values.items()}

    @torch.no_grad()
    def assign(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Take values as :meth:`parameters_by_name` gives them; weights without an edge become zero.

        Parameters
        ----------
        parameters : mapping of str to float32 array
            Every name of :meth:`parameters_by_name`, in the same shapes.
        """
        source, target = self.edge_places
        recurrent = self.structure.recurrent
        plain = self._ties.owned & ~recurrent
        for name, chosen in (("forward", plain), ("recurrent", recurrent)):
            weight = getattr(self, f"{name}_weight")
            dense = torch.zeros_like(weight)
            dense[:, target[chosen], source[chosen]] = torch.tensor(parameters["weight"][chosen].T).to(weight)
            if parametrize.is_parametrized(self, f"{name}_weight"):
                setattr(self, f"{name}_weight", dense)
            else:
                weight.copy_(dense)
        self.bias.copy_(torch.tensor(parameters["bias"][self.order.cpu().numpy()].T))
        self.input_weight[1:].copy_(torch.tensor(parameters["input_weight"]).permute(1, 2, 0))
        self.readout.weight.copy_(torch.tensor(parameters["readout_weight"]))
        self.readout.bias.copy_(torch.tensor(parameters["readout_bias"]))

    def to_network(self) -> Network:
        """The Structure with the current weights.

        Returns
        -------
        Network
            Of copies.
        """
        values = self.parameters_by_name()
        weight, bias = values.pop("weight"), values.pop("bias")
        return Network(self.structure, weight, bias, values)
