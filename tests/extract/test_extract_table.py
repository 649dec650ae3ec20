"""Every cell of the table in ``nnstruct.extract``: units and edges counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from extract_modules import CellLoop, Gated, SelfAttention
from torch import nn

from nnstruct.extract import extract

X4 = torch.zeros(2, 4)
MAP = torch.zeros(2, 2, 5, 5)
SEQUENCE = torch.zeros(2, 3, 4)
SYMBOLS = torch.zeros(2, 3, dtype=torch.long)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class Reused(nn.Module):
    """A value that is read with and without its activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.second(torch.cat([y, y.relu()], 1))


class TwoInputs(nn.Bilinear):
    def forward(self, pair: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(pair[:, :3], pair[:, 3:])


def conv(*args: Any, **kwargs: Any) -> nn.Module:
    return nn.Conv2d(*args, **kwargs)


# name: (module, example), then for each resolution (units, forward edges, recurrent edges)
CELLS: dict[str, tuple[Any, ...]] = {
    "linear": (nn.Linear(4, 3), X4, (7, 12, 0), (7, 12, 0), (2, 1, 0)),
    "linear over time": (nn.Linear(4, 3), SEQUENCE, (7, 12, 0), (7, 12, 0), (2, 1, 0)),
    # 2 input channels and 3 outputs; 50 pixels and 3 maps of 3x3 with 2 * 9 taps at each place
    "conv2d": (conv(2, 3, 3), MAP, (5, 6, 0), (77, 27 * 18, 0), (2, 1, 0)),
    # padded by 1, the taps inside the map are (3 * 5 - 2) ** 2 = 169 for each pair of channels
    "conv2d padded": (conv(2, 3, 3, padding=1), MAP, (5, 6, 0), (125, 6 * 169, 0), (2, 1, 0)),
    "conv2d strided": (conv(2, 3, 3, stride=2), MAP, (5, 6, 0), (62, 12 * 18, 0), (2, 1, 0)),
    "conv2d dilated": (conv(2, 3, 3, dilation=2), MAP, (5, 6, 0), (53, 3 * 18, 0), (2, 1, 0)),
    "conv2d grouped": (conv(2, 4, 3, groups=2), MAP, (6, 4, 0), (86, 36 * 9, 0), (2, 1, 0)),
    "conv1d": (nn.Conv1d(4, 2, 2), torch.zeros(1, 4, 3), (6, 8, 0), (16, 4 * 8, 0), (2, 1, 0)),
    # each of 25 pixels reaches 9 places for each pair of channels
    "conv transposed": (nn.ConvTranspose2d(2, 3, 3), MAP, (5, 6, 0), (50 + 147, 6 * 225, 0), (2, 1, 0)),
    # 7 inputs; x to y: 3 * 2, the other side: 4 * 2; by weight: 12 products, 24 identities, 24 weights
    "bilinear": (TwoInputs(3, 4, 2), torch.zeros(2, 7), (9, 14, 0), (21, 48, 0), (2, 1, 0)),
    "embedding": (nn.Embedding(6, 4), SYMBOLS, (5, 4, 0), (10, 24, 0), (2, 1, 0)),
    "rnn": (nn.RNN(4, 3), SEQUENCE, (7, 12, 9), (7, 12, 9), (2, 1, 1)),
    # by weight: 3 gates * 12 and 4 joints * 3 forward; 3 gates * 9 and 3 delayed joints
    "gru": (nn.GRU(4, 3), SEQUENCE, (7, 12, 9), (19, 36 + 12, 27 + 3), (2, 1, 1)),
    "lstm": (nn.LSTM(4, 3), SEQUENCE, (7, 12, 9), (22, 48 + 15, 36 + 3), (2, 1, 1)),
    # projection of 3 to 2: 6 edges forward, 2 * 3 recurrent
    "lstm projected": (
        nn.LSTM(4, 3, proj_size=2), SEQUENCE, (9, 18, 6), (24, 48 + 15 + 6, 24 + 3), (2, 1, 1)
    ),
    # the last states of both layers are concatenated into one output
    "rnn of two layers": (nn.RNN(4, 3, 2), SEQUENCE, (10, 12 + 9, 18), (10, 21, 18), (4, 4, 2)),
    # two directions, whose last states are concatenated: operators are 2 layers and 2 concatenations
    "rnn both ways": (nn.RNN(4, 3, bidirectional=True), SEQUENCE, (10, 24, 18), (10, 24, 18), (5, 6, 2)),
    "rnn cell": (nn.RNNCell(4, 3), X4, (7, 12, 9), (7, 12, 9), (2, 1, 1)),
    "gru cell": (nn.GRUCell(4, 3), X4, (7, 12, 9), (19, 48, 30), (2, 1, 1)),
    "lstm cell": (nn.LSTMCell(4, 3), X4, (7, 12, 9), (22, 63, 39), (2, 1, 1)),
    # the loop over three time steps is one cell; at layer resolution it reads the input and its state, at
    # first a constant, and its results are concatenated
    "cell in a loop": (CellLoop(nn.RNNCell(4, 5)), SEQUENCE, (11, 30, 25), (11, 30, 25), (4, 3, 1)),
    "flatten": (
        nn.Sequential(conv(2, 3, 3), nn.Flatten(), nn.Linear(27, 2)), MAP,
        (7, 12, 0), (79, 486 + 54, 0), (3, 2, 0)
    ),
    "activation": (nn.Sequential(nn.Linear(4, 3), nn.ReLU()), X4, (7, 12, 0), (7, 12, 0), (3, 2, 0)),
    "activation read twice": (Reused(), X4, (4 + 3 + 3 + 2, 12 + 3 + 12, 0), (12, 27, 0), (5, 5, 0)),
    "activation of the input": (nn.ReLU(), X4, (8, 4, 0), (8, 4, 0), (2, 1, 0)),
    "batch norm": (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), X4, (7, 12, 0), (7, 12, 0), (3, 2, 0)),
    "layer norm": (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), X4, (7, 12, 0), (7, 12, 0), (3, 2, 0)),
    "group norm": (
        nn.Sequential(conv(2, 4, 1), nn.GroupNorm(2, 4)), MAP, (6, 8, 0), (150, 200, 0), (3, 2, 0)
    ),
    # pools at weight resolution: 3 maps of 2x2 from 4 pixels each; all 25 pixels of 2 maps
    "max pool": (
        nn.Sequential(conv(2, 3, 1), nn.MaxPool2d(2)), MAP, (5, 6, 0), (137, 150 + 48, 0), (3, 2, 0)
    ),
    "average pool": (nn.AvgPool2d(2), MAP, (4, 2, 0), (58, 32, 0), (2, 1, 0)),
    "global pool": (nn.AdaptiveAvgPool2d(1), MAP, (4, 2, 0), (52, 50, 0), (2, 1, 0)),
    # windows of 5 places in 2 parts: 3 and 3, so that 9 pixels feed each of 4 places
    "adaptive pool": (nn.AdaptiveMaxPool2d(2), MAP, (4, 2, 0), (58, 72, 0), (2, 1, 0)),
    "residual": (Residual(), X4, (12, 16 + 8, 0), (12, 24, 0), (3, 3, 0)),
    # 3 inputs, a and b 12 edges each, 8 joins with 2 edges each, 16 into the last layer
    "join and concatenation": (Gated(), torch.zeros(2, 3), (21, 56, 0), (21, 56, 0), (8, 10, 0)),
    # 4 inputs, 12 projections (48), 2 scores (2 + 2 each), 4 outputs (2 each), 4 outputs (16)
    "attention": (SelfAttention(), SEQUENCE, (26, 48 + 8 + 8 + 16, 0), (26, 80, 0), (4, 3, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("place", range(3), ids=["unit", "weight", "layer"])
def test_units_and_edges(name: str, place: int) -> None:
    module, example, *counts = CELLS[name]
    structure = extract(module.eval(), example, ("unit", "weight", "layer")[place]).structure
    delayed = int(structure.recurrent.sum())
    assert (structure.num_units, structure.num_edges - delayed, delayed) == counts[place]


def test_widths_and_kinds_of_edges() -> None:
    network = extract(nn.Sequential(conv(2, 3, 3), nn.Flatten(), nn.Linear(27, 2)), MAP)
    assert sorted(network.edge_width.tolist()) == [9] * 12  # 6 kernels of 3x3, 6 edges of 9 positions
    lstm = extract(nn.LSTM(4, 3), SEQUENCE)
    assert set(lstm.edge_width.tolist()) == {4}
    assert lstm.edge_kind.tolist() == ["weight"] * 12 + ["recurrent"] * 9
    assert lstm.bias.shape == (7, 4)
    assert set(extract(Residual(), X4).edge_kind.tolist()) == {"weight", "identity"}
    assert "state" in extract(nn.LSTM(4, 3), SEQUENCE, "weight").edge_kind.tolist()
    mixed = extract(nn.Sequential(conv(2, 3, 3), nn.ReLU(), conv(3, 1, 1)), MAP)
    assert mixed.weight.shape == (9, 9)
    assert mixed.weight[mixed.edge_width == 1, 1:].any() == False  # noqa: E712  (padding)


def test_values_stand_on_their_edges() -> None:
    linear = nn.Linear(4, 3)
    network = extract(linear, X4)
    source, target = network.structure.edge_index
    expected = linear.weight.detach().numpy()[target - 4, source]
    assert (network.weight[:, 0] == expected).all()
    assert (network.bias[4:, 0] == linear.bias.detach().numpy()).all()
    layer = nn.Conv2d(2, 3, 3)
    network = extract(layer, MAP)
    source, target = network.structure.edge_index
    assert (network.weight == layer.weight.detach().numpy()[target - 2, source].reshape(-1, 9)).all()


def test_unit_attributes() -> None:
    network = extract(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU()).eval(), X4)
    structure = network.structure
    assert structure.attributes["operator"] == ("input",) * 4 + ("linear",) * 3
    assert structure.attributes["activation"] == ("identity",) * 4 + ("batch_norm+relu",) * 3
    assert structure.attributes["stage"] == (0,) * 4 + (1,) * 3
    assert structure.inputs.tolist() == [True] * 4 + [False] * 3
    assert structure.outputs.tolist() == [False] * 4 + [True] * 3
    assert set(network.tensors) == {"1.scale", "1.shift"}


def test_tied_weights_are_named() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
            self.other.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.other(self.one(x).relu())

    network = extract(Tied(), X4)
    assert list(network.tied) == ["one.weight"]
    assert network.structure.num_units == 12


def test_a_layer_network_counts_parameters() -> None:
    network = extract(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), X4, "layer")
    assert network.structure.attributes["operator"] == ("input", "linear", "relu")
    assert network.tensors["parameters"].tolist() == [0, 15, 0]
    assert network.tensors["width"].tolist() == [4, 3, 3]
