"""The same masks as torch.nn.utils.prune and torch-pruning where the method is the same."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.utils.prune as torch_prune
from pruning_networks import cnn, example_of, mlp, network, task_of
from torch import nn

from nnstruct import TrainConfig
from nnstruct.extract import extract
from nnstruct.pruning import evaluate, fit, masks_of, prune

DENSITIES = (0.9, 0.5, 0.21, 0.05)


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(1)
    return mlp()


@pytest.mark.parametrize("density", DENSITIES)
def test_class_blind_is_global_unstructured(module, density):
    theirs = copy.deepcopy(module)
    layers = [(theirs[place], "weight") for place in (0, 2, 4)]
    total = sum(layer.weight.numel() for layer, _ in layers)
    torch_prune.global_unstructured(
        layers, pruning_method=torch_prune.L1Unstructured, amount=total - round(density * total)
    )
    ours = masks_of(prune(module, density))
    for place in (0, 2, 4):
        assert torch.equal(ours[f"{place}.weight"], theirs[place].weight_mask.bool())


@pytest.mark.parametrize("density", DENSITIES)
def test_class_uniform_is_unstructured_in_each_layer(module, density):
    ours = masks_of(prune(module, density, method="magnitude-class-uniform"))
    for place in (0, 2, 4):
        layer = copy.deepcopy(module[place])
        size = layer.weight.numel()
        torch_prune.l1_unstructured(layer, "weight", amount=size - round(density * size))
        assert torch.equal(ours[f"{place}.weight"], layer.weight_mask.bool())


@pytest.mark.parametrize(("criterion", "norm"), [("l1", 1), ("l2", 2)])
@pytest.mark.parametrize("density", [0.75, 0.5, 0.25])
def test_channels_are_structured_along_the_first_axis(criterion, norm, density):
    torch.manual_seed(2)
    whole = cnn()
    ours = masks_of(prune(whole, density, method="channels", criterion=criterion))
    for place in (0, 4):
        layer = copy.deepcopy(whole[place])
        size = layer.weight.shape[0]
        torch_prune.ln_structured(layer, "weight", size - round(density * size), n=norm, dim=0)
        assert torch.equal(ours[f"{place}.weight"], layer.weight_mask.bool())


def _whole_cnn() -> nn.Sequential:
    torch.manual_seed(2)
    cnn = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 4, 3),
    )  # fmt: skip
    with torch.no_grad():
        for place in (1, 4):
            cnn[place].weight.uniform_(0.1, 2.0)
    return cnn.eval()


@pytest.mark.parametrize("criterion", ["l1", "l2", "scale"])
@pytest.mark.parametrize("density", [0.75, 0.5, 0.25])
@pytest.mark.parametrize("place", [0, 3])
def test_channels_are_those_of_torch_pruning(criterion, density, place):
    peer = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")
    whole, theirs = _whole_cnn(), _whole_cnn()
    options = {"criterion": criterion, "parameters": [f"{place}.weight"]}
    ours = prune(whole, density, method="channels", **options)
    importance = {
        "l1": lambda: peer.importance.MagnitudeImportance(p=1, group_reduction="first", bias=False),
        "l2": lambda: peer.importance.MagnitudeImportance(p=2, group_reduction="first", bias=False),
        "scale": peer.importance.BNScaleImportance,
    }[criterion]()
    others = [
        layer for number, layer in enumerate(theirs) if number != place and isinstance(layer, nn.Conv2d)
    ]
    peer.pruner.BasePruner(
        theirs,
        torch.zeros(1, 1, 8, 8),
        importance=importance,
        pruning_ratio=1 - density,
        ignored_layers=others,
    ).step()
    chosen = masks_of(ours)[f"{place}.weight"].flatten(1).any(1)
    assert int(chosen.sum()) == theirs[place].out_channels == round(density * len(chosen))
    assert torch.equal(theirs[place].weight, whole[place].weight[chosen])
    images = torch.randn(5, 1, 8, 8)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_masks_of_torch_are_taken_over(module):
    torch_prune.random_unstructured(module[0], "weight", amount=0.5)
    mask = module[0].weight_mask.bool().clone()
    sparse = prune(module, 0.25)
    assert not (masks_of(sparse)["0.weight"] & ~mask).any()
    assert hasattr(module[0], "weight_mask")
    assert sum(int(m.sum()) for m in masks_of(sparse).values()) == round(0.25 * 2080)


def test_a_module_in_the_middle_of_training_can_be_pruned(module):
    torch_prune.l1_unstructured(module[0], "weight", amount=0.5)
    module(torch.zeros(2, 64)).sum().backward()  # its weight now carries a history
    sparse = prune(module, 0.25)
    trained, _ = fit(sparse, task_of("mlp"), TrainConfig(epochs=15, learning_rate=0.01, batch_size=64))
    assert evaluate(trained, task_of("mlp"))["accuracy"] > 0.3


def test_other_parametrizations_are_kept():
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
    sparse = prune(nn.Sequential(layer), 0.25)
    mask = masks_of(sparse)["0.weight"]
    assert int(mask.sum()) == 8
    with torch.no_grad():
        sparse[0].parametrizations.weight.original0.mul_(3.0)
    assert bool((sparse[0].weight[~mask] == 0).all())
    assert torch.allclose(sparse[0].weight[mask], 3 * layer.weight[mask])


def test_half_precision_and_double(module):
    for kind in (torch.bfloat16, torch.float64):
        sparse = prune(copy.deepcopy(module).to(kind), 0.25)
        assert sum(int(m.sum()) for m in masks_of(sparse).values()) == 520
        assert sparse[0].weight.dtype == kind


def test_a_pruned_module_moves_and_compiles_to_the_same_structure():
    sparse = prune(network("lstm"), 0.3)
    twin = copy.deepcopy(sparse).to("cpu").double().float()
    first, second = (extract(part, example_of("lstm")).structure for part in (sparse, twin))
    assert first == second
