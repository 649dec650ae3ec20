"""SNIP and SynFlow are one arithmetic: pruning ranks by what the probes sum up."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct.modules.saliency import magnitudes, saliency
from nnstruct.probes import functional_features
from nnstruct.pruning import load_pruner
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(n, 5)).astype(np.float32), np.arange(n) % 3) for n in (24, 6, 6)]
    return Task.from_splits("vectors", *parts)


def layers(*, bias: bool) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 4, bias=bias), nn.ReLU(), nn.Linear(4, 3, bias=bias))


def scores(method: str, module: nn.Module, task: Task, **options: int) -> list[torch.Tensor]:
    """The score of each weight by a pruning method."""
    pruner = load_pruner(method, **options)
    return pruner.scores(pruner.workpiece(module, task, TrainConfig(), 0))


def test_the_probe_sums_what_snip_ranks_by(task):
    module = layers(bias=False)
    summed = sum(float(score.double().sum()) for score in scores("snip", module, task, samples=24))
    row = functional_features([module], task, ["zero_cost"], samples=24).iloc[0]
    assert row["zero_cost.log_snip"] == pytest.approx(math.log(summed), abs=1e-5)


def test_the_probe_sums_what_synflow_ranks_by(task):
    module = layers(bias=False)
    first, second = (module[place].weight.detach().double().abs() for place in (0, 2))
    flow = [second.sum(0)[:, None] * first, second * first.sum(1)[None]]  # with an input of ones
    found = scores("synflow", module, task)
    largest = max(float(part.max()) for part in flow)
    for part, score in zip(flow, found, strict=True):
        torch.testing.assert_close(score, part / largest)
    row = functional_features([module], task, ["zero_cost"], samples=4).iloc[0]
    assert row["zero_cost.log_synflow"] == pytest.approx(math.log(sum(float(part.sum()) for part in flow)))


def test_biases_flow_in_the_probe_and_not_where_weights_are_ranked(task):
    module, bare = layers(bias=True), layers(bias=True)
    with torch.no_grad():
        for place in (0, 2):
            bare[place].bias.zero_()
    for score, other in zip(scores("synflow", module, task), scores("synflow", bare, task), strict=True):
        torch.testing.assert_close(score, other)
    table = functional_features([module, bare], task, ["zero_cost"], samples=4)["zero_cost.log_synflow"]
    assert table[0] > table[1]


@pytest.mark.parametrize("added", [True, False])
def test_the_module_is_as_it_was_when_it_had_magnitudes(added):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    module(torch.randn(8, 3))
    before = copy.deepcopy(module.state_dict())
    with magnitudes(module, added=added):
        assert {p.dtype for p in module.parameters()} == {torch.float64}
        assert torch.equal(module[0].weight, before["0.weight"].abs().double())
        bias, mean = before["0.bias"].abs().double(), before["1.running_mean"].double()
        assert torch.equal(module[0].bias, bias if added else torch.zeros(4).double())
        assert torch.equal(module[1].running_mean, mean if added else torch.zeros(4).double())
        assert torch.equal(module[1].running_var, before["1.running_var"].double())
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_saliency_has_no_history():
    weight = torch.tensor([2.0, -3.0], requires_grad=True)
    found = saliency(weight, torch.tensor([1.0, 1.0]))
    assert found.tolist() == [2.0, 3.0]
    assert not found.requires_grad
