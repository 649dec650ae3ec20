"""Exactly how many units stay, and which; ties go to the unit that comes first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nnstruct.errors import InvalidInputError


def largest(scores: Sequence[Tensor], alive: Sequence[Tensor], count: int) -> list[Tensor]:
    """The units with the largest scores over all tensors together.

    Parameters
    ----------
    scores : sequence of Tensor
        Finite where alive.
    alive : sequence of bool Tensor
        Units that may be kept, of the scores' shapes.
    count : int
        Units to keep, at most as many as are alive.

    Returns
    -------
    list of bool Tensor
        Exactly ``count`` of them True.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning.selection import largest
    >>> largest([torch.tensor([1.0, 3.0, 3.0, 3.0])], [torch.ones(4, dtype=torch.bool)], 2)[0].tolist()
    [False, True, True, False]
    """
    device = scores[0].device
    living = torch.cat([mask.reshape(-1).to(device) for mask in alive])
    exact = torch.promote_types(scores[0].dtype, torch.float32)
    flat = torch.cat([score.detach().reshape(-1).to(device, exact) for score in scores])
    whole = bool(living.all())
    flat = flat if whole else flat[living]
    if not torch.isfinite(flat).all():
        rule = "be finite for every weight"
        raise InvalidInputError("the method's scores", rule, float(flat[~torch.isfinite(flat)][0]))
    chosen = _largest_of(flat, count)
    if not whole:
        chosen = torch.zeros_like(living).masked_scatter(living, chosen)
    parts = chosen.split([mask.numel() for mask in alive])
    return [part.view(mask.shape).to(mask.device) for part, mask in zip(parts, alive, strict=True)]


def _largest_of(flat: Tensor, count: int) -> Tensor:
    if count <= 0:
        return torch.zeros_like(flat, dtype=torch.bool)
    if count >= len(flat):
        return torch.ones_like(flat, dtype=torch.bool)
    smaller = len(flat) - count
    if flat.device.type == "cpu":  # ten times as fast as torch there
        threshold = torch.from_numpy(np.partition(flat.numpy(), smaller))[smaller]
    else:
        threshold = torch.kthvalue(flat, smaller + 1).values
    above = flat > threshold
    ties = torch.nonzero(flat == threshold)[:, 0]
    above[ties[: count - int(above.sum())]] = True
    return above


def largest_in_each(scores: Sequence[Tensor], alive: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    """The units with the largest scores, a given number in each tensor.

    Parameters
    ----------
    scores : sequence of Tensor
        Finite where alive.
    alive : sequence of bool Tensor
        Units that may be kept, of the scores' shapes.
    counts : sequence of int
        For each tensor the units to keep, at most as many as are alive in it.

    Returns
    -------
    list of bool Tensor
        Of the scores' shapes.
    """
    return [
        largest([score], [mask], count)[0] for score, mask, count in zip(scores, alive, counts, strict=True)
    ]


def apportion(shares: Sequence[float], capacities: Sequence[int], count: int) -> list[int]:
    """Split a count by shares, none above its capacity, with exactly the given sum.

    What does not fit into one part goes to the others; fractions go by largest remainder, ties to the
    part that comes first.

    Parameters
    ----------
    shares : sequence of float
        Not negative.
    capacities : sequence of int
    count : int
        At most the sum of the capacities.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from nnstruct.pruning.selection import apportion
    >>> apportion([1.0, 1.0, 2.0], [10, 1, 10], 9)
    [3, 1, 5]
    """
    full: set[int] = set()
    ideal = [0.0] * len(shares)
    while True:
        left = count - sum(capacities[i] for i in full)
        weight = sum(share for i, share in enumerate(shares) if i not in full)
        ideal = [
            float(capacities[i]) if i in full else (left * share / weight if weight > 0 else 0.0)
            for i, share in enumerate(shares)
        ]
        over = {i for i, value in enumerate(ideal) if i not in full and value >= capacities[i]}
        if not over:
            break
        full |= over
    parts = [min(int(value), capacity) for value, capacity in zip(ideal, capacities, strict=True)]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - ideal[i], i))
    while sum(parts) < count:
        for i in order:
            if sum(parts) < count and parts[i] < capacities[i]:
                parts[i] += 1
    return parts


def erdos_renyi_shares(shapes: Sequence[Sequence[int]], totals: Sequence[int]) -> list[float]:
    """Weights for each tensor in proportion to the sum of its axes (Mocanu et al., 2018; Evci et al., 2020).

    For a matrix the number of weights goes with inputs plus outputs, for a kernel with the sum of all
    its axes, so that large tensors become sparser than small ones.

    Parameters
    ----------
    shapes : sequence of sequence of int
    totals : sequence of int
        Units that each tensor may have; fewer than its shape has places where it is sparse from the start.

    Returns
    -------
    list of float
        Shares for :func:`apportion`; only their ratios count.
    """
    return [total * sum(shape) / max(1, _product(shape)) for shape, total in zip(shapes, totals, strict=True)]


def _product(shape: Sequence[int]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def n_of_m(scores: Tensor, alive: Tensor, n: int, m: int) -> Tensor:
    """The n largest of each m consecutive inputs of an output, at one kernel position.

    Parameters
    ----------
    scores : Tensor [outputs, inputs, ...]
    alive : bool Tensor
    n, m : int
        Where the inputs are no multiple of m, the last, shorter group keeps at most n.

    Returns
    -------
    bool Tensor
        Of the scores' shape.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning.selection import n_of_m
    >>> scores = torch.tensor([[1.0, 4.0, 2.0, 3.0, 5.0, 5.0]])
    >>> n_of_m(scores, torch.ones_like(scores).bool(), 1, 4).int().tolist()
    [[0, 1, 0, 0, 1, 0]]
    """
    inputs_last = scores.masked_fill(~alive, -torch.inf).movedim(1, -1)
    width = inputs_last.shape[-1]
    padded = torch.nn.functional.pad(inputs_last, (0, -width % m), value=-torch.inf)
    groups = padded.unflatten(-1, (-1, m))  # [..., G, m]
    this, other = groups.unsqueeze(-1), groups.unsqueeze(-2)
    first = torch.ones(m, m, dtype=torch.bool, device=scores.device).tril(-1)
    rank = ((other > this) | ((other == this) & first)).sum(-1)  # [..., G, m]
    kept = (rank < n).flatten(-2)[..., :width].movedim(-1, 1)
    return kept & alive
