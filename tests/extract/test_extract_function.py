"""The graph of a module, evaluated unit by unit, gives what the module gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from extract_modules import Gated, Tagger, randomise_norms, resnet, sparsify
from graph_interpreter import Interpreter
from torch import nn

from nnstruct.extract import extract

MODULES: dict[str, tuple[Any, Any]] = {
    "mlp": (nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 2)), (3, 5)),
    "cnn": (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, stride=2, groups=2), nn.Sigmoid(), nn.Flatten(), nn.Linear(16, 3),
        ),
        (2, 2, 10, 10),
    ),
    "transposed": (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.ConvTranspose2d(3, 2, 2, stride=2)), (2, 2, 6, 6)
    ),
    "joins": (Gated(), (3, 3)),
    "resnet": (resnet(), (2, 3, 12, 12)),
    "rnn": (nn.Sequential(nn.RNN(3, 4, batch_first=True)), (2, 5, 3)),
    "gru": (nn.Sequential(nn.GRU(3, 4, 2, bidirectional=True)), (5, 2, 3)),
    "lstm": (nn.Sequential(nn.LSTM(3, 4, batch_first=True)), (2, 5, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_the_graph_computes_the_module(name: str, keep: float) -> None:
    torch.manual_seed(0)
    module, shape = MODULES[name]
    module = sparsify(randomise_norms(module), keep).eval()
    x = torch.randn(shape)
    network = extract(module, x)
    expected = module(x)
    expected = expected[0] if isinstance(expected, tuple) else expected
    found = Interpreter(network, x).outputs()
    if name in ("rnn", "lstm"):
        expected = expected.movedim(-1, 1)
    elif name == "gru":
        # the last states of the first layer are outputs of the network, too
        found, expected = found[:, -8:], expected.movedim(-1, 1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_tagger_of_symbols() -> None:
    torch.manual_seed(0)
    tagger = sparsify(Tagger(), 0.7)
    symbols = torch.randint(0, 20, (2, 4))
    found = Interpreter(extract(tagger, symbols), symbols).outputs()
    assert torch.allclose(found, tagger(symbols).movedim(-1, 1), atol=1e-5)


def test_a_convolution_unrolled_over_positions() -> None:
    """At weight resolution each unit is a weighted sum of units; pools take the greatest."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=True), nn.ReLU(), nn.MaxPool2d(2, 1))
    sparsify(module, 0.6)
    x = torch.randn(1, 2, 6, 6)
    network = extract(module, x, "weight")
    structure = network.structure
    value = torch.zeros(structure.num_units)
    value[:72] = x.flatten()
    operators = structure.attributes["operator"]
    for unit in range(72, structure.num_units):
        chosen = structure.edge_index[1] == unit
        read = value[structure.edge_index[0, chosen]]
        if operators[unit] == "conv2d":
            value[unit] = torch.relu(
                (read * torch.tensor(network.weight[chosen, 0])).sum() + network.bias[unit, 0]
            )
        else:
            value[unit] = read.max()
    assert torch.allclose(value[torch.tensor(structure.outputs.tolist())], module(x).flatten(), atol=1e-5)
