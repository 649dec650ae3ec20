"""Multilayer perceptrons on any acyclic graph: each edge is a weight and each weight an edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.described import sizes_of
from nnstruct.modules.mlp.parameters import NORM_EPSILON, SMALLEST_NORMALIZED_LAYER, activations
from nnstruct.modules.residual import weighted_units, with_unit_weights
from nnstruct.modules.ties import Ties
from nnstruct.network import Network
from nnstruct.structure import Structure


def gelu(values: Tensor) -> Tensor:
    """GELU in the form with tanh (Hendrycks and Gimpel, 2016, arXiv:1606.08415).

    Parameters
    ----------
    values : Tensor

    Returns
    -------
    Tensor
        Of the same shape.
    """
    return nn.functional.gelu(values, approximate="tanh")


ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": gelu,
}


class MaskedMLP(nn.Module):
    """A feed-forward network whose weights are the edges of a Structure.

    A unit's sum takes its edges, its bias and, for an input unit, all values of the input; then come
    the layer normalisation (Ba et al., 2016), where there is one, and the unit's own activation. What
    comes along residual edges is added behind it; a unit that has no others is their plain sum. A
    linear read-out sees the output units. Layers of one or two units are not normalised but scaled
    and shifted only.

    Inside, units stand in the order of their layers (:attr:`order`), so that a layer reads a
    prefix of the units already computed; the mask is a buffer.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``. Its attribute ``activation`` is ``relu`` (the default), ``tanh`` or
        ``gelu`` for each unit.
    parameters : mapping of str to float32 array
        As :func:`nnstruct.modules.initial_parameters` draws them; with ``norm_scale`` and
        ``norm_shift`` layers are normalised.

    Shapes
    ------
    inputs : float32 [B, ...], D values each
    output : float32 [B, C]

    Examples
    --------
    >>> import torch
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> module = build_module(Structure.from_layers([5, 3]), load_task("digits"), seed=0)
    >>> module(torch.zeros(2, 64)).shape
    torch.Size([2, 10])
    """

    order: Tensor
    mask: Tensor
    shortcut: Tensor | None
    computes: Tensor | None

    def __init__(self, structure: Structure, parameters: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.structure = structure
        units = structure.num_units
        order = np.argsort(structure.layer, kind="stable")
        place = np.argsort(order)
        self.layer_ends = np.cumsum(structure.layer_sizes).tolist()
        self._edge_places = place[structure.edge_index]  # [2, E]
        self._input_places = place[structure.inputs]
        self._output_places = place[structure.outputs]
        names = np.array(activations(structure))[order]
        self._activations = {name: np.flatnonzero(names == name) for name in sorted(set(names))}
        source, target = self._edge_places
        mask, dense = torch.zeros(units, units), torch.zeros(units, units)  # [target, source]
        self._ties = Ties(structure, place)
        own = self._ties.owned
        mask[target[own], source[own]] = 1.0
        dense[target[own], source[own]] = torch.tensor(parameters["weight"][own, 0])
        self.register_buffer("shortcut", None)
        self.register_buffer("computes", None)
        if structure.residual.any():
            shortcut = torch.zeros(units, units)
            shortcut[target[structure.residual], source[structure.residual]] = 1.0
            self.register_buffer("shortcut", shortcut)
            self.register_buffer("computes", torch.from_numpy(weighted_units(structure)[order]).float())
        self.register_buffer("order", torch.from_numpy(order))
        self.register_buffer("mask", mask)
        self.weight = nn.Parameter(dense)
        self.bias = nn.Parameter(torch.tensor(parameters["bias"][order, 0]))  # [N]
        self.input_weight = nn.Parameter(torch.tensor(parameters["input_weight"][:, :, 0]))  # [I, D]
        self.norm_scale = self.norm_shift = None
        if "norm_scale" in parameters:
            self.norm_scale = nn.Parameter(torch.tensor(parameters["norm_scale"][order]))  # [N]
            self.norm_shift = nn.Parameter(torch.tensor(parameters["norm_shift"][order]))  # [N]
        self.readout = nn.Linear(*parameters["readout_weight"].shape[::-1])
        with torch.no_grad():
            self.readout.weight.copy_(torch.tensor(parameters["readout_weight"]))
            self.readout.bias.copy_(torch.tensor(parameters["readout_bias"]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores of vectors or images.

        Parameters
        ----------
        inputs : Tensor [B, ...]
            D values for each example, flattened in their order.

        Returns
        -------
        Tensor [B, C]
        """
        return self.tapped_forward(inputs, lambda made: (made, made))

    def tapped_forward(self, inputs: Tensor, tap: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """Class scores, each layer's values being handed to a function on their way.

        Parameters
        ----------
        inputs : Tensor [B, ...]
        tap : callable (Tensor [B, H]) -> (Tensor [B, H], Tensor [B, H])
            What weighted edges see of a layer's values, and what residual edges and the read-out see.

        Returns
        -------
        Tensor [B, C]
        """
        values = inputs.flatten(1) @ self.input_weight.T  # [B, I]
        weight, added = self.weight * self.mask, self.shortcut
        bias: Tensor = self.bias
        if self._ties:
            weight, flows = self._ties.weights(weight)
            bias = bias[self._ties.bias_owner.to(bias.device)]
            added = flows if added is None else added if flows is None else added + flows
        sums = bias.repeat(len(inputs), 1)  # [B, N]
        places = torch.as_tensor(self._input_places, device=sums.device)
        sums = sums.index_add(1, places, values.to(sums.dtype))
        now, direct = sums[:, :0], sums[:, :0]
        start = 0
        for end in self.layer_ends:
            here = sums[:, start:end] + now @ weight[start:end, :start].T  # [B, H]
            made = self._activate(self._normalize(here, start, end), start, end)
            if added is not None and self.computes is not None:
                made = made * self.computes[start:end] + direct @ added[start:end, :start].T
            seen, handed = tap(made)
            now = torch.cat([now, seen], 1)
            direct = now if handed is seen else torch.cat([direct, handed], 1)
            start = end
        return self.readout(direct[:, self._output_places])

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        sizes = f"inputs={self.input_weight.shape[1]}, outputs={self.readout.out_features}"
        normalised = ", normalised" if self.norm_scale is not None else ""
        activations = [str(name) for name in self._activations]
        return f"{sizes_of(self.structure)}, {sizes}, activations={activations}{normalised}"

    def _normalize(self, values: Tensor, start: int, end: int) -> Tensor:
        if self.norm_scale is None or self.norm_shift is None:
            return values
        if end - start >= SMALLEST_NORMALIZED_LAYER:
            values = nn.functional.layer_norm(values, (end - start,), eps=NORM_EPSILON)
        return values * self.norm_scale[start:end] + self.norm_shift[start:end]

    def _activate(self, values: Tensor, start: int, end: int) -> Tensor:
        if len(self._activations) == 1:
            return ACTIVATION_FUNCTIONS[next(iter(self._activations))](values)
        result = torch.empty_like(values)
        for name, places in self._activations.items():
            own = places[(places >= start) & (places < end)] - start
            result[:, own] = ACTIVATION_FUNCTIONS[name](values[:, own])
        return result

    @torch.no_grad()
    def parameters_by_name(self) -> dict[str, np.ndarray]:
        """Current values in the layout of :func:`nnstruct.modules.parameter_shapes`.

        Returns
        -------
        dict of str to float32 array
            Copies.
        """
        source, target = self._edge_places
        place = np.argsort(self.order.cpu().numpy())
        weight = (self.weight * self.mask).cpu()[target, source][:, None]
        bias = self.bias[self._ties.bias_owner.to(self.bias.device)]
        values = {
            "weight": torch.from_numpy(with_unit_weights(weight.numpy(), self.structure)),
            "bias": bias.cpu()[place][:, None],
            "input_weight": self.input_weight.cpu()[:, :, None],
            "readout_weight": self.readout.weight.cpu(),
            "readout_bias": self.readout.bias.cpu(),
        }
        if self.norm_scale is not None and self.norm_shift is not None:
            values["norm_scale"] = self.norm_scale.cpu()[place]
            values["norm_shift"] = self.norm_shift.cpu()[place]
        return {name: np.array(value.numpy(), order="C") for name, value in values.items()}

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
