"""Every registered pruner keeps the laws of pruners; a new one is covered by being registered."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from parts import defined_parts

from nnstruct.errors import UnknownNameError
from nnstruct.pruning import PRUNERS, Pruner, fit, load_pruner, masks_of, prune
from nnstruct.testing import PruningCase, pruner_checks, pruning_checks, pruning_networks
from nnstruct.testing.networks import NETWORKS, QUICK, network, task_of
from nnstruct.testing.pruned import same, tensor_of, units, zeros_outside

LAWS_OF_OPTIONS, LAWS_ON_NETWORKS = dict(pruner_checks()), dict(pruning_checks())
# Cheaper than the defaults where those are made for networks of more than a few hundred weights.
OPTIONS: dict[str, dict[str, Any]] = {
    "synflow": {"steps": 5},
    "optimal-brain-damage": {"samples": 8},
    "layerwise-obs": {"samples": 16},
    "snip": {"samples": 16},
    "grasp": {"samples": 16},
}


@cache
def case(method: str, name: str) -> PruningCase:
    """One pruned network for all tests that only look at it."""
    return PruningCase(load_pruner(method, **OPTIONS.get(method, {})), name)


@pytest.mark.parametrize("method", list(PRUNERS))
@pytest.mark.parametrize("law", LAWS_OF_OPTIONS)
def test_it_keeps_the_law_of_options(method, law):
    LAWS_OF_OPTIONS[law](load_pruner(method, **OPTIONS.get(method, {})))


# Methods that are others with further steps: what those do on every network need not be seen again.
FEW = {"chts": ("mlp", "gru"), "chtss": ("mlp", "own cnn")}


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (method, name)
        for method in PRUNERS
        for name in pruning_networks(PRUNERS[method])
        if name in FEW.get(method, (name,))
    ],
)
@pytest.mark.parametrize("law", LAWS_ON_NETWORKS)
def test_it_keeps_the_law_on_a_network(method, name, law):
    if law == "a_gpu_prunes_like_a_cpu" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    LAWS_ON_NETWORKS[law](case(method, name))


def test_every_pruner_is_registered():
    assert {PRUNERS[name] for name in PRUNERS} == set(defined_parts(Pruner))
    assert len(PRUNERS) >= 15


@pytest.mark.parametrize("name", [name for name in NETWORKS if not hasattr(network(name), "to_network")])
def test_two_of_each_four_stay(name):
    sparse = case("sr-ste", name).sparse
    kept, total = units(sparse, name)
    groups = sum(_two_of_four(tensor_of(sparse, full)) for full in total)
    assert sum(kept.values()) == (groups if name == "cnn" else round(0.5 * sum(total.values())))


def _two_of_four(weight: torch.Tensor) -> int:
    """Weights that 2 of each 4 consecutive inputs are."""
    inputs = weight.shape[1]
    each = 2 * (inputs // 4) + min(2, inputs % 4)
    return each * weight[:, 0].numel()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_masks_stay_zero_through_training(name, kind):
    sparse = case("magnitude-class-blind", name).sparse
    make: Callable[..., torch.optim.Optimizer] = {
        "adam": lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2),
        "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=1e-2),
    }[kind]
    trained, rows = fit(sparse, task_of(name), QUICK, optimizer=make)
    assert len(rows) == QUICK.epochs
    assert same(masks_of(sparse), masks_of(trained))
    assert zeros_outside(trained)
    weights = [tensor_of(trained, full) for full in masks_of(trained)]
    assert any(
        not torch.equal(w, tensor_of(sparse, f)) for w, f in zip(weights, masks_of(sparse), strict=True)
    )


def test_an_unknown_method_is_told():
    with pytest.raises(UnknownNameError, match="Did you mean 'magnitude-class-blind'"):
        prune(network("mlp"), 0.5, method="magnitude-class-bind")
