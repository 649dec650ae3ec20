"""Architectures in the style of torchvision and of sequence tagging extract and run again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from extract_modules import (
    CellLoop,
    DenseNet,
    DependsOnValues,
    MobileNetV2,
    SelfAttention,
    SmallViT,
    Tagger,
    largest_difference,
    randomise_norms,
    resnet,
    vgg,
)  # fmt: skip
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down, self.up = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        return x * torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Mixer(nn.Module):
    """A linear layer over positions, shared by the channels, and one over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.channels = nn.Linear(5, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.channels(self.tokens(x.transpose(1, 2)).relu().transpose(1, 2))


class Translator(nn.Module):
    """The encoder's last state starts the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.GRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(x, self.encoder(x)[1])[0]


class Upsampling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 3, 2, 2), nn.Conv2d(5, 2, 3, padding="same", padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        small = nn.functional.interpolate(self.down(x).relu(), scale_factor=2.0)
        return self.up(torch.cat([x, small], 1))


class CausalLanguageModel(nn.Module):
    """The read-out shares its weights with the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.readout = nn.Linear(8, 9)
        self.readout.weight = self.embedding.weight

    def forward(self, symbols: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(symbols.shape[1])
        return self.readout(self.body(self.embedding(symbols) * 3.0, mask=mask, is_causal=True))


class LearnedState(nn.Module):
    """Starts from a state that is a parameter, and gives a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.start = nn.GRU(3, 4), nn.Parameter(torch.randn(1, 1, 4))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out, last = self.gru(x, self.start.expand(-1, x.shape[1], -1).contiguous())
        return {"out": out, "last": last}


IMAGE = torch.randn(2, 3, 16, 16)
ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "VGG": (vgg, IMAGE),
    "ResNet": (resnet, IMAGE),
    "MobileNetV2": (MobileNetV2, IMAGE),
    "DenseNet": (DenseNet, IMAGE),
    "ViT": (SmallViT, torch.randn(2, 3, 8, 8)),
    "tagger": (Tagger, torch.randint(0, 20, (2, 5))),
    "attention": (SelfAttention, torch.randn(2, 3, 4)),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), torch.randn(2, 3, 8)),
    "transformer, time first": (lambda: nn.TransformerEncoderLayer(8, 4, 12), torch.randn(3, 2, 8)),
    "transformer decoder": (
        lambda: nn.TransformerDecoderLayer(8, 2, 12, batch_first=True),
        (torch.randn(2, 3, 8), torch.randn(2, 4, 8)),
    ),
    "causal language model": (CausalLanguageModel, torch.randint(0, 9, (2, 5))),
    "learned state": (LearnedState, torch.randn(5, 2, 3)),
    "unbatched": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), torch.randn(1, 5, 5)),
    "compiled": (lambda: torch.compile(nn.Sequential(nn.Linear(3, 2), nn.Tanh())), torch.randn(2, 3)),
    "squeeze and excite": (SqueezeExcite, torch.randn(2, 2, 6, 6)),
    "mixer": (Mixer, torch.randn(2, 5, 4)),
    "encoder and decoder": (Translator, torch.randn(2, 5, 3)),
    "u-net": (Upsampling, torch.randn(1, 2, 6, 6)),
    "LSTM cell": (lambda: CellLoop(nn.LSTMCell(4, 5)), torch.randn(2, 3, 4)),
    "depends on values": (DependsOnValues, torch.rand(2, 4)),
    "weight normalisation": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), torch.randn(2, 4)
    ),
    "gated linear unit": (lambda: nn.Sequential(nn.Linear(4, 6), nn.GLU(), nn.PReLU(3)), torch.randn(2, 4)),
    "instance and group norm": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4)),
        torch.randn(2, 2, 5, 5),
    ),
    "pixel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.PixelShuffle(2)), torch.randn(1, 1, 4, 4)
    ),
    "keyword arguments": (
        lambda: nn.Bilinear(3, 4, 2), {"input1": torch.randn(2, 3), "input2": torch.randn(2, 4)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_extracts_and_runs_again(name: str) -> None:
    torch.manual_seed(0)
    make, x = ARCHITECTURES[name]
    module = randomise_norms(make()).eval()
    network = extract(module, x)
    module = getattr(module, "_orig_mod", module)
    assert network.structure.family == "module"
    assert not len(network.dead_units)
    rebuilt = program_module(network)
    given = tuple(x.values()) if isinstance(x, dict) else x if isinstance(x, tuple) else (x,)
    expected = module(**x) if isinstance(x, dict) else module(*given)
    assert largest_difference(rebuilt(*given), expected) < 1e-5
    assert extract(module, x, "layer").structure.num_units < network.structure.num_units
    assert extract(module, x, "weight").structure.num_edges >= network.structure.num_edges


def test_heads_are_units() -> None:
    network = extract(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True).eval(), torch.zeros(2, 3, 8))
    operators = network.structure.attributes["operator"]
    assert operators.count("attention_score") == 2
    assert operators.count("attention") == 8
    score = operators.index("attention_score")
    assert (network.structure.edge_index[1] == score).sum() == 4 + 4  # the head's queries and keys


def test_a_class_token_adds_no_units() -> None:
    network = extract(SmallViT().eval(), torch.zeros(1, 3, 8, 8))
    operators = network.structure.attributes["operator"]
    assert operators.count("input") == 3
    assert operators.count("conv2d") == 8
