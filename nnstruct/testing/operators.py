"""The laws that every genetic operator keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import networkx as nx
import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.random import generator
from nnstruct.search import OPERATORS, Operator
from nnstruct.structure import Structure
from nnstruct.structure.recurrence import RECURRENCES, recurrent_edges
from nnstruct.structure.recurrence_rule import rule_of
from nnstruct.structure.space import SPACE_ATTRIBUTES, Space
from nnstruct.structure.units import UNIT_ACTIVATIONS
from nnstruct.testing.laws import Suite, hold, other_global_state, refused, registered_once
from nnstruct.testing.structures import any_structure

MATINGS = 80
FAMILIES = ("mlp", "rnn_tanh")
_NEURONS = (Space("mlp", activations=UNIT_ACTIVATIONS), Space("rnn_tanh"))
_CELLS = Space("cnn", units=(2, 9), channels=(2, 6), stages=3)
_CONVOLUTIONS = Space("cnn", units=(2, 9), channels=(2, 6), stages=3, operators=("conv1x1", "conv3x3"))

_SUITE: Suite[Operator] = Suite()


def check_operator(operator: str | Operator) -> None:
    """Hold a registered genetic operator to every law of operators.

    It is applied to 80 matings: parents of any shape, connected or not, in spaces wide and narrow.

    Parameters
    ----------
    operator : str or Operator
        A name in ``OPERATORS``, or the operator that is registered.

    Raises
    ------
    AssertionError
        At the first law that is broken; its sentence says which and what was found.

    Examples
    --------
    >>> from nnstruct.testing import check_operator
    >>> check_operator("rewire_edge")
    """
    _SUITE.run(OPERATORS[operator] if isinstance(operator, str) else operator)


def operator_checks() -> list[tuple[str, Callable[[Operator], None]]]:
    """Name and function of each law of operators, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes an Operator, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.search import OPERATORS
    >>> from nnstruct.testing import operator_checks
    >>> name, check = operator_checks()[0]
    >>> name
    'it_is_registered_under_its_name'
    >>> check(OPERATORS["add_edge"])
    """
    return _SUITE.checks()


@dataclass(frozen=True)
class Mating:
    """What an operator is applied to.

    Parameters
    ----------
    parents : list of Structure
    space : Space
    seed : int
        Of the generator that the operator is given.
    """

    parents: list[Structure]
    space: Space
    seed: int

    def child(self, operator: Operator) -> Structure | None:
        """What an operator makes of it.

        Parameters
        ----------
        operator : Operator

        Returns
        -------
        Structure or None
        """
        return operator(self.parents, np.random.default_rng(self.seed), self.space)

    def __str__(self) -> str:
        edges = [parent.forward_edges.T.tolist() for parent in self.parents]
        return f"parents with the edges {edges} in {self.space} and seed {self.seed}"


@lru_cache(maxsize=16)
def matings(operator: Operator) -> list[Mating]:
    """Parents, a space and a seed for an operator, small ones first.

    Parameters
    ----------
    operator : Operator

    Returns
    -------
    list of Mating
    """
    found = []
    for index in range(MATINGS):
        rng = generator(index, "testing", "mating", operator.name)
        family = str(rng.choice(FAMILIES))
        most = min(8, 3 + index // 6)
        parents = [any_structure(rng, family, min_units=2, max_units=most) for _ in range(operator.arity)]
        fewest = int(rng.integers(2, 7))
        bounded = rng.random() < 0.5
        space = Space(
            family,
            units=(fewest, int(rng.integers(fewest, 10))),
            max_edges=int(rng.integers(fewest - 1, 21)) if bounded else None,
            recurrence=str(rng.choice(sorted(RECURRENCES))),
            activations=UNIT_ACTIVATIONS if family == "mlp" and rng.random() < 0.3 else (),
        )
        if not any(operator.applies_to(other) for other in _NEURONS):
            space, parents = _elsewhere(operator, parents, rng)
        found.append(Mating(parents, space, int(rng.integers(10**6))))
    return found


def _elsewhere(
    operator: Operator, parents: list[Structure], rng: np.random.Generator
) -> tuple[Space, list[Structure]]:
    """A space that an operator applies to where it applies to no plain one, and parents in it."""
    for space in (_CELLS, _CONVOLUTIONS):
        if operator.applies_to(space):
            return space, [_of_cells(parent, rng) for parent in parents]
    rules = tuple(str(rule) for rule in rng.permutation(sorted(RECURRENCES))[:3])
    plain = [Structure(p.forward_edges, p.num_units, family="rnn_tanh") for p in parents]
    seed = int(rng.integers(10**6))
    given = [parent.with_recurrence(rules[0], seed=seed) for parent in plain]
    return Space("rnn_tanh", units=(2, 9), recurrences=rules), given


def _of_cells(structure: Structure, rng: np.random.Generator) -> Structure:
    """The same graph of cells in the first stage, with channels."""
    return Structure(
        structure.forward_edges,
        structure.num_units,
        family="cnn",
        attributes={
            "channels": rng.integers(2, 7, structure.num_units).tolist(),
            "stage": (0,) * structure.num_units,
        },
    )


def connected(structure: Structure) -> bool:
    """Whether all units hang together by forward edges.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool
    """
    graph = nx.Graph(structure.forward_edges.T.tolist())
    graph.add_nodes_from(range(structure.num_units))
    return nx.is_connected(graph)


def _label(operator: Operator) -> str:
    return f"The operator {operator.name!r}"


@lru_cache(maxsize=16)
def _children(operator: Operator) -> list[tuple[Mating, Structure]]:
    bred = ((mating, mating.child(operator)) for mating in matings(operator))
    return [(mating, child) for mating, child in bred if child is not None]


@_SUITE.law
def it_is_registered_under_its_name(operator: Operator) -> None:
    """The operator is registered in OPERATORS under its own name."""
    registered_once(OPERATORS, operator, operator.name, _label(operator))


@_SUITE.law
def it_makes_offspring_where_there_is_room(operator: Operator) -> None:
    """It does not give None always."""
    rule = f"make offspring in some of {MATINGS} matings"
    hold(_children(operator), _label(operator), rule, "none")


@_SUITE.law
def parents_stay_as_they_are(operator: Operator) -> None:
    """No parent is changed, whether there is offspring or not."""
    for mating in matings.__wrapped__(operator):
        before = [parent.relabel(range(parent.num_units)) for parent in mating.parents]
        mating.child(operator)
        hold(mating.parents == before, _label(operator), "leave its parents as they are", str(mating))


@_SUITE.law
def offspring_lies_in_the_space(operator: Operator) -> None:
    """Offspring breaks no bound of the space, is connected, and has no dead unit."""
    label = _label(operator)
    for mating, child in _children(operator):
        violation = mating.space.violation(child)
        hold(violation is None, label, "stay inside the space", f"{violation}, from {mating}")
        hold(connected(child), label, "make offspring that hangs together", str(mating))
        hold(len(child.dead_units) == 0, label, "make offspring without dead units", str(mating))


@_SUITE.law
def sources_are_inputs_and_sinks_are_outputs(operator: Operator) -> None:
    """A unit without an incoming edge sees the input, one without an outgoing edge is read out."""
    for mating, child in _children(operator):
        sources = ~np.isin(np.arange(child.num_units), child.forward_edges[1])
        sinks = ~np.isin(np.arange(child.num_units), child.forward_edges[0])
        rule = "make inputs of units without incoming edges"
        hold(child.inputs[sources].all(), _label(operator), rule, str(mating))
        rule = "make outputs of units without outgoing edges"
        hold(child.outputs[sinks].all(), _label(operator), rule, str(mating))


@_SUITE.law
def the_origin_names_operator_and_parents(operator: Operator) -> None:
    """The origin holds the operator's name and the parents' fingerprints."""
    for mating, child in _children(operator):
        named = child.origin.get("operator")
        hold(named == operator.name, _label(operator), "write its name into the origin", repr(named))
        found, expected = child.origin.get("parents"), [parent.fingerprint for parent in mating.parents]
        rule = "write the parents' fingerprints into the origin"
        hold(found == expected, _label(operator), rule, repr(found))


def _values_of(space: Space, field: str) -> set[object]:
    """The values of an attribute that a space has a say in allows."""
    if field == "stages":
        return set(range(space.stages))
    if field == "channels" and space.channels is not None:
        return set(range(space.channels[0], (space.channels[1] << (space.stages - 1)) + 1))
    return set(getattr(space, field))


@_SUITE.law
def attributes_come_from_parents_or_from_the_space(operator: Operator) -> None:
    """Each attribute that all parents have, and no value that neither a parent nor the space has."""
    label = _label(operator)
    for mating, child in _children(operator):
        allowed = {
            attribute: _values_of(mating.space, field)
            for field, attribute in SPACE_ATTRIBUTES.items()
            if field in mating.space.set_attributes
        }
        common = set.intersection(*(set(parent.attributes) for parent in mating.parents))
        rule = "keep the attributes that all parents have, and add none but those of the space"
        right = common <= set(child.attributes) <= common | set(allowed)
        hold(right, label, rule, f"{sorted(child.attributes)} from {sorted(common)}")
        for attribute, values in child.attributes.items():
            theirs = {value for p in mating.parents for value in p.attributes.get(attribute, ())}
            strange = set(values) - theirs - allowed.get(attribute, set())
            rule = f"take each {attribute} from a parent or the space"
            hold(not strange, label, rule, f"{strange}, from {mating}")


@_SUITE.law
def recurrent_edges_are_those_of_the_space(operator: Operator) -> None:
    """Made anew by a recurrence of the space; none in a family without a state."""
    for mating, child in _children(operator):
        space, label = mating.space, _label(operator)
        if space.family in ("mlp", "cnn"):
            rule = "give no recurrent edge to a family without a state"
            hold(not child.recurrent.any(), label, rule, str(mating))
        elif space.recurrences:
            rule = "make recurrent edges anew by a recurrence of the space"
            hold(rule_of(child, space.recurrences) is not None, label, rule, str(mating))
        elif space.recurrence != "random":
            expected = recurrent_edges(space.recurrence, child.forward_edges, child.layer)
            right = sorted(expected.T.tolist()) == sorted(child.recurrent_edges.T.tolist())
            hold(right, label, "make recurrent edges anew by the space's recurrence", str(mating))


@_SUITE.law
def the_same_generator_gives_the_same_offspring(operator: Operator) -> None:
    """Two generators of one seed give equal offspring with equal origins, whatever the global state."""
    rule = "make the same offspring from the same generator"
    for mating in matings(operator):
        with other_global_state(0):
            first = mating.child(operator)
        with other_global_state(1):
            again = mating.child(operator)
        hold(first == again, _label(operator), rule, str(mating))
        same = first is None or again is None or dict(first.origin) == dict(again.origin)
        hold(same, _label(operator), rule, f"two origins, from {mating}")


@_SUITE.law
def another_number_of_parents_is_refused(operator: Operator) -> None:
    """One parent too many, or too few, is an error that names the number."""
    parent, wrong = Structure.from_layers([2, 2]), operator.arity + 1
    refused(
        lambda: operator([parent] * wrong, np.random.default_rng(0), Space("mlp", units=(2, 9))),
        _label(operator), f"{wrong} parents", InvalidInputError,
        f"parents must be {operator.arity} for '{operator.name}', got {wrong}",
    )  # fmt: skip
