"""Cuts behind a layer, read-outs of layers, ways of the gradient, dimensions: each against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnstruct import Structure, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, module_from_network
from nnstruct.priors import AutoCompressing, ResidualChain
from nnstruct.probes import (
    classification_dimension,
    depth_profile,
    effective_depth,
    gradient_paths,
    independence_deficit,
    perturbed_dimensions,
    truncate,
)
from nnstruct.probes.subject import subject_of
from nnstruct.tasks.splits import part_of

DIGITS = load_task("digits")
ACN = AutoCompressing(sizes=[6, 6, 6, 6, 6])


def states_of(network, task):
    subject = subject_of(network, task)
    with torch.no_grad():
        return [state.numpy() for state in subject.states(*subject.encode(task.test))]


def scores_of(network, task):
    subject = subject_of(network, task)
    with torch.no_grad():
        return subject.scores(*subject.encode(task.test)).numpy()


@pytest.mark.parametrize("family", ["mlp", "rnn_tanh", "gru"])
def test_a_truncated_auto_compressing_network_reads_out_the_sum_of_its_first_layers(family):
    task = DIGITS if family == "mlp" else load_task("reber")
    network = build_module(ACN.sample(0, family=family, recurrence="self"), task, seed=0).to_network()
    weight = {n: v.astype(np.float64) for n, v in network.tensors.items()}
    states = states_of(network, task)
    for layers in range(4):
        total = sum(states[: layers + 1]) if family == "mlp" else None
        found = scores_of(truncate(network, layers), task)
        if family == "mlp":
            expected = total @ weight["readout_weight"].T + weight["readout_bias"]
            np.testing.assert_allclose(found, expected, atol=1e-5)
        if layers == 3:
            np.testing.assert_allclose(found, scores_of(network, task), atol=1e-5)
        else:
            assert np.abs(found - scores_of(network, task)).max() > 1e-3


@pytest.mark.parametrize("channels", [1, 4])
def test_a_truncated_convolutional_network_is_the_sum_of_its_first_maps(channels):
    task = load_task("shapes", train=16, val=8, test=8)
    drawn = AutoCompressing(sizes=[1, 1, 1, 1]).sample(0, family="cnn")
    structure = Structure(
        drawn.edge_index, 4, family="cnn", residual=drawn.residual,
        attributes={**drawn.attributes, "channels": (channels,) * 4},
    )  # fmt: skip
    network = build_module(structure, task, seed=0).to_network()
    module = module_from_network(network).double().eval()
    maps = {}
    for block in module.blocks:
        block.register_forward_hook(lambda b, _, out: maps.__setitem__(b.block.units[0], out))
    image = torch.from_numpy(task.test.inputs).double()
    with torch.no_grad():
        module(image)
        for layers in range(3):
            means = sum(maps[u] for u in range(layers + 1)).mean((2, 3))
            expected = module.readout(means).numpy()
            np.testing.assert_allclose(scores_of(truncate(network, layers), task), expected, atol=1e-5)


def test_a_truncated_residual_network_hands_its_state_on():
    structure = ResidualChain(sizes=[5] * 7, skip=2).sample(0, family="mlp")
    assert structure.residual.any()
    network = build_module(structure, DIGITS, seed=0).to_network()
    whole, cut = states_of(network, DIGITS), truncate(network, 2)
    assert cut.structure.num_units < structure.num_units
    kept = states_of(cut, DIGITS)
    np.testing.assert_allclose(kept[-2], whole[2], atol=1e-6)  # the last of the states is the scores


def test_a_chain_without_residual_edges_cannot_be_cut():
    network = build_module(Structure.from_layers([4, 4, 4]), DIGITS, seed=0).to_network()
    with pytest.raises(InvalidInputError, match=r"reach every output unit from layers 0 to 1"):
        truncate(network, 1)


def test_profile_and_effective_depth():
    module = build_module(ACN.sample(0, family="mlp"), DIGITS, seed=0)
    profile = depth_profile(module, DIGITS)
    network = module.to_network()
    for row in profile.itertuples():
        found = (scores_of(truncate(network, row.layer), DIGITS).argmax(1) == DIGITS.test.targets).mean()
        assert row.truncated == pytest.approx(found)
    assert profile["probe"].iloc[0] > 0.3  # six random units of the image tell more than chance
    assert effective_depth(profile.assign(truncated=[0.5, 0.98, 0.99, 1.0]), 0.98) == 2
    assert effective_depth(profile.assign(truncated=[0.5, 0.98, 0.99, 1.0]), 1.0) == 4


def test_a_profile_of_a_residual_network_ends_with_the_whole_network():
    module = build_module(ResidualChain(sizes=[5] * 7, skip=2).sample(0, family="mlp"), DIGITS, seed=0)
    profile = depth_profile(module, DIGITS)
    assert profile["layer"].tolist() == list(range(7))
    whole = (scores_of(module.to_network(), DIGITS).argmax(1) == DIGITS.test.targets).mean()
    assert profile["truncated"].iloc[-1] == pytest.approx(whole)


def test_the_direct_part_at_the_blocks_of_a_residual_network_is_that_of_the_read_out():
    structure = ResidualChain(sizes=[5] * 7, skip=2).sample(1, family="mlp")
    module = build_module(structure, DIGITS, seed=1)
    table = gradient_paths(module, DIGITS, samples=32)
    subject = subject_of(module, DIGITS)
    x, lengths = subject.encode(part_of(DIGITS.train, np.arange(32)))
    scores = subject.scores(x, lengths).detach().requires_grad_(True)
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(DIGITS.train.targets[:32])).backward()
    expected = float((scores.grad @ module.readout.weight.detach().double()).norm())
    np.testing.assert_allclose(table["direct"][[0, 2, 4, 6]], expected, rtol=1e-5)
    assert table["direct"][[1, 3, 5]].tolist() == [0, 0, 0]  # within a block there is no residual edge
    assert (table["forward"][:6] > 0).all()


def test_the_gradient_splits_by_edges():
    module = build_module(ACN.sample(0, family="mlp"), DIGITS, seed=0)
    table = gradient_paths(module, DIGITS, samples=64)
    # Behind the sum there is the read-out alone, and before it a layer's direct part is that of the sum.
    np.testing.assert_allclose(table["direct"], table["direct"].iloc[-1], rtol=1e-9)
    assert table["forward"].iloc[-2:].tolist() == [0, 0]
    assert (table["forward"].iloc[:-2] > 0).all()
    plain = build_module(Structure.from_layers([6, 6, 6]), DIGITS, seed=0)
    table = gradient_paths(plain, DIGITS, samples=64)
    assert table["direct"].iloc[:-1].tolist() == [0, 0]
    assert (table["total"] > 0).all()
    with pytest.raises(InvalidInputError, match="perceptron of nnstruct"):
        gradient_paths(torch.nn.Linear(64, 10), DIGITS)


def test_the_parts_add_up_to_the_gradient_by_a_layers_values():
    structure = ResidualChain(sizes=[5] * 5, skip=2).sample(1, family="mlp")
    module = build_module(structure, DIGITS, seed=1)
    x = torch.from_numpy(DIGITS.train.inputs[:8]).double()
    targets = torch.from_numpy(DIGITS.train.targets[:8])
    own = subject_of(module, DIGITS).module
    shift = torch.zeros(len(own.layer_ends), 8, 5, dtype=torch.float64, requires_grad=True)
    layers = iter(range(len(own.layer_ends)))

    def tap(made):
        moved = made + shift[next(layers)]
        return moved, moved

    torch.nn.functional.cross_entropy(own.tapped_forward(x, tap), targets).backward()
    table = gradient_paths(module, DIGITS, samples=8)
    np.testing.assert_allclose(table["total"], shift.grad.flatten(1).norm(dim=1), rtol=1e-9)


def test_dimensions_of_a_linear_chain_are_its_ranks():
    draws = torch.Generator().manual_seed(0)
    wide, narrow = torch.randn(12, 64, generator=draws), torch.randn(2, 64, generator=draws)
    first, second = torch.nn.Linear(64, 12), torch.nn.Linear(12, 10)
    module = torch.nn.Sequential(torch.nn.Flatten(), first, second)
    with torch.no_grad():
        first.weight[:] = wide
        second.weight[:] = torch.randn(10, 2, generator=draws) @ torch.randn(2, 12, generator=draws)
    # Between them nothing bends: 12 dimensions, then two.
    assert perturbed_dimensions(module, DIGITS, samples=2) == [12, 2]
    with torch.no_grad():
        first.weight[:] = torch.randn(12, 2, generator=draws) @ narrow
    # Two components are all that the features have.
    assert perturbed_dimensions(module, DIGITS, samples=2) == [2, 2]
    assert classification_dimension(module, DIGITS, share=1.0) <= 2
    with pytest.raises(InvalidInputError, match=r"by a torch\.nn\.Linear"):
        classification_dimension(torch.nn.Sequential(module, torch.nn.Tanh()), DIGITS)


def test_no_layer_of_a_perceptron_has_more_dimensions_than_the_one_before():
    module = build_module(Structure.from_layers([20, 20, 20]), DIGITS, seed=0)
    found = perturbed_dimensions(module, DIGITS, samples=4)
    assert found == sorted(found, reverse=True)
    with pytest.raises(InvalidInputError, match="be of vectors or images"):
        perturbed_dimensions(module, load_task("reber"))


def test_classes_that_others_decide():
    rng = np.random.default_rng(1)
    scores, targets = rng.normal(size=(400, 6)), np.repeat([1, 4], 200)
    scores[:, 4] = 2 * scores[:, 0] - scores[:, 2] + 0.01 * scores[:, 4]
    found = independence_deficit(scores, targets, penalty=0.3)
    assert np.isnan(found[[0, 2, 3, 5]]).all()
    assert (np.flatnonzero(found[4]) == [0, 2]).all()
    for place in (1, 4):
        # The Lasso's optimality: slopes of the mean square are -penalty sign(c), or within +-penalty at 0.
        own, c = scores[targets == place], found[place]
        slope = -2 * own.T @ (own[:, place] - own @ c) / len(own)
        active = c != 0
        np.testing.assert_allclose(slope[active], -0.3 * np.sign(c[active]), atol=1e-6)
        assert (np.abs(np.delete(slope, place)) <= 0.3 + 1e-6).all()
    with pytest.raises(InvalidInputError, match="finite numbers of shape"):
        independence_deficit(scores[0], targets)
    with pytest.raises(InvalidInputError, match=r"targets must be \[400\] classes in 0..5"):
        independence_deficit(scores, targets + 2)
