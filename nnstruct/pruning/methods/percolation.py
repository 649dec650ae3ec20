"""Units of a perceptron that nothing reaches, or that reach nothing, lose the links that they have.

References
----------
Y. Zhang et al., Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired
theory for ultra-sparse advantage in deep learning (ICLR 2024), openreview.net/forum?id=iayEcORsGd.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nnstruct.pruning.masks import identity
from nnstruct.pruning.slots import Slot

_BETWEEN = (nn.Flatten, nn.ReLU, nn.Tanh, nn.Identity, nn.Dropout, nn.Sigmoid, nn.GELU, nn.LeakyReLU)


def percolated(layers: Sequence[Tensor]) -> list[Tensor]:
    """The links of layers in a row that lead from somewhere to somewhere.

    Parameters
    ----------
    layers : sequence of bool Tensor [outputs, inputs]
        The outputs of each are the inputs of the next.

    Returns
    -------
    list of bool Tensor
        Without links into a unit that has none out of it, nor out of one that has none into it, until
        there are no more of either kind.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning.methods.percolation import percolated
    >>> first = torch.tensor([[True, False], [False, True]])
    >>> [layer.int().tolist() for layer in percolated([first, torch.tensor([[True, False]])])]
    [[[1, 0], [0, 0]], [[1, 0]]]
    """
    kept = list(layers)
    for place in range(len(kept) - 2, -1, -1):
        kept[place] = kept[place] & kept[place + 1].any(0)[:, None]
    for place in range(1, len(kept)):
        kept[place] = kept[place] & kept[place - 1].any(1)[None, :]
    return kept


def active_units(layers: Sequence[Tensor]) -> int:
    """Units between layers in a row that have a link in and a link out.

    Parameters
    ----------
    layers : sequence of bool Tensor [outputs, inputs]

    Returns
    -------
    int
    """
    return sum(int((before.any(1) & after.any(0)).sum()) for before, after in pairwise(layers))


def layers_in_a_row(module: nn.Module, slots: Sequence[Slot]) -> list[tuple[nn.Linear, int | None]]:
    """The linear layers of a perceptron, each with the number of its slot.

    Parameters
    ----------
    module : torch.nn.Module
    slots : sequence of Slot

    Returns
    -------
    list of (torch.nn.Linear, int or None)
        None for a layer that is not pruned. Empty where the module is no :class:`torch.nn.Sequential` of
        linear layers and activations, or a slot is none of its layers.
    """
    if not isinstance(module, nn.Sequential):
        return []
    numbers = {identity(*slot.places[0]): number for number, slot in enumerate(slots)}
    found: list[tuple[nn.Linear, int | None]] = []
    for part in module:
        if isinstance(part, nn.Linear):
            found.append((part, numbers.get(identity(part, "weight"))))
        elif not isinstance(part, _BETWEEN):
            return []
    named = [number for _, number in found if number is not None]
    return found if sorted(named) == list(range(len(slots))) else []
