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
    """``SUMMARIES`` of one value a layer: first, last, mean and least.

    Parameters
    ----------
    values : sequence of float, at least one

    Returns
    -------
    list of four float
    """
    return [values[0], values[-1], sum(values) / len(values), min(values)]


def summary_names(name: str, words: str) -> dict[str, str]:
    """Names and definitions for :func:`summary`.

    Parameters
    ----------
    name : str
        Of the measure.
    words : str
        Its definition.

    Returns
    -------
    dict of str to str
        From ``name_first``, ``name_last`` ... to their definitions.
    """
    return {f"{name}_{part}": f"{words}, by layer: {part}" for part in SUMMARIES}


def numerical_rank(matrix: Tensor) -> Tensor:
    """Number of singular values above ``RANK_TOLERANCE`` of the largest; 0 for a zero matrix.

    Parameters
    ----------
    matrix : Tensor [..., a, b]

    Returns
    -------
    float64 Tensor [...]
    """
    singular = torch.linalg.svdvals(matrix)
    return ((singular > RANK_TOLERANCE * singular[..., :1]) & (singular > 0)).sum(-1).double()


def effective_rank(singular: Tensor) -> float:
    """exp of the entropy of singular values as shares of their sum (Roy and Vetterli, 2007).

    Parameters
    ----------
    singular : Tensor [n]
        Not negative.

    Returns
    -------
    float
        From 1 to n; 0 where all are zero.
    """
    total = singular.sum()
    if total <= 0:
        return 0.0
    share = singular / total
    share = share[share > 0]
    return float(torch.exp(-(share * share.log()).sum()))


def jacobians(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Each example's derivatives of a function in which examples do not influence each other.

    Parameters
    ----------
    function : callable (float64 Tensor [B, ...]) -> float64 Tensor [B, outputs]
    x : float64 Tensor [B, ...]

    Returns
    -------
    float64 Tensor [B, outputs, inputs]
        An example's inputs are flattened in their order.
    """
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
