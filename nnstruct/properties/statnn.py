"""Moments and quantiles of a trained network's weights by place in its depth (Unterthiner et al., 2020).

The paper has a row of seven statistics for the kernel and one for the bias of each layer of one architecture.
Structures differ in depth, so that layers are grouped:

- ``input``: the input weights, and what belongs to the units of layer 0;
- ``first`` and ``last``: the weights on forward edges into the first and into the last layer that such edges
  enter, and what belongs to the units there (both the same layer in a structure of two);
- ``middle``: all layers between, together;
- ``recurrent``: the weights on recurrent edges;
- ``readout``: the read-out.

Layers are those of longest paths, kernel positions and gates of a group are taken together. Scales of
normalisations go by group; their shifts, running means and running variances are taken over all units.

Statistics of the values w_1 ... w_n of a group: mean, variance (divisor n), and the quantiles 0, 25, 50, 75
and 100%, linear between neighbours. All are NaN exactly where a group has no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnstruct.network import Network
from nnstruct.properties.base import PropertyFamily
from nnstruct.properties.network_table import NETWORK_FAMILIES

STATISTICS = {
    "mean": "mean",
    "var": "variance",
    "min": "minimum",
    "q25": "lower quartile",
    "median": "median",
    "q75": "upper quartile",
    "max": "maximum",
}
_PLACES = {
    "input": "of layer 0",
    "first": "of the first layer that edges enter",
    "middle": "of the layers between first and last",
    "last": "of the last layer",
}
_NORMS = {
    "norm_shift": "shifts of normalisations",
    "norm_mean": "running means of normalisations",
    "norm_var": "running variances of normalisations",
}
_QUARTERS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


def _groups() -> dict[str, str]:
    """Name and meaning of each group of values, in the order of the columns."""
    named: dict[str, str] = {}
    for place, words in _PLACES.items():
        entering = "input weights" if place == "input" else f"weights on forward edges into units {words}"
        named |= {
            f"{place}_kernel": entering,
            f"{place}_bias": f"biases of units {words}",
            f"{place}_scale": f"scales of normalisations of units {words}",
        }
    named |= {"recurrent_kernel": "weights on recurrent edges"}
    named |= {"readout_kernel": "read-out weights", "readout_bias": "read-out biases"}
    return named | _NORMS


GROUPS = _groups()
MEASURES = {
    f"{group}_{name}": f"{words}: {meaning}"
    for group, words in GROUPS.items()
    for name, meaning in STATISTICS.items()
}


def weight_statistics(networks: Sequence[Network]) -> np.ndarray:
    """The measures of each network.

    Parameters
    ----------
    networks : sequence of S Networks, at least one

    Returns
    -------
    float64 [S, 126]
        Columns in the order of ``MEASURES``.

    References
    ----------
    T. Unterthiner, D. Keysers, S. Gelly, O. Bousquet and I. Tolstikhin. Predicting neural network accuracy
    from weights. 2020, arXiv 2002.11448.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([2, 2]), [[1.0], [2.0], [3.0], [6.0]], np.zeros((4, 1)))
    >>> named = dict(zip(MEASURES, weight_statistics([network])[0].tolist()))
    >>> [named[f"last_kernel_{name}"] for name in ("mean", "var", "min", "median", "max")]
    [3.0, 3.5, 1.0, 2.5, 6.0]
    """
    rows = np.full((len(networks), len(GROUPS), len(STATISTICS)), np.nan)
    for row, network in zip(rows, networks, strict=True):
        for place, values in enumerate(_values(network)):
            if values.size:
                row[place] = statistics_row(values)
    return rows.reshape(len(networks), -1)


def statistics_row(values: np.ndarray) -> np.ndarray:
    """The seven ``STATISTICS`` of numbers.

    Parameters
    ----------
    values : float array, at least one value

    Returns
    -------
    float64 [7]
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    mean = ordered.mean()
    quartiles = np.interp(_QUARTERS * (len(ordered) - 1), np.arange(len(ordered)), ordered)
    return np.array([mean, ((ordered - mean) ** 2).mean(), *quartiles])


def _values(network: Network) -> Iterator[np.ndarray]:
    """The values of each group, in the order of ``GROUPS``."""
    structure, tensors = network.structure, network.tensors
    entered = structure.layer[structure.edge_index[1]]  # [E]
    last = structure.num_layers - 1
    scale = _by_unit(network, "norm_scale")
    inputs = [value for name, value in tensors.items() if name.partition(".")[0] == "input_weight"]
    for place, (low, high) in {
        "input": (0, 0),
        "first": (1, 1),
        "middle": (2, last - 1),
        "last": (last, last),
    }.items():
        units = (low <= structure.layer) & (structure.layer <= high)
        if place == "input":
            yield np.concatenate([value.ravel() for value in inputs]) if inputs else np.zeros(0)
        else:
            units &= structure.layer > 0
            edges = (low <= entered) & (entered <= high) & ~structure.recurrent
            yield network.weight[edges]
        yield network.bias[units]
        yield scale[units] if len(scale) else scale
    yield network.weight[structure.recurrent]
    yield tensors.get("readout_weight", np.zeros(0))
    yield tensors.get("readout_bias", np.zeros(0))
    for name in _NORMS:
        yield _by_unit(network, name)


def _by_unit(network: Network, name: str) -> np.ndarray:
    """A tensor with a row a unit, [N, c]; empty where there is none."""
    values = network.tensors.get(name)
    if values is None or len(values) != network.structure.num_units:
        return np.zeros((0, 1))
    return values.reshape(len(values), -1)


STATNN = PropertyFamily(
    name="statnn",
    measures=MEASURES,
    compute=weight_statistics,
    cost="linear",
    source="Unterthiner et al., 2020, arXiv 2002.11448",
)
NETWORK_FAMILIES.register(STATNN.name)(STATNN)
