"""What is left of nnstruct's own networks is a Network that computes the same, in the same family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pruning_networks import digits, images
from torch import nn

from nnstruct import Network, Space, Structure, TrainConfig
from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.extract import extract
from nnstruct.modules import build_module, module_from_network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.population import train
from nnstruct.priors import PRIORS, sample
from nnstruct.pruning import masks_of, prune, with_masks

SPACES = {
    "mlp": Space("mlp", units=(8, 16)),
    "cnn": Space("cnn", units=(8, 16), channels=(3, 8), joins=("concat",), operators=("conv3x3", "conv1x1")),
    "cnn of any cells": Space("cnn", units=(8, 16), channels=(3, 8)),
}
TASKS = {"mlp": digits, "cnn": images}


def cut_off(structure) -> int:
    return int((structure.outputs & ~structure.reachability.from_input).sum())


@pytest.mark.parametrize("name", SPACES)
def test_a_pruned_network_comes_back_whatever_its_prior(name):
    space = SPACES[name]
    task = TASKS[space.family]()
    found_cut_off = 0
    for structure in sample(space, 2 * len(PRIORS), seed=0):
        if space.family == "cnn" and not CellLayout(structure).carries.any():
            continue  # nothing but edges that pass maps on
        module = build_module(structure, task)
        inputs = torch.rand(4, *task.input_shape)
        for density in (0.3, 0.05):
            sparse = prune(module, density)
            network = sparse.to_network()
            assert network.structure.family == space.family
            found_cut_off += cut_off(network.structure)
            again = module_from_network(network)
            torch.testing.assert_close(again.eval()(inputs), sparse.eval()(inputs), atol=1e-6, rtol=1e-4)
    assert found_cut_off > 0


def test_edges_that_only_pass_a_map_on_stay():
    for structure in sample(SPACES["cnn of any cells"], len(PRIORS), seed=0):
        carries = CellLayout(structure).carries
        if carries.all() or not carries.any():
            continue
        left = prune(build_module(structure, images()), 0.0).to_network().structure
        kept = {tuple(edge) for edge in left.edge_index.T.tolist()}
        passing = {tuple(edge) for edge in structure.edge_index.T[~carries].tolist()}
        assert kept == passing
        return
    pytest.fail("no prior draws edges of both kinds")


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_what_is_left_can_be_trained_anew(name):
    task = TASKS[name]()
    drawn = (build_module(structure, task) for structure in sample(SPACES[name], 12, seed=3))
    pruned = (prune(module, 0.05).to_network().structure for module in drawn)
    left = next(structure for structure in pruned if cut_off(structure))
    (record,) = train([left], task, config=TrainConfig(epochs=1))
    assert record.status == "ok"
    assert np.isfinite(record.test_loss)


@pytest.mark.parametrize("method", ["magnitude-class-blind", "magnitude-class-uniform", "random"])
def test_kernels_of_one_position_are_units_like_others(method):
    torch.manual_seed(0)
    cnn = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 3))
    sparse = prune(cnn, 0.5, method=method, gates="together")
    kept = {name: mask.flatten(2).any(2) for name, mask in masks_of(sparse).items()}
    assert {name: mask.shape for name, mask in kept.items()} == {"0.weight": (8, 3), "2.weight": (4, 8)}
    assert sum(int(mask.sum()) for mask in kept.values()) == round(0.5 * (24 + 32))


def joined(operator: str, inputs: tuple[bool, ...] = (True, True, False, False)) -> Structure:
    """Cells of two and of three channels side by side before one of three that keeps their channels."""
    attributes = {"operator": ["conv3x3", "conv3x3", operator, "conv3x3"], "channels": [2, 3, 3, 2]}
    return Structure([[0, 1, 2], [2, 2, 3]], 4, family="cnn", inputs=np.array(inputs), attributes=attributes)


@pytest.mark.parametrize("operator", ["identity", "maxpool3x3"])
def test_edges_that_would_need_no_weights_any_more_keep_them(operator):
    """What is left fits into the unit, so that by the rules of the family it would be passed on as it is."""
    module = build_module(joined(operator), images()).eval()
    assert module.layout.carries.all()
    mask = torch.ones(3, 5, 1, 1, dtype=torch.bool)
    mask[:, :2] = False
    sparse = with_masks(module, {"blocks.1.align_0": mask}).eval()
    network = sparse.to_network()
    assert network.structure.edge_index.tolist() == [[1, 2], [2, 3]]
    assert network.structure.family == "module"
    inputs = torch.rand(4, 1, 8, 8)
    again = module_from_network(network).eval()
    torch.testing.assert_close(again(inputs), sparse(inputs))
    back = again.to_network()
    assert back.structure == network.structure
    for name, held in {"weight": network.weight, "bias": network.bias, **network.tensors}.items():
        other = getattr(back, name) if name in ("weight", "bias") else back.tensors[name]
        assert np.array_equal(held[tuple(map(slice, other.shape))], other)
        assert np.count_nonzero(held) == np.count_nonzero(other)


def test_a_network_that_left_its_family_is_pruned_further():
    module = build_module(joined("identity"), images()).eval()
    mask = torch.ones(3, 5, 1, 1, dtype=torch.bool)
    mask[:, :2] = False
    network = with_masks(module, {"blocks.1.align_0": mask}).to_network()
    sparser = prune(network, 0.5)
    inputs = torch.rand(4, 1, 8, 8)
    assert 0 < np.count_nonzero(sparser.weight) < np.count_nonzero(network.weight)
    assert module_from_network(sparser).eval()(inputs).shape == (4, 10)
    cut = prune(network, 0.0)
    assert cut.structure.num_edges == 0
    assert cut.structure.family == "cnn"  # without edges there is nothing that the rules would take amiss


def test_a_network_that_no_module_is_made_of_says_what_would_do():
    layers = extract(nn.Sequential(nn.Linear(3, 2)), torch.zeros(1, 3), resolution="layer")
    with pytest.raises(InvalidInputError, match=r"to become a module.*extract\(\) at unit resolution"):
        module_from_network(layers)
    strange = Network(
        layers.structure, layers.weight, layers.bias,
        {"input_weight": np.ones((1, 1, 1)), "readout_weight": np.ones((1, 1)), "readout_bias": np.ones(1)},
    )  # fmt: skip
    with pytest.raises(StructureError, match=r"attributes\['operator'\] must be among conv3x3"):
        module_from_network(strange)
