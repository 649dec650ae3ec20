"""Operations that are read through the plainer ones that they consist of, and their relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.extract import extract
from nnstruct.modules import program_module


class Own(nn.Module):
    """A function of a value [2, 3, 4, 4] that a convolution makes, and of what another one makes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.first(x), self.second(x))


torch.manual_seed(1)
MATRICES, MATRIX = torch.randn(3, 4, 5), torch.randn(4, 5)
GRID = torch.rand(2, 5, 3, 2) * 3 - 1.5  # beyond the border too

CASES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "einsum of two": lambda a, b: torch.einsum("bcij,bckj->bcik", a, b),
    "einsum of three": lambda a, b: torch.einsum("bcij,bcjk,kl->bil", a, b, MATRIX),
    "einsum with dots": lambda a, b: torch.einsum("...ij,...kj->...ik", a, b),
    "einsum, elements": lambda a, b: torch.einsum("bcij,bcij->bci", a, b),
    "einsum, outer": lambda a, b: torch.einsum("bc,bd->bcd", a.mean((2, 3)), b.mean((2, 3))),
    "einsum with matrices": lambda a, b: torch.einsum("bcij,cjk->bcik", a, MATRICES),
    "tensordot": lambda a, b: torch.tensordot(a, MATRIX, dims=([2], [0])),
    "std": lambda a, b: a.std(-1),
    "std of all": lambda a, b: (a / a.std())[:, :1],
    "std, biased": lambda a, b: a.std((1, 2), unbiased=False, keepdim=True) * b,
    "var, corrected": lambda a, b: torch.var(a, dim=1, correction=2),
    "var and mean": lambda a, b: torch.var_mean(a, dim=(2, 3), keepdim=True),
    "std and mean": lambda a, b: torch.std_mean(a, dim=-1),
    "tril": lambda a, b: a.tril(-1) @ b,
    "triu": lambda a, b: torch.triu(a, 1) + b,
    "triu of a constant": lambda a, b: a @ torch.triu(torch.ones(4, 4)),
    "fold": lambda a, b: functional.fold(functional.unfold(a, 3, padding=1) * 2, (4, 4), 3, padding=1),
    "rot90": lambda a, b: torch.rot90(a, 1, (2, 3)),
    "cross": lambda a, b: torch.linalg.cross(a, b, dim=1),
    "diff": lambda a, b: torch.diff(a, dim=-1),
    "huber": lambda a, b: functional.smooth_l1_loss(a, b, reduction="none"),
}


def _same(module: nn.Module, x: Tensor) -> Any:
    network = extract(module.eval(), x)
    found, expected = program_module(network)(x), module(x)
    for one, other in zip(
        found if isinstance(found, tuple) else (found,),
        expected if isinstance(expected, tuple) else (expected,),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    return network


@pytest.mark.parametrize("case", CASES)
def test_what_is_extracted_computes_the_same(case: str) -> None:
    torch.manual_seed(0)
    _same(Own(CASES[case]), torch.randn(2, 3, 4, 4))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [True, False])
def test_a_grid_may_be_a_constant_or_a_value(mode: Any, padding: Any, corners: bool) -> None:
    """A constant one is a fixed linear map, the same or another one for each example."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 4)

    def sample(a: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(a, grid, mode, padding, corners)

    for function in (
        lambda a, b: sample(a, GRID[:1].expand(2, -1, -1, -1)),
        lambda a, b: sample(a, GRID),
        lambda a, b: sample(a, b[:, :2].permute(0, 2, 3, 1).tanh() * 1.4),
    ):
        _same(Own(function), x)


def test_a_matrix_for_each_place_is_weights() -> None:
    """Three matrices of 4 x 5 are 60 weights on edges, and no constant beside the network."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4, 5))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bhk,hkn->bhn", x, self.weight)

    module = Heads()
    module.weight.data[0, 0] = 0
    network = _same(module, torch.randn(2, 3, 4))
    held = [block.values for block in network.blocks if block.role == "weight"]
    assert sum(len(values) for values in held) == 55
    weights = np.sort(np.concatenate([values.ravel() for values in held]))
    expected = module.weight.detach().numpy()
    np.testing.assert_allclose(weights, np.sort(expected[expected != 0]))
