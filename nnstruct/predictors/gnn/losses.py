"""What training makes small; every loss takes one batch and gives one number a member.

With predictions ``s``, labels ``t`` and weights ``w`` of the graphs of a batch:

- ``squared``: ``sum w (s - t)^2 / sum w``.
- ``gaussian``: the negative log-likelihood under a mean and a variance, each graph's share times the
  variance ** 0.5 as a constant, so that a large variance does not excuse a bad mean (Seitzer et al., 2022,
  arXiv 2203.09168).
- ``pairwise``: the logistic loss ``log(1 + exp(s_j - s_i))`` over all pairs with ``t_i > t_j``, averaged
  with weights ``w_i w_j`` (RankNet; Burges et al., 2005, "Learning to rank using gradient descent").
- ``listmle``: with the graphs in order of falling label, ``sum over i of w_i (log sum over k >= i of
  exp(s_k) - s_i) / sum w``, the negative log-likelihood of that order (Xia et al., 2008, "Listwise
  approach to learning to rank"). Equal labels stand in the order of the batch.

The last two know no scale: a line from the scores to the labels is fitted afterwards.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LOSSES = ("squared", "gaussian", "pairwise", "listmle")
RANKING = frozenset({"pairwise", "listmle"})
# The logarithm of the variance, in units of the labels' variance, stays within these.
LOG_VARIANCE = (-8.0, 4.0)
_BETA = 0.5
_TINY = 1e-12
_ABSENT = -1e9


def batch_loss(loss: str, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The loss of each member.

    Parameters
    ----------
    loss : str
        One of ``LOSSES``.
    output : float32 Tensor [members, B, 1 or 2]
    target : float32 Tensor [members, B]
    weight : float32 Tensor [members, B]
        Zero where a member does not learn from a graph.

    Returns
    -------
    float32 Tensor [members]
    """
    score = output[..., 0]
    if loss == "pairwise":
        gap = score[:, None, :] - score[:, :, None]  # [members, B, B], s_j - s_i
        share = weight[:, :, None] * weight[:, None, :] * (target[:, :, None] > target[:, None, :])
        return (share * functional.softplus(gap)).sum(dim=(1, 2)) / share.sum(dim=(1, 2)).clamp_min(_TINY)
    total = weight.sum(dim=1).clamp_min(_TINY)
    if loss == "listmle":
        order = torch.argsort(target, dim=1, descending=True, stable=True)
        # A graph that a member does not learn from must not take part in its lists.
        shown = score.masked_fill(weight == 0.0, _ABSENT).gather(1, order)
        rest = torch.logcumsumexp(shown.flip(1), dim=1).flip(1)  # [members, B]
        return (weight.gather(1, order) * (rest - shown)).sum(dim=1) / total
    squares = (score - target) ** 2
    if loss == "gaussian":
        log_variance = output[..., 1].clamp(*LOG_VARIANCE)
        squares = 0.5 * (log_variance + squares * torch.exp(-log_variance))
        squares = squares * torch.exp(_BETA * log_variance).detach()
    return (weight * squares).sum(dim=1) / total
