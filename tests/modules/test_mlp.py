"""Multilayer perceptrons on graphs against their definition, written out unit by unit."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import structures

from nnstruct import Network, Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import (
    MaskedMLP,
    build_module,
    initial_parameters,
    module_from_network,
    parameter_shapes,
)
from nnstruct.modules.parameters import check_trainable, count_parameters
from nnstruct.tasks import Task

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
TASK = Task.from_arrays("vectors", X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 1))
IMAGES = Task.from_arrays("images", X.reshape(60, 1, 5), (X[:, 0] > 0).astype(int))
LAYER = TrainConfig(normalization="layer")
CONFIGS = (TrainConfig(), LAYER)


@st.composite
def perceptrons(draw, **options):
    """Any acyclic graph with any flags, and now and then an activation of its own for each unit."""
    structure = draw(structures(("mlp",), attributes=False, **options))
    if draw(st.booleans()):
        return structure
    names = st.sampled_from(["relu", "tanh", "gelu"])
    drawn = draw(st.lists(names, min_size=structure.num_units, max_size=structure.num_units))
    return replace(structure, attributes={"activation": drawn})


def activate(name: str, x: np.ndarray) -> np.ndarray:
    if name == "gelu":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return np.tanh(x) if name == "tanh" else np.maximum(x, 0)


def scores_by_definition(structure: Structure, parameters, inputs: np.ndarray) -> np.ndarray:
    """Class scores [B, C]; a loop over layers, units and edges."""
    p = {name: value.astype(np.float64) for name, value in parameters.items()}
    rows = dict(zip(np.flatnonzero(structure.inputs), p["input_weight"][:, :, 0], strict=True))
    names = structure.attributes.get("activation", ["relu"] * structure.num_units)
    sums, value = np.zeros((2, structure.num_units, len(inputs)))
    for layer in range(structure.num_layers):
        units = np.flatnonzero(structure.layer == layer)
        for unit in units:
            sums[unit] = p["bias"][unit, 0]
            if unit in rows:
                sums[unit] += inputs @ rows[unit]
            for e in np.flatnonzero((structure.edge_index[1] == unit) & ~structure.residual):
                sums[unit] += p["weight"][e, 0] * value[structure.edge_index[0, e]]
        if "norm_scale" in p:
            if len(units) >= 3:
                sums[units] -= sums[units].mean(axis=0)
                sums[units] /= np.sqrt((sums[units] ** 2).mean(axis=0) + 1e-5)
            sums[units] = sums[units] * p["norm_scale"][units, None] + p["norm_shift"][units, None]
        for unit in units:
            added = structure.residual & (structure.edge_index[1] == unit)
            # A unit that residual edges alone feed is their plain sum.
            if unit in rows or (added.sum() < (structure.edge_index[1] == unit).sum()) or not added.any():
                value[unit] = activate(names[unit], sums[unit])
            value[unit] += value[structure.edge_index[0, added]].sum(axis=0)
    return (p["readout_weight"] @ value[structure.outputs]).T + p["readout_bias"]


@given(perceptrons(max_units=12), st.sampled_from(CONFIGS), st.integers(0, 1000))
def test_the_module_computes_its_definition(structure, config, seed):
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(structure, TASK, config)
    parameters = {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
    module = MaskedMLP(structure, parameters).double()
    scores = module(torch.from_numpy(X[:4]).double()).detach().numpy()
    expected = scores_by_definition(structure, parameters, X[:4].astype(np.float64))
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


@given(perceptrons(), st.sampled_from(CONFIGS), st.integers(0, 1000))
def test_a_structure_survives_build_and_extract(structure, config, seed):
    module = build_module(structure, TASK, config, seed=seed)
    network = extract(module)
    assert network.structure == structure
    for name, value in initial_parameters(structure, TASK, config, seed).items():
        found = getattr(network, name) if name in ("weight", "bias") else network.tensors[name]
        np.testing.assert_array_equal(found, value)
    again = module_from_network(network)
    assert torch.equal(again(torch.from_numpy(X)), module(torch.from_numpy(X)))


@given(perceptrons(), st.sampled_from(CONFIGS), st.randoms(use_true_random=False))
def test_relabelling_the_units_changes_no_output(structure, config, random):
    permutation = np.array(random.sample(range(structure.num_units), structure.num_units))
    given_ = build_module(structure, TASK, config, seed=3).to_network()
    relabelled = structure.relabel(permutation)
    old = np.argsort(permutation)  # the former unit of each new one
    place = {edge: e for e, edge in enumerate(zip(*structure.edge_index.tolist(), strict=True))}
    former = zip(*old[relabelled.edge_index].tolist(), strict=True)
    inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
    tensors = dict(given_.tensors)
    tensors["input_weight"] = tensors["input_weight"][np.searchsorted(inputs, old[relabelled.inputs])]
    tensors["readout_weight"] = tensors["readout_weight"][
        :, np.searchsorted(outputs, old[relabelled.outputs])
    ]
    tensors |= {name: tensors[name][old] for name in ("norm_scale", "norm_shift") if name in tensors}
    weight = given_.weight[[place[edge] for edge in former]]
    network = Network(relabelled, weight.reshape(-1, 1), given_.bias[old], tensors)
    expected = module_from_network(given_)(torch.from_numpy(X))
    torch.testing.assert_close(
        module_from_network(network)(torch.from_numpy(X)), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("config", CONFIGS, ids=["plain", "layer norm"])
def test_masked_weights_stay_zero(config):
    structure = Structure([[0, 0, 1, 1, 2, 3], [2, 4, 3, 4, 4, 5]], 6)
    module = build_module(structure, TASK, config, seed=1)
    before = module.parameters_by_name()
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1)
    inputs, targets = torch.from_numpy(TASK.train.inputs), torch.from_numpy(TASK.train.targets)
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(inputs), targets).backward()
        optimiser.step()
    assert (module.weight[module.mask == 0] == 0).all()
    assert all((value != before[name]).any() for name, value in module.parameters_by_name().items())


def test_images_are_flattened():
    module = build_module(Structure.from_layers([3]), IMAGES)
    images = torch.from_numpy(IMAGES.train.inputs)
    assert torch.equal(module(images), module(images.flatten(1)))


@pytest.mark.parametrize(("config", "norms"), [(TrainConfig(), 0), (LAYER, 2)])
def test_parameters_are_counted_by_hand(config, norms):
    structure = Structure([[0, 1, 2], [2, 2, 3]], 4)
    by_hand = 3 + 4 + 2 * 5 + 1 * 3 + 3 + norms * 4
    assert count_parameters(structure, TASK, config) == by_hand
    module = build_module(structure, TASK, config)
    dense = sum(parameter.numel() for parameter in module.parameters())
    assert dense - int((module.mask == 0).sum()) == by_hand


def test_initial_weights_keep_their_bounds_and_depend_on_the_seed():
    structure = replace(
        Structure.from_layers([40, 30, 20]), attributes={"activation": ["relu"] * 40 + ["tanh"] * 50}
    )
    a, b = (initial_parameters(structure, TASK, TrainConfig(), seed) for seed in (0, 1))
    assert not np.array_equal(a["weight"], b["weight"])
    for values, bound in (
        (a["input_weight"], math.sqrt(2 * 3 / 5)),
        (a["weight"][: 40 * 30], math.sqrt(3 / 40)),
        (a["weight"][40 * 30 :], math.sqrt(3 / 30)),
        (a["readout_weight"], math.sqrt(1 / 20)),
    ):
        assert 0.9 * bound < np.abs(values).max() <= bound
    assert not a["bias"].any()
    assert (initial_parameters(structure, TASK, LAYER, 0)["norm_scale"] == 1).all()


@pytest.mark.parametrize(
    ("structure", "config", "message"),
    [
        (
            Structure([[0], [1]], 2, attributes={"activation": ["relu", "sine"]}),
            TrainConfig(),
            r"attributes\['activation'\] must be among relu, tanh, gelu for the family 'mlp', got 'sine'",
        ),
        (
            Structure([[0], [1]], 2, attributes={"join": ["sum", "sum"]}),
            TrainConfig(),
            "attributes must hold 'activation', 'operator' and 'tie' alone for the family 'mlp', got 'join'",
        ),
        (Structure.from_layers([2]), TrainConfig(protocol="faithful"), "config.protocol must be 'clean'"),
        (
            Structure.from_layers([2]),
            TrainConfig(normalization="batch"),
            "config.normalization must be 'layer' or 'none' for the family 'mlp', got 'batch'",
        ),
        (
            Structure.from_layers([2]),
            TrainConfig(augmentation="flip"),
            "config.augmentation must be 'none' for",
        ),
    ],
)
def test_what_a_perceptron_cannot_be_is_refused(structure, config, message):
    with pytest.raises(InvalidInputError, match=message):
        check_trainable(structure, TASK, config)


def test_a_task_of_sequences_is_refused():
    strings = Task.from_sequences("toy", ["ab", "ba", "bb", "aabb"] * 3, [0, 1, 0, 1] * 3)
    with pytest.raises(InvalidInputError, match="task must hold vectors or images for the family 'mlp'"):
        build_module(Structure.from_layers([2, 2]), strings)
