"""Scores that are meant to rank networks before training (Abdelfattah et al., 2021).

- SNIP (Lee et al., 2019): log of sum |w dL/dw| over all parameters w, L the loss on the batch.
- gradient norm: log of ||dL/dw||.
- SynFlow (Tanaka et al., 2020): log of sum |w dR/dw| with every parameter replaced by its absolute value, R
  the sum of the scores of one input of ones (for sequences of the batch's longest length, each symbol at
  once). Activations stay as they are, so that saturated units add little.
- Jacobian covariance (Mellor et al., 2020): with c_i the eigenvalues of the correlation matrix between the
  examples' derivatives of the summed scores by the input, -sum log(c_i + k) + 1 / (c_i + k), k = 1e-5, over
  the number of examples.
- NASWOT (Mellor et al., 2021): with K_ij the share of units that are positive for both examples i and j or
  for neither, log det(K + 1e-6 I) over the number of examples (the small term keeps equal codes finite).

Logarithms of zero are NaN, and so is the Jacobian covariance where an example's derivatives do not vary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnstruct.probes.base import PROBE_FAMILIES, ProbeFamily

if TYPE_CHECKING:
    from torch import Tensor

    from nnstruct.probes.subject import Situation

MEASURES = {
    "log_snip": "log of the sum of |w dL/dw|",
    "log_gradient": "log of the gradient's norm",
    "log_synflow": "log of the synaptic flow",
    "jacobian_covariance": "score of the correlations between examples' input derivatives, an example",
    "naswot": "log determinant of the kernel of shared unit signs, an example",
}
_EIGENVALUE_OFFSET = 1e-5
_KERNEL_OFFSET = 1e-6


def zero_cost_measures(situation: Situation) -> list[float]:
    """The measures of one module."""
    import torch

    snip, gradient = _gradient_scores(situation)
    signs = (torch.cat(situation.states, dim=1) > 0).double()  # [B, units]
    return [snip, gradient, _synflow(situation), _jacobian_covariance(situation), _naswot(signs)]


def _log(value: Tensor | float) -> float:
    number = float(value)
    return math.log(number) if 0.0 < number < math.inf else math.nan


def _gradient_scores(situation: Situation) -> tuple[float, float]:
    import torch

    from nnstruct.modules.saliency import saliency

    parameters = [p for p in situation.subject.module.parameters() if p.requires_grad]
    scores = situation.subject.scores(situation.x, situation.lengths)
    loss = situation.task.goal.loss(scores, situation.targets)
    slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
    pairs = [(p.detach(), slope) for p, slope in zip(parameters, slopes, strict=True) if slope is not None]
    snip = sum(float(saliency(p, slope).sum()) for p, slope in pairs)
    return _log(snip), _log(math.sqrt(sum(float((slope**2).sum()) for _, slope in pairs)))


def _synflow(situation: Situation) -> float:
    import torch

    from nnstruct.modules.saliency import magnitudes, saliency

    module = situation.subject.module
    parameters = list(module.parameters())
    x, lengths = torch.ones_like(situation.x[:1]), situation.lengths.max()[None]
    with magnitudes(module, added=True):
        scores = situation.subject.scores(x, lengths)
        slopes = torch.autograd.grad(scores.sum(), parameters, allow_unused=True)
        flow = [
            saliency(parameter, slope).sum()
            for parameter, slope in zip(parameters, slopes, strict=True)
            if slope is not None
        ]
    return _log(torch.stack(flow).sum())


def _jacobian_covariance(situation: Situation) -> float:
    import torch

    x = situation.x.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(situation.subject.scores(x, situation.lengths).sum(), x)
    slope = slope.flatten(1)  # [B, inputs]
    if bool((slope.amax(dim=1) == slope.amin(dim=1)).any()):
        return math.nan
    values = torch.linalg.eigvalsh(torch.corrcoef(slope)).clamp(min=0.0) + _EIGENVALUE_OFFSET
    return float(-(values.log() + 1.0 / values).mean())


def _naswot(signs: Tensor) -> float:
    import torch

    kernel = (signs @ signs.T + (1.0 - signs) @ (1.0 - signs).T) / signs.shape[1]  # [B, B]
    return float(torch.logdet(kernel + _KERNEL_OFFSET * torch.eye(len(kernel)).double()) / len(kernel))


ZERO_COST = ProbeFamily(
    name="zero_cost",
    measures=MEASURES,
    compute=zero_cost_measures,
    source="Lee et al., 2019; Tanaka et al., 2020; Mellor et al., 2020 and 2021; Abdelfattah et al., 2021",
)
PROBE_FAMILIES.register(ZERO_COST.name)(ZERO_COST)
