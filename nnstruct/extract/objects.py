"""Arguments and results that are objects with tensors inside, as caches of keys and values are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_pytree = torch.utils._pytree


def tensors_inside(value: Any) -> list[Tensor]:
    """The tensors that an object holds, in attributes, lists and dicts, each once.

    Parameters
    ----------
    value : Any

    Returns
    -------
    list of Tensor
    """
    found: list[Tensor] = []
    seen: set[int] = set()

    def walk(part: Any) -> None:
        if id(part) in seen or isinstance(part, type | nn.Module | str | bytes):
            return
        seen.add(id(part))
        if isinstance(part, Tensor):
            found.append(part)
        elif isinstance(part, list | tuple | set | frozenset):
            for item in part:
                walk(item)
        elif isinstance(part, dict):
            for item in part.values():
                walk(item)
        elif isinstance(getattr(part, "__dict__", None), dict) and not callable(part):
            walk(vars(part))

    walk(value)
    return found


def holds_objects(tree: Any) -> bool:
    """Whether a tree of arguments holds tensors that PyTorch's trees do not show.

    Parameters
    ----------
    tree : Any

    Returns
    -------
    bool
    """
    return any(not isinstance(leaf, Tensor) and tensors_inside(leaf) for leaf in _pytree.tree_leaves(tree))


def flat_tensors(tree: Any) -> list[Tensor]:
    """All tensors of a tree, those inside objects at their objects' place.

    Parameters
    ----------
    tree : Any

    Returns
    -------
    list of Tensor
    """
    return [tensor for leaf in _pytree.tree_leaves(tree) for tensor in tensors_inside(leaf)]


def split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Tensor], Callable[[Any], Any]]:
    """The tensors of a call, and what makes the call's arguments of others in their place.

    Parameters
    ----------
    args : tuple
    kwargs : dict

    Returns
    -------
    list of Tensor, callable
        The second takes as many tensors and returns positional and named arguments. Objects are copied, so
        that a module that writes into its cache leaves the caller's as it is.
    """
    flat, spec = _pytree.tree_flatten((args, kwargs))
    inside = [tensors_inside(leaf) for leaf in flat]

    def rebuild(given: Any) -> Any:
        tensors, filled = iter(given), []
        for leaf, held in zip(flat, inside, strict=True):
            new = {id(old): next(tensors) for old in held}
            if isinstance(leaf, Tensor):
                filled.append(new[id(leaf)])
            else:
                filled.append(copy.deepcopy(leaf, new) if new else leaf)
        return _pytree.tree_unflatten(filled, spec)

    return [tensor for held in inside for tensor in held], rebuild
