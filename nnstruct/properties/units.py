"""What the units of a network are: operators' widths, stages, activations and joins.

For structures whose units have attributes (:mod:`nnstruct.structure.units`). An attribute that is left
out counts with its default; a channel or stage that is no number makes its measures NaN.
``kernel_parameters`` sums, over all forward edges of a ``cnn`` structure, the kernel positions of the
target's operator times the channels of both ends; in other families each edge counts 1. Its logarithm
is NaN without an edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.structure import Structure
from nnstruct.structure.units import JOINS, UNIT_ACTIVATIONS, unit_values

MEASURES = {
    "channels": "channels of all units",
    "channels_mean": "mean channels of a unit",
    "channels_std": "standard deviation of the units' channels",
    "channels_min": "channels of the narrowest unit",
    "channels_max": "channels of the widest unit",
    "channels_out": "channels that the read-out sees",
    "log_kernel_parameters": "logarithm of the kernels' values, over all forward edges",
    "stages": "number of stages, empty ones counted",
    "stage_mean": "mean stage of a unit",
    "channels_at_full_size": "channels of the units in stage 0",
    "joined_by_sum": "share of units that sum their inputs",
    **{f"share_{name}": f"share of units with the activation {name}" for name in UNIT_ACTIVATIONS},
    "activations": "number of different activations",
}


def unit_measures(structures: Sequence[Structure]) -> np.ndarray:
    """All measures of each structure, float64 [S, 15].

    Examples
    --------
    >>> from nnstruct import Structure
    >>> cells = Structure([[0, 1], [1, 2]], 3, family="cnn",
    ...                   attributes={"channels": [4, 8, 8], "stage": [0, 1, 1]})
    >>> named = dict(zip(MEASURES, unit_measures([cells])[0].tolist()))
    >>> named["channels"], named["stages"], round(np.exp(named["log_kernel_parameters"]))  # 9 (32 + 64)
    (20.0, 2.0, 864)
    """
    return np.array([_row(structure) for structure in structures])


def _row(structure: Structure) -> list[float]:
    channels = _numbers(unit_values(structure, "channels"))
    stage = _numbers(unit_values(structure, "stage"))
    activation = unit_values(structure, "activation")
    source, target = structure.forward_edges
    size = np.ones(structure.num_units)
    if structure.family == "cnn":
        size = np.array([_kernel_positions(str(name)) for name in unit_values(structure, "operator")])
    kernels = float((size[target] * channels[source] * channels[target]).sum())
    return [
        channels.sum(),
        channels.mean(),
        channels.std(),
        channels.min(),
        channels.max(),
        channels[structure.outputs].sum(),
        float(np.log(kernels)) if kernels > 0 else np.nan,
        stage.max() + 1,
        stage.mean(),
        channels[stage == 0].sum(),
        _share(unit_values(structure, "join"), JOINS[1]),
        *(_share(activation, name) for name in UNIT_ACTIVATIONS),
        len(set(activation)),
    ]


def _numbers(values: tuple) -> np.ndarray:
    return np.array([value if isinstance(value, int) else np.nan for value in values], dtype=np.float64)


def _kernel_positions(operator: str) -> float:
    """Values of an operator's kernel for a pair of channels, at least about."""
    return 9.0 if operator.endswith("3x3") and "pool" not in operator and "sep" not in operator else 1.0


def _share(values: tuple, wanted: str) -> float:
    return sum(value == wanted for value in values) / len(values)


UNITS = PropertyFamily(
    name="units",
    measures=MEASURES,
    compute=unit_measures,
    cost="linear",
    source="attributes of the units themselves",
)
PROPERTY_FAMILIES.register(UNITS.name)(UNITS)
