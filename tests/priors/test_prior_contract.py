"""What every registered prior keeps; a new prior is covered by being registered."""

from __future__ import annotations

import json
import pickle

import networkx as nx
import numpy as np
import pytest
from pydantic import ValidationError

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.priors import PRIORS, Prior, load_prior
from nnstruct.random import generator
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.structure.space import Space

DRAWS = 8
SPACE = Space("mlp", units=(8, 24))

every_prior = pytest.mark.parametrize("name", list(PRIORS))


def drawn(name: str, space: Space = SPACE, count: int = DRAWS) -> list[Prior]:
    return [PRIORS[name].draw(space, generator(index, "test", name)) for index in range(count)]


def test_the_sixteen_priors_are_registered():
    assert list(PRIORS) == [
        "auto-compressing",
        "barabasi-albert",
        "dense-layered",
        "dense-net",
        "discretised-ode",
        "erdos-renyi",
        "ladder",
        "newman-watts-strogatz",
        "power-law-configuration",
        "random-geometric",
        "random-layered",
        "residual-chain",
        "resnet",
        "small-world-cells",
        "stochastic-block",
        "watts-strogatz",
    ]


@every_prior
def test_the_class_carries_its_registered_name(name):
    assert PRIORS[name].name == name


@every_prior
def test_the_same_seed_gives_the_same_structure(name):
    for prior in drawn(name):
        first = prior.sample(3, family="gru")
        assert first == prior.sample(3, family="gru")
        assert first.fingerprint == prior.sample(3, family="gru").fingerprint


@every_prior
def test_draw_depends_on_its_generator_alone(name):
    np.random.seed(0)  # noqa: NPY002
    first = drawn(name)
    np.random.seed(1)  # noqa: NPY002
    assert first == drawn(name)
    assert len(set(first)) > DRAWS // 2


@every_prior
def test_different_seeds_give_different_structures(name):
    if PRIORS[name].deterministic:
        for prior in drawn(name):
            assert prior.sample(0, family="mlp") == prior.sample(1, family="mlp")
        return
    differ = [prior.sample(0, family="mlp") != prior.sample(1, family="mlp") for prior in drawn(name)]
    assert sum(differ) > DRAWS // 2


@every_prior
@pytest.mark.parametrize(
    "space",
    [
        Space("mlp", units=(4, 6)),
        Space("mlp", units=(12, 12)),
        Space("rnn_tanh", units=(10, 50), max_edges=80),
        Space("mlp", units=(60, 90)),
    ],
    ids=str,
)
def test_structures_are_connected_acyclic_alive_and_of_the_size_asked_for(name, space):
    for seed, prior in enumerate(drawn(name, space)):
        structure = prior.sample(seed, family=space.family, recurrence=space.recurrence)
        graph = structure.to_networkx(recurrent=False)
        assert nx.is_directed_acyclic_graph(graph)
        assert nx.is_weakly_connected(graph)
        assert not len(structure.dead_units)
        assert (structure.forward_edges[0] < structure.forward_edges[1]).all()
        assert structure.num_units == prior.num_units
        assert space.units[0] <= structure.num_units <= space.units[1]
        if space.max_edges is not None:
            assert prior.expected_edges <= space.max_edges


@every_prior
@pytest.mark.parametrize("family", ["mlp", "cnn", "module", *RNN_FAMILIES])
@pytest.mark.parametrize("recurrence", ["layer", "self", "reverse", "random", "none"])
def test_every_family_and_recurrence(name, family, recurrence):
    prior = drawn(name, count=1)[0]
    structure = prior.sample(5, family=family, recurrence=recurrence)
    assert structure.family == family
    keeps_state = family in RNN_FAMILIES
    assert structure.recurrent.any() == (keeps_state and recurrence != "none")
    assert np.array_equal(structure.forward_edges, prior.sample(5, family="mlp").forward_edges)
    if keeps_state and recurrence == "self":
        assert structure.recurrent_edges.tolist() == [list(range(structure.num_units))] * 2


@every_prior
def test_the_origin_draws_the_structure_again(name):
    for seed, prior in enumerate(drawn(name)):
        structure = prior.sample(seed, family="lstm", recurrence="random")
        origin = json.loads(json.dumps(dict(structure.origin)))
        assert set(origin) == {"prior", "parameters", "seed"}
        again = Prior.from_dict(origin).sample(origin["seed"], family="lstm", recurrence="random")
        assert again == structure
        assert dict(again.origin) == dict(structure.origin)


@every_prior
def test_json_and_pickle_keep_a_prior(name):
    for prior in drawn(name):
        again = Prior.from_dict(json.loads(json.dumps(prior.to_dict())))
        assert again == prior
        assert type(again) is PRIORS[name]
        assert hash(again) == hash(prior)
        assert load_prior(name, **prior.to_dict()["parameters"]) == prior
        assert pickle.loads(pickle.dumps(prior)) == prior


@every_prior
def test_a_prior_is_frozen(name):
    prior = drawn(name, count=1)[0]
    field = next(iter(type(prior).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(prior, field, 1)


@every_prior
def test_numpy_numbers_are_taken_as_plain_ones(name):
    prior = drawn(name, count=1)[0]
    parameters = prior.model_dump()
    as_numpy = {
        key: value if isinstance(value, str) else np.asarray(value)[()] for key, value in parameters.items()
    }
    assert type(prior)(**as_numpy) == prior


@every_prior
def test_each_parameter_of_a_wrong_type_is_named(name):
    parameters = drawn(name, count=1)[0].model_dump()
    for field in parameters:
        for wrong in ("three", None, float("nan"), {"a": 1}):
            with pytest.raises(InvalidInputError, match=rf"^{field}\b.* must be .*, got ") as caught:
                load_prior(name, **(parameters | {field: wrong}))
            assert caught.value.value is wrong or caught.value.value == wrong
            assert "pydantic" not in str(caught.value)


@every_prior
def test_parameters_that_are_missing_or_unknown_are_named(name):
    prior = PRIORS[name]
    parameters = drawn(name, count=1)[0].model_dump()
    with pytest.raises(InvalidInputError, match=r"parameters must be among .*, got 'colour'"):
        prior(**parameters, colour="red")
    required = [field for field, info in prior.model_fields.items() if info.is_required()]
    assert required
    for field in required:
        rest = {key: value for key, value in parameters.items() if key != field}
        with pytest.raises(InvalidInputError, match=rf"^{field} must be given"):
            prior(**rest)


@every_prior
def test_bad_arguments_of_sample_are_named(name):
    prior = drawn(name, count=1)[0]
    for seed in (-1, 0.5, True, "0"):
        with pytest.raises(InvalidInputError, match="seed must be a non-negative integer"):
            prior.sample(seed, family="mlp")
    with pytest.raises(UnknownNameError, match=r"family must be one of .*, got 'rnn_tan'.*'rnn_tanh'"):
        prior.sample(0, family="rnn_tan")
    for family in ("mlp", "gru"):
        with pytest.raises(UnknownNameError, match=r"recurrence must be one of .*, got 'layers'"):
            prior.sample(0, family=family, recurrence="layers")


@every_prior
def test_a_space_without_room_is_an_error(name):
    if PRIORS[name].min_units > 2:
        with pytest.raises(InvalidInputError, match=f"leave room for the prior '{name}'"):
            PRIORS[name].draw(Space("mlp", units=(2, 2)), generator(0))
    smallest = PRIORS[name].draw(Space("mlp", units=(2, 3)), generator(0))
    assert smallest.sample(0, family="mlp").num_units == smallest.num_units <= 3


def test_an_unknown_name_is_an_error_that_names_what_is_near():
    with pytest.raises(UnknownNameError, match=r"prior must be one of .*Did you mean 'erdos-renyi'\?"):
        load_prior("erdos-reny", units=5, p=0.5)
    with pytest.raises(UnknownNameError, match="got 'grid'"):
        Prior.from_dict({"prior": "grid", "parameters": {}})


def test_data_of_another_kind_is_an_error():
    with pytest.raises(InvalidInputError, match="a prior's data must hold 'prior' and 'parameters'"):
        Prior.from_dict({"kind": "networkx"})
    with pytest.raises(InvalidInputError, match="a prior's data must hold"):
        Prior.from_dict({"prior": "erdos-renyi", "parameters": {"units": 5, "p": 0.5}, "version": 2})
