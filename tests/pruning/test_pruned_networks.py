"""What is left of nnstruct's own networks is a Network that computes the same, in the same family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pruning_networks import digits, images
from torch import nn

from nnstruct import Space, TrainConfig
from nnstruct.modules import build_module, module_from_network
from nnstruct.modules.cnn.layout import CellLayout
from nnstruct.population import train
from nnstruct.priors import PRIORS, sample
from nnstruct.pruning import masks_of, prune

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
    structure = sample(SPACES[name], 1, seed=3)[0]
    left = prune(build_module(structure, task), 0.05).to_network().structure
    assert cut_off(left)
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
