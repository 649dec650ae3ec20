"""Formulas of Cannistraci-Hebb training: how the density falls, and how important a weight is beside others.

*Zhang et al., 2025, arXiv 2501.19107.*
"""

from __future__ import annotations

import math

from torch import Tensor


def sigmoid_share(share: float, steepness: float) -> float:
    """How far a sigmoid has come from 0 to 1.

    Parameters
    ----------
    share : float
        Of its way, in [0, 1].
    steepness : float

    Returns
    -------
    float
        ``(s(x) - s(-k)) / (s(k) - s(-k))`` with s the logistic function, k the steepness and x going from
        -k to k.

    Examples
    --------
    >>> from nnstruct.pruning.methods.hebbian_formulas import sigmoid_share
    >>> [round(sigmoid_share(share, 6.0), 3) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [0.0, 0.045, 0.5, 0.955, 1.0]
    """
    low, high = _logistic(-steepness), _logistic(steepness)
    return (_logistic(steepness * (2 * share - 1)) - low) / (high - low)


def relative_importance(weight: Tensor) -> Tensor:
    """Of each magnitude its share of those of its output plus its share of those of its input.

    Parameters
    ----------
    weight : Tensor [out, *in]
        Magnitudes; 0 where there is no weight.

    Returns
    -------
    Tensor [out, *in]

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning.methods.hebbian_formulas import relative_importance
    >>> relative_importance(torch.tensor([[3.0, 1.0], [1.0, 0.0]])).tolist()
    [[1.5, 1.25], [1.25, 0.0]]
    """
    flat = weight.reshape(len(weight), -1)
    shares = flat / flat.sum(0).clamp_min(1e-12) + flat / flat.sum(1, keepdim=True).clamp_min(1e-12)
    return shares.view(weight.shape)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
