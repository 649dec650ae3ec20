"""How much of the input is left in each layer, and how far the scores move with it.

- feature rank of a layer: the numerical rank of its units' values over a batch [B, width] (singular values
  above 1e-3 of the largest), and its effective rank, exp of the entropy of the singular values as shares of
  their sum (Roy and Vetterli, 2007).
- partial rank of a layer (Feng et al., 2022): the numerical rank of the Jacobian of the layer's values by
  the input, restricted to some input coordinates, mean over examples. Coordinates are drawn at random, at
  most 64, among those that some example uses.
- share: rank over the largest that the shape allows; drop: the first layer's partial rank less the last's.
- Lipschitz estimates: the spectral norm of the Jacobian of the scores by the input, mean and largest over
  examples: lower bounds of the Lipschitz constant.

Jacobians are taken at up to 8 examples. All measures are defined; ranks of zeros are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnstruct.probes.base import PROBE_FAMILIES, ProbeFamily
from nnstruct.random import generator

if TYPE_CHECKING:
    from torch import Tensor

    from nnstruct.probes.subject import Situation

JACOBIAN_EXAMPLES = 8
COORDINATES = 64
SUMMARIES = ("first", "last", "mean", "min")
_BY_LAYER = {
    "feature_rank": "numerical rank of the features",
    "feature_rank_share": "numerical rank of the features, as a share of the largest possible",
    "effective_rank": "effective rank of the features",
    "partial_rank": "partial rank of the Jacobian",
}
MEASURES = {
    **{
        f"{name}_{part}": f"{words}, by layer: {part}"
        for name, words in _BY_LAYER.items()
        for part in SUMMARIES
    },
    "partial_rank_drop": "partial rank of the first layer less that of the last",
    "lipschitz_mean": "spectral norm of the Jacobian of the scores: mean over examples",
    "lipschitz_max": "spectral norm of the Jacobian of the scores: largest over examples",
}


def layer_ranks(situation: Situation) -> dict[str, list[float]]:
    """Feature and partial ranks, one value a layer."""
    import torch

    from nnstruct.probes.numerics import effective_rank, jacobians, numerical_rank

    subject, x, lengths = situation.subject, *_examples(situation)
    chosen = _coordinates(situation)
    widths = [state.shape[1] for state in situation.states]
    slopes = jacobians(lambda z: torch.cat(subject.states(z, lengths), dim=1), x)[:, :, chosen]
    found: dict[str, list[float]] = {name: [] for name in _BY_LAYER}
    for state, slope in zip(situation.states, slopes.split(widths, dim=1), strict=True):
        rank = float(numerical_rank(state))
        found["feature_rank"].append(rank)
        found["feature_rank_share"].append(rank / min(state.shape))
        found["effective_rank"].append(effective_rank(torch.linalg.svdvals(state)))
        found["partial_rank"].append(float(numerical_rank(slope).mean()))
    return found


def _examples(situation: Situation) -> tuple[Tensor, Tensor]:
    return situation.x[:JACOBIAN_EXAMPLES], situation.lengths[:JACOBIAN_EXAMPLES]


def _coordinates(situation: Situation) -> Tensor:
    """Places in a flat input, int64 [at most COORDINATES]."""
    import torch

    flat = situation.x.flatten(1)
    used = torch.nonzero((flat != 0).any(dim=0))[:, 0]
    order = generator(situation.seed, "coordinates").permutation(len(used))[:COORDINATES]
    return used[torch.from_numpy(order)]


def rank_measures(situation: Situation) -> list[float]:
    """The measures of one module."""
    import torch

    from nnstruct.probes.numerics import jacobians, summary

    x, lengths = _examples(situation)
    found = layer_ranks(situation)
    norms = torch.linalg.matrix_norm(jacobians(lambda z: situation.subject.scores(z, lengths), x), ord=2)
    partial = found["partial_rank"]
    return [
        *(value for name in _BY_LAYER for value in summary(found[name])),
        partial[0] - partial[-1],
        float(norms.mean()),
        float(norms.max()),
    ]


RANKS = ProbeFamily(
    name="ranks",
    measures=MEASURES,
    compute=rank_measures,
    source="Feng et al., 2022, Rank Diminishing in Deep Neural Networks, arXiv 2206.06072",
)
PROBE_FAMILIES.register(RANKS.name)(RANKS)
