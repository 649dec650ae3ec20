"""Measures of the layers, of what skips them and of what passes from input to output.

All are directed. Layers are those of longest paths; a gap lies between two consecutive layers, and
an edge crosses every gap between its ends. Spread over units or edges is given by mean, population
standard deviation (divisor n) and maximum.

A measure is NaN exactly where it is undefined: a mean, maximum or share of nothing (spans, fan-in
and fan-out without forward edges, the share of recurrent edges without any edge), the bottleneck of
a structure with one layer, the logarithm of no path. The width of a layer that does not exist is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

# What the compiled kernel fills, in its order.
_GRAPH_MEASURES = {
    "width_first": "units in the first layer",
    "width_last": "units in the last layer",
    "width_second_last": "units in the layer before the last, 0 if there is none",
    "width_third_last": "units in the third layer from the end, 0 if there is none",
    "width_min": "units in the narrowest layer",
    "width_max": "units in the widest layer",
    "width_mean": "mean units in a layer",
    "bottleneck_edges": "edges that cross a gap: least over the gaps",
    "bottleneck_units": "units with an outgoing edge that crosses a gap: least over the gaps",
    "span_mean": "layers that a forward edge advances: mean (1 where none skips)",
    "span_sd": "layers that a forward edge advances: standard deviation",
    "span_max": "layers that a forward edge advances: maximum",
    "skip_share": "share of forward edges that advance two or more layers",
    "skips_into_last": "skipping edges that end in the last layer",
    "fan_in_mean": "incoming forward edges of a unit that has any: mean",
    "fan_in_sd": "incoming forward edges of a unit that has any: standard deviation",
    "fan_in_max": "incoming forward edges of a unit that has any: maximum",
    "fan_out_mean": "outgoing forward edges of a unit that has any: mean",
    "fan_out_sd": "outgoing forward edges of a unit that has any: standard deviation",
    "fan_out_max": "outgoing forward edges of a unit that has any: maximum",
    "depth_mean": "layer of a unit: mean",
    "depth_sd": "layer of a unit: standard deviation",
    "longest_path": "forward edges on the longest path",
    "log_paths": "natural logarithm of the number of forward paths from an input to an output unit",
}
# What numpy counts over all structures at once.
_COUNTS = {
    "units_to_output": "units with a path to an output unit, over forward or recurrent edges",
    "units_dead": "units without a path from an input unit or without one to an output unit",
    "inputs": "units that see the network's input",
    "outputs": "units that the read-out sees",
    "recurrent_edges": "recurrent edges",
    "recurrent_share": "recurrent edges as a share of all edges",
    "parameters_forward": "weights on forward edges (gates of the family times edges)",
    "parameters_recurrent": "weights on recurrent edges (gates of the family times edges)",
    "parameters_bias": "biases of the units",
    "parameters": "weights and biases of the graph, input weights and read-out left out",
}
MEASURES = _GRAPH_MEASURES | _COUNTS


def layered_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The layered measures of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 34]
        Columns in the order of ``MEASURES``. Parameters are those of the clean protocol (see
        :class:`nnstruct.record.TrainConfig`); input weights and read-out depend on the task.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = layered_measures([Structure.from_layers([3, 2, 4])])[0]
    >>> named = dict(zip(MEASURES, row.tolist()))
    >>> named["bottleneck_edges"], named["bottleneck_units"], named["parameters"]
    (6.0, 2.0, 23.0)
    >>> round(np.exp(named["log_paths"]))
    24
    """
    from nnstruct.properties.layered_kernel import layered_rows

    packed = pack(structures)
    flags = np.stack(
        [
            np.concatenate([s.inputs for s in structures]),
            np.concatenate([s.outputs for s in structures]),
            np.concatenate([s.reachability.from_input for s in structures]),
            np.concatenate([s.reachability.to_output for s in structures]),
        ]
    )  # [4, sum of N]
    graph = np.empty((len(structures), len(_GRAPH_MEASURES)))
    layered_rows(*packed, flags[0], flags[1], graph)
    counts = _counts(structures, flags, packed.unit_start[:-1], np.diff(packed.edge_start))
    return np.concatenate([graph, counts], axis=1)


def _counts(
    structures: Sequence[Structure], flags: np.ndarray, unit_start: np.ndarray, forward: np.ndarray
) -> np.ndarray:
    inputs, outputs, from_input, to_output = flags
    per_unit = np.stack([to_output, ~(from_input & to_output), inputs, outputs]).astype(np.int64)
    summed = np.add.reduceat(per_unit, unit_start, axis=1)  # [4, S]
    units = np.array([s.num_units for s in structures])
    edges = np.array([s.num_edges for s in structures])
    gates = np.array([FAMILIES[s.family].gates for s in structures])
    biases = np.array([FAMILIES[s.family].biases for s in structures])
    recurrent = edges - forward
    share = np.divide(recurrent, edges, out=np.full(len(structures), np.nan), where=edges > 0)
    weights = np.stack([forward * gates, recurrent * gates, units * biases])  # [3, S]
    return np.stack([*summed, recurrent, share, *weights, weights.sum(axis=0)], axis=1)


LAYERED = PropertyFamily(
    name="layered",
    measures=MEASURES,
    compute=layered_measures,
    cost="linear",
    source="nnstruct: layer widths, cuts, skips and path counts of a directed acyclic graph",
)
PROPERTY_FAMILIES.register(LAYERED.name)(LAYERED)
