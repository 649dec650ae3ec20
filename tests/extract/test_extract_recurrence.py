"""Hand-written cells stepped over time: one set of units, recurrent edges, the same at every length."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from extract_modules import largest_difference
from torch import Tensor, nn

from nnstruct.extract import extract
from nnstruct.modules import program_module


class Plain(nn.Module):
    """tanh(A x + B h), the read-out at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.keep, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 5)
        for t in range(x.shape[1]):
            h = torch.tanh(self.read(x[:, t]) + self.keep(h))
        return self.out(h)


class Joined(nn.Module):
    """One layer on input and state side by side, a read-out at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.Linear(9, 5), nn.Linear(5, 2)
        with torch.no_grad():
            self.cell.weight[0, 4:] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        h, made = x.new_zeros(len(x), 5), []
        for now in x.unbind(1):
            h = torch.relu(self.cell(torch.cat([now, h], 1)))
            made.append(self.out(h))
        return torch.stack(made, 1)


class Gated(nn.Module):
    """An LSTM from two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.keep, self.out = nn.Linear(4, 12), nn.Linear(3, 12), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 3)
        for t in range(x.shape[1]):
            i, f, g, o = (self.read(x[:, t]) + self.keep(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.out(h)


class Reservoir(nn.Module):
    """A leaky echo-state network (Jaeger, 2001) with a sparse reservoir that a mask makes at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("read", torch.randn(6, 4))
        self.register_buffer("keep", torch.randn(6, 6))
        mask = torch.zeros(6, 6)
        mask[torch.arange(6), [1, 2, 3, 4, 5, 0]] = 1.0
        mask[0, 3] = 1.0
        self.register_buffer("mask", mask)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 6)
        for t in range(x.shape[1]):
            h = 0.7 * h + 0.3 * torch.tanh(x[:, t] @ self.read.T + h @ (self.keep * self.mask).T)
        return self.out(h)


# Units, forward and recurrent edges, by hand.
CELLS: dict[str, tuple[nn.Module, tuple[int, int, int]]] = {
    # 4 inputs, 5 + 5 products, 5 sums, 2 outputs; 20 + 5 + 5 + 10 edges, 25 from the state
    "plain": (Plain(), (21, 40, 25)),
    # 4 inputs, 5 units, 2 outputs; unit 0 reads no state
    "joined": (Joined(), (11, 20 + 10, 20)),
    # 4 inputs, 12 + 12 products, 12 sums, 12 gates, 2 outputs; 3 of each of f c, i g, the cell, its tanh, the
    # state.
    # The state is read by 12 products, the cell by its own unit one step later.
    "gated": (Gated(), (4 + 24 + 12 + 12 + 15 + 2, 48 + 24 + 12 + (3 + 6 + 6 + 3 + 6) + 6, 36 + 3)),
    # 4 inputs, 6 of each of: leak of the state, two products, their sum, the new state; 2 outputs.
    # The reservoir has 7 of 36 edges, and the leak one to each unit itself.
    "reservoir": (Reservoir(), (4 + 5 * 6 + 2, 24 + 12 + 12 + 12, 7 + 6)),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_one_set_of_units_whatever_the_length(name: str) -> None:
    module, counts = CELLS[name]
    short, long = (torch.randn(2, steps, 4) for steps in (2, 5))
    network = extract(module.eval(), short)
    structure = network.structure
    found = (structure.num_units, structure.forward_edges.shape[1], int(structure.recurrent.sum()))
    assert found == counts
    assert largest_difference(program_module(network)(short), module(short)) < 1e-5
    longer = extract(module, long)
    assert longer.structure.fingerprint == structure.fingerprint
    assert largest_difference(program_module(longer)(long), module(long)) < 1e-5
    layers = [extract(module, x, "layer").structure for x in (short, long)]
    if name != "joined":  # whose outputs are stacked step by step
        assert layers[0].fingerprint == layers[1].fingerprint
    assert layers[0].recurrent.any()


class Towers(nn.Module):
    """Both parts of the input go through the same weights: nothing is carried from one to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.Linear(4, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out((self.layer(x[:, 0]).relu() - self.layer(x[:, 1]).relu()).abs())


class Depth(nn.Module):
    """The same layer again and again on one input is depth and not time."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.layer(x).relu()
        return x


@pytest.mark.parametrize(("module", "shape", "units"), [(Towers(), (2, 2, 4), 11 + 3), (Depth(), (2, 4), 16)])
def test_shared_weights_alone_are_no_recurrence(
    module: nn.Module, shape: tuple[int, ...], units: int
) -> None:
    structure = extract(module.eval(), torch.randn(shape)).structure
    assert not structure.recurrent.any()
    assert structure.num_units in (units, units - 3, units + 1)


class Turning(nn.Module):
    """A cell that takes several turns within each step, as liquid time-constant networks do."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns, self.own, self.inputs = turns, nn.Linear(4, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 4)
        for time in range(x.shape[1]):
            heard = self.inputs(x[:, time])
            for _ in range(self.turns):
                state = torch.tanh(self.own(state) + heard)
        return state


def test_the_turns_within_one_step_are_one_set_of_units() -> None:
    module = Turning(3)
    one, two = (extract(module, torch.randn(2, steps, 3)) for steps in (1, 2))
    assert one.structure.recurrent.any()
    assert one.structure.fingerprint == two.structure.fingerprint
    x = torch.randn(2, 1, 3)
    assert largest_difference(program_module(one)(x), module(x)) < 1e-5


def test_one_step_of_a_cell_without_turns_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="give an example of two steps or more"):
        structure = extract(Turning(1), torch.randn(2, 1, 3)).structure
    assert not structure.recurrent.any()


class Continued(nn.Module):
    """One layer on input and state side by side, whose first state is an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(6, 4)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        made = []
        for now in x.unbind(1):
            h = torch.tanh(self.cell(torch.cat([now, h], 1)))
            made.append(h)
        return torch.stack(made, 1), h


def test_a_first_state_that_is_an_input_shares_the_weights_of_the_loop() -> None:
    torch.manual_seed(0)
    module, h = Continued().eval(), torch.randn(2, 4)
    found = []
    for length in (2, 3):
        x = torch.randn(2, length, 2)
        network = extract(module, (x, h))
        with torch.no_grad():
            for one, other in zip(program_module(network)(x, h), module(x, h), strict=True):
                torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
        found.append(network.structure)
    assert found[0].fingerprint == found[1].fingerprint
    assert (found[0].num_units, int(found[0].recurrent.sum())) == (2 + 4 + 4, 16)


class Spaced(nn.Module):
    """A cell whose steps are given something beside the input: how long they take, or which count."""

    def __init__(self, take: Callable[[Tensor, int], Tensor], acts: str) -> None:
        super().__init__()
        self.take, self.acts = take, acts
        self.read, self.keep = nn.Linear(3, 4), nn.Linear(4, 4)
        self.rate = nn.Parameter(torch.rand(4) + 0.5)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 4)
        for time in range(x.shape[1]):
            span = self.take(beside, time)
            if self.acts == "decay":
                h = torch.tanh(self.read(x[:, time]) + self.keep(h * torch.exp(-span)))
            elif self.acts == "rate":  # the first state, zeros, is multiplied by a vector of one unit
                h = self.rate / span * h + torch.tanh(self.read(x[:, time]))
            else:
                h = span * torch.tanh(self.read(x[:, time]) + self.keep(h)) + (1 - span) * h
        return h


_SPANS: dict[str, tuple[Callable[[Tensor, int], Tensor], Callable[[int], tuple[int, ...]]]] = {
    "examples first": (lambda given, t: given[:, t, None], lambda steps: (2, steps)),
    "time first": (lambda given, t: given[t].unsqueeze(1), lambda steps: (steps, 2)),
    "with an axis": (lambda given, t: given[:, t : t + 1, 0], lambda steps: (2, steps, 1)),
    "of all examples": (lambda given, t: given[t], lambda steps: (steps,)),
    "differences": (lambda given, t: (given[:, t + 1] - given[:, t])[:, None], lambda steps: (2, steps + 1)),
}


def _structures(module: nn.Module, shape: Callable[[int], tuple[int, ...]]) -> tuple[str, int, int]:
    found = set()
    for steps in (2, 3):
        x, beside = torch.randn(2, steps, 3), torch.rand(shape(steps)) + 0.3
        network = extract(module, (x, beside))
        assert largest_difference(program_module(network)(x, beside), module(x, beside)) < 1e-5
        structure = network.structure
        found.add((structure.fingerprint, structure.num_units, int(structure.recurrent.sum())))
    assert len(found) == 1
    return found.pop()


def test_what_each_step_is_given_beside_the_input_is_one_unit_whatever_the_length() -> None:
    found = {name: _structures(Spaced(take, "decay").eval(), shape) for name, (take, shape) in _SPANS.items()}
    assert found["examples first"] == found["time first"] == found["with an axis"]
    # 3 inputs and the span, its decay, 4 products of input and state each, 4 decayed states and 4 sums; the
    # decay is of the states before.
    assert found["examples first"][1:] == (3 + 1 + 1 + 4 + 4 + 4 + 4, 4)


@pytest.mark.parametrize(("acts", "recurrent"), [("rate", 4), ("gate", 16 + 4)])
def test_a_first_state_of_zeros_that_spans_multiply_has_the_units_of_later_states(
    acts: str, recurrent: int
) -> None:
    assert (
        _structures(Spaced(*_SPANS["examples first"][:1], acts).eval(), _SPANS["examples first"][1])[2]
        == recurrent
    )


def test_a_vector_beside_the_input_has_a_unit_for_each_number() -> None:
    module = Spaced(lambda given, time: given[:, time], "gate").eval()
    first = _structures(module, lambda steps: (2, steps, 4))
    assert first == _structures(
        Spaced(lambda given, time: given[time], "gate").eval(), lambda steps: (steps, 2, 4)
    )
    assert (
        first[1]
        == _structures(Spaced(*_SPANS["examples first"][:1], "gate").eval(), _SPANS["examples first"][1])[1]
        + 3
        + 3
    )
