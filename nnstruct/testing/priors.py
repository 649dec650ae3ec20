"""The laws that every prior keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from multiprocessing import Pipe
from typing import Any

import networkx as nx
import numpy as np
from pydantic import ValidationError

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.priors import PRIORS, Prior, load_prior
from nnstruct.random import generator
from nnstruct.structure.families import DIRECTED_FAMILIES, FAMILIES
from nnstruct.structure.recurrence import RECURRENCES
from nnstruct.structure.space import Space
from nnstruct.testing.laws import Suite, hold, other_global_state, refused, registered_once

DRAWS = 8
SPACE = Space("mlp", units=(8, 24))
SPACES = (
    Space("mlp", units=(4, 6)),
    Space("mlp", units=(12, 12)),
    Space("rnn_tanh", units=(10, 50), max_edges=80),
    Space("mlp", units=(60, 90)),
)

_SUITE: Suite[type[Prior]] = Suite()


def check_prior(prior: str | type[Prior]) -> None:
    """Hold a registered prior to every law of priors.

    Parameters
    ----------
    prior : str or type
        A name in ``PRIORS``, or the class that is registered.

    Raises
    ------
    AssertionError
        At the first law that is broken; its sentence says which and what was found.

    Examples
    --------
    >>> from nnstruct.testing import check_prior
    >>> check_prior("erdos-renyi")
    """
    _SUITE.run(PRIORS[prior] if isinstance(prior, str) else prior)


def prior_checks() -> list[tuple[str, Callable[[type[Prior]], None]]]:
    """Name and function of each law of priors, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes the prior's class, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.priors import PRIORS
    >>> from nnstruct.testing import prior_checks
    >>> name, check = prior_checks()[0]
    >>> name
    'it_is_registered_under_its_name'
    >>> check(PRIORS["erdos-renyi"])
    """
    return _SUITE.checks()


def drawn(prior: type[Prior], space: Space = SPACE, count: int = DRAWS) -> list[Prior]:
    """Priors of a class with parameters drawn from a space, by seeds.

    Parameters
    ----------
    prior : type
    space : Space
        Raised to the prior's fewest units, and to twice as many where it has none of them.
    count : int

    Returns
    -------
    list of Prior
    """
    if space.units[1] < prior.min_units:
        space = Space(space.family, units=(prior.min_units, 2 * prior.min_units), recurrence=space.recurrence)
    return [prior.draw(space, generator(index, "test", prior.name)) for index in range(count)]


def _label(prior: type[Prior]) -> str:
    return f"The prior {getattr(prior, 'name', prior.__name__)!r}"


@_SUITE.law
def it_is_registered_under_its_name(prior: type[Prior]) -> None:
    """The class is registered in PRIORS under its own name."""
    registered_once(PRIORS, prior, getattr(prior, "name", prior.__name__), _label(prior))


@_SUITE.law
def the_same_seed_gives_the_same_structure(prior: type[Prior]) -> None:
    """Sampling twice with one seed gives equal structures with equal fingerprints."""
    for one in drawn(prior):
        first, again = one.sample(3, family="gru"), one.sample(3, family="gru")
        rule = "give the same structure for the same seed"
        hold(first == again, _label(prior), rule, f"two that differ, from {one!r}")
        hold(first.fingerprint == again.fingerprint, _label(prior), rule, "two fingerprints")


@_SUITE.law
def draw_depends_on_its_generator_alone(prior: type[Prior]) -> None:
    """Parameters depend on the generator, not on global state, and are drawn with breadth."""
    with other_global_state(0):
        first = drawn(prior)
        structures = [one.sample(0, family="mlp") for one in first]
    with other_global_state(1):
        again = drawn(prior)
        others = [one.sample(0, family="mlp") for one in again]
    rule = "draw its parameters from the generator that it is given alone"
    hold(first == again, _label(prior), rule, "others with another global random state")
    rule = "sample by its seed alone"
    hold(structures == others, _label(prior), rule, "another structure with another global random state")
    different = len(set(first))
    rule = f"draw more than {DRAWS // 2} different sets of parameters in {DRAWS}"
    hold(different > DRAWS // 2, _label(prior), rule, str(different))


@_SUITE.law
def different_seeds_give_different_structures(prior: type[Prior]) -> None:
    """Two seeds give two structures, or always the same one where the prior is deterministic."""
    pairs = [(one.sample(0, family="mlp"), one.sample(1, family="mlp")) for one in drawn(prior)]
    differ = sum(first != second for first, second in pairs)
    if prior.deterministic:
        rule = "give one structure for all seeds, being deterministic"
        hold(not differ, _label(prior), rule, "two that differ")
    else:
        rule = "give different structures for different seeds, or say that it is deterministic"
        hold(differ > DRAWS // 2, _label(prior), rule, f"{differ} that differ in {DRAWS} pairs")


@_SUITE.law
def structures_are_connected_acyclic_alive_and_of_the_size_asked_for(prior: type[Prior]) -> None:
    """In every space: acyclic, connected, no dead unit, edges in order, units and edges within bounds."""
    for space in SPACES:
        if space.units[1] < prior.min_units:
            continue
        for seed, one in enumerate(drawn(prior, space)):
            structure = one.sample(seed, family=space.family, recurrence=space.recurrence)
            graph, where = structure.to_networkx(recurrent=False), f"{one!r} in {space}"
            forward = structure.forward_edges
            label, units = _label(prior), structure.num_units
            hold(nx.is_directed_acyclic_graph(graph), label, "give acyclic structures", where)
            hold(nx.is_weakly_connected(graph), label, "give connected structures", where)
            hold(not len(structure.dead_units), label, "give structures without dead units", where)
            rule = "number units so that every edge leads to a later one"
            hold((forward[0] < forward[1]).all(), label, rule, where)
            rule = "give structures of num_units units"
            hold(units == one.num_units, label, rule, f"{units} units from {where}")
            rule = f"draw a number of units in {space.units[0]}..{space.units[1]}"
            hold(space.units[0] <= units <= space.units[1], label, rule, str(units))
            if space.max_edges is not None:
                rule = f"draw parameters with at most {space.max_edges} expected edges"
                hold(one.expected_edges <= space.max_edges, label, rule, f"{one.expected_edges:g}")


@_SUITE.law
def every_family_and_recurrence_is_served(prior: type[Prior]) -> None:
    """The family and its recurrent edges are those asked for; the forward edges hang on neither."""
    one, label = drawn(prior, count=1)[0], _label(prior)
    plain = one.sample(5, family="mlp").forward_edges
    for family in DIRECTED_FAMILIES:
        for recurrence in RECURRENCES:
            structure = one.sample(5, family=family, recurrence=recurrence)
            where = f"family {family!r} and recurrence {recurrence!r}"
            hold(structure.family == family, label, "give the family asked for", structure.family)
            keeps_state = FAMILIES[family].keeps_state
            rule = "give recurrent edges to families that keep a state, and to no other"
            expected = keeps_state and recurrence != "none"
            hold(structure.recurrent.any() == expected, label, rule, where)
            rule = "give the same forward edges in every family and recurrence"
            hold(np.array_equal(structure.forward_edges, plain), label, rule, f"others for {where}")
            if keeps_state and recurrence == "self":
                loops = [list(range(structure.num_units))] * 2
                rule = "give each unit an edge to itself for the recurrence 'self'"
                hold(structure.recurrent_edges.tolist() == loops, label, rule, where)
    undirected = one.sample(5, family="relational")
    rule = "give the same edges, without directions, in the family 'relational'"
    hold(np.array_equal(undirected.graph_edges, plain), label, rule, "others")


@_SUITE.law
def the_origin_draws_the_structure_again(prior: type[Prior]) -> None:
    """The origin, taken through JSON, gives an equal structure with an equal origin."""
    label = _label(prior)
    for seed, one in enumerate(drawn(prior)):
        structure = one.sample(seed, family="lstm", recurrence="random")
        origin = json.loads(json.dumps(dict(structure.origin)))
        rule = "write 'prior', 'parameters' and 'seed' into the origin"
        hold(set(origin) == {"prior", "parameters", "seed"}, label, rule, repr(sorted(origin)))
        again = Prior.from_dict(origin).sample(origin["seed"], family="lstm", recurrence="random")
        rule = "give the same structure again from its origin"
        hold(again == structure, label, rule, f"another, from {one!r}")
        hold(dict(again.origin) == dict(structure.origin), label, rule, "another origin")


@_SUITE.law
def json_and_processes_keep_a_prior(prior: type[Prior]) -> None:
    """A prior equals itself after JSON, after loading by name, and after a way to another process."""
    label = _label(prior)
    for one in drawn(prior):
        again = Prior.from_dict(json.loads(json.dumps(one.to_dict())))
        rule = "be the same after JSON"
        hold(again == one and type(again) is prior, label, rule, repr(again))
        hold(hash(again) == hash(one), label, rule, "another hash")
        loaded = load_prior(prior.name, **one.to_dict()["parameters"])
        hold(loaded == one, label, "be the same when loaded by its name and parameters", repr(loaded))
        hold(_sent(one) == one, label, "be the same after a way to another process", repr(one))


@_SUITE.law
def a_prior_is_frozen(prior: type[Prior]) -> None:
    """No field can be set after construction."""
    one = drawn(prior, count=1)[0]
    for field in type(one).model_fields:
        given = f"another value for {field!r} after construction"
        refused(partial(setattr, one, field, 1), _label(prior), given, ValidationError, "frozen")


@_SUITE.law
def numpy_numbers_are_taken_as_plain_ones(prior: type[Prior]) -> None:
    """Parameters may be numpy numbers and arrays."""
    one = drawn(prior, count=1)[0]
    as_numpy = {
        key: value if isinstance(value, str) else np.asarray(value)[()]
        for key, value in one.model_dump().items()
    }
    again = prior(**as_numpy)
    hold(again == one, _label(prior), "take numpy numbers as plain ones", f"{again!r}, not {one!r}")


@_SUITE.law
def each_parameter_of_a_wrong_type_is_named(prior: type[Prior]) -> None:
    """A wrong value is refused in one sentence with the field, the rule and the value."""
    parameters, label = drawn(prior, count=1)[0].model_dump(), _label(prior)
    for field in parameters:
        for wrong in ("three", None, float("nan"), {"a": 1}):
            caught = refused(
                partial(load_prior, prior.name, **{**parameters, field: wrong}),
                label, f"{field}={wrong!r}", InvalidInputError, rf"^{field}\b.* must be .*, got ",
            )  # fmt: skip
            same = caught.value is wrong or caught.value == wrong
            hold(same, label, f"name the value of {field} that it refuses, {wrong!r}", repr(caught.value))
            hold("pydantic" not in str(caught), label, "refuse values in words of its own", str(caught))


@_SUITE.law
def parameters_that_are_missing_or_unknown_are_named(prior: type[Prior]) -> None:
    """A parameter too many or too few is refused by name; at least one is required."""
    parameters, label = drawn(prior, count=1)[0].model_dump(), _label(prior)
    refused(
        lambda: prior(**parameters, colour="red"),
        label, "a parameter that it does not have", InvalidInputError,
        r"parameters must be among .*, got 'colour'",
    )  # fmt: skip
    required = [field for field, info in prior.model_fields.items() if info.is_required()]
    hold(required, label, "have a parameter that must be given")
    for field in required:
        rest = {key: value for key, value in parameters.items() if key != field}
        refused(
            partial(prior, **rest),
            label, f"parameters without {field!r}", InvalidInputError, rf"^{field} must be given",
        )  # fmt: skip


@_SUITE.law
def bad_arguments_of_sample_are_named(prior: type[Prior]) -> None:
    """Seeds, families and recurrences that are none are refused by name."""
    one, label = drawn(prior, count=1)[0], _label(prior)
    seeds: tuple[Any, ...] = (-1, 0.5, True, "0")
    for seed in seeds:
        refused(
            partial(one.sample, seed, family="mlp"),
            label, f"seed={seed!r}", InvalidInputError, "seed must be a non-negative integer",
        )  # fmt: skip
    refused(
        lambda: one.sample(0, family="rnn_tan"),
        label, "family='rnn_tan'", UnknownNameError,
        r"family must be one of .*, got 'rnn_tan'.*'rnn_tanh'",
    )  # fmt: skip
    for family in ("mlp", "gru"):
        refused(
            partial(one.sample, 0, family=family, recurrence="layers"),
            label, "recurrence='layers'", UnknownNameError, r"recurrence must be one of .*, got 'layers'",
        )  # fmt: skip


@_SUITE.law
def a_space_without_room_is_an_error(prior: type[Prior]) -> None:
    """A space with fewer units than min_units is refused; one with just as many is served."""
    label, fewest = _label(prior), prior.min_units
    if fewest > 2:
        small = Space("mlp", units=(2, fewest - 1))
        refused(
            lambda: prior.draw(small, generator(0)),
            label, f"a space without room, {small}", InvalidInputError,
            f"leave room for the prior '{prior.name}'",
        )  # fmt: skip
    most = max(3, fewest)
    smallest = prior.draw(Space("mlp", units=(2, most)), generator(0))
    units = smallest.sample(0, family="mlp").num_units
    hold(units == smallest.num_units <= most, label, f"fit into {most} units", str(units))


def _sent(value: Any) -> Any:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        sender.send(value)
        return receiver.recv()
