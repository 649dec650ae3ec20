"""Convolutions after pixel shuffles, views, pads and joins: channels stay units, with their kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from extract_modules import largest_difference
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.extract import extract
from nnstruct.modules import program_module


class Own(nn.Module):
    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *given: Tensor) -> Tensor:
        return self.function(self.parts, *given)


def _halves(m: Any, x: Tensor) -> Tensor:
    y = functional.pixel_shuffle(m[0](x), 2)
    return m[1](y) + m[2](y)


# The module, the sizes of its inputs, and for each convolution the pairs of channels that its kernel joins
# with the number of weights on an edge.
CASES: dict[str, tuple[nn.Module, list[tuple[int, ...]], list[tuple[int, int]]]] = {
    "pixel shuffle": (
        nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(2, 3, 3)),
        [(2, 2, 5, 4)], [(16, 9), (6, 9)],
    ),
    "two pixel shuffles": (
        nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.PixelShuffle(2), nn.ReLU(), nn.Conv2d(2, 9, 3), nn.PixelShuffle(3),
            nn.MaxPool2d(2), nn.Conv2d(1, 2, 3),
        ),
        [(1, 1, 5, 5)], [(8, 9), (18, 9), (2, 9)],
    ),
    "two readers": (
        Own(_halves, nn.Conv2d(2, 8, 3), nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)),
        [(1, 2, 5, 5)], [(16, 9), (6, 9), (6, 1)],
    ),
    "depthwise": (
        nn.Sequential(nn.Conv2d(2, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 4, 3, groups=4)),
        [(1, 2, 5, 5)], [(32, 9), (4, 9)],
    ),
    "transposed": (
        nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2), nn.ConvTranspose2d(2, 3, 3, stride=2)),
        [(1, 2, 3, 3)], [(16, 1), (6, 9)],
    ),
    "pixel unshuffle": (  # the four parts of a channel are one unit
        nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.PixelUnshuffle(2), nn.Conv2d(8, 3, 3)),
        [(1, 2, 6, 6)], [(4, 9), (6, 36)],
    ),
    "channel shuffle": (
        Own(
            lambda m, x: m[1](m[0](x).view(1, 2, 3, 4, 4).transpose(1, 2).reshape(1, 6, 4, 4)),
            nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 3, 3),
        ),
        [(1, 2, 4, 4)], [(12, 9), (18, 9)],
    ),
    "channels seen as rows": (
        Own(lambda m, x: m[1](m[0](x).view(1, 3, 8, 4)), nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(3, 3, 3)),
        [(1, 2, 4, 4)], [(12, 9), (9, 9)],
    ),
    "a map seen as a series": (
        Own(lambda m, x: m[1](m[0](x).flatten(2)), nn.Conv2d(2, 6, 3), nn.Conv1d(6, 3, 3)),
        [(1, 2, 5, 5)], [(12, 9), (18, 3)],
    ),
    "maps side by side": (
        Own(
            lambda m, x: m[2](torch.cat([m[0](x), m[1](x)], 2)),
            nn.Conv1d(2, 3, 1), nn.Conv1d(2, 3, 1), nn.Conv1d(3, 4, 3),
        ),
        [(1, 2, 6)], [(6, 1), (6, 1), (12, 3)],
    ),
    "a cache before a series": (
        Own(lambda m, x, c: m[0](torch.cat([c, x], 2)), nn.Conv1d(2, 3, 3)),
        [(1, 2, 6), (1, 2, 2)], [(6, 3)],
    ),
    "causal": (
        Own(
            lambda m, x: m[1](functional.pad(m[0](functional.pad(x, (2, 0))), (4, 0))),
            nn.Conv1d(2, 4, 3), nn.Conv1d(4, 4, 3, dilation=2),
        ),
        [(1, 2, 9)], [(8, 3), (16, 3)],
    ),
    "a decoder's first map": (
        Own(lambda m, x: m[1](m[0](x).view(-1, 4, 3, 3)), nn.Linear(5, 36), nn.ConvTranspose2d(4, 2, 3)),
        [(1, 5)], [(180, 1), (8, 9)],
    ),
    "features on one axis stay units": (
        Own(lambda m, x: m[1](m[0](x)[:, None]), nn.Linear(3, 5), nn.Conv1d(1, 1, 3, padding=1)),
        [(1, 3)], [(15, 1), (13, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_channels_are_units_with_their_kernels(case: str) -> None:
    module, sizes, kernels = CASES[case]
    torch.manual_seed(0)
    inputs = tuple(torch.randn(size) for size in sizes)
    network = extract(module.eval(), inputs)
    assert [block.values.shape for block in network.blocks if block.role == "weight"] == kernels
    again = program_module(network)
    torch.testing.assert_close(again(*inputs), module(*inputs), atol=1e-5, rtol=1e-5)
    assert extract(again, inputs).structure.fingerprint == network.structure.fingerprint


def test_a_pixel_shuffles_channel_reads_what_it_is_made_of() -> None:
    """Output channel c of a shuffle by 2 is made of the input channels 4c to 4c + 3."""
    module = nn.Sequential(nn.Conv2d(1, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 3, 3))
    structure = extract(module, torch.zeros(1, 1, 3, 3)).structure
    operators = structure.attributes["operator"]
    assert Counter(operators) == {"input": 1, "conv2d": 11, "merge": 2}
    first = operators.index("merge")
    for channel in range(2):
        read = structure.edge_index[0, structure.edge_index[1] == first + channel]
        assert read.tolist() == [1 + 4 * channel + part for part in range(4)]
    assert extract(module, torch.zeros(1, 1, 3, 3), "weight").structure.num_units == 9 + 72 + 48
    assert extract(module, torch.zeros(1, 1, 3, 3), "layer").structure.attributes["width"] == (1, 8, 3)


def test_units_that_stand_at_several_places_before_a_linear_layer() -> None:
    """Attention over channels: a channel's keys are the same units at each position of the other axis."""

    class Over(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.attention = nn.Conv2d(2, 3, 1), nn.MultiheadAttention(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)[0]  # [3, 4, 4]
            return self.attention(y, y, y, need_weights=False)[0]

    torch.manual_seed(0)
    module, x = Over().eval(), torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(program_module(extract(module, x))(x), module(x), atol=1e-5, rtol=1e-4)


class WithToken(nn.Module):
    """A token made by a layer of its own beside others, and a layer on all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.others, self.all = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.all(torch.cat([self.token(x[:, :1]), self.others(x[:, 1:])], 1))


def test_positions_that_read_the_same_units_are_the_same_units() -> None:
    module, found = WithToken(), set()
    for length in (3, 6):
        x = torch.randn(2, length, 3)
        network = extract(module, x)
        assert largest_difference(program_module(network)(x), module(x)) < 1e-6
        found.add((network.structure.fingerprint, network.structure.num_units, network.structure.num_edges))
    assert [counts[1:] for counts in found] == [(3 + 4 + 4 + 2 + 2, 12 + 12 + 8 + 8)]
