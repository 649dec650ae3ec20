"""How far a trained network's layers can be compressed, and the generalisation bound that follows.

All weights count: those of the input, between units, of kernels and of the read-out, as tensors T of targets
x sources x positions (:func:`nnstruct.properties.weight_tensors.weight_tensors`). The CP decomposition of one
(Hitchcock, 1927) writes it as sum over r of lambda_r u_r (x) v_r (x) w_r with unit vectors. R(e) is the
number of terms that hold the share e of its energy ||T||^2: singular values for one position, otherwise terms
found one after the other, each by alternating least squares on what is left and all lambda fitted anew, so
that R(e) is an upper bound.

- rank share: R(e) over the largest rank that the tensor's shape allows;
- compressed share: parameters of the terms, R(e) (targets + sources + positions + 1), over those of T;
- tensorisation factor: sum of |lambda_r| F_r over ||T||, at e = 0.99, with F_r the largest magnitude of the
  discrete Fourier transform of w_r as a kernel: what a term can do to a map (Li et al., 2020). 1 for a single
  term of one position;
- bound: sqrt(sum over layers of R(e) (targets + sources + positions + 1)); divided by the root of the number
  of samples it is the generalisation bound of Li et al. (2020), constants and logarithms left out.

Li et al. choose R from how far noise at a layer travels on data; :func:`nnstruct.probes.tensor_bound` does
so for perceptrons. Here the share e of energy stands in for it, so that no data are needed. A measure is NaN
where all weights are zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_number
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.properties.base import PropertyFamily
from nnstruct.properties.network_table import NETWORK_FAMILIES, check_networks
from nnstruct.properties.weight_tensors import LayerTensor, weight_tensors

if TYPE_CHECKING:
    import pandas as pd

SHARES = {"90": 0.9, "99": 0.99}
MEASURES = {
    **{
        f"rank_share_{name}_mean": f"rank share for {name}% of the energy: mean over layers"
        for name in SHARES
    },
    **{f"rank_share_{name}_max": f"rank share for {name}% of the energy: maximum" for name in SHARES},
    **{
        f"compressed_share_{name}": f"compressed share of all layers for {name}% of the energy"
        for name in SHARES
    },
    "tensorisation_mean": "tensorisation factor: mean over layers",
    "tensorisation_max": "tensorisation factor: maximum",
    **{f"bound_{name}": f"bound for {name}% of the energy, times the root of the samples" for name in SHARES},
}
# Shares that differ by rounding are equal, so that the order of the units cannot change a rank.
_ROUNDING = 1e-9
_SWEEPS = 200
# Of the transform along either axis: a multiple of the sides of images.
FREQUENCIES = 32


def greedy_cp(tensor: np.ndarray, share: float = 0.99) -> tuple[np.ndarray, np.ndarray]:
    """Terms of a CP decomposition until they hold a share of the tensor's energy.

    Parameters
    ----------
    tensor : float [a, b, c]
        Not all zero.
    share : float
        In (0, 1).

    Returns
    -------
    weights : float64 [R]
        lambda of each term.
    energy : float64 [R]
        Share of the energy that the first r terms hold. The last is ``share`` or more, except where
        the most terms that the shape may need are too few for this greedy way.

    Raises
    ------
    InvalidInputError
        If the tensor has not three axes or is zero, or the share is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> weights, energy = greedy_cp(np.einsum("i,j,k->ijk", [1.0, 2], [3.0, 4], [1.0, 0]), 0.99)
    >>> weights.round(6).tolist(), energy.round(6).tolist()
    ([11.18034], [1.0])
    """
    weights, energy, _ = cp_terms(tensor, share)
    return weights, energy


def cp_terms(tensor: np.ndarray, share: float = 0.99) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`greedy_cp`, with each term's vector over the positions.

    Parameters
    ----------
    tensor, share
        As for :func:`greedy_cp`.

    Returns
    -------
    weights, energy : float64 [R]
    positions : float64 [R, c]
        Unit vectors w_r.

    Raises
    ------
    InvalidInputError
        As for :func:`greedy_cp`.
    """
    tensor = np.asarray(tensor, dtype=np.float64)
    if tensor.ndim != 3 or not tensor.any():
        raise InvalidInputError("tensor", "have three axes and a value that is not zero", list(tensor.shape))
    share = check_number(share, "share", low=0, high=1, open_low=True, open_high=True)
    if tensor.shape[2] == 1:
        weights, energy = _singular_terms(tensor[:, :, 0], share)
        return weights, energy, np.ones((len(weights), 1))
    total = float((tensor**2).sum())
    residual, terms, energies = tensor, [], []
    weights = np.zeros(0)
    for _ in range(largest_rank(tensor.shape)):
        terms.append(_rank_one(residual))
        # Least squares of the tensor on all terms; their inner products are products over the axes.
        factors = [np.stack(axis) for axis in zip(*terms, strict=True)]  # 3 of [R, axis]
        gram = np.prod([factor @ factor.T for factor in factors], axis=0)
        inner = np.einsum("abc,ra,rb,rc->r", tensor, *factors, optimize=True)
        weights = np.linalg.lstsq(gram, inner, rcond=1e-12)[0]
        residual = tensor - np.einsum("r,ra,rb,rc->abc", weights, *factors, optimize=True)
        energies.append(1.0 - float((residual**2).sum()) / total)
        if energies[-1] >= share - _ROUNDING:
            break
    return weights, np.array(energies), np.stack([term[2] for term in terms])


def fourier_factors(positions: np.ndarray) -> np.ndarray:
    """The largest magnitude of the Fourier transform of each kernel, over all frequencies.

    Parameters
    ----------
    positions : float64 [R, k * k] or [R, c]
        Square kernels, row by row; of another number of positions, such as gates, there is no transform and
        the largest magnitude of a value stands for it.

    Returns
    -------
    float64 [R]

    Examples
    --------
    >>> import numpy as np
    >>> fourier_factors(np.array([[1.0] * 9, [0, 0, 0, 0, 2.0, 0, 0, 0, 0]])).round(6).tolist()
    [9.0, 2.0]
    """
    side = math.isqrt(positions.shape[1])
    if side * side != positions.shape[1]:
        return np.abs(positions).max(axis=1)
    kernels = positions.reshape(-1, side, side)
    return np.abs(np.fft.fft2(kernels, s=(FREQUENCIES, FREQUENCIES))).max(axis=(1, 2))


def _singular_terms(matrix: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    singular = np.linalg.svd(matrix, compute_uv=False)
    energy = np.cumsum(singular**2) / (singular**2).sum()
    rank = int(np.searchsorted(energy, share - _ROUNDING)) + 1
    return singular[:rank], energy[:rank]


def _rank_one(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of a term that takes much of the energy away, by alternating least squares.

    It begins at the singular vectors of the unfolded tensor, which move with the axes' order.
    """
    u = np.linalg.svd(tensor.reshape(len(tensor), -1), full_matrices=False)[0][:, 0]
    left, _, right = np.linalg.svd(np.tensordot(u, tensor, 1))
    v, w = left[:, 0], right[0]
    before = 0.0
    for _ in range(_SWEEPS):
        u = _unit(np.einsum("abc,b,c->a", tensor, v, w))
        v = _unit(np.einsum("abc,a,c->b", tensor, u, w))
        w = np.einsum("abc,a,b->c", tensor, u, v)
        size = float(np.linalg.norm(w))
        w = _unit(w)
        if size - before <= 1e-12 * size:
            break
        before = size
    return u, v, w


def _unit(vector: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(vector)
    return vector / size if size > 0 else vector


def largest_rank(shape: tuple[int, ...]) -> int:
    """Terms that suffice for every tensor [a, b, c] of that shape."""
    a, b, c = shape
    return min(a * b, a * c, b * c)


def layer_compressibility(network: Network, share: float = 0.99) -> pd.DataFrame:
    """Compressibility of each tensor of weights that is not all zero.

    Parameters
    ----------
    network : Network
    share : float
        Of each layer's energy that the terms must hold, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        A row a tensor: ``layer``, ``kind``, ``targets``, ``sources``, ``positions``, ``rank``,
        ``largest_rank``, ``parameters`` of the terms, ``dense`` (those of the tensor), ``tensorisation``, and
        ``bound``, to be divided by the root of the number of samples.

    Raises
    ------
    InvalidInputError
        If ``network`` is no Network or the share is out of range.

    References
    ----------
    Li, Sun, Su, Suzuki and Huang, 2020, "Understanding Generalization in Deep Learning via Tensor
    Methods", arXiv 2001.05070.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([3, 4]), np.ones((12, 1)), np.zeros((7, 1)))
    >>> layer_compressibility(network)[["rank", "largest_rank", "parameters", "dense"]].values.tolist()
    [[1, 3, 9, 12]]
    """
    import pandas as pd

    (checked,) = check_networks([network])
    share = check_number(share, "share", low=0, high=1, open_low=True, open_high=True)
    columns = [
        "layer", "kind", "targets", "sources", "positions", "rank", "largest_rank", "parameters", "dense",
        "tensorisation", "bound",
    ]  # fmt: skip
    return pd.DataFrame([_layer(found, share) for found in weight_tensors(checked)], columns=columns)


def _layer(part: LayerTensor, share: float) -> tuple[float | str, ...]:
    layer, kind, tensor = part.layer, part.kind, part.tensor
    weights, _, kernels = cp_terms(tensor, share)
    targets, sources, positions = tensor.shape
    parameters = len(weights) * (targets + sources + positions + 1)
    factor = float((np.abs(weights) * fourier_factors(kernels)).sum() / np.linalg.norm(tensor))
    return (
        layer, kind, targets, sources, positions, len(weights), largest_rank(tensor.shape), parameters,
        tensor.size, factor, float(np.sqrt(parameters)),
    )  # fmt: skip


def compressibility_measures(networks: Sequence[Network]) -> np.ndarray:
    """The compressibility of each network.

    Parameters
    ----------
    networks : sequence of S Networks, at least one

    Returns
    -------
    float64 [S, 10]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> network = Network(Structure.from_layers([3, 4]), np.ones((12, 1)), np.zeros((7, 1)))
    >>> compressibility_measures([network])[0, :4].round(3).tolist()
    [0.333, 0.333, 0.333, 0.333]
    """
    return np.array([_row(network) for network in networks])


def _row(network: Network) -> list[float]:
    tables = {name: layer_compressibility(network, share) for name, share in SHARES.items()}
    if tables["99"].empty:
        return [np.nan] * len(MEASURES)
    ranks = {name: table["rank"] / table["largest_rank"] for name, table in tables.items()}
    factors = tables["99"]["tensorisation"]
    return [
        *(float(ranks[name].mean()) for name in SHARES),
        *(float(ranks[name].max()) for name in SHARES),
        *(float(table["parameters"].sum() / table["dense"].sum()) for table in tables.values()),
        float(factors.mean()),
        float(factors.max()),
        *(float(np.sqrt(table["parameters"].sum())) for table in tables.values()),
    ]


COMPRESSIBILITY = PropertyFamily(
    name="compressibility",
    measures=MEASURES,
    compute=compressibility_measures,
    cost="cubic",
    source="Li, Sun, Su, Suzuki and Huang, 2020, arXiv 2001.05070",
)
NETWORK_FAMILIES.register(COMPRESSIBILITY.name)(COMPRESSIBILITY)
