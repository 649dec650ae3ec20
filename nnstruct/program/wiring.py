"""From a program to units and edges: the state that the rules of the steps share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnstruct.program.blocks import Block, identity_edges
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.steps import Program, Step

RESOLUTIONS = ("unit", "weight", "layer")


@dataclass
class Group:
    """Units that one step made.

    Attributes
    ----------
    start, count : int
        They are numbered from ``start`` to ``start + count - 1``.
    step : int
        Place of the step in the program; -1 for an input of the network.
    operator : str
    chain : list of int
        Steps that act on the units' values afterwards.
    labels : list of str
        What those steps are called.
    mixing : bool
        Whether one of them lets units of the group depend on each other (layer normalisation).
    """

    start: int
    count: int
    step: int
    operator: str
    chain: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    mixing: bool = False


Rule = Callable[["Wiring", int, Step], None]
RULES: dict[str, Rule] = {}


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register the function that makes the units and edges of a kind of step.

    Parameters
    ----------
    *kinds : str
        Kinds of steps.

    Returns
    -------
    callable
        A decorator for a function of the wiring, the step's place in the program and the step.
    """

    def register(function: Rule) -> Rule:
        for kind in kinds:
            RULES[kind] = function
        return function

    return register


class Wiring:
    """Units and edge blocks of a program.

    Parameters
    ----------
    program : Program
    resolution : str
        ``unit`` or ``weight``.
    threshold : float
        Values up to this magnitude are no edges.
    """

    def __init__(self, program: Program, resolution: str, threshold: float = 0.0) -> None:
        self.program, self.resolution, self.threshold = program, resolution, threshold
        self.shape = program.shapes()
        self.uses = program.uses()
        self.ids: dict[int, np.ndarray] = {}
        self.open: dict[int, int] = {}  # value -> group, where the value is all that the group gives
        self.groups: list[Group] = []
        self.blocks: list[Block] = []
        self.biases: list[tuple[int, np.ndarray]] = []  # first unit, values [count, b]
        self.silenced: list[np.ndarray] = []
        self.num_units = 0
        self.cells: dict[tuple[str, ...], tuple[int, int, np.ndarray]] = {}  # see recurrent.py
        self.symbols: dict[int, int] = {}  # unit of a discrete input -> its number of symbols
        self.scales: dict[int, Any] = {}  # see scales.py

    # ---- what the rules use

    def constant(self, step: Step, role: str) -> np.ndarray | None:
        """A tensor of a step, if it has one in that role.

        Parameters
        ----------
        step : Step
        role : str
            ``bias``, ``scale`` or another key of ``step.tensors``.

        Returns
        -------
        array or None
        """
        name = step.tensors.get(role)
        return None if name is None else self.program.constants[name]

    def weight(self, step: Step, role: str) -> np.ndarray:
        """A tensor that a step must have.

        Parameters
        ----------
        step : Step
        role : str
            ``weight``, ``weight_ih`` or another key of ``step.tensors``.

        Returns
        -------
        array
        """
        return self.program.constants[step.tensors[role]]

    def new_units(self, index: int, count: int, operator: str) -> int:
        """Make a group of units.

        Parameters
        ----------
        index : int
            Place of the step in the program; -1 for an input of the network.
        count : int
        operator : str
            The name that the units carry.

        Returns
        -------
        int
            The number of the first unit; the others follow it.
        """
        start = self.num_units
        self.groups.append(Group(start, count, index, operator))
        self.num_units += count
        return start

    def give(self, value: int, ids: np.ndarray, *, is_open: bool = True) -> None:
        """Say which units a value belongs to.

        Parameters
        ----------
        value : int
            Its number in the program.
        ids : int64 array
            A unit for each element, of the value's number of axes, with length 1 along axes on which the
            unit does not depend; -1 for constants.
        is_open : bool
            Whether steps after it may join the group that was made last.
        """
        self.ids[value] = ids
        if is_open:
            self.open[value] = len(self.groups) - 1

    def open_group(self, value: int) -> Group | None:
        """The group that a step on a value may join.

        Parameters
        ----------
        value : int
            Its number in the program.

        Returns
        -------
        Group or None
            None where the value is read elsewhere too, or is not all that its group gives.
        """
        if self.uses[value] != 1 or value not in self.open:
            return None
        return self.groups[self.open[value]]

    def own_units(self, index: int, step: Step, value: int, operator: str) -> None:
        """One new unit for each unit of a value, with an edge without parameters from it.

        Parameters
        ----------
        index : int
            Place of the step in the program.
        step : Step
            Its first output is given the new units.
        value : int
            Number of the value that the step reads.
        operator : str
            The name that the units carry.
        """
        ids = self.ids[value]
        old = in_order(ids)
        start = self.new_units(index, len(old), operator)
        table = np.full(self.num_units + 1, NO_UNIT)
        table[old] = start + np.arange(len(old))
        self.blocks.append(identity_edges(index, old, table[old]))
        self.give(step.outputs[0], np.where(ids == NO_UNIT, NO_UNIT, table[ids]))

    def rows(self, value: int) -> tuple[np.ndarray, tuple[int, ...]]:
        """Units along the last axis of a value, a row for each place on the other axes with units of its own.

        Parameters
        ----------
        value : int
            Its number in the program.

        Returns
        -------
        (int64 [P, F], tuple of int)
            The rows, and the sizes of the other axes; their product is P.
        """
        ids = self.ids[value]
        last = self.shape[value][-1]
        carried = ids.shape[:-1]
        return np.broadcast_to(ids, (*carried, last)).reshape(math.prod(carried), last), carried


def in_order(ids: np.ndarray) -> np.ndarray:
    """The units in an array, each once, in the order in which they first appear.

    Parameters
    ----------
    ids : int64 array
        Of units; -1 for constants.

    Returns
    -------
    int64 [U]

    Examples
    --------
    >>> in_order(np.array([[5, 2], [-1, 5]])).tolist()
    [5, 2]
    """
    flat = ids.ravel()
    flat = flat[flat != NO_UNIT]
    if len(flat) < 2 or (flat[1:] > flat[:-1]).all():
        return flat
    unit, first = np.unique(flat, return_index=True)
    return unit[np.argsort(first, kind="stable")]


def numbered(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct codes from 0, in the order in which they first appear.

    Parameters
    ----------
    code : int64 array

    Returns
    -------
    first : int64 [n]
        For each number the flat place where its code first appears.
    number : int64 array
        The number of each element, of the shape of ``code``.

    Examples
    --------
    >>> [found.tolist() for found in numbered(np.array([7, 3, 7]))]
    [[0, 1], [0, 1, 0]]
    """
    _, first, inverse = np.unique(code.ravel(), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.ravel()].reshape(code.shape)


__all__ = ["RESOLUTIONS", "RULES", "Group", "Rule", "Wiring", "compressed", "in_order", "numbered", "rule"]
