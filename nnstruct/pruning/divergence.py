"""How far two masks are apart."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from nnstruct.errors import InvalidInputError


def mask_divergence(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Share of the weights that one mask keeps and the other does not (SAD of Zhou et al., 2021).

    The sparse architecture divergence of two moments of a training is the Manhattan distance of their
    masks over the number of weights. Where it is large from epoch to epoch, the mask has not settled.

    Parameters
    ----------
    first, second : mapping of str to bool Tensor
        As :func:`nnstruct.pruning.masks_of` gives them, with the same names.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidInputError
        If the names differ, or there are none.

    References
    ----------
    A. Zhou et al., Learning N:M fine-grained structured sparse neural networks from scratch (2021),
    arXiv:2102.04010.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning import mask_divergence
    >>> first, second = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    >>> mask_divergence({"w": first}, {"w": second})
    0.5
    """
    if set(first) != set(second) or not first:
        raise InvalidInputError("second", f"hold the masks {sorted(first)}", sorted(second))
    apart = sum(int((mask ^ second[name]).sum()) for name, mask in first.items())
    return apart / sum(mask.numel() for mask in first.values())
