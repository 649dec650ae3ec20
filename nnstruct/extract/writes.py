"""Writes into a part of a value: the value is put together anew around what was written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from nnstruct.extract.aten_graph import Ref, is_view, shape_of, viewed
from nnstruct.program import UnsupportedOperationError

_RESHAPES = frozenset(
    {"view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "_unsafe_view", "alias", "detach"}
)


def write_back(low: Any, target: fx.Node, value: Any) -> None:
    """Let a write show wherever the memory that it wrote into is read afterwards.

    Parameters
    ----------
    low : nnstruct.extract.lowering.Lowering
        Its ``env`` is changed.
    target : fx.Node
        What was written: a value, or a view of one.
    value : Ref or Tensor
        What it holds now.

    Raises
    ------
    UnsupportedOperationError
        If the value cannot be put together around this view.
    """
    chain = viewed(target)
    before = {node: low.env[node] for node in chain}
    low.env[target] = value
    for view, parent in pairwise(chain):
        value = _around(low, view, before[parent], value)
        low.env[parent] = value
    base = chain[-1]
    for node in low.captured.graph.nodes:
        if node is low.node:
            break
        if node in low.env and node not in chain and is_view(node) and viewed(node)[-1] is base:
            low.env[node] = _seen_again(low, node)


def _seen_again(low: Any, node: fx.Node) -> Any:
    outer, low.node = low.node, node
    try:
        return low.call(node)
    finally:
        low.node = outer


def _around(low: Any, view: fx.Node, parent: Any, part: Any) -> Any:
    """A value with another part where a view shows it."""
    if isinstance(parent, Tensor) and isinstance(part, Tensor):
        return _constant_around(view, parent, part, low)
    name = str(view.target).split(".")[1]
    shape = low.shape(parent)
    args = low.resolve(view.args[1:])
    b = low.builder
    own = b.expand(low.ref(part), shape_of(view)[0])
    if name in _RESHAPES:
        return Ref(b.reshape(own, shape))
    if name in ("permute", "transpose", "t", "mT"):
        order = _order(name, len(shape), args)
        return Ref(b.permute(own, np.argsort(order).tolist()))
    if name in ("select", "slice", "narrow"):
        index = _places(view, name, shape, args)
        axis = int(args[0] if args else 0) % len(shape)
        if name == "select":
            sizes = list(shape)
            sizes[axis] = 1
            own = b.reshape(own, sizes)
        return Ref(_put_in(low, low.ref(parent), own, axis, index))
    raise UnsupportedOperationError(
        str(low.node.target), b.where, f"write into a view that {name} cannot make"
    )


def _constant_around(view: fx.Node, parent: Tensor, part: Tensor, low: Any) -> Tensor:
    made = parent.clone()
    args, kwargs = low.resolve(view.args[1:]), low.resolve(view.kwargs)
    view.target(made, *args, **kwargs).copy_(part)  # type: ignore[operator]
    return low.hold(made, low.names.get(id(parent), ""))


def _order(name: str, ndim: int, args: Any) -> list[int]:
    if name == "permute":
        return [int(d) % ndim for d in args[0]]
    order = list(range(ndim))
    if ndim > 1:
        first, second = (int(d) % ndim for d in (args if name == "transpose" else (ndim - 2, ndim - 1)))
        order[first], order[second] = order[second], order[first]
    return order


def _places(view: fx.Node, name: str, shape: tuple[int, ...], args: Any) -> list[int]:
    axis = int(args[0] if args else 0) % len(shape)
    places = torch.arange(shape[axis])
    if name == "select":
        return [int(places[args[1]])]
    if name == "narrow":
        return places.narrow(0, args[1], args[2]).tolist()
    start, stop, step = (*args[1:], None, None, None)[:3]
    return places[slice(start, stop, step)].tolist()


def _put_in(low: Any, parent: int, part: int, axis: int, index: list[int]) -> int:
    b = low.builder
    length = b.shape[parent][axis]
    if not index:
        return parent
    if index == list(range(index[0], index[-1] + 1)):
        sides = [(0, index[0]), (index[-1] + 1, length)]
        before, after = ([b.cut(parent, axis, *ends)] if ends[1] > ends[0] else [] for ends in sides)
        values = [*before, part, *after]
        return values[0] if len(values) == 1 else b.concat(values, axis)
    order = np.arange(length)
    order[index] = length + np.arange(len(index))
    both = b.concat([parent, part], axis)
    return b.one("take", [both], b.shape[parent], options={"axis": axis, "indices": order.tolist()})
