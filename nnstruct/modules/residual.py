"""Residual edges of the families whose units are neurons: the plain sum of what they bring."""

from __future__ import annotations

import numpy as np

from nnstruct.modules.ties import bias_owners, is_flow, weight_owners
from nnstruct.structure import Structure


def with_unit_weights(weight: np.ndarray, structure: Structure) -> np.ndarray:
    """Weights of edges with 1 for those that are residual, and equal ones where edges are tied.

    Parameters
    ----------
    weight : float [E, g]
    structure : Structure

    Returns
    -------
    float [E, g]
        Of the same type; tied edges have the weight of the first of them.
    """
    weight = weight[weight_owners(structure)]
    if not structure.residual.any():
        return weight
    return np.where(structure.residual[:, None], 1.0, weight).astype(weight.dtype)


def weighted_units(structure: Structure) -> np.ndarray:
    """Which units compute something of their own: not those that residual edges alone feed, nor pure flows.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool [N]
        The value of the others is the plain sum of what residual edges bring.
    """
    found = np.array(structure.inputs)
    target = structure.edge_index[1]
    brought = structure.residual | (is_flow(structure)[target] & ~structure.recurrent)
    found[target[~brought]] = True
    fed = np.zeros(structure.num_units, dtype=bool)
    fed[structure.edge_index[1]] = True
    return found | ~fed


def untrained(structure: Structure, gates: int, biases: int) -> int:
    """Scalars in the arrays of weights and biases that are not trained on their own.

    Parameters
    ----------
    structure : Structure
    gates, biases : int
        Weights of an edge and biases of a unit.

    Returns
    -------
    int
    """
    lent = weight_owners(structure) != np.arange(structure.num_edges)
    idle = (bias_owners(structure) != np.arange(structure.num_units)) | ~weighted_units(structure)
    return gates * int((structure.residual | lent).sum()) + biases * int(idle.sum())


def plain_neurons(structure: Structure) -> bool:
    """Whether no edge is residual and no unit is tied or follows an equation.

    Parameters
    ----------
    structure : Structure
        Of a family whose units are neurons.

    Returns
    -------
    bool
    """
    return not (structure.residual.any() or tied_neurons(structure))


def tied_neurons(structure: Structure) -> bool:
    """Whether a unit is tied or follows an equation.

    Parameters
    ----------
    structure : Structure
        Of a family whose units are neurons.

    Returns
    -------
    bool
    """
    return "tie" in structure.attributes or bool(is_flow(structure).any())
