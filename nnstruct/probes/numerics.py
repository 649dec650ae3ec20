"""Ranks and summaries that the families share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

SUMMARIES = ("first", "last", "mean", "min")
# Singular values below this share of the largest count as zero.
RANK_TOLERANCE = 1e-3
# Derivatives of so many outputs are taken together; more would need more memory.
_OUTPUTS_AT_ONCE = 32


def summary(values: Sequence[float]) -> list[float]:
    """``SUMMARIES`` of one value a layer."""
    return [values[0], values[-1], sum(values) / len(values), min(values)]


def summary_names(name: str, words: str) -> dict[str, str]:
    """Names and definitions for :func:`summary`."""
    return {f"{name}_{part}": f"{words}, by layer: {part}" for part in SUMMARIES}


def numerical_rank(matrix: Tensor) -> Tensor:
    """Singular values of [..., a, b] above ``RANK_TOLERANCE`` of the largest; 0 for a zero matrix."""
    singular = torch.linalg.svdvals(matrix)
    return ((singular > RANK_TOLERANCE * singular[..., :1]) & (singular > 0)).sum(-1).double()


def effective_rank(singular: Tensor) -> float:
    """exp of the entropy of values >= 0 as shares of their sum (Roy and Vetterli, 2007); 0 for zeros."""
    total = singular.sum()
    if total <= 0:
        return 0.0
    share = singular / total
    share = share[share > 0]
    return float(torch.exp(-(share * share.log()).sum()))


def jacobians(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Each example's derivatives, float64 [B, outputs, inputs], of a function [B, ...] -> [B, outputs]
    in which examples do not influence each other."""
    x = x.detach().requires_grad_(True)
    y = function(x)
    parts = []
    for places in torch.eye(y.shape[1], dtype=y.dtype).split(_OUTPUTS_AT_ONCE):
        sides = places[:, None, :].expand(-1, *y.shape)  # [k, B, outputs]
        (part,) = torch.autograd.grad(
            y, x, sides, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
        parts.append(x.new_zeros(len(places), *x.shape) if part is None else part)
    return torch.cat(parts).flatten(2).transpose(0, 1)
