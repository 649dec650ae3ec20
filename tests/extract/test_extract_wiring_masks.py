"""Constants that scale pairs of units say which pairs are connected."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module
from nnstruct.network.module_network import ModuleNetwork


class Synapses(nn.Module):
    """The cell of a neural circuit policy: each synapse has a curve, and a mask says which exist."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        units = len(mask)
        self.register_buffer("mask", mask)
        self.slope, self.place = (
            nn.Parameter(torch.rand(units, units)),
            nn.Parameter(torch.rand(units, units)),
        )
        self.weight = nn.Parameter(torch.rand(units, units) + 0.1)
        self.inputs = nn.Linear(3, units)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), len(self.mask))
        for time in range(x.shape[1]):
            curve = torch.sigmoid(self.slope * (state[:, :, None] - self.place))
            heard = (self.weight * curve * self.mask).sum(1)
            state = torch.tanh(self.inputs(x[:, time]) + heard)
        return state


def mask_of(units: int, synapses: int) -> Tensor:
    mask = torch.zeros(units * units)
    mask[torch.randperm(units * units, generator=torch.Generator().manual_seed(0))[:synapses]] = 1.0
    return mask.reshape(units, units)


def synapses(module: nn.Module, x: Tensor) -> int:
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    with torch.no_grad():
        assert torch.allclose(program_module(network)(x), module(x), atol=1e-5)
    operators = network.structure.attributes["operator"]
    target = network.structure.edge_index[1].tolist()
    return sum(operators[unit] == "sum" for unit in target)


def test_a_mask_of_synapses_decides_which_edges_exist() -> None:
    torch.manual_seed(0)
    found = [synapses(Synapses(mask_of(8, count)), torch.randn(2, 2, 3)) for count in (64, 11)]
    assert found == [64, 11]


def test_the_edge_carries_the_factor_and_joins_the_right_pair() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.scale = nn.Parameter(torch.tensor([[2.0, 0.0], [0.0, 3.0], [5.0, 0.0]]))

        def forward(self, x: Tensor) -> Tensor:
            return (self.first(x)[:, :, None] * self.scale).sum(1)

    module, x = Weighted(), torch.randn(4, 2)
    structure = (network := extract(module, x)).structure
    operators = structure.attributes["operator"]
    first, last = ([unit for unit, name in enumerate(operators) if name == kind] for kind in ("scale", "sum"))
    edges = {
        (first.index(a), last.index(b)): float(w)
        for (a, b), w in zip(structure.edge_index.T.tolist(), network.weight[:, 0], strict=True)
        if b in last
    }
    assert edges == {(0, 0): 2.0, (1, 1): 3.0, (2, 0): 5.0}


def test_a_scale_for_each_place_of_a_channel_makes_no_units_of_places() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(2, 3, 1)
            self.scale = nn.Parameter(torch.rand(3, 5))

        def forward(self, x: Tensor) -> Tensor:
            return (self.first(x) * self.scale).sum(2)

    assert extract(Scaled(), torch.randn(1, 2, 5)).structure.num_units == 5
