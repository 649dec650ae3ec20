"""Operations that are read through the plainer ones that they consist of, and their relatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.extract import extract
from nnstruct.modules import program_module
from nnstruct.program import UnsupportedOperationError


class Own(nn.Module):
    """A function of a value [2, 3, 4, 4] that a convolution makes, and of what another one makes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.first(x), self.second(x))


torch.manual_seed(1)
MATRICES, MATRIX = torch.randn(3, 4, 5), torch.randn(4, 5)
UNIT = torch.eye(4)
GRID = torch.rand(2, 5, 3, 2) * 3 - 1.5  # beyond the border too

# Groups of functions of two values; each group is one module that gives all of their results.
GROUPS: dict[str, dict[str, Callable[[Tensor, Tensor], Any]]] = {
    "einsum": {
        "two": lambda a, b: torch.einsum("bcij,bckj->bcik", a, b),
        "three": lambda a, b: torch.einsum("bcij,bcjk,kl->bil", a, b, MATRIX),
        "dots": lambda a, b: torch.einsum("...ij,...kj->...ik", a, b),
        "diagonal": lambda a, b: torch.einsum("bcii->bc", a),
        "trace": lambda a, b: torch.einsum("ii", a[0, 0]),
        "elements": lambda a, b: torch.einsum("bcij,bcij->bci", a, b),
        "outer": lambda a, b: torch.einsum("bc,bd->bcd", a.mean((2, 3)), b.mean((2, 3))),
        "matrices": lambda a, b: torch.einsum("bcij,cjk->bcik", a, MATRICES),
        "implied": lambda a, b: torch.einsum("bcij,jk", a, MATRIX),
        "tensordot": lambda a, b: torch.tensordot(a, MATRIX, dims=([2], [0])),
    },
    "spread": {
        "std": lambda a, b: a.std(-1),
        "of all": lambda a, b: (a / a.std())[:, :1],
        "biased": lambda a, b: a.std((1, 2), unbiased=False, keepdim=True) * b,
        "corrected": lambda a, b: torch.var(a, dim=1, correction=2),
        "var and mean": lambda a, b: torch.var_mean(a, dim=(2, 3), keepdim=True)[0],
        "std and mean": lambda a, b: torch.std_mean(a, dim=-1)[1],
        "count": lambda a, b: torch.count_nonzero(a.relu(), dim=1),
        "sum of flags": lambda a, b: (a > 0).sum((2, 3)),
        "distances": lambda a, b: torch.cdist(a.flatten(2), b.flatten(2), p=1.0),
        "own distances": lambda a, b: torch.pdist(a.flatten(1)),
        "quantile": lambda a, b: torch.quantile(a, 0.3, dim=-1),
        "median": lambda a, b: torch.median(a, dim=1, keepdim=True)[0],
        "median's place": lambda a, b: torch.median(a, dim=-1)[1],
        "kth": lambda a, b: torch.kthvalue(a, 2, dim=1)[0],
        "max and its place": lambda a, b: a.max(1)[1] + a.min(1)[0],
        "place of all": lambda a, b: torch.argmax(a) + a,
    },
    "places": {
        "tril": lambda a, b: a.tril(-1) @ b,
        "triu": lambda a, b: torch.triu(a, 1) + b,
        "triu of a constant": lambda a, b: a @ torch.triu(torch.ones(4, 4)),
        "fold": lambda a, b: functional.fold(functional.unfold(a, 3, padding=1) * 2, (4, 4), 3, padding=1),
        "rot90": lambda a, b: torch.rot90(a, 1, (2, 3)),
        "diagonal": lambda a, b: a.diagonal(1, 2, 3),
        "diagonal written": lambda a, b: torch.diagonal_scatter(a[0, 0], b[0, 0, 0]),
        "windows": lambda a, b: a.unfold(2, 3, 1),
        "vstack": lambda a, b: torch.vstack([a, b]),
        "hstack": lambda a, b: torch.hstack([a, b]),
        "cut at places": lambda a, b: torch.tensor_split(a, (1, 3), dim=2)[1],
        "cut in parts": lambda a, b: torch.tensor_split(a, 3, dim=3)[0],
        "chosen by flags": lambda a, b: torch.masked_select(a, torch.tensor([True, False, True, True])),
        "mean at places": lambda a, b: torch.scatter_reduce(
            a, 1, torch.tensor([0, 0]).reshape(1, 2, 1, 1).expand(2, 2, 4, 4), b, "mean"
        ),
        "smoothed": lambda a, b: functional.interpolate(a, size=3, mode="bilinear", antialias=True),
        "unpooled": lambda a, b: functional.max_unpool2d(
            *functional.max_pool2d(a, 2, return_indices=True), 2
        ),
    },
    "elements": {
        "huber": lambda a, b: functional.smooth_l1_loss(a, b, reduction="none"),
        "logaddexp": lambda a, b: torch.logaddexp(a, b),
        "clamp": lambda a, b: torch.clamp(a, min=b, max=torch.tensor(0.5)),
        "decimals": lambda a, b: torch.round(a, decimals=1),
        "power of a number": lambda a, b: 2**a + torch.tensor(3.0) ** b,
        "nan_to_num": lambda a, b: torch.nan_to_num(a / 0.0, posinf=2.0, neginf=-1.0),
        "finite": lambda a, b: torch.isfinite(a) * b,
        "hypot": lambda a, b: torch.hypot(a, b) + torch.copysign(a, b),
        "gamma": lambda a, b: torch.lgamma(a.abs() + 1) + torch.exp2(b) + torch.erfc(a),
        "in place": lambda a, b: (a > 0).logical_not_() * b.clone().ceil_(),
        "running": lambda a, b: torch.logcumsumexp(a, 2),
        "slopes": lambda a, b: functional.prelu(a, b[0, :, 0, 0]),
        "kernels": lambda a, b: functional.conv2d(a, b[:, :, :2, :2], padding=1),
        "cross": lambda a, b: torch.linalg.cross(a, b, dim=1),
        "close": lambda a, b: torch.isclose(a, b, atol=0.3) * 1.0,
        "close or none": lambda a, b: torch.isclose(a / 0.0, a / 0.0, equal_nan=True) * b,
    },
    "ranks": {
        "running largest": lambda a, b: sum(torch.cummax(a, -1)),
        "running least": lambda a, b: torch.cummin(a, 1).values * b,
        "most common": lambda a, b: torch.mode(a.round(), -1).values,
        "middle": lambda a, b: torch.nanmedian(a, 1, keepdim=True).values + b,
        "middle of all": lambda a, b: a.nanmedian(),
        "counts": lambda a, b: torch.histc(a, 5, -2, 2),
        "intervals": lambda a, b: torch.bucketize(a, MATRIX[0].sort().values, right=True) * 1.0,
        "intervals before": lambda a, b: torch.searchsorted(MATRIX[0].sort().values, b) * 1.0,
    },
    "matrices": {
        "inverse": lambda a, b: torch.inverse(a + 5 * UNIT) @ b,
        "solved": lambda a, b: torch.linalg.solve(a + 5 * UNIT, b),
        "solved from the right": lambda a, b: torch.linalg.solve(a + 5 * UNIT, b, left=False),
        "solved for vectors": lambda a, b: torch.linalg.solve(a[0, 0] + 5 * UNIT, b[0, 0, 0]),
        "solved by a constant": lambda a, b: torch.linalg.solve(MATRICES[0, :, :4] + 5 * UNIT, b),
        "triangles": lambda a, b: torch.linalg.solve_triangular(a.tril() + 5 * UNIT, b, upper=False),
        "roots": lambda a, b: torch.linalg.cholesky(a @ a.mT + UNIT),
        "determinants": lambda a, b: torch.det(a) + sum(torch.linalg.slogdet(b)),
        "values": lambda a, b: torch.linalg.svdvals(a) + torch.linalg.eigvalsh(b + b.mT),
        "exponents": lambda a, b: torch.matrix_exp(a) + torch.linalg.pinv(b + 5 * UNIT),
        "norms": lambda a, b: torch.linalg.matrix_norm(a, "nuc") + torch.linalg.matrix_norm(b, 2),
        "conditions": lambda a, b: torch.linalg.cond(a + 5 * UNIT),
        "covariance": lambda a, b: torch.cov(a[0, 0]) + torch.corrcoef(b[0, 0]),
    },
    "complex": {
        "quotient": lambda a, b: torch.view_as_real(torch.complex(a, b) / torch.complex(b, a + 2)),
        "by real ones": lambda a, b: torch.view_as_real(torch.complex(a, b) / (b.abs() + 1)),
        "conjugate": lambda a, b: torch.view_as_real((-torch.complex(a, b)).conj() ** 2),
        "angle": lambda a, b: torch.complex(a, b).angle(),
        "exponential": lambda a, b: torch.view_as_real(torch.exp(torch.complex(a, b))),
        "matrices": lambda a, b: torch.view_as_real(torch.complex(a, b) @ torch.complex(b, a)),
        "moved": lambda a, b: torch.view_as_real(torch.complex(a, b).mT.flatten(1)[:, ::2]),
        "joined": lambda a, b: torch.view_as_real(torch.cat([torch.complex(a, b)] * 2, 1).mean((2, 3))),
    },
}  # fmt: skip


def _same(module: nn.Module, x: Tensor, names: Any = ("result",)) -> Any:
    network = extract(module.eval(), x)
    found, expected = program_module(network)(x), module(x)
    sides = [side if isinstance(side, tuple) else (side,) for side in (found, expected)]
    for name, one, other in zip(names, *sides, strict=True):
        torch.testing.assert_close(
            one, other, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
    return network


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_extracted_computes_the_same(group: str) -> None:
    torch.manual_seed(0)
    functions = GROUPS[group]
    module = Own(lambda a, b: tuple(function(a, b) for function in functions.values()))
    _same(module, torch.randn(2, 3, 4, 4), functions)


def test_a_result_that_is_lost_is_an_error() -> None:
    module = Own(lambda a, b: functional.adaptive_max_pool2d(a, 2, return_indices=True))
    with pytest.raises(UnsupportedOperationError, match="must be read for its first result only"):
        extract(module.eval(), torch.randn(2, 3, 4, 4))


GRIDS = list(
    itertools.product(["bilinear", "nearest", "bicubic"], ["zeros", "border", "reflection"], [True, False])
)


@pytest.mark.parametrize(
    ("mode", "padding", "corners"),
    [
        pytest.param(*grid, marks=[] if place in (0, 9, 16) else [pytest.mark.study])
        for place, grid in enumerate(GRIDS)
    ],
)
def test_a_grid_may_be_a_constant_or_a_value(mode: Any, padding: Any, corners: bool) -> None:
    """A constant one is a fixed linear map, the same or another one for each example."""

    def sample(a: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(a, grid, mode, padding, corners)

    torch.manual_seed(0)
    module = Own(
        lambda a, b: (
            sample(a, GRID[:1].expand(2, -1, -1, -1)),
            sample(a, GRID),
            sample(a, b[:, :2].permute(0, 2, 3, 1).tanh() * 1.4),
        )
    )
    _same(module, torch.randn(2, 3, 4, 4), ("one grid", "a grid each", "a computed grid"))


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
