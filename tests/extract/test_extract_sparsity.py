"""Sparsity is seen however it was made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.utils.parametrize as parametrize
import torch.nn.utils.prune as prune
from extract_modules import CellLoop, largest_difference
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module

MASK = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]])


class Masking(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight * MASK


class OwnMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("mask", MASK)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.linear.weight * self.mask, self.linear.bias)


class SparseWeight(nn.Module):
    def __init__(self, layout: str) -> None:
        super().__init__()
        weight = torch.randn(3, 4) * MASK
        self.weight = nn.Parameter(weight.to_sparse() if layout == "coo" else weight.to_sparse_csr())
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        if self.layout == "coo":
            return torch.sparse.mm(self.weight, x.t()).t()
        return functional.linear(x, self.weight.to_dense())


class Product(nn.Module):
    """Written with an operator and a transposed weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter((torch.randn(3, 4) * MASK).t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + 1.0


def zeros() -> nn.Module:
    module = nn.Linear(4, 3)
    with torch.no_grad():
        module.weight *= MASK
    return module


def pruned() -> nn.Module:
    module = nn.Linear(4, 3)
    return prune.custom_from_mask(module, "weight", MASK)


def pruned_for_good() -> nn.Module:
    return prune.remove(pruned(), "weight")


def parametrized() -> nn.Module:
    module = nn.Linear(4, 3)
    parametrize.register_parametrization(module, "weight", Masking())
    return module


WAYS: dict[str, Callable[[], nn.Module]] = {
    "zeros": zeros,
    "torch.nn.utils.prune": pruned,
    "pruned for good": pruned_for_good,
    "parametrization": parametrized,
    "own mask": OwnMask,
    "sparse COO": lambda: SparseWeight("coo"),
    "sparse CSR": lambda: SparseWeight("csr"),
    "matrix product": Product,
    "double precision": lambda: zeros().double(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_the_same_edges_however_it_was_made(way: str) -> None:
    torch.manual_seed(0)
    module = WAYS[way]()
    x = torch.randn(2, 4, dtype=torch.float64 if way == "double precision" else torch.float32)
    network = extract(module, x)
    target, source = torch.nonzero(MASK, as_tuple=True)
    expected = sorted(zip(source.tolist(), (target + 4).tolist(), strict=True))
    assert sorted(map(tuple, network.structure.edge_index.T.tolist())) == expected
    assert network.structure.dead_units.tolist() == [5]
    assert largest_difference(program_module(network)(x.float()), module(x).float()) < 1e-5


def test_kernels_and_gates_vanish_as_a_whole() -> None:
    layer = nn.Conv2d(2, 2, 3)
    with torch.no_grad():
        layer.weight[0, 1] = 0
        layer.weight[1, 0, :, 1] = 0
    network = extract(layer, torch.zeros(1, 2, 5, 5))
    assert network.structure.num_edges == 3
    assert extract(layer, torch.zeros(1, 2, 5, 5), "weight").structure.num_edges == 9 * (9 * 2 + 6)
    lstm = nn.LSTM(2, 3)
    prune.custom_from_mask(lstm, "weight_hh_l0", torch.eye(3).repeat(4, 1))
    assert extract(lstm, torch.zeros(1, 1, 2)).structure.recurrent_edges.tolist() == [[2, 3, 4], [2, 3, 4]]


def test_a_pruned_cell_in_a_loop_is_one_cell() -> None:
    cell = nn.GRUCell(4, 5)
    prune.custom_from_mask(cell, "weight_hh", torch.eye(5).repeat(3, 1))
    module = CellLoop(cell)
    x = torch.randn(2, 3, 4)
    network = extract(module, x)
    assert int(network.structure.recurrent.sum()) == 5
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


def test_a_channel_whose_scale_is_zero_has_no_incoming_edges() -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 1, 1)).eval()
    with torch.no_grad():
        module[1].weight[1] = 0
    network = extract(module, torch.zeros(1, 1, 2, 2))
    assert network.structure.edge_index.tolist() == [[0, 0, 1, 2, 3], [1, 3, 4, 4, 4]]
    assert network.structure.dead_units.tolist() == [2]


def test_activations_times_a_mask() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 3)
            self.register_buffer("mask", torch.tensor([1.0, 0.0, 1.0]))

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.linear(x)) * self.mask

    assert extract(Gate(), torch.zeros(1, 2)).structure.edge_index.tolist() == [[0, 0, 1, 1], [2, 4, 2, 4]]


def test_the_threshold_counts_small_weights_as_zero() -> None:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([[0.5, -0.1], [0.1, -0.7]])
    network = extract(layer, torch.zeros(1, 2), threshold=0.1)
    assert network.structure.edge_index.tolist() == [[0, 1], [2, 3]]
    kernel = nn.Conv1d(1, 1, 3, bias=False)
    with torch.no_grad():
        kernel.weight[:] = torch.tensor([[[0.5, -0.1, 0.01]]])
    assert extract(kernel, torch.zeros(1, 1, 3), threshold=0.1).weight.tolist() == [[0.5, 0.0, 0.0]]
