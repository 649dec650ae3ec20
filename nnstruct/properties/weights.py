"""Statistics of a trained network's weights: overall, over layers and by gate.

Weights on edges fall into blocks: forward and recurrent edges by the layer of the unit they enter. A block
is also a matrix W, a row for each unit entered and gate, a column for each unit of origin, 0 where there
is no edge; so are input weights (units and gates by symbols) and read-out (classes by units).

Of the values w_1 ... w_n of a block: mean, variance (divisor n), quantiles (linear between neighbours),
root mean square, and sign balance (positive ones less negative ones, over n). Of its matrix with singular
values s_1 >= s_2 >= ...: spectral norm s_1, Frobenius norm, and stable rank (sum s_i^2) / s_1^2 (Rudelson and
Vershynin, 2007).

Over layers, ``first`` and ``last`` are the first and the last with such edges. Gates are numbered as the
columns of ``Network.weight``: GRU has reset, update, candidate; LSTM input, forget, cell, output.

A measure is NaN exactly where it is undefined: a block without values, the stable rank of zeros, gates that
the family has not (and all of them outside recurrent families), tensors that the Network does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnstruct.network import Network
from nnstruct.properties.base import PropertyFamily
from nnstruct.properties.network_table import NETWORK_FAMILIES, check_networks
from nnstruct.properties.spectra import matrix_ranks
from nnstruct.structure.families import RNN_FAMILIES

if TYPE_CHECKING:
    import pandas as pd

VALUE_STATISTICS = {
    "mean": "mean",
    "var": "variance",
    "q05": "5% quantile",
    "q25": "lower quartile",
    "median": "median",
    "q75": "upper quartile",
    "q95": "95% quantile",
    "rms": "root mean square",
    "sign_balance": "share of positive less share of negative values",
}
MATRIX_STATISTICS = {
    "spectral_norm": "spectral norm",
    "frobenius_norm": "Frobenius norm",
    "stable_rank": "stable rank",
}
_BOTH = VALUE_STATISTICS | MATRIX_STATISTICS
_KINDS = {"forward": "weights on forward edges", "recurrent": "weights on recurrent edges"}
_TENSORS = {"input": "input weights", "readout": "read-out weights"}
_OVER_LAYERS = ("mean", "var", "rms", "sign_balance", "spectral_norm", "stable_rank")
_LAYER_SUMMARIES = ("first", "last", "mean", "min", "max")
_GATE_STATISTICS = ("mean", "rms", "sign_balance")
MOST_GATES = 4


def _measures() -> dict[str, str]:
    named: dict[str, str] = {}
    for group, words in (_KINDS | _TENSORS).items():
        named |= {f"{group}_{name}": f"{words}: {meaning}" for name, meaning in _BOTH.items()}
    named |= {f"bias_{name}": f"biases: {meaning}" for name, meaning in VALUE_STATISTICS.items()}
    for kind, words in _KINDS.items():
        for name in _OVER_LAYERS:
            for summary in _LAYER_SUMMARIES:
                named[f"{kind}_layer_{name}_{summary}"] = f"{words}, {_BOTH[name]} by layer: {summary}"
    for group, words in (_KINDS | {"bias": "biases"}).items():
        for gate in range(MOST_GATES):
            for name in _GATE_STATISTICS:
                named[f"{group}_gate_{gate}_{name}"] = f"{words}, gate {gate}: {_BOTH[name]}"
    return named


MEASURES = _measures()


class WeightBlock(NamedTuple):
    """Weights that belong together.

    Attributes
    ----------
    kind : {"forward", "recurrent"}
    layer : int
        Of the units that the edges enter.
    weight : float64 [e, k]
    matrix : float64 [units in the layer, units in the structure, k]
    """

    kind: str
    layer: int
    weight: np.ndarray
    matrix: np.ndarray


def weight_blocks(network: Network) -> Iterator[WeightBlock]:
    """The blocks of forward, then of recurrent edges, each from the first layer on."""
    structure = network.structure
    source, target = structure.edge_index
    place = np.zeros(structure.num_units, dtype=np.int64)  # within the unit's layer
    for depth in range(structure.num_layers):
        units = np.flatnonzero(structure.layer == depth)
        place[units] = np.arange(len(units))
    for kind, flag in (("forward", False), ("recurrent", True)):
        for depth, width in enumerate(structure.layer_sizes):
            chosen = (structure.recurrent == flag) & (structure.layer[target] == depth)
            if chosen.any():
                weight = network.weight[chosen].astype(np.float64)
                matrix = np.zeros((width, structure.num_units, weight.shape[1]))
                matrix[place[target[chosen]], source[chosen]] = weight
                yield WeightBlock(kind, depth, weight, matrix)


def layer_weights(network: Network) -> pd.DataFrame:
    """Statistics of each block of a network's weights, all gates together and gate by gate.

    Parameters
    ----------
    network : Network

    Returns
    -------
    pandas.DataFrame
        Columns ``kind`` (forward or recurrent), ``layer``, ``gate`` (-1 for all together), ``count`` and the
        statistics.

    Raises
    ------
    InvalidInputError
        If ``network`` is no Network.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> structure = Structure.from_layers([2, 2, 1])
    >>> table = layer_weights(Network(structure, np.ones((6, 1)), np.zeros((5, 1))))
    >>> table[["kind", "layer", "gate", "count", "spectral_norm"]].round(6).values.tolist()
    [['forward', 1, -1, 4, 2.0], ['forward', 2, -1, 2, 1.414214]]
    """
    import pandas as pd

    (checked,) = check_networks([network])
    rows = []
    for block in weight_blocks(checked):
        gates = block.weight.shape[1]
        for gate in (-1, *(range(gates) if gates > 1 else ())):
            chosen = slice(None) if gate < 0 else slice(gate, gate + 1)
            values = block.weight[:, chosen].ravel()
            statistics = values_row(values) + matrix_row(block.matrix[:, :, chosen])
            rows.append((block.kind, block.layer, gate, len(values), *statistics))
    return pd.DataFrame(rows, columns=["kind", "layer", "gate", "count", *_BOTH])


def values_row(values: np.ndarray) -> list[float]:
    """The ``VALUE_STATISTICS`` of numbers; NaN for none."""
    if not values.size:
        return [np.nan] * len(VALUE_STATISTICS)
    values = np.sort(values.astype(np.float64), axis=None)
    quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    balance = ((values > 0).sum() - (values < 0).sum()) / values.size
    return [values.mean(), values.var(), *quantiles, np.sqrt((values**2).mean()), float(balance)]


def matrix_row(tensor: np.ndarray) -> list[float]:
    """The ``MATRIX_STATISTICS`` of float64 [targets, sources, gates], gates below each other."""
    if not tensor.size:
        return [np.nan] * len(MATRIX_STATISTICS)
    matrix = np.moveaxis(tensor, 2, 0).reshape(-1, tensor.shape[1])  # [gates * targets, sources]
    norm, stable_rank, _ = matrix_ranks(matrix)
    return [norm, float(np.linalg.norm(matrix)), stable_rank]


def weight_measures(networks: Sequence[Network]) -> np.ndarray:
    """The measures of each network's weights.

    Parameters
    ----------
    networks : sequence of S Networks, at least one

    Returns
    -------
    float64 [S, 153]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([2, 2]), [[1.0], [-1.0], [1.0], [1.0]], np.zeros((4, 1)))
    >>> named = dict(zip(MEASURES, weight_measures([network])[0].tolist()))
    >>> named["forward_sign_balance"], named["forward_rms"], round(named["forward_stable_rank"], 6)
    (0.5, 1.0, 2.0)
    """
    return np.array([_row(network) for network in networks])


def _row(network: Network) -> list[float]:
    blocks = list(weight_blocks(network))
    row: list[float] = []
    by_kind = {kind: [block for block in blocks if block.kind == kind] for kind in _KINDS}
    for kind in _KINDS:
        row += _statistics(
            _joined([block.weight for block in by_kind[kind]]),
            _joined([block.matrix for block in by_kind[kind]]),
        )
    row += _tensor_row(network, "input_weight", (0, 1, 2)) + _tensor_row(network, "readout_weight", (0, 1))
    row += values_row(network.bias)
    for kind in _KINDS:
        row += _layer_row(by_kind[kind])
    gated = network.structure.family in RNN_FAMILIES
    for values in (*(_joined([block.weight for block in by_kind[kind]]) for kind in _KINDS), network.bias):
        row += _gate_row(values if gated else values[:0])
    return row


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros((0, 0, 0))


def _statistics(values: np.ndarray, tensor: np.ndarray) -> list[float]:
    return values_row(values) + matrix_row(tensor)


def _tensor_row(network: Network, name: str, axes: tuple[int, ...]) -> list[float]:
    tensor = network.tensors.get(name)
    if tensor is None or tensor.ndim != len(axes):
        tensor = np.zeros((0, 0, 0))
    return _statistics(
        tensor, tensor.astype(np.float64).reshape(*tensor.shape[:2], -1) if tensor.size else tensor
    )


def _layer_row(blocks: list[WeightBlock]) -> list[float]:
    places = [list(_BOTH).index(name) for name in _OVER_LAYERS]
    if not blocks:
        return [np.nan] * (len(places) * len(_LAYER_SUMMARIES))
    table = np.array([_statistics(block.weight, block.matrix) for block in blocks])[:, places]  # [layers, 6]
    known = [column[~np.isnan(column)] for column in table.T]
    row: list[float] = []
    for column, values in zip(table.T, known, strict=True):
        some = len(values) > 0
        row += [column[0], column[-1]]
        row += [values.mean(), values.min(), values.max()] if some else [np.nan] * 3
    return row


def _gate_row(values: np.ndarray) -> list[float]:
    """Mean, root mean square and sign balance for each of the gates; ``values`` [n, gates]."""
    places = [list(VALUE_STATISTICS).index(name) for name in _GATE_STATISTICS]
    row: list[float] = []
    for gate in range(MOST_GATES):
        own = values[:, gate] if values.ndim == 2 and values.shape[1] > gate else np.zeros(0)
        statistics = values_row(own)
        row += [statistics[place] for place in places]
    return row


WEIGHTS = PropertyFamily(
    name="weights",
    measures=MEASURES,
    compute=weight_measures,
    cost="cubic",
    source="nnstruct: moments and norms; stable rank: Rudelson and Vershynin, 2007",
)
NETWORK_FAMILIES.register(WEIGHTS.name)(WEIGHTS)
