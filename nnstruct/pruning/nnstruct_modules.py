"""Pruning of nnstruct's own modules, whose weights are the edges of a Structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.modules.cnn.cell_block import CellBlock
from nnstruct.modules.cnn.module import CNN
from nnstruct.network import Network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.pruning.mixed import Mixin, mixed
from nnstruct.structure import PRUNED, Structure


def is_own(module: nn.Module) -> bool:
    """Whether a module is one that reports its own Network."""
    return callable(getattr(module, "to_network", None))


def is_of_nnstruct(module: nn.Module) -> bool:
    """Whether a module's class, or one that it inherits from, is defined in nnstruct."""
    return any(kind.__module__.startswith("nnstruct.modules") for kind in type(module).__mro__)


def built_in_masks(owner: nn.Module, name: str) -> tuple[Tensor, Tensor] | None:
    """Where a tensor of a module of nnstruct holds edges, and where it holds anything.

    Parameters
    ----------
    owner : torch.nn.Module
    name : str
        An attribute of it that holds a parameter.

    Returns
    -------
    (bool Tensor, bool Tensor) or None
        Of the tensor's shape; None where it holds no edges.
    """
    if not is_of_nnstruct(owner):
        return None
    if isinstance(owner, CellBlock):
        return _kernel_masks(owner, name)
    candidates = [f"{name}_mask", f"{name.removesuffix('_weight')}_mask"]
    candidates += ["mask"] if name in ("weight", "weight_ih") else []
    for candidate in candidates:
        mask = owner._buffers.get(candidate)
        if mask is not None:
            edges = (mask != 0).expand(getattr(owner, name).shape).clone()
            return edges, edges
    return None


def _kernel_masks(block: CellBlock, name: str) -> tuple[Tensor, Tensor] | None:
    """Of kernels for edges; beside them there may be kernels that read the image, which are none."""
    edges, real = (torch.zeros_like(getattr(block, name), dtype=torch.bool) for _ in range(2))
    for piece in block.pieces:
        if piece.tensor == name:
            real[piece.where] = True
            if piece.array == "weight":
                edges[piece.where] = True
    return (edges, real) if edges.any() else None


class PrunedModule(Mixin):
    """Adds to a module of nnstruct that its Network has no edge where every weight is zero."""

    def to_network(self) -> Network:
        """The Network of the edges that are left; its Structure says so in the origin."""
        carries = self.layout.carries if isinstance(self, CNN) else None
        return without_zero_edges(super().to_network(), carries)  # type: ignore[misc]


def as_pruned(module: nn.Module) -> nn.Module:
    """Make a module of nnstruct report pruned edges as absent; its class is changed.

    Parameters
    ----------
    module : torch.nn.Module
        One with ``to_network``.

    Returns
    -------
    torch.nn.Module
        The module itself.
    """
    kind = type(module)
    if isinstance(module, PrunedModule):
        return module
    if parametrize.is_parametrized(module):
        # Torch expects the class that it made to be the outermost.
        inner = kind.__bases__[0]
        members = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
        module.__class__ = type(kind.__name__, (mixed(PrunedModule, inner),), members)
    else:
        module.__class__ = mixed(PrunedModule, kind)
    return module


def without_zero_edges(network: Network, carries: np.ndarray | None = None) -> Network:
    """The Network without the edges all of whose weights are zero; edges that have none stay.

    Whether an edge of a convolutional network has weights may depend on the others that enter its unit.
    Where it would change for one that stays, the Structure is of the family ``module``.

    Parameters
    ----------
    network : Network
    carries : bool [E], optional
        Whether each edge has weights, in a convolutional network; in others all have.

    Returns
    -------
    Network
        The same one where no edge goes.
    """
    old = network.structure
    keep = (network.weight != 0).any(axis=1)
    if carries is not None:
        keep |= ~carries
    if keep.all():
        return network
    structure = with_edges(old, keep)
    if carries is not None:
        as_ruled = np.array_equal(CellLayout(structure).carries, carries[keep])
        structure = replace(structure, family="cnn" if as_ruled else "module")
    return Network(structure, np.asarray(network.weight)[keep], network.bias, dict(network.tensors))


def with_edges(structure: Structure, keep: np.ndarray) -> Structure:
    """The pruned Structure with some of another's edges, bool [E]."""
    return structure.with_edges(keep, origin={**structure.origin, "kind": PRUNED})
