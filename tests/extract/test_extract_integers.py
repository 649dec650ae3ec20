"""Modules that are trained for integers, or hold them, are the real numbers that these stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from extract_modules import largest_difference
from torch import Tensor, nn
from torch.ao import quantization
from torch.ao.quantization._learnable_fake_quantize import _LearnableFakeQuantize

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.extract.extract import read_module
from nnstruct.modules.program.module import program_module

pytestmark = pytest.mark.filterwarnings("ignore")
SEPARATE = quantization.QConfig(
    activation=quantization.FakeQuantize.with_args(
        observer=quantization.MovingAverageMinMaxObserver, quant_min=0, quant_max=255
    ),
    weight=quantization.FakeQuantize.with_args(
        observer=quantization.MovingAveragePerChannelMinMaxObserver,
        quant_min=-128,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
    ),
)
CONFIGURATIONS: dict[str, Any] = {
    "x86": quantization.get_default_qat_qconfig("x86"),
    "qnnpack": quantization.get_default_qat_qconfig("qnnpack"),
    "separate": SEPARATE,
}


def trained_for_integers(configuration: Any) -> nn.Module:
    torch.manual_seed(0)
    plain = nn.Sequential(
        quantization.QuantStub(), nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
        nn.Linear(27, 4),
    )  # fmt: skip
    fused: nn.Module = quantization.fuse_modules_qat(plain.train(), [["1", "2", "3"]])
    fused.qconfig = configuration  # type: ignore[assignment]
    module: nn.Module = quantization.prepare_qat(fused)
    for _ in range(3):
        module(torch.randn(4, 2, 5, 5))
    return module.eval()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_fake_quantisation_computes_the_same_and_its_weights_are_on_the_grid(name: str) -> None:
    module = trained_for_integers(CONFIGURATIONS[name])
    before = {key: value.clone() for key, value in module.state_dict().items()}
    x = torch.randn(6, 2, 5, 5)
    network: Any = extract(module, x)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    module.apply(quantization.disable_observer)  # so that the call itself changes no scale
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5

    program = read_module(module, x)
    steps = {step.kind: step for step in program.steps}
    assert steps["linear"].options["quantised"] == steps["conv"].options["quantised"] == "int8"
    weight = program.constants[steps["linear"].tensors["weight"]]
    assert weight.any()
    scale: Tensor = module.get_submodule("5.weight_fake_quant").scale  # type: ignore[assignment]
    places = weight / np.broadcast_to(scale.numpy().reshape(-1, 1), weight.shape)
    assert np.abs(places - places.round()).max() < 1e-3


def test_scales_that_were_never_measured_are_those_of_the_example() -> None:
    torch.manual_seed(1)
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).train()
    plain.qconfig = CONFIGURATIONS["x86"]  # type: ignore[assignment]
    module, x = quantization.prepare_qat(plain).eval(), torch.randn(4, 6)
    network: Any = extract(module, x)
    assert not torch.isfinite(module[0].weight_fake_quant.activation_post_process.min_val).any()
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5
    with pytest.raises(InvalidInputError, match="example_input must be what the module takes"):
        extract(quantization.prepare_qat(plain), torch.randn(4, 7))


class Rounded(nn.Module):
    def __init__(self, rounding: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rounding, self.linear = rounding, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.rounding(x))


def by_tensor(x: Tensor) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(x, 0.05, 3, -128, 127)


def by_channel(x: Tensor) -> Tensor:
    scale, zero = torch.tensor([0.01, 0.05, 0.1, 0.5]), torch.tensor([0, 1, 2, -3], dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(x, scale, zero, 1, -20, 20)


def learned_by_tensor() -> nn.Module:
    made: nn.Module = _LearnableFakeQuantize(quantization.MovingAverageMinMaxObserver, 0, 255, scale=0.1)
    made.enable_param_learning()  # type: ignore[operator]
    return made


@pytest.mark.parametrize("rounding", [by_tensor, by_channel, learned_by_tensor])
def test_operations_of_fake_quantisation(rounding: Callable[..., Any]) -> None:
    module = Rounded(rounding() if rounding is learned_by_tensor else rounding).eval()
    x = 3 * torch.randn(50, 4)
    network: Any = extract(module, x)
    assert network.program.steps[0].options["function"] == "fake_quantize"
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


class Integers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)
        self.sum, self.linear = torch.ao.nn.quantized.FloatFunctional(), nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        made = self.relu(self.conv(self.first(x)))
        return self.last(self.linear(self.sum.add(made, self.other(made)).flatten(1)))


def test_modules_of_integers_compute_the_same() -> None:
    torch.manual_seed(0)
    plain = quantization.fuse_modules(Integers().eval(), [["conv", "relu"]])
    plain.qconfig = quantization.get_default_qconfig("x86")
    prepared, x = quantization.prepare(plain), torch.randn(2, 3, 3, 3)
    prepared(torch.randn(20, 3, 3, 3))
    observed: Any = extract(prepared, x)  # observers only look
    assert largest_difference(program_module(observed)(x), prepared(x)) < 1e-5
    module = quantization.convert(prepared)
    network: Any = extract(module, x)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5
    stored = [step.options.get("quantised") for step in network.program.steps if step.tensors.get("weight")]
    assert stored == ["int8"] * 3


@pytest.mark.parametrize(("kind", "stored"), [(nn.LSTM, torch.float16), (nn.GRU, torch.qint8)])
def test_recurrent_layers_of_stored_weights(kind: Any, stored: Any) -> None:
    torch.manual_seed(0)
    plain = nn.ModuleList([kind(5, 4, num_layers=2, bidirectional=True)])
    module = quantization.quantize_dynamic(plain, {kind}, dtype=stored)[0]
    x = torch.randn(7, 2, 5)
    network: Any = extract(module, x)
    assert largest_difference(program_module(network)(x)[0], module(x)[0]) < 0.01  # inputs are rounded there
    name = "float16" if stored == torch.float16 else "int8"
    assert {step.options.get("quantised") for step in network.program.steps if step.kind == "rnn"} == {name}
    made = read_module(module, x).constants["weight_ih_l1_reverse"]
    given = plain[0].weight_ih_l1_reverse.detach().numpy()
    assert 0 < np.abs(made - given).max() < 0.01


def test_linear_layers_of_stored_weights() -> None:
    torch.manual_seed(0)
    plain, x = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)), torch.randn(3, 8)
    for stored, name, limit in ((torch.qint8, "int8", 0.02), (torch.float16, "float16", 2e-3)):
        module = quantization.quantize_dynamic(plain, {nn.Linear}, dtype=stored)
        network: Any = extract(module, x)
        assert network.program.steps[0].options["quantised"] == name
        assert largest_difference(program_module(network)(x), module(x)) < limit
