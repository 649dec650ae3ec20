"""Sparse linear layers are trained weight by weight as PyTorch would train them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruning_networks import digits, images
from torch import nn

from nnstruct import TrainConfig
from nnstruct.population import native
from nnstruct.population.native import compiler
from nnstruct.population.native.perceptron import NativePerceptron, SparseLayer
from nnstruct.pruning import evaluate, fit, masks_of, prune
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.hooks import Hook
from nnstruct.pruning.training.training import train_in_place

CONFIG = TrainConfig(epochs=3, batch_size=48, learning_rate=3e-3, schedule="cosine")

pytestmark = pytest.mark.skipif(not native.available(), reason=f"no kernel: {native.unavailable_reason()}")


def layers(*parts: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for part in parts:
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return nn.Sequential(*parts)


def flat() -> nn.Module:
    return layers(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 10))


def by_pytorch(module: nn.Module, task, config=CONFIG):
    twin = copy_module(module)
    return twin, train_in_place(twin, task, config, hooks=[Hook()])


@pytest.mark.parametrize("density", [0.5, 0.2, 0.05, 0.0])
@pytest.mark.parametrize("method", ["magnitude-class-blind", "magnitude-class-uniform", "random"])
def test_trains_as_pytorch_does(density, method):
    sparse = prune(flat(), density, method=method)
    assert compiled_module(sparse, digits(), CONFIG) is not None
    masks = masks_of(sparse)
    ours, rows = fit(sparse, digits(), CONFIG)
    theirs, expected = by_pytorch(sparse, digits())
    for (name, found), wanted in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5, msg=name)
    for found, wanted in zip(rows, expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-4)
    for name, mask in masks.items():
        assert not ours.get_submodule(name.split(".")[0]).weight[~mask].any()
    assert (ours[-1].bias - sparse[-1].bias).abs().max().item() > 1e-3
    assert evaluate(ours, digits()) == pytest.approx(evaluate(nn.Sequential(ours), digits()), rel=1e-5)


def test_images_are_flattened():
    sparse = prune(layers(nn.Flatten(), nn.Linear(64, 10)), 0.3)
    ours, rows = fit(sparse, images(), CONFIG)
    theirs, expected = by_pytorch(sparse, images())
    torch.testing.assert_close(ours[1].weight, theirs[1].weight, rtol=1e-4, atol=1e-6)
    assert rows[-1] == pytest.approx(expected[-1], rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    activation=st.sampled_from(["relu", "tanh", "identity"]),
    examples=st.integers(1, 300),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
def test_gradients_are_those_of_float64_autograd(sizes, activation, examples, share, seed):
    """Also for batches of any size, and units without a weight."""
    rng = np.random.default_rng(seed)
    widths = [64, *sizes, 10]
    made = [
        SparseLayer(
            rng.normal(size=(out, into)).astype(np.float32) / into**0.5,
            rng.random((out, into)) < share,
            rng.normal(size=out).astype(np.float32),
            activation if number < len(sizes) else "identity",
        )
        for number, (into, out) in enumerate(pairwise(widths))
    ]
    chosen = rng.integers(0, len(digits().train), examples)
    network = NativePerceptron(made, digits(), TrainConfig(epochs=500, batch_size=1))
    loss, hits = network.run("train", chosen, np.array([0, examples]), True)
    value = torch.tensor(digits().train.inputs[chosen], dtype=torch.float64)
    weights = [torch.tensor(x.weight * x.mask, dtype=torch.float64, requires_grad=True) for x in made]
    biases = [torch.tensor(x.bias, dtype=torch.float64, requires_grad=True) for x in made]
    squash = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}
    for layer, weight, bias in zip(made, weights, biases, strict=True):
        value = squash[layer.activation](value @ weight.T + bias)
    targets = torch.tensor(digits().train.targets[chosen])
    wanted = nn.functional.cross_entropy(value, targets)
    wanted.backward()
    assert loss == pytest.approx(examples * wanted.item(), rel=1e-4)
    assert hits == (value.argmax(1) == targets).sum().item()
    gradient = np.concatenate(
        [w.grad.numpy()[x.mask] for w, x in zip(weights, made, strict=True)]
        + [b.grad.numpy() for b in biases]
    )
    assert network.gradient == pytest.approx(gradient, rel=1e-3, abs=2e-6)


def test_same_numbers_again():
    sparse = prune(flat(), 0.3)
    first, second = (fit(sparse, digits(), CONFIG)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_diverging_training_ends():
    module = prune(flat(), 0.5)
    with torch.no_grad():
        module[4].bias[0] = float("inf")
    assert fit(module, digits(), CONFIG)[1] == []


def _tied() -> nn.Module:
    first = nn.Linear(64, 64)
    module = layers(first, nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    module[2].weight = first.weight
    return prune(module, 0.4)


def _frozen() -> nn.Module:
    module = prune(flat(), 0.4)
    module[2].bias.requires_grad_(False)
    return module


def _hooked() -> nn.Module:
    module = prune(flat(), 0.4)
    module[1].register_forward_hook(lambda *_: None)
    return module


class _Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: prune(flat(), 0.6),
        lambda: prune(layers(nn.Linear(64, 12), nn.Dropout(0.5), nn.Linear(12, 10)), 0.4),
        lambda: prune(layers(nn.Linear(64, 12), nn.GELU(), nn.Linear(12, 10)), 0.4),
        lambda: prune(layers(nn.Linear(64, 12, bias=False), nn.ReLU(), nn.Linear(12, 10)), 0.4),
        lambda: prune(layers(nn.Linear(64, 12), nn.Linear(12, 10), nn.ReLU()), 0.4),
        lambda: prune(layers(nn.Linear(64, 12), nn.ReLU(), nn.ReLU(), nn.Linear(12, 10)), 0.4),
        lambda: prune(layers(_Doubled(64, 12), nn.ReLU(), nn.Linear(12, 10)), 0.4),
        lambda: prune(nn.Sequential(flat()), 0.4),
        lambda: prune(flat(), 0.4).double(),
        _tied,
        _frozen,
        _hooked,
    ],
)
def test_what_the_loop_cannot_do_is_left_to_pytorch(make):
    assert compiled_module(make(), digits(), CONFIG) is None


def test_options_that_the_loop_does_not_know_are_left_to_pytorch():
    sparse = prune(flat(), 0.3)
    assert compiled_module(sparse, digits(), CONFIG) is not None
    for change in ({"optimizer": "sgd"}, {"label_smoothing": 0.1}, {"weight_decay": 0.1}):
        assert compiled_module(sparse, digits(), CONFIG.model_copy(update=change)) is None


def test_without_a_compiler_pytorch_does_it(monkeypatch):
    sparse = prune(flat(), 0.3)
    with monkeypatch.context() as patch:
        patch.setenv("NNSTRUCT_NATIVE", "0")
        compiler.forget()
        assert compiled_module(sparse, digits(), CONFIG) is None
        rows = fit(sparse, digits(), CONFIG)[1]
    compiler.forget()
    assert rows[-1] == pytest.approx(fit(sparse, digits(), CONFIG)[1][-1], rel=1e-4)
