"""A module is after its extraction what it was before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.utils.parametrize as parametrize
import torch.nn.utils.prune as prune
from extract_modules import DependsOnValues, Tagger, resnet
from torch import Tensor, nn

from nnstruct.extract import extract


def snapshot(module: nn.Module) -> dict[str, Any]:
    """Identity, values and versions of all that hangs on a module."""
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        for name, value in part.__dict__.items():
            key = f"{path}:{name}"
            if isinstance(value, Tensor):
                found[key] = (id(value), value._version, value.detach().clone())
            elif isinstance(value, list | dict | set):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                found[key] = (id(value), [(k, id(v)) for k, v in items])
            else:
                found[key] = (id(value), repr(value))
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is not None:
                found[f"{path}:{name}"] = (
                    id(value),
                    value._version,
                    value.requires_grad,
                    value.detach().clone(),
                )
    return found


def same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return left == right


class Triangle(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.tril()


def pruned() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    prune.l1_unstructured(module[0], "weight", 0.5)
    prune.random_structured(module[2], "weight", 1, dim=1)
    return module


def parametrized() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4))
    parametrize.register_parametrization(module[0], "weight", Triangle())
    return module


def pruned_lstm() -> nn.Module:
    module = nn.LSTM(4, 3)
    prune.random_unstructured(module, "weight_hh_l0", 0.5)
    return module


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    module.calls = []  # type: ignore[assignment]
    module[0].register_forward_hook(lambda part, args, out: out * 2.0)
    module.register_forward_pre_hook(lambda part, args: (args[0] + 1.0,))
    return module


class Counter(nn.Module):
    """Writes into its buffer at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.linear(x) * self.calls


MODULES: dict[str, tuple[Any, Any]] = {
    "pruned": (pruned, torch.randn(2, 4)),
    "parametrized": (parametrized, torch.randn(2, 4)),
    "pruned lstm": (pruned_lstm, torch.randn(3, 2, 4)),
    "hooked": (hooked, torch.randn(2, 4)),
    "with running statistics": (resnet, torch.randn(2, 3, 12, 12)),
    "recurrent": (Tagger, torch.zeros(2, 3, dtype=torch.long)),
    "with a counter": (Counter, torch.randn(2, 4)),
    "followed": (DependsOnValues, torch.randn(2, 4)),
    "with dropout": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), torch.randn(2, 4)),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("training", [True, False])
def test_nothing_changes(name: str, training: bool) -> None:
    make, x = MODULES[name]
    module = make().train(training)
    forwards = [type(part).forward for part in module.modules()]
    before, state = snapshot(module), torch.get_rng_state()
    fast = torch.backends.mha.get_fastpath_enabled()
    extract(module, x)
    after = snapshot(module)
    assert before.keys() == after.keys()
    assert [key for key in before if not same(before[key], after[key])] == []
    assert [type(part).forward for part in module.modules()] == forwards
    assert torch.equal(state, torch.get_rng_state())
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert all(part.training == training for part in module.modules())


def test_a_change_would_be_seen() -> None:
    module = nn.Linear(2, 2)
    before = snapshot(module)
    with torch.no_grad():
        module.weight += 1
    assert [key for key, value in snapshot(module).items() if not same(before[key], value)] == [":weight"]


def test_the_network_does_not_follow_the_module() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    network = extract(module, torch.zeros(1, 3))
    kept = network.weight.copy(), network.bias.copy(), {k: v.copy() for k, v in network.tensors.items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    assert (network.weight == kept[0]).all()
    assert (network.bias == kept[1]).all()
    assert all((network.tensors[name] == value).all() for name, value in kept[2].items())


def test_the_module_still_trains() -> None:
    module = pruned()
    extract(module, torch.zeros(1, 4))
    module(torch.randn(5, 4)).sum().backward()
    assert module[0].weight_orig.grad is not None


def test_a_method_kept_under_another_name_acts_on_the_shadow() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)
            self.register_buffer("state", torch.zeros(0), persistent=False)
            self.step = self._step

        def _step(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + 0.5 * self.state

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.state = torch.zeros(len(x), 2)
            self.state = self.step(x)
            return self.step(x)

    module = Counting().eval()
    network = extract(module, torch.randn(4, 3))
    assert module.state.shape == (0,)
    assert network.structure.num_units > 5
