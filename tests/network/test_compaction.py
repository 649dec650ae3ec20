"""Networks without their dead units compute the same: padded convolutions, residual sums, normalisations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules import program_module


class Block(nn.Module):
    """Two convolutions beside the identity, or beside a convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.beside: nn.Module = nn.Identity()
        if inputs != outputs or stride > 1:
            shorter = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.beside = nn.Sequential(shorter, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(inner)) + self.beside(x))


class ResNet18(nn.Module):
    """He et al. (2016), arXiv:1512.03385; 6,733 units at width 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        sizes = [(1, 1, 1), (1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1), (4, 8, 2), (8, 8, 1)]
        self.blocks = nn.Sequential(*(Block(a * width, b * width, stride) for a, b, stride in sizes))
        self.readout = nn.Linear(8 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.blocks(self.stem(x)).mean((2, 3)))


@torch.no_grad()
def filter_pruned(width: int, which: str, shift: float) -> nn.Module:
    """A ResNet-18 with half of each convolution's filters at zero: the same in all layers, or at random."""
    torch.manual_seed(0)
    module = ResNet18(width).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.bias.normal_(0, shift)
            part.running_mean.normal_(0, shift)
            part.running_var.uniform_(0.5, 1.5)
        elif isinstance(part, nn.Conv2d):
            channels = (
                torch.arange(part.out_channels) if which == "first" else torch.randperm(part.out_channels)
            )
            part.weight[channels[: part.out_channels // 2]] = 0
    return module


@torch.no_grad()
def compared(module: nn.Module, x: Tensor) -> tuple[int, int, int]:
    """Units, dead units and units after compaction, once the outputs are found equal."""
    network = extract(module, x)
    small = network.compact()
    rebuilt = program_module(small)
    for given in (x, torch.cat([x, -2 * x])):
        expected = module(given)
        assert float((rebuilt(given) - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    assert extract(rebuilt, x).structure.fingerprint == small.structure.fingerprint
    return network.structure.num_units, len(network.dead_units), small.structure.num_units


@pytest.mark.parametrize("which", ["first", "random"])
def test_all_dead_channels_of_a_filter_pruned_resnet_go(which: str) -> None:
    units, dead, left = compared(filter_pruned(4, which, 0.0), torch.randn(1, 3, 48, 48))
    assert dead > 170
    assert left == units - dead


def test_where_norms_shift_the_dead_most_go() -> None:
    units, dead, left = compared(filter_pruned(4, "first", 0.3), torch.randn(1, 3, 48, 48))
    assert units - dead < left < units - dead / 2


@pytest.mark.study
@pytest.mark.parametrize(("which", "expected"), [("first", 3360), ("random", 2801)])
def test_a_resnet_of_true_width(which: str, expected: int) -> None:
    units, dead, left = compared(filter_pruned(64, which, 0.0), torch.randn(1, 3, 64, 64))
    assert (units, dead) == (6733, pytest.approx(expected, rel=0.05))
    assert left == units - dead


def convolutions(second: Callable[[], nn.Module], constant: float, between: nn.Module) -> nn.Module:
    """Two layers; four of the eight channels between them hold a constant."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), between, second())
    with torch.no_grad():
        module[0].weight[:4] = 0
        module[0].bias[:4] = constant
    return module


def kernel_of_the_middle() -> nn.Module:
    """Its padding changes nothing: the taps that meet it are zero."""
    made = nn.Conv2d(8, 4, 3, padding=1)
    with torch.no_grad():
        made.weight[:, :, [0, 2]] = 0
        made.weight[:, :, :, [0, 2]] = 0
    return made


@pytest.mark.parametrize(
    ("second", "constant", "left"),
    [
        (lambda: nn.Conv2d(8, 4, 3), 0.5, 11),
        (lambda: nn.Conv2d(8, 4, 3, padding=1), 0.0, 11),
        (lambda: nn.Conv2d(8, 4, 3, padding=1), -0.5, 11),  # 0 after the ReLU
        (lambda: nn.Conv2d(8, 4, 3, padding=1), 0.5, 15),
        (kernel_of_the_middle, 0.5, 11),
        (lambda: nn.Conv2d(8, 4, 3, 2, padding=2, dilation=2), 0.0, 11),
        (lambda: nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect"), 0.5, 11),
        (lambda: nn.ConvTranspose2d(8, 4, 3, 2, 1), 0.0, 11),
        (lambda: nn.ConvTranspose2d(8, 4, 3, 2, 1), 0.5, 15),
    ],
)
def test_a_constant_goes_where_padding_does_not_change_it(
    second: Callable[[], nn.Module], constant: float, left: int
) -> None:
    module = convolutions(second, constant, nn.Identity())
    assert compared(module, torch.randn(1, 3, 9, 9)) == (15, 4, left)


@pytest.mark.parametrize(("pad", "constant", "left"), [(0.0, 0.0, 11), (0.0, 0.5, 15), (0.5, 0.5, 11)])
def test_a_pad_of_its_own_counts_too(pad: float, constant: float, left: int) -> None:
    module = convolutions(lambda: nn.Conv2d(8, 4, 3), constant, nn.ConstantPad2d(1, pad))
    assert compared(module, torch.randn(1, 3, 9, 9)) == (15, 4, left)


class Sum(nn.Module):
    """Two layers that are added, and a third that reads the sum."""

    def __init__(self, subtract: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(3, 6), nn.Linear(6, 2)
        self.subtract = subtract

    def forward(self, x: Tensor) -> Tensor:
        a, b = torch.sigmoid(self.a(x)), torch.tanh(self.b(x))
        return self.c(torch.relu(a - b if self.subtract else a + b))


@pytest.mark.parametrize("subtract", [False, True])
def test_one_side_of_a_sum_goes_and_its_constant_stays(subtract: bool) -> None:
    torch.manual_seed(0)
    module = Sum(subtract)
    with torch.no_grad():
        module.a.weight[:2] = 0  # constants sigmoid(bias)
        module.b.weight[1:4] = 0  # the second is a constant on both sides
        module.c.weight[:, 5] = 0  # nothing reads the last sum
    units, dead, left = compared(module, torch.randn(2, 3))
    assert (units, dead) == (3 + 3 * 6 + 2, 2 + 3 + 1 + 3)
    assert left == units - dead


def test_a_side_without_any_input_goes_but_for_one_unit() -> None:
    torch.manual_seed(0)
    module = Sum(False)
    with torch.no_grad():
        module.a.weight.zero_()
    units, dead, left = compared(module, torch.randn(2, 3))
    assert (units, dead, left) == (23, 6, 18)  # an array needs one
    assert extract(module, torch.randn(2, 3)).compact().compact().structure.num_units == 18


class Gates(nn.Module):
    """Squeeze and excitation (Hu et al., 2018), three of whose eight channels hold a constant."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)
        with torch.no_grad():
            self.first.weight[:3] = 0
            self.first.bias[:3] = constant

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        gates = self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()
        return self.last(x * gates[:, :, None, None])


def test_channels_that_hold_zero_go_with_their_gates() -> None:
    # A channel, its mean, what excites it, its gate as part of that, and the product.
    assert compared(Gates(0.0), torch.randn(2, 3, 6, 6)) == (43, 6, 31)
    # Another constant is folded where its mean is read; the products stay.
    assert compared(Gates(0.5), torch.randn(2, 3, 6, 6)) == (43, 6, 40)


class Twice(nn.Module):
    """A value whose constants are folded on one way and are needed on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3, padding=1)
        with torch.no_grad():
            self.first.weight[:3] = 0
            self.first.bias[:3] = -0.5

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.cat([x.softmax(1), self.second(x.relu())], 1)


class Coordinates(nn.Module):
    """A map of constants beside the channels (Liu et al., 2018): what reads it only is no one number."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 4, 3)
        self.register_buffer("places", torch.randn(1, 1, 6, 6))
        with torch.no_grad():
            self.first.weight[:3, :3] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(torch.cat([x, self.places.expand(len(x), -1, -1, -1)], 1)).relu())


def test_units_that_are_read_in_two_ways_and_maps_of_constants() -> None:
    assert compared(Twice(), torch.randn(2, 3, 6, 6))[2] == 3 + 8 + 8 + 5 + 4
    module, x = Coordinates().eval(), torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(program_module(extract(module, x).compact())(x), module(x))


@pytest.mark.parametrize("transposed", [False, True])
def test_groups_of_a_convolution_go_as_a_whole(transposed: bool) -> None:
    torch.manual_seed(0)
    kind = nn.ConvTranspose1d if transposed else nn.Conv1d
    module = nn.Sequential(
        nn.Conv1d(3, 8, 3), nn.ReLU(), kind(8, 12, 3, groups=4), nn.ReLU(), nn.Conv1d(12, 3, 1)
    )
    with torch.no_grad():
        module[0].weight[[0, 1, 5, 6, 7]] = 0
        module[0].bias[[0, 1, 5, 6, 7]] = 0.0
    # The group of 6 and 7 and that of 0 and 1 go with three channels each; 5 stays beside 4.
    assert compared(module, torch.randn(2, 3, 9)) == (26, 11, 16)


class Branches(nn.Module):
    """Convolutions beside each other, each with a function of its own before the next."""

    def __init__(self, functions: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            convolutions(lambda: nn.Conv2d(8, 2, 3), 0.3, function) for function in functions
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        return [part(x) for part in self.parts]


def test_constants_pass_activations() -> None:
    functions: list[nn.Module] = [
        nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(), nn.SELU(), nn.CELU(0.7), nn.LogSigmoid(),
        nn.Softsign(), nn.GELU("tanh"), nn.PReLU(8), nn.Softshrink(0.1), nn.Hardshrink(0.2),
        nn.Threshold(0.4, 0.2), nn.Upsample(scale_factor=2, mode="bilinear"),
    ]  # fmt: skip
    module, x = Branches(functions).eval(), torch.randn(1, 3, 5, 5)
    network = extract(module, x)
    small = network.compact()
    assert small.structure.num_units == network.structure.num_units - len(network.dead_units)
    with torch.no_grad():
        torch.testing.assert_close(program_module(small)(x), tuple(module(x)), rtol=1e-5, atol=1e-6)
