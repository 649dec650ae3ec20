"""How well the layers of a trained network expand, by their weights.

The layers are the tensors of weights of :func:`nnstruct.properties.weight_tensors.weight_tensors`, input and
read-out among them; an edge is a weight that is not zero, and its strength the Euclidean norm over gates or
kernel positions. A unit's strength is the sum over its edges in and out of a layer. Gaps are those of
:mod:`nnstruct.properties.bipartite`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.network import Network
from nnstruct.properties.base import PropertyFamily
from nnstruct.properties.bipartite import mean_difference_of_bound, ramanujan_gap, spectral_gap
from nnstruct.properties.network_table import NETWORK_FAMILIES
from nnstruct.properties.weight_tensors import weight_tensors

MEASURES = {
    "density": "edges over pairs of targets and sources of the layers",
    "strength_in": "strength of the edges into a target, over all layers: mean",
    "strength_out": "strength of the edges out of a source, over all layers: mean",
    "weighted_gap_mean": "largest singular value of a layer's strengths less the second: mean over layers",
    "weighted_gap_min": "largest singular value of a layer's strengths less the second: least of the layers",
    "spectral_gap": "the same of ones where edges are: mean over layers",
    "ramanujan_gap": "Ramanujan bound less the second singular value: mean over layers",
    "bound_difference": "iterative mean difference of bound: mean over layers",
}


def expansion_measures(networks: Sequence[Network]) -> np.ndarray:
    """The expansion of each network.

    Parameters
    ----------
    networks : sequence of S Networks, at least one

    Returns
    -------
    float64 [S, 8]
        Columns in the order of ``MEASURES``; NaN where no layer has a gap.

    References
    ----------
    Hoang et al., 2023, openreview.net/forum?id=uVcDssQff_; Cunegatti et al., 2024, arXiv:2305.16886, whose
    program takes the weighted spectral gap of the graph of all layers.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> network = build_module(Structure.from_layers([5, 3]), load_task("digits")).to_network()
    >>> dict(zip(MEASURES, expansion_measures([network])[0].round(3).tolist()))["density"]
    1.0
    """
    return np.array([_row(network) for network in networks])


def _row(network: Network) -> list[float]:
    strengths = [np.linalg.norm(each.tensor, axis=2) for each in weight_tensors(network)]
    edges = [strength > 0 for strength in strengths]
    if not strengths:
        return [np.nan] * len(MEASURES)
    weighted = _defined([spectral_gap(strength) for strength in strengths])
    return [
        sum(int(links.sum()) for links in edges) / sum(links.size for links in edges),
        float(np.concatenate([strength.sum(1) for strength in strengths]).mean()),
        float(np.concatenate([strength.sum(0) for strength in strengths]).mean()),
        float(np.mean(weighted)) if weighted else np.nan,
        min(weighted, default=np.nan),
        *(
            float(np.mean(found)) if found else np.nan
            for found in (
                _defined([measure(links) for links in edges])
                for measure in (spectral_gap, ramanujan_gap, mean_difference_of_bound)
            )
        ),
    ]


def _defined(values: Sequence[float]) -> list[float]:
    return [value for value in values if not np.isnan(value)]


EXPANSION = PropertyFamily(
    name="expansion",
    measures=MEASURES,
    compute=expansion_measures,
    cost="cubic",
    source="Hoang et al., 2023; Cunegatti et al., 2024",
)
NETWORK_FAMILIES.register(EXPANSION.name)(EXPANSION)
