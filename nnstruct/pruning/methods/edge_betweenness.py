"""Pruning by the place of a weight in the graph: how many shortest paths from input to output use it.

References
----------
L. C. Freeman, A set of measures of centrality based on betweenness, Sociometry 40 (1977); U. Brandes, On
variants of shortest-path betweenness centrality and their generic computation, Social Networks 30 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstruct.checks import check_choice
from nnstruct.pruning.base import PRUNERS, ScoringPruner
from nnstruct.pruning.methods.percolation import layers_in_a_row
from nnstruct.pruning.nnstruct_modules import is_of_nnstruct
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.workpiece import Workpiece

KEPT = ("largest", "smallest")


@PRUNERS.register("edge-betweenness")
@dataclass(frozen=True, kw_only=True)
class EdgeBetweenness(ScoringPruner):
    """Keeps the weights that most shortest paths use, whatever their values.

    The betweenness of a weight is a sum of shares of shortest paths that use it: in a
    :class:`torch.nn.Sequential` of linear layers over pairs of an input and an output, whose paths are all of
    one length; among the units of a Structure over all pairs of units, forward and recurrent edges apart. Of
    any other network each tensor is a layer of its own, where the betweenness of all weights that are left is
    1. Among weights of equal betweenness the largest magnitudes stay.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.
    kept : {"largest", "smallest"}
        ``smallest`` keeps what carries the least, for comparison.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning import prune
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> sparse = prune(net, 0.5, method="edge-betweenness", classes="uniform")
    >>> [int((layer.weight != 0).sum()) for layer in (sparse[0], sparse[2])]
    [3, 1]
    """

    name = "edge-betweenness"
    source = "Freeman, 1977; Brandes, 2008"

    kept: str = "largest"

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_choice(self.kept, "kept", KEPT)

    def scores(self, work: Workpiece) -> list[Tensor]:
        """The rank of each unit by its betweenness, then by its magnitude."""
        found = [_among_units(slot) for slot in work.slots]
        row = layers_in_a_row(work.module, work.slots)
        if row:
            masks = [
                np.ones(tuple(part.weight.shape), dtype=bool) if number is None
                else work.alive[number].cpu().numpy()
                for part, number in row
            ]  # fmt: skip
            for (_, number), value in zip(row, path_shares(masks), strict=True):
                if number is not None:
                    found[number] = torch.from_numpy(value).to(found[number].device)
        sign = 1.0 if self.kept == "largest" else -1.0
        magnitudes = [slot.magnitude(slot.weight.detach()).double() for slot in work.slots]
        return _ranked([sign * value for value in found], magnitudes)


def _among_units(slot: Slot) -> Tensor:
    """Of a tensor of all units by all units its edges' betweenness; of any other 1 where a weight is left."""
    alive = slot.alive
    owner, _ = slot.places[0]
    if not is_of_nnstruct(owner) or slot.kernels or alive.dim() != 2 or len(set(alive.shape)) > 1:
        return alive.double()
    from nnstruct.properties.centrality_kernel import edge_betweenness

    source, target = (ends.cpu().numpy().astype(np.int32) for ends in torch.nonzero(alive.T, as_tuple=True))
    shares = torch.from_numpy(edge_betweenness(source, target, len(alive))).to(alive.device)
    found = torch.zeros(alive.shape, dtype=torch.float64, device=alive.device)
    found[target, source] = shares
    return found


def path_shares(layers: list[np.ndarray]) -> list[np.ndarray]:
    """Of each link the sum over inputs and outputs of the share of the paths between them that use it.

    Parameters
    ----------
    layers : list of bool [outputs, inputs]
        In a row.

    Returns
    -------
    list of float64 [outputs, inputs]
        0 where no link is.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.array([[True, True], [True, False]]), np.array([[True, True]])
    >>> [share.tolist() for share in path_shares([first, second])]
    [[[0.5, 1.0], [0.5, 0.0]], [[1.5, 0.5]]]
    """
    # Numbers of paths, each layer's scaled to stay within range: shares are free of the scales.
    ahead = [np.eye(layers[0].shape[1])]  # [units, inputs]
    for links in layers:
        ahead.append(_scaled(links @ ahead[-1]))
    behind = [np.eye(len(layers[-1]))]  # [outputs, units]
    for links in reversed(layers):
        behind.append(_scaled(behind[-1] @ links))
    found = []
    for place, links in enumerate(layers):
        before, after = ahead[place], behind[len(layers) - 1 - place]
        through = after @ (links @ before)  # [outputs, inputs], all paths, in the scale of this layer
        weight = np.divide(1.0, through, out=np.zeros_like(through), where=through > 0)
        found.append(links * (after.T @ weight @ before.T))
    return found


def _scaled(paths: np.ndarray) -> np.ndarray:
    most = paths.max(initial=0.0)
    return paths / most if most > 0 else paths


def _ranked(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """Ranks of all values together, by the first and, where that is equal, by the second."""
    flat = torch.cat([value.reshape(-1) for value in first]).cpu().numpy().round(9)
    other = torch.cat([value.reshape(-1) for value in second]).cpu().numpy()
    ranks = np.empty(len(flat))
    ranks[np.lexsort((other, flat))] = np.arange(len(flat))
    parts = torch.from_numpy(ranks).split([value.numel() for value in first])
    return [part.view(value.shape).to(value.device) for part, value in zip(parts, first, strict=True)]
