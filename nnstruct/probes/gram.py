"""The kernel of each layer's features, and how far training moved it.

Of a layer with values F [B, width] over a batch, G = F F^T / width is the Gram matrix. In the rich regime of
deep networks (maximal update parametrisation), features move away from their initial values and yet stay
linearly independent (Chen et al., 2025): G keeps its rank.

- rank: numerical rank of G as a share of B; effective rank; smallest eigenvalue over the mean one;
- moved: ||F - F_0|| / ||F_0||; kernel moved: ||G - G_0|| / ||G_0||; alignment: <G, G_0> / (||G|| ||G_0||),
  with 0 at initialisation.

Distances are NaN without the initial module, or where its features are all zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnstruct.errors import InvalidInputError
from nnstruct.probes.base import PROBE_FAMILIES, ProbeFamily

if TYPE_CHECKING:
    from torch import Tensor

    from nnstruct.probes.subject import Situation

SUMMARIES = ("first", "last", "mean", "min")
_BY_LAYER = {
    "rank_share": "numerical rank of the Gram matrix, as a share of the examples",
    "effective_rank": "effective rank of the Gram matrix",
    "least": "smallest eigenvalue of the Gram matrix over the mean one",
    "moved": "distance of the features from their initial values, relative",
    "kernel_moved": "distance of the Gram matrix from the initial one, relative",
    "alignment": "alignment of the Gram matrix with the initial one",
}
MEASURES = {
    f"{name}_{part}": f"{words}, by layer: {part}" for name, words in _BY_LAYER.items() for part in SUMMARIES
}


def layer_grams(situation: Situation) -> dict[str, list[float]]:
    """Measures of the Gram matrices, one value a layer."""
    import torch

    before: list[Tensor | None] = [None] * len(situation.states)
    if situation.before is not None:
        with torch.no_grad():
            initial = situation.before.states(situation.x, situation.lengths)
        widths = [[state.shape[1] for state in states] for states in (situation.states, initial)]
        if widths[0] != widths[1]:
            raise InvalidInputError("initial", f"have layers of the widths {widths[0]}", widths[1])
        before = list(initial)
    rows = [_layer(state, start) for state, start in zip(situation.states, before, strict=True)]
    return {name: list(column) for name, column in zip(_BY_LAYER, zip(*rows, strict=True), strict=True)}


def _layer(state: Tensor, start: Tensor | None) -> list[float]:
    import torch

    from nnstruct.probes.numerics import RANK_TOLERANCE, effective_rank

    gram = state @ state.T / state.shape[1]  # [B, B]
    values = torch.linalg.eigvalsh(gram).clamp(min=0.0)
    largest, mean = float(values[-1]), float(values.mean())
    # Eigenvalues are squares of the features' singular values.
    rank = float((values > RANK_TOLERANCE**2 * largest).sum()) if largest > 0 else 0.0
    least = float(values[0]) / mean if mean > 0 else 0.0
    row = [rank / len(state), effective_rank(values), least]
    if start is None or not bool(start.any()):
        return row + [float("nan")] * 3
    initial = start @ start.T / start.shape[1]
    overlap = (gram * initial).sum() / (gram.norm() * initial.norm()) if largest > 0 else torch.zeros(())
    moved = (state - start).norm() / start.norm()
    return [*row, float(moved), float((gram - initial).norm() / initial.norm()), float(overlap)]


def gram_measures(situation: Situation) -> list[float]:
    """The measures of one module."""
    from nnstruct.probes.numerics import summary

    found = layer_grams(situation)
    return [value for name in _BY_LAYER for value in summary(found[name])]


GRAM = ProbeFamily(
    name="gram",
    measures=MEASURES,
    compute=gram_measures,
    source="Chen et al., 2025, rich feature learning in L-layer networks under the maximal update "
    "parametrisation; alignment: Cristianini et al., 2001",
)
PROBE_FAMILIES.register(GRAM.name)(GRAM)
