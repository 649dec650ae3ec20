"""Graphs in the place of one operation: those that a graph holds, and the parts that one consists of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, fx

from nnstruct.extract.aten_graph import ComplexRef, Ref, is_mutable, leaves, shape_of, submodule_of, viewed
from nnstruct.program import UnsupportedOperationError

# Parts of a graph that are run as they stand: where the part is among the arguments, before its own; None
# for a condition with two parts.
INLINED: dict[Any, int | None] = {
    torch.ops.higher_order.wrap_with_autocast: 4,
    torch.ops.higher_order.wrap_with_set_grad_enabled: 1,
    torch.ops.higher_order.cond: None,
}
_DEPTH = 4
# Of which the parts that torch names compute something else than the operation.
_MISTAKEN = frozenset({"multilabel_margin_loss", "multilabel_margin_loss_forward"})


def inlined(low: Any, node: fx.Node, args: Any) -> Any:
    """A part of the graph that a context or a constant condition holds, step by step.

    Parameters
    ----------
    low : nnstruct.extract.lowering.Lowering
    node : fx.Node
    args : sequence
        What the node's arguments stand for.

    Returns
    -------
    list of Ref or constant; of a condition that is a value what an opaque step makes
    """
    place = INLINED[node.target]
    if place is None:
        condition, *graphs, given = args
        if isinstance(condition, Ref):
            return low.opaque(node, str(node.target), args, {})
        graph = graphs[0 if bool(condition) else 1]
    else:
        graph, given = args[place], args[place + 1 :]
    made = _run(low, graph, given)
    return list(made) if isinstance(made, list | tuple) else [made]


def _run(low: Any, graph: fx.GraphModule, given: Any) -> Any:
    outer, where = low.node, low.builder.where
    placeholders = iter(given)
    made: Any = None
    try:
        for inner in graph.graph.nodes:
            low.node = inner
            low.builder.where = submodule_of(inner) or where
            if inner.op == "placeholder":
                low.env[inner] = next(placeholders)
            elif inner.op == "get_attr":
                low.env[inner] = getattr(graph, str(inner.target))
            elif inner.op == "call_function":
                low.env[inner] = low.call(inner)
            elif inner.op == "output":
                made = low.resolve(inner.args[0])
    finally:
        low.node, low.builder.where = outer, where
    return made


def decomposed(low: Any, node: fx.Node, known: Collection[str]) -> tuple[Any] | None:
    """What an operation makes, read through the plainer operations that torch says it consists of.

    Parameters
    ----------
    low : nnstruct.extract.lowering.Lowering
    node : fx.Node
        Of an operation that no handler reads.
    known : collection of str
        Operations that stay whole.

    Returns
    -------
    tuple of one, or None
        What the node makes; None where torch knows no parts, or one of them cannot be read either.
    """
    if low.depth >= _DEPTH or not isinstance(node.target, torch._ops.OpOverload):
        return None
    if str(node.target).split(".")[1] in _MISTAKEN:
        return None
    leaf_values = [low.resolve(leaf) for leaf in _nodes(node)]
    if any(isinstance(value, ComplexRef) for value in leaf_values):
        return None
    graph = _parts(node, known)
    if graph is None:
        return None
    before, steps = low.on_unsupported, len(low.builder.steps)
    low.on_unsupported, low.depth = "error", low.depth + 1
    try:
        return (_run(low, graph, leaf_values),)
    except UnsupportedOperationError:
        del low.builder.steps[steps:]
        return None
    finally:
        low.on_unsupported, low.depth = before, low.depth - 1


def _nodes(node: fx.Node) -> list[fx.Node]:
    """The nodes of tensors among a node's arguments, each time that one comes up."""
    return [leaf for leaf in leaves((node.args, node.kwargs)) if isinstance(leaf, fx.Node)]


def _parts(node: fx.Node, known: Collection[str]) -> fx.GraphModule | None:
    """The operation's own graph, of a placeholder for each tensor that it is given."""
    from torch.fx.experimental.proxy_tensor import make_fx

    target = _functional(node.target)
    if any(not isinstance(leaf.meta.get("val"), Tensor) and "tensor_meta" not in leaf.meta
           for leaf in _nodes(node)):  # fmt: skip
        return None
    tensors = []
    for leaf in _nodes(node):
        shape, dtype = shape_of(leaf)
        tensors.append(torch.empty(shape, dtype=dtype))

    def whole(*given: Tensor) -> Any:
        left = iter(given)
        return target(*_with(node.args, left), **_with(node.kwargs, left))

    try:
        graph = make_fx(
            torch.func.functionalize(whole, remove="mutations"),
            decomposition_table=_table(target, known),
            tracing_mode="fake",
        )(*tensors)
    except Exception:  # a decomposition raises whatever its code stumbles over
        return None
    calls = [inner for inner in graph.graph.nodes if inner.op == "call_function"]
    lost = any(_writes_elsewhere(inner) for inner in calls)
    return None if lost or any(inner.target is target for inner in calls) else graph


_SHOWING = ("real", "imag", "view_as_real", "as_strided", "diagonal", "copy_to")


def _writes_elsewhere(node: fx.Node) -> bool:
    """Whether a write goes into memory that another value shows in a way that is not followed."""
    if not is_mutable(node):
        return "copy_to" in str(node.target)
    base = viewed(node.args[0])[-1:]
    return not base or any(name in str(base[0].target) for name in _SHOWING)


def _functional(target: Any) -> Any:
    """The operation that gives what another one writes in place."""
    packet = target._schema.name.split("::")[-1]
    if not target._schema.is_mutable or not packet.endswith("_"):
        return target
    plain = getattr(getattr(torch.ops.aten, packet[:-1], None), target._overloadname, None)
    return target if plain is None else plain


def _with(tree: Any, tensors: Any) -> Any:
    if isinstance(tree, fx.Node):
        return next(tensors)
    if isinstance(tree, list | tuple):
        return [_with(item, tensors) for item in tree]
    if isinstance(tree, dict):
        return {key: _with(item, tensors) for key, item in tree.items()}
    return tree


def _table(target: Any, known: Collection[str]) -> dict[Any, Any]:
    from torch._decomp import core_aten_decompositions, global_decomposition_table

    table = {
        operation: function
        for operation, function in core_aten_decompositions().items()
        if not {str(operation), ".".join(str(operation).split(".")[:2])}.intersection(known)
    }
    own = global_decomposition_table["post_autograd"].get(target)
    return table if own is None else {**table, target: own}
