"""Questions about a graph of ATen operations."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx


@dataclass(frozen=True)
class Ref:
    """A value of the program, as opposed to a constant."""

    value: int


class ComplexRef(Ref):
    """A complex value: its real and imaginary parts stand along an axis behind the others."""


def is_mutable(node: fx.Node) -> bool:
    """Whether a node writes into one of its arguments.

    Parameters
    ----------
    node : fx.Node

    Returns
    -------
    bool
    """
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def draws(node: fx.Node) -> bool:
    """Whether a node draws random numbers; if it does, there is a warning.

    Parameters
    ----------
    node : fx.Node
        That is computed while the graph is read.

    Returns
    -------
    bool
    """
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    warnings.warn(
        f"The module draws random numbers ({node.target}) in evaluation mode, too. The network holds those "
        "that are drawn now as constants.",
        stacklevel=2,
    )
    return True


def needed_nodes(graph: fx.Graph) -> set[fx.Node]:
    """Nodes that an output depends on, writes into such nodes included.

    Parameters
    ----------
    graph : fx.Graph

    Returns
    -------
    set of fx.Node
    """
    needed: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        written = viewed(node.args[0]) if is_mutable(node) and node.args else []
        if node.op == "output" or node in needed or needed.intersection(written):
            needed.add(node)
            needed.update(node.all_input_nodes)
    return needed


def leaves(tree: Any) -> Iterable[Any]:
    """The values in nested tuples, lists and dicts.

    Parameters
    ----------
    tree : Any

    Returns
    -------
    list
    """
    if isinstance(tree, list | tuple):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return [tree]


def shape_of(node: fx.Node) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and type of the tensor that a node makes.

    Parameters
    ----------
    node : fx.Node

    Returns
    -------
    tuple of int, torch.dtype
    """
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        value = node.meta["tensor_meta"]
    return tuple(int(size) for size in value.shape), value.dtype


def submodule_of(node: fx.Node) -> str:
    """Path of the submodule that a node was recorded in.

    Parameters
    ----------
    node : fx.Node

    Returns
    -------
    str
    """
    stack = node.meta.get("nn_module_stack") or {}
    if not stack:
        return ""
    path = list(stack.values())[-1][0]
    return str(path).removeprefix("L['self'].").removeprefix("L['self']").strip(".")


_VIEWS = frozenset(
    {
        "slice", "select", "view", "transpose", "permute", "unsqueeze", "squeeze", "expand", "alias", "t",
        "mT", "reshape", "flatten", "unflatten", "chunk", "split", "split_with_sizes", "unbind", "narrow",
        "movedim", "detach",
    }
)  # fmt: skip


def is_view(node: fx.Node) -> bool:
    """Whether a node shows the memory of its first argument.

    Parameters
    ----------
    node : fx.Node

    Returns
    -------
    bool
    """
    if node.op != "call_function":
        return False
    if node.target is operator.getitem:  # a part of a split; results of other operations are their own
        return isinstance(node.args[0], fx.Node) and is_view(node.args[0])
    name = str(node.target).split(".")[1:2]
    return bool(name and name[0] in _VIEWS)


def viewed(node: Any) -> list[fx.Node]:
    """The node and, behind it, those whose memory it may show.

    Parameters
    ----------
    node : fx.Node

    Returns
    -------
    list of fx.Node
    """
    chain: list[fx.Node] = []
    while isinstance(node, fx.Node):
        chain.append(node)
        if not is_view(node):
            break
        node = node.args[0]
    return chain
