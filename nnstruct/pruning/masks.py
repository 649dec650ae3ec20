"""Masks on a module's tensors: a parametrization that keeps what is pruned exactly zero."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.utils.parametrize as parametrize
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.pruning.mixed import Mixin, mixed
from nnstruct.pruning.nnstruct_modules import as_pruned, is_own
from nnstruct.structure.families import FAMILIES

Place = tuple[nn.Module, str]
_TORCH_FAMILIES = (((nn.GRU, nn.GRUCell), "gru"), ((nn.LSTM, nn.LSTMCell), "lstm"))


class Mask(nn.Module):
    """The parametrization of a masked tensor: the value where the mask is True, zero elsewhere.

    A masked entry gets no gradient and is zero whatever an optimiser does to the value beneath.

    Parameters
    ----------
    mask : bool Tensor
        Of the tensor's shape; a buffer, so that it is part of the state dict and of its device.

    Attributes
    ----------
    gate : Tensor or None
        Multiplied with the value as well, for methods that learn their masks; None otherwise.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.gate: Tensor | None = None
        self._seen: tuple[Tensor, int, torch.dtype] | None = None
        self._ones = mask

    def forward(self, value: Tensor) -> Tensor:
        """The tensor that the module computes with.

        Parameters
        ----------
        value : Tensor
            What lies beneath, of the mask's shape.

        Returns
        -------
        Tensor
            Of the same shape: the value where the mask is True, times the gate if there is one, else zero.
        """
        masked = value * self._factor(value.dtype)
        return masked if self.gate is None else masked * self.gate

    def _factor(self, dtype: torch.dtype) -> Tensor:
        """Ones and zeros, kept until the mask changes: to multiply takes a third of the time to select."""
        state = (self.mask, self.mask._version, dtype)
        if self._seen is None or self._seen[0] is not state[0] or self._seen[1:] != state[1:]:
            self._seen, self._ones = state, self.mask.to(dtype)
        return self._ones

    def right_inverse(self, value: Tensor) -> Tensor:
        """What PyTorch shall keep beneath the mask when a value is assigned to the tensor.

        Parameters
        ----------
        value : Tensor
            Of the mask's shape.

        Returns
        -------
        Tensor
            The value itself, so that entries that are masked now have it once they are unmasked.
        """
        return value


class _LiveWeights(Mixin):
    """Makes a recurrent layer compute with its tensors as they are now, not as they were once."""

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name, None) for name in self._flat_weights_names]  # type: ignore[attr-defined]

    @_flat_weights.setter
    def _flat_weights(self, value: list[Any]) -> None:
        pass


def copy_module(module: nn.Module) -> nn.Module:
    """A deep copy, also of modules that hold tensors with a gradient's history.

    Masks of :mod:`torch.nn.utils.prune` become masks of this package.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.

    Returns
    -------
    torch.nn.Module
        On the same devices; tensors that were tied are tied in the copy.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in [*part.__dict__.values(), *part._buffers.values()]:
            for tensor in value if isinstance(value, list) else [value]:
                if isinstance(tensor, Tensor) and not tensor.is_leaf:
                    memo[id(tensor)] = tensor.detach().clone()
    twin = copy.deepcopy(module, memo)
    for part in list(twin.modules()):
        if parametrize.is_parametrized(part):
            _own_class(part)
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, torch_prune.BasePruningMethod):
                name = str(hook._tensor_name)
                mask = getattr(part, f"{name}_mask").bool()
                torch_prune.remove(part, name)
                attach([(part, name)], mask)
    return twin


def _own_class(part: nn.Module) -> None:
    """Torch keeps parametrized tensors as properties of a class, which a deep copy shares."""
    kind = type(part)
    members = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
    part.__class__ = type(kind.__name__, kind.__bases__, members)


def tensor_places(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Name every place of a module that holds a parameter, parametrized ones by their outer name.

    Parameters
    ----------
    module : torch.nn.Module

    Yields
    ------
    (str, torch.nn.Module, str)
        Full name, owner and attribute. A tied tensor comes once for each of its places.
    """
    for prefix, owner in module.named_modules():
        if isinstance(owner, parametrize.ParametrizationList) or ".parametrizations" in f".{prefix}":
            continue
        names = [name for name, value in owner._parameters.items() if value is not None]
        if parametrize.is_parametrized(owner):
            names += list(owner.parametrizations)
        for name in names:
            yield f"{prefix}.{name}" if prefix else name, owner, name


def parametrization(owner: nn.Module, name: str) -> Any:
    """What torch holds beneath a parametrized tensor, a ``ParametrizationList``."""
    return owner.parametrizations[name]  # type: ignore[index]


def beneath(owner: nn.Module, name: str) -> nn.Parameter:
    """The parameter at a place, the one under the mask where there is a mask and nothing else."""
    return owner.get_parameter(
        f"parametrizations.{name}.original" if parametrize.is_parametrized(owner, name) else name
    )


def identity(owner: nn.Module, name: str) -> int:
    """Equal for places that hold one and the same tensor."""
    if parametrize.is_parametrized(owner, name):
        held = parametrization(owner, name)
        return id(held.original) if hasattr(held, "original") else id(held)
    return id(owner._parameters[name])


def mask_at(owner: nn.Module, name: str) -> Mask | None:
    """The Mask of a tensor; None where it has none."""
    if not parametrize.is_parametrized(owner, name):
        return None
    found = [part for part in parametrization(owner, name) if isinstance(part, Mask)]
    return found[0] if found else None


def attach(places: list[Place], mask: Tensor) -> Mask:
    """Put one mask on a tensor, at every place that holds it; the module is changed.

    Parameters
    ----------
    places : list of (torch.nn.Module, str)
        Owners and attributes; more than one where the tensor is tied.
    mask : bool Tensor
        Of the tensor's shape.

    Returns
    -------
    Mask
        The one that was there already, with the new mask, or a new one.
    """
    present = [mask_at(*place) for place in places]
    shared = next((part for part in present if part is not None), None) or Mask(mask)
    shared.mask = mask.clone()
    for (owner, name), before in zip(places, present, strict=True):
        if before is None:
            if isinstance(owner, nn.RNNBase):
                _enliven(owner)
            parametrize.register_parametrization(owner, name, shared)
    return shared


def _enliven(layer: nn.RNNBase) -> None:
    if not isinstance(layer, _LiveWeights):
        layer.__dict__.pop("_flat_weights", None)
        layer.__class__ = mixed(_LiveWeights, type(layer))
        # Nothing to compare with, so that torch does not look for changed weights at each call.
        layer._flat_weight_refs = [None] * len(layer._flat_weights_names)


def clear_pruned(places: list[Place], mask: Tensor) -> None:
    """Set the values beneath a mask to zero, where they are the weights themselves; the module is changed.

    A tensor with further parametrizations is left alone: no parameter beneath it is the weight.

    Parameters
    ----------
    places : list of (torch.nn.Module, str)
        Owners and attributes with a mask.
    mask : bool Tensor
        Of the tensor's shape; values are cleared where it is False.
    """
    for owner, name in places:
        held = parametrization(owner, name)
        if len(held) == 1:
            with torch.no_grad():
                held.original.masked_fill_(~mask, 0.0)


def masks_of(module: nn.Module) -> dict[str, Tensor]:
    """The masks of a module by the name of their tensor.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    dict of str to bool Tensor
        Copies; a tensor that several places hold appears once for each.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import masks_of, prune
    >>> sparse = prune(nn.Sequential(nn.Linear(4, 2)), 0.25, method="magnitude-class-blind")
    >>> {name: int(mask.sum()) for name, mask in masks_of(sparse).items()}
    {'0.weight': 2}
    """
    found = {}
    for full, owner, name in tensor_places(module):
        part = mask_at(owner, name)
        if part is not None:
            found[full] = part.mask.clone()
    return found


def with_masks(module: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a module with masks on some of its tensors.

    It has the state dict of a pruned module with masks at the same names, so that one can be loaded.

    Parameters
    ----------
    module : torch.nn.Module
    masks : mapping of str to bool Tensor
        By the tensor's name; each of the tensor's shape.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    InvalidInputError
        If a name or a shape does not fit.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning import with_masks
    >>> sparse = with_masks(torch.nn.Linear(3, 1), {"weight": torch.tensor([[True, False, True]])})
    >>> (sparse.weight != 0).tolist()
    [[True, False, True]]
    """
    twin = copy_module(module)
    if is_own(twin):
        as_pruned(twin)
    known = {full: (owner, name) for full, owner, name in tensor_places(twin)}
    by_tensor: dict[int, list[str]] = {}
    for full, place in known.items():
        by_tensor.setdefault(identity(*place), []).append(full)
    identities = {full: identity(*place) for full, place in known.items()}
    for full, mask in masks.items():
        if full not in known:
            raise InvalidInputError("masks", f"name parameters ({', '.join(list(known)[:5])} ...)", full)
        owner, name = known[full]
        shape = getattr(owner, name).shape
        if mask.dtype != torch.bool or mask.shape != shape:
            rule = f"be bool of shape {list(shape)}"
            raise InvalidInputError(f"masks[{full!r}]", rule, f"{mask.dtype} {list(mask.shape)}")
        places = [known[other] for other in by_tensor[identities[full]]]
        mask = mask.to(getattr(owner, name).device)
        attach(places, mask)
        clear_pruned(places, mask)
    return twin


def made_permanent(module: nn.Module) -> nn.Module:
    """A copy of a pruned module without masks: plain parameters that are zero where they were pruned.

    Nothing holds these zeros any more: further training brings pruned weights back.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.

    Returns
    -------
    torch.nn.Module
        With the names of parameters that the module had before it was pruned.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import made_permanent, prune
    >>> plain = made_permanent(prune(nn.Linear(4, 2), 0.25, method="magnitude-class-blind"))
    >>> type(plain).__name__, int((plain.weight != 0).sum())
    ('Linear', 2)
    """
    twin = copy_module(module)
    for _, owner, name in list(tensor_places(twin)):
        if mask_at(owner, name) is not None:
            parametrize.remove_parametrizations(owner, name, leave_parametrized=True)
    for part in twin.modules():
        bare = isinstance(part, _LiveWeights) and not parametrize.is_parametrized(part)
        if bare and isinstance(part, nn.RNNBase):
            part.__class__ = type(part).__bases__[1]
            part._init_flat_weights()
    return twin


def gates_of(owner: nn.Module) -> int:
    """Gates whose weights a tensor of a recurrent layer stacks along its first axis."""
    family = next((name for kinds, name in _TORCH_FAMILIES if isinstance(owner, kinds)), None)
    family = family or getattr(owner, "family", None)
    return FAMILIES[family].gates if isinstance(family, str) and family in FAMILIES else 1
