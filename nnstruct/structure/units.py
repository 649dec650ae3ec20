"""What the attributes of a unit may be, and what they mean where they are left out.

In the family ``cnn`` a unit is a convolution cell, or, with one channel, a single channel:

- ``operator``: what it computes; the flow blocks (:data:`FLOWS`) are a step of a differential equation.
- ``activation``: of the unit, in the family ``mlp`` as well.
- ``stage``: from 0; no edge leads to an earlier stage, and each stage halves the resolution.
- ``channels``: its width.
- ``tie``: a label from 1 on; units of one label share their weights, 0 has none of its own to share. In the
  family ``cnn`` these are the kernel and the bias of a flow block, in others see
  :mod:`nnstruct.modules.ties`.
- ``join``: ``concat``: it acts on its inputs side by side; ``sum``: on their sum, each brought to the
  unit's channels and resolution first.

Units of every family can have sizes (:data:`nnstruct.structure.fields.SIZES`), 1 where they are left out:

- ``width``: neurons or channels of a unit that stands for a layer.
- ``kernel``, ``stride``, ``dilation``: of its window, an integer where all axes agree, otherwise text as
  ``1x7``. Of a linear unit the kernel is how many places of each unit it reads.
- ``groups``: of a convolution or normalisation; the heads of an attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnstruct.structure.structure import Structure

GRADIENT_FLOW, HAMILTONIAN = "gradient-flow3x3", "hamiltonian3x3"
EXPANSION, CONTRACTION = "expansion3x3", "contraction3x3"
FLOWS = (GRADIENT_FLOW, HAMILTONIAN, EXPANSION, CONTRACTION)
# What a neuron may be instead of a plain one.
NEURON, NEURON_GRADIENT_FLOW = "neuron", "gradient-flow"
NEURON_POSITION, NEURON_MOMENTUM = "hamiltonian-position", "hamiltonian-momentum"
NEURON_EXPANSION, NEURON_CONTRACTION = "expansion", "contraction"
NEURON_FLOWS = (
    NEURON_GRADIENT_FLOW, NEURON_POSITION, NEURON_MOMENTUM, NEURON_EXPANSION, NEURON_CONTRACTION,
)  # fmt: skip
NEURON_OPERATORS = (NEURON, *NEURON_FLOWS)
UNIT_OPERATORS = (
    "conv3x3", "conv1x1", "sepconv3x3", "maxpool3x3", "avgpool3x3", "identity", *FLOWS,
)  # fmt: skip
UNIT_ACTIVATIONS = ("relu", "tanh", "gelu")
JOINS = ("concat", "sum")
UNIT_DEFAULTS: Mapping[str, str | int] = {
    "operator": "conv3x3",
    "activation": "relu",
    "stage": 0,
    "channels": 1,
    "join": "concat",
}
ATTRIBUTES_OF: Mapping[str, tuple[str, ...]] = {"mlp": ("activation",), "cnn": tuple(UNIT_DEFAULTS)}


def unit_values(structure: Structure, name: str) -> tuple[Any, ...]:
    """An attribute of each unit, its default where the structure leaves it out.

    Parameters
    ----------
    structure : Structure
    name : str
        A key of ``UNIT_DEFAULTS``.

    Returns
    -------
    tuple of length N

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.units import unit_values
    >>> unit_values(Structure([[0], [1]], 2, family="cnn"), "operator")
    ('conv3x3', 'conv3x3')
    """
    values = structure.attributes.get(name)
    return (UNIT_DEFAULTS[name],) * structure.num_units if values is None else values


def tie_labels(structure: Structure) -> np.ndarray:
    """The attribute ``tie`` of each unit, 0 where it has none.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    int64 [N]
    """
    return np.array(structure.attributes.get("tie", (0,) * structure.num_units), dtype=np.int64)


def operator_fits(operator: str, channels: int) -> bool:
    """Whether a unit of so many channels can have the operator.

    A Hamiltonian block wants an even number: half of its channels are positions, half momenta.

    Parameters
    ----------
    operator : str
    channels : int

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnstruct.structure.units import operator_fits
    >>> operator_fits("hamiltonian3x3", 8), operator_fits("hamiltonian3x3", 7), operator_fits("identity", 7)
    (True, False, True)
    """
    return operator != HAMILTONIAN or channels % 2 == 0
