"""What every registered pruner keeps; a new one is covered by being registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import torch
from pruning_networks import NETWORKS, QUICK, example_of, network, task_of
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.extract import extract
from nnstruct.pruning import PRUNERS, evaluate, fit, load_pruner, made_permanent, masks_of, prune, with_masks

# Cheaper than the defaults where those are made for networks of more than a few hundred weights.
OPTIONS: dict[str, dict[str, Any]] = {
    "synflow": {"steps": 5},
    "optimal-brain-damage": {"samples": 8},
    "layerwise-obs": {"samples": 16},
    "snip": {"samples": 16},
    "grasp": {"samples": 16},
}
CASES = [
    (method, name)
    for method in PRUNERS
    for name in NETWORKS
    if not getattr(PRUNERS[method], "counts_channels", False) or name in ("mlp", "cnn", "tied", "shared")
]
every_pruner = pytest.mark.parametrize("method", list(PRUNERS))
every_case = pytest.mark.parametrize(("method", "name"), CASES)


def pruned(method: str, module: nn.Module, name: str, density: float = 0.5, seed: int = 0) -> nn.Module:
    options = OPTIONS.get(method, {})
    return prune(module, density, method=method, task=task_of(name), config=QUICK, seed=seed, **options)


@cache
def sparse_one(method: str, name: str, density: float = 0.5) -> nn.Module:
    """One pruned network for all tests that only look at it."""
    return pruned(method, network(name), name, density)


@cache
def dense_edges(name: str) -> int:
    return extract(network(name), example_of(name)).structure.num_edges


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def tensor_of(module: nn.Module, name: str) -> Tensor:
    owner, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(owner), attribute)


def _pairs(first: nn.Module, second: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    pairs = list(zip(first.modules(), second.modules(), strict=True))
    return pairs[1:] if hasattr(second, "to_network") else pairs


def zeros_outside(module: nn.Module) -> bool:
    return all(bool((tensor_of(module, name)[~mask] == 0).all()) for name, mask in masks_of(module).items())


def units(module: nn.Module, name: str) -> tuple[dict[str, int], dict[str, int]]:
    """Kept units and all units of each masked tensor, tied ones once."""
    if name == "own cnn":
        weights = [int((net.to_network().weight != 0).any(1).sum()) for net in (module, network(name))]
        return {"weight": weights[0]}, {"weight": weights[1]}
    kept, total, seen = {}, {}, []
    for full, mask in masks_of(module).items():
        weight = tensor_of(module, full)
        if any(torch.equal(weight, other) for other in seen):
            continue
        seen.append(weight.detach())
        own = "clean" in name or "masked" in name
        edges = module.structure.edge_index.shape[1] if own else 0
        if own and mask.dim() == 3:
            mask = mask.any(0)
            recurrent = int(module.structure.recurrent.sum())
            total[full] = recurrent if full.startswith("recurrent") else edges - recurrent
        else:
            total[full] = edges if own else mask.numel()
        kept[full] = int(mask.sum())
    return kept, total


@every_case
def test_a_pruned_network_keeps_the_count_stays_sparse_and_leaves_its_source_alone(method, name):
    module = network(name)
    before, names = state(module), [part for part, _ in module.named_parameters()]
    sparse = pruned(method, module, name)
    assert same(before, state(module))
    assert names == [part for part, _ in module.named_parameters()]
    assert zeros_outside(sparse)
    kept, total = units(sparse, name)
    if not getattr(PRUNERS[method], "counts_channels", False):
        classes = getattr(load_pruner(method), "classes", "blind")
        if method == "sr-ste":
            expected = {n: _two_of_four(tensor_of(sparse, n)) for n in total} if name == "cnn" else None
            expected_sum = sum(expected.values()) if expected else round(0.5 * sum(total.values()))
            if not hasattr(sparse, "to_network"):
                assert sum(kept.values()) == expected_sum
        elif classes == "uniform" or method == "magnitude-class-uniform":
            assert kept == {full: round(0.5 * size) for full, size in total.items()}
        else:
            assert sum(kept.values()) == round(0.5 * sum(total.values()))
    assert 0 <= evaluate(sparse, task_of(name))["accuracy"] <= 1


def _two_of_four(weight: Tensor) -> int:
    """Weights that 2 of each 4 consecutive inputs are."""
    inputs = weight.shape[1]
    each = 2 * (inputs // 4) + min(2, inputs % 4)
    return each * weight[:, 0].numel()


@every_case
def test_the_same_seed_gives_the_same_network(method, name):
    assert same(state(sparse_one(method, name)), state(pruned(method, network(name), name)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_masks_stay_zero_through_training(name, kind):
    sparse = sparse_one("magnitude-class-blind", name)
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


@every_case
def test_the_state_dict_goes_round(method, name):
    sparse = sparse_one(method, name)
    skeleton = with_masks(network(name), masks_of(sparse))
    skeleton.load_state_dict(sparse.state_dict())
    assert same(state(skeleton), state(sparse))
    assert same(masks_of(skeleton), masks_of(sparse))
    assert evaluate(skeleton, task_of(name)) == evaluate(sparse, task_of(name))


@every_case
def test_what_is_pruned_is_no_edge(method, name):
    sparse = sparse_one(method, name)
    structure = extract(sparse, example_of(name)).structure
    assert 0 < structure.num_edges < dense_edges(name) or name in ("gru", "lstm", "cnn")
    if name == "mlp":
        kept = [int(mask.sum()) for mask in masks_of(sparse).values() if mask.dim() > 1]
        # A weight that grew from zero is still zero where an input never changes.
        assert structure.num_edges == sum(kept) or method in ("set", "rigl")
    if hasattr(sparse, "to_network"):
        kept, _ = units(sparse, name)
        assert structure.num_edges == sum(kept.values()) or method in ("set", "rigl")


@every_case
def test_what_was_pruned_stays_pruned(method, name):
    once = sparse_one(method, name)
    twice = pruned(method, once, name, 0.25)
    before, after = masks_of(once), masks_of(twice)
    assert all(not (after[full] & ~mask).any() for full, mask in before.items())
    assert zeros_outside(once)
    assert sum(int(m.sum()) for m in after.values()) < sum(int(m.sum()) for m in before.values())


@every_pruner
def test_options_are_told_and_taken(method):
    kind = PRUNERS[method]
    assert kind.name == method
    assert kind.source
    told = load_pruner(method, part="hidden").to_dict()
    assert json.loads(json.dumps(told)) == {"method": method, "options": {"part": "hidden"}}
    assert load_pruner(method, **told["options"]) == load_pruner(method, part="hidden")
    assert set(kind.options()) == {field.name for field in fields(kind)}


@every_pruner
@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan"), True, "half"])
def test_a_wrong_density_is_told(method, density):
    with pytest.raises(InvalidInputError, match="density must be a share"):
        prune(network("mlp"), density, method=method, task=task_of("mlp"))


@every_pruner
def test_a_missing_task_is_told(method):
    if not PRUNERS[method].needs_task:
        assert prune(network("mlp"), 0.5, method=method) is not None
        return
    with pytest.raises(InvalidInputError, match="task must be given"):
        prune(network("mlp"), 0.5, method=method)


@every_pruner
def test_a_wrong_option_is_told(method):
    with pytest.raises(InvalidInputError, match="part must be one of input, hidden, both"):
        load_pruner(method, part="everything")
    with pytest.raises(InvalidInputError, match="option of method"):
        load_pruner(method, nonsense=1)


def test_an_unknown_method_is_told():
    with pytest.raises(UnknownNameError, match="Did you mean 'magnitude-class-blind'"):
        prune(network("mlp"), 0.5, method="magnitude-class-bind")


@every_case
def test_a_permanent_copy_is_plain_and_computes_the_same(method, name):
    sparse = sparse_one(method, name)
    plain = made_permanent(sparse)
    assert masks_of(plain) == {}
    assert set(plain.state_dict()) == set(network(name).state_dict())
    assert all(type(part) is type(twin) for part, twin in _pairs(plain, network(name)))
    assert evaluate(plain, task_of(name)) == pytest.approx(evaluate(sparse, task_of(name)))
    assert zeros_outside(sparse)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@every_case
def test_a_gpu_prunes_like_a_cpu(method, name):
    module = network(name)
    there = pruned(method, module.cuda(), name)
    assert all(mask.is_cuda for mask in masks_of(there).values())
    assert zeros_outside(there)
    here = units(sparse_one(method, name), name)[0]
    assert sum(units(there.cpu(), name)[0].values()) == sum(here.values())
    if not PRUNERS[method].needs_task:
        assert same(masks_of(there.cpu()), masks_of(sparse_one(method, name)))
