"""Which tensors of a module are pruned, and what counts as one unit of pruning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from nnstruct.errors import InvalidInputError
from nnstruct.modules.cnn.cell_block import CellBlock
from nnstruct.modules.program.module import ProgramModule
from nnstruct.network.assembly import EDGE_ROLES
from nnstruct.program import Step
from nnstruct.pruning.masks import (
    Mask,
    Place,
    attach,
    clear_pruned,
    gates_of,
    identity,
    mask_at,
    parametrization,
    tensor_places,
)
from nnstruct.pruning.nnstruct_modules import built_in_masks, is_own
from nnstruct.structure.families import FAMILIES

PARTS = ("input", "hidden", "both")
GATE_CHOICES = ("together", "apart")
_LEFT_ALONE = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.EmbeddingBag,
)


@dataclass(frozen=True)
class Scope:
    """Which tensors are pruned.

    Parameters
    ----------
    parameters : sequence of str, optional
        Patterns of parameter names, such as ``"encoder.*.weight"``; they decide alone. By default
        every trainable weight: tensors of two axes or more that are neither biases nor part of a
        normalisation or embedding, and in nnstruct's own modules the edges of the Structure.
    part : {"input", "hidden", "both"}, optional
        Of recurrent layers only the input-to-hidden weights, the hidden-to-hidden ones, or both and
        nothing else. By default recurrent layers are as any other.
    gates : {"apart", "together"}, optional
        Whether the weights of all gates, or of all positions of a kernel, from one unit to another are
        one unit of pruning. By default ``together`` in nnstruct's own modules, where they are one edge,
        and ``apart`` elsewhere.
    """

    parameters: Sequence[str] | None = None
    part: str | None = None
    gates: str | None = None

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where a field breaks its rule."""
        if isinstance(self.parameters, str):
            raise InvalidInputError("parameters", "be a list of patterns", self.parameters)
        if self.part not in (None, *PARTS):
            raise InvalidInputError("part", f"be one of {', '.join(PARTS)}, or None", self.part)
        if self.gates not in (None, *GATE_CHOICES):
            raise InvalidInputError("gates", f"be one of {', '.join(GATE_CHOICES)}, or None", self.gates)


@dataclass(eq=False)
class Slot:
    """One tensor that is pruned, at all its places in a module.

    Attributes
    ----------
    name : str
        Of its first place.
    places : list of (owner, attribute)
        More than one where the tensor is tied.
    gates : int
        Weights in one unit of pruning.
    kernels : bool
        Whether they are a kernel, along all axes from the third on, and not gates along the first.
    domain : bool Tensor [*unit_shape]
        Units that there were before any pruning.
    mask : Mask
    """

    name: str
    places: list[Place]
    gates: int
    kernels: bool
    domain: Tensor
    mask: Mask

    @property
    def total(self) -> int:
        """Units before any pruning."""
        return int(self.domain.sum())

    @property
    def alive(self) -> Tensor:
        """Units that are left, bool [*unit_shape]."""
        return self.gated(self.mask.mask).any(0) & self.domain

    @property
    def splits_edges(self) -> bool:
        """Whether some weights of an edge can be pruned and others not, as with gates apart."""
        return self.gates == 1 and self.mask.mask.dim() > 2 and len(self.mask.mask) > 1

    @property
    def weight(self) -> Tensor:
        """The weight that the module computes with, masks applied."""
        owner, name = self.places[0]
        return getattr(owner, name)

    @property
    def value(self) -> Tensor:
        """The weight without a mask, detached; kept beneath the mask while methods train."""
        return self.parameter.detach()

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter beneath the mask.

        Raises
        ------
        InvalidInputError
            If the tensor has other parametrizations, so that no parameter is the weight.
        """
        owner, name = self.places[0]
        held = parametrization(owner, name)
        if len(held) > 1:
            others = [type(part).__name__ for part in held if not isinstance(part, Mask)]
            rule = f"have no other parametrization for this method at {self.name}"
            raise InvalidInputError("network", rule, others)
        return held.original

    def effective(self) -> list[Tensor]:
        """The weight at each place; inside ``parametrize.cached()`` those that a forward pass uses."""
        return [getattr(owner, name) for owner, name in self.places]

    def gated(self, tensor: Tensor) -> Tensor:
        """Bring a tensor of the weight's shape into the shape of the units.

        Parameters
        ----------
        tensor : Tensor
            Of the weight's shape.

        Returns
        -------
        Tensor [gates, *unit_shape]
            ``[:, i, j]`` are the weights of one unit: its gates, or the positions of its kernel.
        """
        if self.kernels:
            return tensor.flatten(2).movedim(2, 0)
        return tensor.reshape(self.gates, *self.domain.shape)

    def spread(self, units: Tensor) -> Tensor:
        """Give each weight the value of its unit.

        Parameters
        ----------
        units : Tensor [*unit_shape]

        Returns
        -------
        Tensor
            Of the weight's shape; often a view that must not be written to.
        """
        shape = self.mask.mask.shape
        if self.kernels:
            return units.view(*units.shape, *[1] * (len(shape) - 2)).expand(shape)
        return units.expand(self.gates, *units.shape).reshape(shape)

    def total_over_gates(self, tensor: Tensor) -> Tensor:
        """The sum over the weights of each unit.

        Parameters
        ----------
        tensor : Tensor
            Of the weight's shape.

        Returns
        -------
        Tensor [*unit_shape]
        """
        return self.gated(tensor).sum(0) if self.gates > 1 else self.gated(tensor)[0]

    def magnitude(self, tensor: Tensor) -> Tensor:
        """The Euclidean norm of each unit's weights: where a unit is one weight, its absolute value.

        Parameters
        ----------
        tensor : Tensor
            Of the weight's shape.

        Returns
        -------
        Tensor [*unit_shape]
        """
        gated = self.gated(tensor)
        return torch.linalg.vector_norm(gated, dim=0) if self.gates > 1 else gated[0].abs()

    def keep(self, units: Tensor, *, clear: bool = True) -> None:
        """Mask everything but some units; the module is changed.

        Parameters
        ----------
        units : bool Tensor [*unit_shape]
        clear : bool
            Also set the values beneath to zero.
        """
        kept = self.spread(units)
        if not self.domain.all():
            kept = torch.where(self.spread(self.domain), kept, self.mask.mask)
        self.mask.mask = kept.clone(memory_format=torch.contiguous_format)
        if clear:
            clear_pruned(self.places, self.mask.mask)

    def assign(self, value: Tensor) -> None:
        """Replace the weight at all its places; the module is changed.

        Parameters
        ----------
        value : Tensor
            Of the weight's shape. The mask goes on hiding what it hides.
        """
        with torch.no_grad():
            for owner, name in self.places:
                setattr(owner, name, value.to(getattr(owner, name)).clone())


def slots_of(module: nn.Module, scope: Scope) -> list[Slot]:
    """Put a mask on every tensor in scope and return them as slots; the module is changed.

    Parameters
    ----------
    module : torch.nn.Module
    scope : Scope

    Returns
    -------
    list of Slot
        In the order of the module's parameters; a tied tensor is one slot. Masks that are there are kept.

    Raises
    ------
    InvalidInputError
        If no tensor is in scope, or one holds a value that is not finite.
    """
    scope.check()
    tensors: dict[int, list[_Found]] = {}
    for found in _walk(module, scope):
        tensors.setdefault(found.tensor, []).append(found)
    slots = [
        _slot(module, places, scope) for places in tensors.values() if any(found.in_scope for found in places)
    ]
    if not slots:
        names = [found.name for places in tensors.values() for found in places]
        raise InvalidInputError("network", f"have weights to prune within {scope}", names)
    return slots


class _Found(NamedTuple):
    """A tensor at one of the places that hold it."""

    name: str
    owner: nn.Module
    attribute: str
    tensor: int  # equal for places that hold the same one
    edges: tuple[Tensor, Tensor] | None  # see built_in_masks
    in_scope: bool


def _walk(module: nn.Module, scope: Scope) -> Iterator[_Found]:
    """Every tensor of a module, at each of its places."""
    own = is_own(module)
    for name, owner, attribute in tensor_places(module):
        edges = built_in_masks(owner, attribute)
        if scope.parameters is not None:
            chosen = any(fnmatchcase(name, pattern) for pattern in scope.parameters)
        elif own:
            chosen = edges is not None
        elif isinstance(owner, ProgramModule):
            chosen = _role(owner, attribute) in EDGE_ROLES
        else:
            chosen = _is_weight(owner, attribute)
        if chosen and scope.part is not None:
            part = _part(module, owner, attribute)
            chosen = part is not None and scope.part in (part, "both")
        yield _Found(name, owner, attribute, identity(owner, attribute), edges, chosen)


def _slot(module: nn.Module, found: list[_Found], scope: Scope) -> Slot:
    name, owner, attribute, _, edges, _ = found[0]
    weight = getattr(owner, attribute)
    if isinstance(weight, nn.parameter.UninitializedParameter):
        raise InvalidInputError("network", "be initialised; call it once", name)
    if not torch.isfinite(weight).all():
        raise InvalidInputError(name, "hold finite values", float(weight[~torch.isfinite(weight)][0]))
    whole = torch.ones_like(weight, dtype=torch.bool)
    domain, real = edges or (whole, whole)
    places: list[Place] = [(each.owner, each.attribute) for each in found]
    present = mask_at(owner, attribute)
    mask = attach(places, real if present is None else present.mask)
    together = scope.gates == "together" or (scope.gates is None and is_own(module))
    slot = Slot(name, places, 1, False, domain, mask)
    if together and isinstance(owner, _ConvNd | CellBlock) and weight.dim() > 2:
        slot.gates, slot.kernels = weight[0, 0].numel(), True
        slot.domain = slot.gated(domain).any(0)
    elif together and _part(module, owner, attribute) is not None:
        slot.gates = weight.shape[0] if weight.dim() == 3 else _gates(owner, attribute)
        slot.domain = domain.reshape(slot.gates, -1, weight.shape[-1]).any(0)
    return slot


def _is_weight(owner: nn.Module, name: str) -> bool:
    if isinstance(owner, _LEFT_ALONE) or name.startswith("bias"):
        return False
    if parametrize.is_parametrized(owner, name):
        beneath = list(parametrization(owner, name).parameters())
    else:
        beneath = [getattr(owner, name)]
    value, trained = getattr(owner, name), any(part.requires_grad for part in beneath)
    return trained and value.is_floating_point() and value.dim() >= 2


def _part(module: nn.Module, owner: nn.Module, name: str) -> str | None:
    """``input`` or ``hidden`` for a weight of a recurrent layer, None for others."""
    role = _role(owner, name) if isinstance(owner, ProgramModule) else name
    if role.startswith("weight_ih") or (is_own(module) and name == "forward_weight"):
        return "input"
    if role.startswith(("weight_hh", "weight_hr")) or (is_own(module) and name == "recurrent_weight"):
        return "hidden"
    return None


def _gates(owner: nn.Module, name: str) -> int:
    if isinstance(owner, ProgramModule):
        cell = str(_step(owner, name)[1].options.get("cell"))
        return FAMILIES[cell].gates if cell in FAMILIES else 1
    return 1 if name.startswith("weight_hr") else gates_of(owner)


def _role(owner: ProgramModule, name: str) -> str:
    """The role in its step of a tensor of a program; an embedding's weight has none."""
    role, step = _step(owner, name)
    return "" if step.kind == "embedding" else role


def _step(owner: ProgramModule, name: str) -> tuple[str, Step]:
    """The first step of a program that uses a tensor, and the role that it has there."""
    for step in owner.program.steps:
        for role, constant in step.tensors.items():
            if owner._place[constant] == name:
                return role, step
    raise InvalidInputError("network", "use each of its tensors in a step", name)
