"""Tied neurons and units that follow a differential equation: one weight for several edges.

Units have a label, the attribute ``tie``, from 1 on. All edges within a time step between units of the same
two labels, in whichever direction, have one weight; units of one label have one bias. So a field unit that
sees a state by K feeds the next state by the transpose of K, and several steps can share K.

The operator of a unit says what it makes of its edges:

- ``gradient-flow``: the state that its residual edge brings, less h times the sum of its edges, without an
  activation: with the field units before it ``x - h K^T act(K x + b)`` with ``h <= 2 / ||K||^2``, K being
  the weights of the whole layer. With activations of a slope between 0 and 1 it brings no two states
  further apart (Celledoni et al., 2023, arXiv:2210.02373; Meunier et al., 2022, arXiv:2110.12690).
- ``expansion`` and ``contraction``: the state plus h times ``K^T act(K x + b) / ||K||^2``, and less h times
  half of that and half of the state, with h = 1; see :mod:`nnstruct.modules.cnn.operators`. In turn, they
  bring no two states further apart.
- ``hamiltonian-position`` and ``hamiltonian-momentum``: the state plus or less h times the sum. One after
  the other they are a step of the symplectic Euler method for
  ``H(y, z) = sum Act(K y + b) + sum Act(L z + d)`` with Act' = act.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nnstruct.errors import InvalidInputError
from nnstruct.modules.cnn.operators import (
    CONTRACTIVE_STEP,
    EXPANSIVE_STEP,
    HAMILTONIAN_STEP,
    SLOPE,
    norm_of,
)
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.units import (
    NEURON_CONTRACTION,
    NEURON_EXPANSION,
    NEURON_FLOWS,
    NEURON_GRADIENT_FLOW,
    NEURON_MOMENTUM,
    NEURON_OPERATORS,
    NEURON_POSITION,
    tie_labels,
)

# The size of a step, and whether it is over the squared norm of K.
_SIZES = {
    NEURON_GRADIENT_FLOW: (-2.0, True),
    NEURON_POSITION: (HAMILTONIAN_STEP, False),
    NEURON_MOMENTUM: (-HAMILTONIAN_STEP, False),
    NEURON_EXPANSION: (EXPANSIVE_STEP, True),
    NEURON_CONTRACTION: (-CONTRACTIVE_STEP * (1.0 - SLOPE), True),
}
Step = tuple[str, np.ndarray]


def is_flow(structure: Structure) -> np.ndarray:
    """Which units follow an equation.

    Parameters
    ----------
    structure : Structure
        Of a family whose units are neurons.

    Returns
    -------
    bool [N]
    """
    names = structure.attributes.get("operator", ("",) * structure.num_units)
    return np.array([name in NEURON_FLOWS for name in names])


def check_neurons(structure: Structure) -> None:
    """Raise :class:`InvalidInputError` where the operators of neurons, or their ties, cannot be trained.

    Parameters
    ----------
    structure : Structure
        Of a family whose units are neurons.
    """
    names = structure.attributes.get("operator", ())
    for name in names:
        if name not in NEURON_OPERATORS:
            rule = f"be among {', '.join(NEURON_OPERATORS)} for the family {structure.family!r}"
            raise InvalidInputError("attributes['operator']", rule, name)
    gates = FAMILIES[structure.family].gates
    if gates > 1 and (tie_labels(structure).any() or is_flow(structure).any()):
        rule = f"name no flow and no tie for the family {structure.family!r}, whose units have gates"
        raise InvalidInputError("attributes", rule, sorted(structure.attributes))


def weight_owners(structure: Structure) -> np.ndarray:
    """The edge whose weight each edge has; itself where it is not tied to an earlier one.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    int64 [E]
        An edge into a unit that follows no equation, where there is one.
    """
    owner = np.arange(structure.num_edges)
    label = tie_labels(structure)
    if not label.any():
        return owner
    source, target = structure.edge_index
    tied = (label[source] > 0) & (label[target] > 0) & ~structure.recurrent & ~structure.residual
    flow = is_flow(structure)
    first: dict[tuple[int, int], int] = {}
    for edge in sorted(np.flatnonzero(tied).tolist(), key=lambda edge: (bool(flow[target[edge]]), edge)):
        pair = sorted((int(label[source[edge]]), int(label[target[edge]])))
        owner[edge] = first.setdefault((pair[0], pair[1]), edge)
    return owner


def bias_owners(structure: Structure) -> np.ndarray:
    """The unit whose bias each unit has: the first of its label, for units whose weights are borrowed.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    int64 [N]
    """
    owner, label, flow = np.arange(structure.num_units), tie_labels(structure), is_flow(structure)
    lender = weight_owners(structure)
    target = structure.edge_index[1]
    for edge in np.flatnonzero(lender != np.arange(len(lender))).tolist():
        unit, other = int(target[edge]), int(target[lender[edge]])
        if not flow[unit] and label[unit] == label[other]:
            owner[unit] = other
    return owner


class Ties:
    """Makes the weights that neurons compute with from those that are trained.

    Parameters
    ----------
    structure : Structure
    place : int64 [N]
        Where each unit stands in the dense matrices.

    Attributes
    ----------
    owned : bool [E]
        Edges whose weights are trained: no residual ones and none that borrow theirs.
    """

    def __init__(self, structure: Structure, place: np.ndarray) -> None:
        self.owner, flow = weight_owners(structure), is_flow(structure)
        edges = np.arange(structure.num_edges)
        self.owned = (self.owner == edges) & ~structure.residual
        source, target = place[structure.edge_index]
        self.size = structure.num_units
        into_flow = flow[structure.edge_index[1]] & ~structure.recurrent & ~structure.residual
        borrows = (self.owner != edges) & ~into_flow
        at = target * self.size + source
        self.plain = torch.from_numpy(np.stack([at[borrows], at[self.owner[borrows]]]))
        self.flowing = torch.from_numpy(np.stack([at[into_flow], at[self.owner[into_flow]]]))
        order = np.argsort(place)
        self.bias_owner = torch.from_numpy(place[bias_owners(structure)][order])
        self.steps = self._steps(structure, place, flow)
        names = structure.attributes.get("operator", ("",) * structure.num_units)
        shrinks = np.array([name == NEURON_CONTRACTION for name in names])[structure.edge_index[1]]
        self.shrinking = torch.from_numpy(at[shrinks & structure.residual])

    def _steps(self, structure: Structure, place: np.ndarray, flow: np.ndarray) -> list[Step]:
        """For each layer of one flow its name and its places."""
        found: list[Step] = []
        names = structure.attributes.get("operator", ())
        for layer in np.unique(structure.layer[flow]) if flow.any() else ():
            for name in NEURON_FLOWS:
                units = [
                    int(u) for u in np.flatnonzero(flow & (structure.layer == layer)) if names[u] == name
                ]
                if units:
                    found.append((name, np.sort(place[units])))
        return found

    def __bool__(self) -> bool:
        return bool(self.plain.shape[1] or self.flowing.shape[1] or len(self.shrinking))

    def weights(self, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """The weights of units' sums and those of flows.

        Parameters
        ----------
        weight : Tensor [N, N]
            Of the target and the source; what is trained, zero elsewhere.

        Returns
        -------
        sums : Tensor [N, N]
        flows : Tensor [N, N] or None
            Steps included, and what contractions take from the state; to be added to residual edges. None
            where nothing flows.
        """
        flat = weight.flatten()
        sums = flat
        if self.plain.shape[1]:
            at, owner = self.plain.to(flat.device)
            sums = sums.index_put((at,), flat[owner])
        if not self.flowing.shape[1] and not len(self.shrinking):
            return sums.view_as(weight), None
        at, owner = self.flowing.to(flat.device)
        sums = sums.index_fill(0, at, 0.0).view_as(weight)
        kernel = torch.zeros_like(flat).index_put((at,), flat[owner]).view_as(weight)
        factor = torch.zeros_like(weight[:, :1])
        for name, places in self.steps:
            rows, (step, normed) = torch.from_numpy(places).to(flat.device), _SIZES[name]
            size = weight.new_tensor(step)
            if normed:
                block = kernel[rows]
                block = block[:, (block != 0).any(0)]
                size = step / norm_of(block).clamp_min(1e-6) ** 2 if block.numel() else weight.new_zeros(())
            factor = factor.index_put((rows,), size.expand(len(places), 1))
        flows = kernel * factor
        if len(self.shrinking):
            still = torch.zeros_like(flat)
            still[self.shrinking.to(flat.device)] = -CONTRACTIVE_STEP * SLOPE
            flows = flows + still.view_as(weight)
        return sums, flows
