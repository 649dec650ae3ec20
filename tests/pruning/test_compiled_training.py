"""Recurrent networks are pruned and trained in the compiled loop as PyTorch would train them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pruning_networks import QUICK, clean, strings
from torch import nn

from nnstruct import TrainConfig
from nnstruct.pruning import evaluate, fit, masks_of, prune, run_trajectory, starting_network
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.hooks import Hook
from nnstruct.pruning.training.training import train_in_place
from nnstruct.structure.families import RNN_FAMILIES


def by_pytorch(module: nn.Module, config: TrainConfig, **options):
    """As ``fit``, but with a hook that wants to see each update, which no compiled loop shows."""
    twin = copy_module(module)
    return twin, train_in_place(twin, strings(), config, hooks=[Hook()], **options)


def assert_alike(ours: nn.Module, theirs: nn.Module) -> None:
    found, wanted = ours.state_dict(), theirs.state_dict()
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize("family", RNN_FAMILIES)
@pytest.mark.parametrize(
    ("part", "density"), [("input", 0.5), ("hidden", 0.3), ("both", 0.2), ("input", 0.0), ("both", 0.0)]
)
def test_trains_as_pytorch_does(family, part, density):
    sparse = prune(starting_network(f"{family}:6-5-4", strings(), config=QUICK), density, part=part)
    assert compiled_module(sparse, strings(), QUICK) is not None
    masks = masks_of(sparse)
    ours, rows = fit(sparse, strings(), QUICK)
    theirs, expected = by_pytorch(sparse, QUICK)
    assert_alike(ours, theirs)
    for found, wanted in zip(rows, expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-4)
    for name, mask in masks.items():
        weight = ours.get_parameter(f"parametrizations.{name}.original")
        assert not weight.detach()[~mask].any()
    moved = [
        float((new - old).abs().max())
        for new, old in zip(ours.parameters(), sparse.parameters(), strict=True)
    ]
    assert max(moved) > 1e-4


@pytest.mark.parametrize("family", RNN_FAMILIES)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_evaluates_as_pytorch_does(family, split):
    sparse = prune(clean(family), 0.5)
    compiled = compiled_module(sparse, strings(), TrainConfig())
    assert compiled is not None
    found = evaluate(sparse, strings(), split=split)
    assert found == compiled.evaluate(split)
    sparse.readout.register_forward_hook(lambda *_: None)  # so that PyTorch has to do it
    assert compiled_module(sparse, strings(), TrainConfig()) is None
    assert found == pytest.approx(evaluate(sparse, strings(), split=split), rel=1e-5)


def test_patience_brings_back_the_best_epoch():
    config = TrainConfig(epochs=12, batch_size=64, learning_rate=0.05)
    ours, rows = fit(clean("rnn_tanh"), strings(), config, patience=2)
    theirs, expected = by_pytorch(clean("rnn_tanh"), config, patience=2)
    assert len(rows) == len(expected) < config.epochs
    best = max(row["val"] for row in rows)
    assert evaluate(ours, strings(), split="val")["accuracy"] == pytest.approx(best)
    assert evaluate(theirs, strings(), split="val")["accuracy"] == pytest.approx(best)


def test_a_diverging_training_ends():
    module = clean("rnn_relu")
    with torch.no_grad():
        module.recurrent_weight.mul_(1e20)
    assert fit(module, strings(), QUICK)[1] == []


def test_rewinding_starts_from_the_weights_of_the_early_epoch():
    config = TrainConfig(epochs=3, batch_size=64, learning_rate=1e-2)
    options = {"config": config, "schedule": "one-shot", "seed": 4}
    dense, _ = fit(starting_network("gru:5-4", strings(), seed=4, config=config), strings(), config, seed=4)
    pruned = evaluate(prune(dense, 0.5), strings())
    plain = run_trajectory("gru:5-4", strings(), [0.5], **options)
    assert plain.steps[1].before["test"] == pruned["accuracy"]
    rewound = run_trajectory("gru:5-4", strings(), [0.5], **(options | {"schedule": "rewind"}))
    assert rewound.steps[1].before == plain.steps[1].before
    assert rewound.steps[1].after["test_loss"] != plain.steps[1].after["test_loss"]


def _gates_apart(module):
    return prune(module, 0.5, gates="apart")


def _readout(module):
    return prune(module, 0.5, parameters=["readout.weight"])


def _frozen(module):
    module.bias.requires_grad_(False)
    return module


def _double(module):
    return module.double()


def _hooked(module):
    module.register_forward_hook(lambda *_: None)
    return module


def _gradient_hooked(module):
    module.bias.register_hook(lambda gradient: gradient)
    return module


@pytest.mark.parametrize("change", [_gates_apart, _readout, _frozen, _double, _hooked, _gradient_hooked])
def test_what_the_loop_cannot_do_is_left_to_pytorch(change):
    module = change(clean("gru"))
    assert compiled_module(module, strings(), QUICK) is None
    if change is not _double:
        trained, rows = fit(module, strings(), QUICK)
        assert len(rows) == QUICK.epochs
        assert_alike(trained, by_pytorch(module, QUICK)[0])


def test_a_configuration_beyond_the_loop_is_left_to_pytorch():
    config = QUICK.model_copy(update={"schedule": "cosine"})
    assert compiled_module(clean("gru"), strings(), config) is None
    assert compiled_module(clean("gru"), strings(), QUICK) is not None


def test_a_mask_that_changes_is_seen_at_once():
    sparse = prune(nn.Linear(4, 3), 0.5)
    held = sparse.parametrizations.weight[0]
    held.mask = torch.zeros_like(held.mask)
    assert not sparse.weight.any()
    with torch.no_grad():
        sparse.parametrizations.weight.original.fill_(2.0)
        held.mask[0, 0] = True
    assert np.flatnonzero(sparse.weight.detach().numpy()).tolist() == [0]
