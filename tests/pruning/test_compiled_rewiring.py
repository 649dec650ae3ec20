"""Methods that prune or rewire now and then do so between the updates of a compiled loop as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pruning_networks import clean, digits, mlp, strings
from torch import nn

from nnstruct import TrainConfig
from nnstruct.population import native
from nnstruct.pruning import load_pruner, made_permanent, masks_of, prune, run_trajectory
from nnstruct.pruning.training import training, updates
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.compiled import CompiledModule
from nnstruct.pruning.training.hooks import Hook, Memory, TrainingPlace
from nnstruct.structure.families import RNN_FAMILIES

CONFIG = TrainConfig(epochs=4, batch_size=48, learning_rate=3e-3)
# Weights that have just come differ by rounding alone, so that RigL shall give them some updates' time.
REWIRING = {"set": {}, "rigl": {"moves": 4}, "chts": {}}

needs_kernel = pytest.mark.skipif(not native.available(), reason=f"no kernel: {native.unavailable_reason()}")


@pytest.fixture
def loops(monkeypatch) -> list[CompiledModule | None]:
    """What trained, in the order of the trainings; None where PyTorch did."""
    used: list[CompiledModule | None] = []

    def spied(*arguments):
        used.append(compiled_module(*arguments))
        return used[-1]

    monkeypatch.setattr(updates, "compiled_module", spied)
    return used


def both(monkeypatch, train: Callable[[], Any]) -> tuple[Any, Any]:
    """The result with a compiled loop, and without any."""
    ours = train()
    with monkeypatch.context() as patch:
        patch.setattr(updates, "compiled_module", lambda *_: None)
        return ours, train()


def assert_alike(ours: nn.Module, theirs: nn.Module) -> None:
    """What the modules compute with; what lies beneath their masks does not matter."""
    found, wanted = made_permanent(ours).state_dict(), made_permanent(theirs).state_dict()
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-2, atol=1e-4, msg=name)


def assert_rows_alike(ours: list, theirs: list) -> None:
    for found, wanted in zip(ours, theirs, strict=True):
        assert found == pytest.approx(wanted, rel=1e-3)


@needs_kernel
@pytest.mark.parametrize("density", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("method", REWIRING)
def test_perceptrons_are_rewired_as_by_pytorch(method, density, loops, monkeypatch):
    torch.manual_seed(1)
    module, pruner = mlp(), load_pruner(method, **REWIRING[method])
    brief = CONFIG.model_copy(update={"epochs": 1})
    start = masks_of(pruner.prune(module, density, task=digits(), config=brief))
    (ours, rows), (theirs, expected) = both(
        monkeypatch, lambda: pruner.run(module, density, task=digits(), config=CONFIG)
    )
    assert loops[-1] is not None
    assert_alike(ours, theirs)
    assert_rows_alike(rows, expected)
    moves = [row["moves"] for row in rows]
    assert moves[-1] >= CONFIG.epochs - 1
    assert any((start[name] != mask).any() for name, mask in masks_of(ours).items())


@pytest.mark.parametrize("family", RNN_FAMILIES)
@pytest.mark.parametrize("method", REWIRING)
def test_recurrent_networks_are_rewired_as_by_pytorch(method, family, loops, monkeypatch):
    module, pruner = clean(family), load_pruner(method, **REWIRING[method])
    (ours, rows), (theirs, expected) = both(
        monkeypatch, lambda: pruner.run(module, 0.4, task=strings(), config=CONFIG)
    )
    assert loops[-1] is not None
    assert_alike(ours, theirs)
    assert_rows_alike(rows, expected)
    assert rows[-1]["moves"] > 2


@needs_kernel
@pytest.mark.parametrize(("make", "task"), [(mlp, digits), (lambda: clean("gru"), strings)])
def test_gradual_pruning_is_the_same(make, task, loops, monkeypatch):
    torch.manual_seed(1)
    module = prune(make(), 0.45)
    options = {"schedule": "gradual", "config": CONFIG, "pretrain": 0, "retrain": 3}

    found, wanted = both(monkeypatch, lambda: run_trajectory(module, task(), [0.3, 0.1], **options).steps)
    assert None not in loops[-2:]
    for step, other in zip(found[1:], wanted[1:], strict=True):
        assert (step.kept, step.density) == (other.kept, other.density)
        assert step.before == pytest.approx(other.before, abs=0.02)
        assert step.after == pytest.approx(other.after, abs=0.02)
    assert found[-1].after["train_loss"] < found[-1].before["train_loss"]


@needs_kernel
@pytest.mark.parametrize(("make", "task"), [(mlp, digits), (lambda: clean("lstm"), strings)])
def test_adam_forgets_what_moved_and_nothing_else(make, task):
    """As PyTorch's does; weights that come back start from nothing too."""
    torch.manual_seed(1)
    sparse = prune(make(), 0.3)
    config = CONFIG.model_copy(update={"epochs": 2})

    class Swap(Hook):
        needs_pytorch = False

        def takes_part(self, progress: TrainingPlace) -> bool:
            return progress.step in (1, 3)

        def after(self, progress: TrainingPlace, memory: Memory) -> None:
            for slot in work.slots:
                kept = slot.alive.clone()
                if progress.step == 1:
                    kept.view(-1)[::2] = False
                memory.forget(slot.parameter, slot.spread(kept))
                slot.keep(kept if progress.step == 1 else slot.domain)

    found = []
    for hooks in ([], [Hook()]):
        work = load_pruner("random").workpiece(sparse, task(), config, 0)
        rows = training.train_in_place(work.module, task(), config, hooks=[Swap(), *hooks])
        found.append((work.module, rows))
    assert_alike(found[0][0], found[1][0])
    assert_rows_alike(found[0][1], found[1][1])


@needs_kernel
def test_a_loss_that_is_not_finite_ends_the_training_between_updates(loops):
    module = mlp()
    with torch.no_grad():
        module[4].bias[0] = float("inf")
    _, rows = load_pruner("rigl").run(module, 0.2, task=digits(), config=CONFIG)
    assert rows == []
    assert loops[-1] is not None


@needs_kernel
@pytest.mark.parametrize("method", ["movement", "gumbel-softmax"])
@pytest.mark.parametrize(("make", "task"), [(mlp, digits), (lambda: clean("gru"), strings)])
def test_a_loop_takes_over_once_the_mask_is_final(method, make, task, loops, monkeypatch):
    """With what Adam has learned until then."""
    torch.manual_seed(1)
    module, pruner = make(), load_pruner(method)
    config = CONFIG.model_copy(update={"epochs": 6})
    (ours, rows), (theirs, expected) = both(
        monkeypatch, lambda: pruner.run(module, 0.2, task=task(), config=config)
    )
    assert len(loops) == 1
    assert loops[0] is not None
    assert_alike(ours, theirs)
    assert_rows_alike(rows, expected)


def test_methods_that_see_every_update_are_left_to_pytorch(loops):
    load_pruner("sr-ste").run(mlp(), 0.25, task=digits(), config=CONFIG)
    assert loops == []


@needs_kernel
def test_a_loop_takes_over_once_gradual_pruning_has_left_little(loops, monkeypatch):
    torch.manual_seed(1)
    options = {"schedule": "gradual", "config": CONFIG, "pretrain": 0, "retrain": 6}
    module = mlp()
    found, wanted = both(monkeypatch, lambda: run_trajectory(module, digits(), [0.1], **options).steps)
    assert loops[-1] is not None
    assert loops[-2] is None
    assert found[1].kept == wanted[1].kept
    assert found[1].after == pytest.approx(wanted[1].after, abs=0.02)


def test_gates_apart_are_left_to_pytorch(loops):
    """Also where all gates are there in the beginning."""
    options = {"schedule": "gradual", "config": CONFIG, "pretrain": 0, "retrain": 2, "gates": "apart"}
    for family, compiled in (("gru", 1), ("rnn_tanh", 3)):  # the dense network is always
        loops.clear()
        steps = run_trajectory(clean(family), strings(), [0.5, 0.3], **options).steps
        assert [loop is not None for loop in loops] == compiled * [True]
        assert steps[-1].kept == round(0.3 * steps[-1].total)


@needs_kernel
def test_an_own_optimizer_is_kept(loops):
    sparse = prune(mlp(), 0.1)
    training.fit(sparse, digits(), CONFIG, optimizer=torch.optim.Adagrad)
    assert loops == []
