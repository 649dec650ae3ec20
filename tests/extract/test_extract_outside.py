"""Numbers that a module takes out of torch or draws, and functions that are seldom called."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from extract_modules import largest_difference
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import program_module
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program import Program

Function = Callable[[nn.Linear, Tensor], Any]


class Calls(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function, self.layer = function, nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.function(self.layer, x)


X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def _written_through_data(layer: nn.Linear, x: Tensor) -> Tensor:
    made = layer(x)
    made.data.clamp_(min=0.0)
    return made


DATA: dict[str, Function] = {
    "beside": lambda layer, x: layer(x) + x.data,
    "of a value": lambda layer, x: layer(x).data * 2 + x,
    "written": _written_through_data,
}


@pytest.mark.parametrize("name", DATA)
def test_what_data_shows_is_followed(name: str) -> None:
    module = Calls(DATA[name]).eval()
    network = extract(module, X)
    for x in (X, 2 - X):  # another input than the example, too
        assert largest_difference(program_module(network)(x), module(x)) < 1e-5


OUTSIDE: dict[str, Function] = {
    "numpy": lambda layer, x: layer(x) + torch.from_numpy(x.detach().numpy() * 2),
    "float": lambda layer, x: layer(x) / float(x.abs().max()),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_numbers_that_leave_torch_are_no_constants(name: str) -> None:
    with pytest.raises(InvalidInputError, match="numbers of the input leave the recording"):
        extract(Calls(OUTSIDE[name]).eval(), X)


def test_decisions_are_those_of_the_example() -> None:
    module = Calls(lambda layer, x: layer(x) if x.sum() > -100 else x * float(x.sum()))
    assert largest_difference(program_module(extract(module, X))(X), module(X)) < 1e-6


class Keeps(nn.Module):
    """Keeps what it has made, as an attribute and in a buffer, and decides by values."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.kept = nn.Linear(4, 4), None
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        made = self.layer(x) if x.sum() > -100 else x
        if self.kept is not None:
            made = made + self.kept
        self.kept = made.detach()
        self.mean.copy_(x.mean(0))
        return made


def test_a_state_that_a_module_keeps_is_no_number_of_the_input() -> None:
    module = Keeps().eval()
    network = extract(module, X)
    assert module.kept is None
    assert largest_difference(program_module(network)(X), module(X)) < 1e-6


def test_random_numbers_are_told() -> None:
    module = Calls(lambda layer, x: layer(x) + torch.randn(2, 4))
    with pytest.warns(UserWarning, match="draws random numbers"):
        network = extract(module, X)
    found = program_module(network)
    assert torch.equal(found(X), found(X))


def _seldom(layer: nn.Linear, x: Tensor) -> list[Tensor]:
    w, v = layer.weight, layer.bias
    places, flags = (
        torch.tensor([0, 0]),
        torch.tensor([[True, False, True, False], [False, True, True, False]]),
    )
    square = x[:, :3, None] * x[:, None, :3]
    special = torch.special
    return [
        torch.addbmm(w[:3, :3], square, square, beta=0.5, alpha=2), torch.angle(x),
        torch.cdist(x, w, p=float("inf")), torch.igamma(x.abs() + 0.1, v.abs()),
        special.gammaincc(x.abs(), v.abs()), special.xlog1py(x, v.abs()),
        special.zeta(x.abs() + 2, v.abs() + 1),
        torch.polygamma(1, x.abs() + 1), special.erfcx(x), special.i0e(x), special.i1(x), special.log_ndtr(x),
        special.ndtri(x.sigmoid()), special.bessel_j0(x), torch.nextafter(x, v),
        torch.masked_scatter(x, flags, w), torch.masked_scatter(x, flags, x * 2),
        torch.scatter_add(x, 1, torch.tensor([[0, 0, 1], [3, 3, 3]]), w), x.put(torch.tensor([-1]), x[0, :1]),
        x.put(places, v[:2], accumulate=True), x.index_put((places, places + 1), v[:2], accumulate=True),
        functional.pad(x, (1, -1), value=3.0), functional.pad(x, (-1, 2, 1, -1)), functional.pad(x, (-1, -1)),
    ]  # fmt: skip


def test_functions_that_are_seldom_called() -> None:
    module = Calls(_seldom).eval()
    network = extract(module, X)
    for one, other in zip(program_module(network)(X), module(X), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_infinite_numbers_of_steps_are_stored() -> None:
    network = extract(Calls(lambda layer, x: functional.pad(x, (0, 1), value=float("-inf")).relu()), X)
    assert largest_difference(program_module(network)(X), functional.pad(X, (0, 1)).relu()) == 0
    assert isinstance(network, ModuleNetwork)
    again = Program.from_json(json.loads(json.dumps(network.program.to_json(), allow_nan=False)))
    assert [step.options for step in again.steps] == [dict(step.options) for step in network.program.steps]


def test_parts_that_compute_something_else_are_not_taken() -> None:
    labels = torch.tensor([[0, 1, -1, 1], [1, -1, 0, 0]])
    with pytest.raises(InvalidInputError, match=r"multilabel_margin_loss.* must be supported"):
        extract(Calls(lambda layer, x: functional.multilabel_margin_loss(layer(x), labels)), X)
