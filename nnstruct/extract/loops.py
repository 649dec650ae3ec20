"""Cells that a module steps over time: the same operations on the same weights, turn after turn."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, fx

from nnstruct.extract.aten_graph import leaves
from nnstruct.extract.capture import Captured

# Views whose numbers say which time step is read.
_READING = frozenset({"select", "slice", "narrow", "getitem", "unbind", "split", "chunk", "index_select"})
_MAKING = frozenset(
    {
        "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full",
        "new_empty", "rand_like", "randn_like",
    }
)  # fmt: skip
_MOST_TRIES = 40
_ONE_STEP = (
    "The module takes the one step of an axis of length 1. If that is time, give an example of two steps or "
    "more: a cell that is written by hand shows its recurrent edges where it takes a second step only."
)


@dataclass
class Loops:
    """Which nodes of a graph are repetitions of others.

    Attributes
    ----------
    turns : dict of fx.Node to (int, tuple of int)
        What a node has in common with its repetitions, then loops and turns, the outermost first.
    carried : dict of fx.Node to set of fx.Node
        For nodes of the first turn, what they read as the state before it.
    """

    turns: dict[fx.Node, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    carried: dict[fx.Node, set[fx.Node]] = field(default_factory=dict)


def find_loops(captured: Captured) -> Loops:
    """The loops over time in a graph.

    A loop repeats its operations at least twice, on the same weights. Each turn reads another part of a
    value from outside, and what the turn before it has made. Loops inside of it need no such reading, nor do
    those of a module that takes the one step of a sequence of length 1.

    Parameters
    ----------
    captured : Captured

    Returns
    -------
    Loops
        Empty where there is none.
    """
    nodes = [node for node in captured.graph.nodes if _counts(node)]
    search = _Search(captured, nodes)
    search.between(0, len(nodes), (), outer=True)
    if not search.found.turns and any(_is_single_step(captured, node) for node in nodes):
        search.between(0, len(nodes), (), outer=False)
        if not search.found.turns:
            warnings.warn(_ONE_STEP, stacklevel=4)
    return search.found


def _is_single_step(captured: Captured, node: fx.Node) -> bool:
    """Whether a node takes the only time step of an input, as a loop over a sequence of one does."""
    if _name(node) not in ("select", "unbind") or node.args[0] not in captured.inputs:
        return False
    shape = captured.given[node.args[0]].shape  # type: ignore[index]
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return isinstance(axis, int) and len(shape) == 3 and axis % len(shape) < 2 and shape[axis] == 1


def _name(node: fx.Node) -> str:
    text = str(node.target)
    return text.split(".")[1] if text.startswith("aten.") else str(getattr(node.target, "__name__", text))


def _counts(node: fx.Node) -> bool:
    if node.op != "call_function" or not node.all_input_nodes or _name(node) in _MAKING:
        return False
    return "_assert" not in str(node.target) and "sym_" not in str(node.target)


class _Search:
    def __init__(self, captured: Captured, nodes: list[fx.Node]) -> None:
        self.captured, self.nodes = captured, nodes
        self.place = {node: at for at, node in enumerate(nodes)}
        self.moving = set(captured.inputs)  # what depends on an input, as states do and masked weights do not
        for node in captured.graph.nodes:
            if self.moving.intersection(node.all_input_nodes):
                self.moving.add(node)
        codes: dict[Any, int] = {}
        self.codes = np.array([codes.setdefault(self._token(node), len(codes)) for node in nodes], dtype=int)
        self.found = Loops()
        self.loops = 0

    def _token(self, node: fx.Node) -> Any:
        reading = _name(node) in _READING

        def part(value: Any) -> Any:
            if isinstance(value, fx.Node):
                known = self.captured.known.get(value)
                if known is not None:
                    return ("constant", id(known) if isinstance(known, Tensor) else str(known))
                return ("value",)
            if isinstance(value, list | tuple):
                return tuple(part(item) for item in value)
            return ("place",) if reading and isinstance(value, int) else repr(value)

        named = tuple((name, part(value)) for name, value in sorted(node.kwargs.items()))
        return (str(node.target), part(node.args), named)

    def between(self, start: int, stop: int, turns: tuple[int, ...], *, outer: bool) -> None:
        """Search the nodes from ``start`` to ``stop``, and those beside what is found."""
        for period, first, end in self._candidates(start, stop):
            carried = self._carried(period, first, end, outer)
            if carried is None:
                continue
            for node, states in carried.items():
                self.found.carried.setdefault(node, set()).update(states)
            self.loops += 1
            loop = self.loops
            for at in range(first, end):
                turn, position = divmod(at - first, period)
                self.found.turns[self.nodes[at]] = (first + position, (*turns, loop, turn))
            if outer:
                self._inside(first, end, period)
            self.between(start, first, turns, outer=outer)
            self.between(end, stop, turns, outer=outer)
            return

    def _inside(self, first: int, end: int, period: int) -> None:
        """Loops inside one turn are loops inside each."""
        inner = _Search.__new__(_Search)
        inner.__dict__.update(self.__dict__ | {"found": Loops()})
        inner.between(first, first + period, (), outer=False)
        self.loops = inner.loops
        for node, states in inner.found.carried.items():
            self.found.carried.setdefault(node, set()).update(states)
        for node, (key, turns) in inner.found.turns.items():
            for at in range(self.place[node], end, period):
                _, outside = self.found.turns[self.nodes[at]]
                self.found.turns[self.nodes[at]] = (key, (*outside, *turns))

    def _candidates(self, start: int, stop: int) -> Iterable[tuple[int, int, int]]:
        """Period, start and end of what repeats itself, the longest first."""
        codes, found = self.codes[start:stop], []
        for period in range(2, len(codes) // 2 + 1):
            same = codes[:-period] == codes[period:]
            edge = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
            for first, last in edge.reshape(-1, 2).tolist():
                if last - first >= period:
                    found.append((-(last - first + period), period, start + first, start + last + period))
        return [(period, first, end) for _, period, first, end in sorted(found)[:_MOST_TRIES]]

    def _carried(self, period: int, first: int, end: int, outer: bool) -> dict[fx.Node, set[fx.Node]] | None:
        """What the first turn reads in place of a turn before it; None where this is no loop."""
        carried: dict[fx.Node, set[fx.Node]] = {}
        weights = reads = state = False
        for at in range(first + period, end):
            node, before = self.nodes[at], self.nodes[at - period]
            turn = (at - first) // period
            now, then = (
                [leaf for leaf in leaves((one.args, one.kwargs)) if isinstance(leaf, fx.Node)]
                for one in (node, before)
            )
            for one, other in zip(now, then, strict=True):
                here, there = self._turn(one, first, end, period), self._turn(other, first, end, period)
                if here is None:
                    other_place = _reads_elsewhere(one, other)
                    if there is not None or not (one is other or other_place or self._alike(one, other)):
                        return None
                    known = self.captured.known.get(one)
                    weights |= isinstance(known, Tensor) and known.is_floating_point() and known.dim() > 0
                    reads |= other_place or (known is None and _reads_elsewhere(node, before))
                elif there is None:
                    if turn != 1 or here[0] != 0:
                        return None
                    if one in self.moving:
                        state = True
                        carried.setdefault(before, set()).add(other)
                else:
                    if (here[0] - 1, here[1]) != there:
                        return None
                    state |= here[0] < turn and one in self.moving
        fits = weights and state and (reads or not outer)
        return carried if fits else None

    def _turn(self, node: fx.Node, first: int, end: int, period: int) -> tuple[int, int] | None:
        at = self.place.get(node, -1)
        return divmod(at - first, period) if first <= at < end else None

    def _alike(self, one: fx.Node, other: fx.Node) -> bool:
        """Whether two nodes are the same constant, or constants that are made anew."""
        known = [self.captured.known.get(node) for node in (one, other)]
        if known[0] is not None and known[0] is known[1]:
            return True
        return all(node.op == "call_function" and not _counts(node) for node in (one, other))


def _reads_elsewhere(one: fx.Node, other: fx.Node) -> bool:
    """Whether two nodes show different places of one value."""
    return (
        one.op == other.op == "call_function"
        and one.target is other.target
        and _name(one) in _READING
        and one.args[:1] == other.args[:1]
        and one.args != other.args
    )
