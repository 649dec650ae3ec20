"""What a pruned network of the examples holds: its state, its zeros, its units of pruning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.pruning import masks_of
from nnstruct.testing.networks import example_of, network


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's state.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    dict of str to Tensor
    """
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two mappings hold equal tensors under the same names.

    Parameters
    ----------
    first, second : mapping of str to Tensor

    Returns
    -------
    bool
    """
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def tensor_of(module: nn.Module, name: str) -> Tensor:
    """A tensor of a module by its full name, masks applied.

    Parameters
    ----------
    module : torch.nn.Module
    name : str

    Returns
    -------
    Tensor
    """
    owner, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(owner), attribute)


def zeros_outside(module: nn.Module) -> bool:
    """Whether every weight that a mask leaves out is exactly zero.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    bool
    """
    return all(bool((tensor_of(module, name)[~mask] == 0).all()) for name, mask in masks_of(module).items())


def units(module: Any, name: str) -> tuple[dict[str, int], dict[str, int]]:
    """Kept units and all units of each masked tensor, tied ones once.

    Parameters
    ----------
    module : torch.nn.Module
        Pruned.
    name : str
        Of the network in :data:`nnstruct.testing.networks.NETWORKS`.

    Returns
    -------
    kept, total : dict of str to int
    """
    if name == "own cnn":
        # Of masks, not of values: a kernel that has come from zero may have had no gradient yet.
        edges = sum(int(mask.flatten(2).any(2).sum()) for mask in masks_of(module).values())
        dense: Any = network(name)
        return {"weight": edges}, {"weight": int((dense.to_network().weight != 0).any(1).sum())}
    kept: dict[str, int] = {}
    total: dict[str, int] = {}
    seen: list[Tensor] = []
    for full, mask in masks_of(module).items():
        weight = tensor_of(module, full)
        if any(torch.equal(weight, other) for other in seen):
            continue
        seen.append(weight.detach())
        total[full] = mask.numel()
        if hasattr(module, "to_network"):  # edges of its structure, with a gate along the first axis
            recurrent = int(module.structure.recurrent.sum())
            edges = module.structure.num_edges
            if mask.dim() == 3:
                mask = mask.any(0)
                total[full] = recurrent if full.startswith("recurrent") else edges - recurrent
            else:
                total[full] = edges
        kept[full] = int(mask.sum())
    return kept, total


def pairs(first: nn.Module, second: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """The parts of two modules side by side; nnstruct's own modules without themselves.

    Parameters
    ----------
    first, second : torch.nn.Module

    Returns
    -------
    list of (torch.nn.Module, torch.nn.Module)
    """
    found = list(zip(first.modules(), second.modules(), strict=True))
    return found[1:] if hasattr(second, "to_network") else found


@cache
def dense_edges(name: str) -> int:
    """Edges of a network in :data:`nnstruct.testing.networks.NETWORKS` before any pruning.

    Parameters
    ----------
    name : str

    Returns
    -------
    int
    """
    return extract(network(name), example_of(name)).structure.num_edges
