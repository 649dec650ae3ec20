"""One time step of the four recurrent cells for a population, forward and backward, in place.

A layer's pre-activations are computed into its ``gates``; the forward step turns them into gate values
there and the backward step into their gradients, so that a training holds them once. The lanes of a
batch stand last, so that a slice of units or a step of them is still read in long runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input

Pair = tuple[Tensor, Tensor]


@dataclass
class Buffers:
    """What one layer of P networks computes with over T steps and B lanes.

    Attributes
    ----------
    gates : Tensor [P, g * H, T, B]
    recurrent : Tensor [P, K, g * H]
        Weights from K states of the step before.
    inner_bias : Tensor [P, H] or None
        The bias of GRU inside its reset gate.
    extra : Tensor or None
        GRU: recurrent part of the candidate [P, H, T, B]. LSTM: its cells [P, H, T + 1, B].
    carry : Tensor [P, H, B] or None
        Gradient of LSTM's cells on its way back in time.
    """

    gates: Tensor
    recurrent: Tensor
    inner_bias: Tensor | None = None
    extra: Tensor | None = None
    carry: Tensor | None = None


class Cell(Protocol):
    """The arithmetic of one family.

    A training step calls :meth:`prepare` once for each layer, then :meth:`forward` from the first step to the
    last, :meth:`backward` from the last to the first, and :meth:`recurrent_gradient` at the end. P networks,
    H units in the layer, g gates, K states that its recurrent weights read, T steps, B lanes.
    """

    def prepare(self, layer: Buffers) -> None:
        """Allocate what the cell keeps beside gates and states.

        Parameters
        ----------
        layer : Buffers
            Its ``extra`` is set where the family needs it.
        """

    def forward(self, layer: Buffers, t: int, source: Tensor, own: Tensor, out: Tensor) -> None:
        """Compute the states of one step.

        Parameters
        ----------
        layer : Buffers
            Its ``gates`` at t hold what the input, biases and earlier layers contribute; they become the
            gates' values.
        t : int
            The step, from 0 on.
        source : Tensor [P, K, B]
            The states at t - 1 that the recurrent weights read.
        own : Tensor [P, H, B]
            The layer's own states at t - 1.
        out : Tensor [P, H, B]
            Where the states at t are written.
        """

    def backward(self, layer: Buffers, t: int, states: Pair, gradient: Tensor, before: Pair | None) -> None:
        """Compute the gradients of one step.

        Parameters
        ----------
        layer : Buffers
            Its ``gates`` at t hold the gates' values; they become the gradients of the pre-activations.
        t : int
            The step, from 0 on.
        states : (Tensor, Tensor), each [P, H, B]
            The layer's own at t - 1 and at t.
        gradient : Tensor [P, H, B]
            Of the states at t; all that comes from later steps and layers is in it.
        before : (Tensor [P, K, B], Tensor [P, H, B]) or None
            Gradients of ``source`` and ``own``, to which this step adds; None at the first step.
        """

    def recurrent_gradient(self, layer: Buffers) -> Tensor:
        """Gradient of what the recurrent weights computed.

        Parameters
        ----------
        layer : Buffers
            After :meth:`backward` of every step.

        Returns
        -------
        Tensor [P, g * H, T, B]
        """


class Plain(Cell):
    """Units with one gate and no memory.

    Parameters
    ----------
    activate : callable (sums, out) -> None
        Writes the states into ``out``.
    differentiate : callable (gradient, state, out) -> None
        Writes the gradient of the sums into ``out``, given that of the states.
    """

    def __init__(
        self, activate: Callable[[Tensor, Tensor], object], differentiate: Callable[..., object]
    ) -> None:
        self.activate, self.differentiate = activate, differentiate

    def prepare(self, layer: Buffers) -> None:
        pass

    def forward(self, layer: Buffers, t: int, source: Tensor, own: Tensor, out: Tensor) -> None:
        self.activate(layer.gates[:, :, t].baddbmm_(layer.recurrent.mT, source), out)

    def backward(self, layer: Buffers, t: int, states: Pair, gradient: Tensor, before: Pair | None) -> None:
        sums = layer.gates[:, :, t]
        self.differentiate(gradient, states[1], sums)
        if before:
            before[0].baddbmm_(layer.recurrent, sums)

    def recurrent_gradient(self, layer: Buffers) -> Tensor:
        return layer.gates


TANH = Plain(
    lambda sums, out: torch.tanh(sums, out=out),
    lambda gradient, state, out: _tanh_backward(gradient, state, grad_input=out),
)
RELU = Plain(
    lambda sums, out: torch.clamp_min(sums, 0.0, out=out),
    lambda gradient, state, out: _relu_backward(gradient, state, 0.0, grad_input=out),
)


class Gru(Cell):
    """Gated recurrent units (Cho et al., 2014); gates: reset, update, candidate."""

    def prepare(self, layer: Buffers) -> None:
        layer.extra = layer.gates.new_empty(
            len(layer.gates), layer.gates.shape[1] // 3, *layer.gates.shape[2:]
        )

    def forward(self, layer: Buffers, t: int, source: Tensor, own: Tensor, out: Tensor) -> None:
        assert layer.extra is not None
        assert layer.inner_bias is not None
        gates, inner = layer.gates[:, :, t], layer.extra[:, :, t]
        units = inner.shape[1]
        gates[:, : 2 * units].baddbmm_(layer.recurrent[..., : 2 * units].mT, source).sigmoid_()
        inner.copy_(layer.inner_bias[..., None].expand_as(inner))
        inner.baddbmm_(layer.recurrent[..., 2 * units :].mT, source)
        reset, update, candidate = gates.split(units, dim=1)
        candidate.addcmul_(reset, inner).tanh_()
        torch.lerp(candidate, own, update, out=out)

    def backward(self, layer: Buffers, t: int, states: Pair, gradient: Tensor, before: Pair | None) -> None:
        assert layer.extra is not None
        gates, inner = layer.gates[:, :, t], layer.extra[:, :, t]
        units = inner.shape[1]
        reset, update, candidate = gates.split(units, dim=1)
        if before:
            before[1].addcmul_(gradient, update)
        of_candidate = torch.addcmul(gradient, gradient, update, value=-1)
        of_update = (states[0] - candidate).mul_(gradient)
        _sigmoid_backward(of_update, update, grad_input=update)
        _tanh_backward(of_candidate, candidate, grad_input=candidate)
        of_reset = candidate * inner
        torch.mul(candidate, reset, out=inner)
        _sigmoid_backward(of_reset, reset, grad_input=reset)
        if before:
            before[0].baddbmm_(layer.recurrent[..., : 2 * units], gates[:, : 2 * units])
            before[0].baddbmm_(layer.recurrent[..., 2 * units :], inner)

    def recurrent_gradient(self, layer: Buffers) -> Tensor:
        assert layer.extra is not None
        units = layer.extra.shape[1]
        return torch.cat([layer.gates[:, : 2 * units], layer.extra], dim=1)


class Lstm(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); gates: input, forget, candidate, output."""

    def prepare(self, layer: Buffers) -> None:
        count, width, steps, lanes = layer.gates.shape
        layer.extra = layer.gates.new_empty(count, width // 4, steps + 1, lanes)
        layer.extra[:, :, 0] = 0.0

    def forward(self, layer: Buffers, t: int, source: Tensor, own: Tensor, out: Tensor) -> None:
        assert layer.extra is not None
        gates, memory = layer.gates[:, :, t], layer.extra[:, :, t + 1]
        units = memory.shape[1]
        gates.baddbmm_(layer.recurrent.mT, source)
        gates[:, : 2 * units].sigmoid_()
        into, keep, candidate, output = gates.split(units, dim=1)
        candidate.tanh_()
        output.sigmoid_()
        torch.mul(keep, layer.extra[:, :, t], out=memory)
        memory.addcmul_(into, candidate)
        torch.mul(output, memory.tanh(), out=out)

    def backward(self, layer: Buffers, t: int, states: Pair, gradient: Tensor, before: Pair | None) -> None:
        assert layer.extra is not None
        gates, memory = layer.gates[:, :, t], layer.extra[:, :, t + 1]
        if layer.carry is None:
            layer.carry = torch.zeros_like(memory)
        carry = layer.carry
        into, keep, candidate, output = gates.split(memory.shape[1], dim=1)
        squashed = memory.tanh()
        of_memory = gradient * output
        carry.add_(_tanh_backward(of_memory, squashed, grad_input=of_memory))
        of_output = squashed.mul_(gradient)
        _sigmoid_backward(of_output, output, grad_input=output)
        of_into, of_candidate = carry * candidate, carry * into
        of_keep = carry * layer.extra[:, :, t]
        carry.mul_(keep)
        _sigmoid_backward(of_into, into, grad_input=into)
        _sigmoid_backward(of_keep, keep, grad_input=keep)
        _tanh_backward(of_candidate, candidate, grad_input=candidate)
        if before:
            before[0].baddbmm_(layer.recurrent, gates)

    def recurrent_gradient(self, layer: Buffers) -> Tensor:
        return layer.gates


CELLS: dict[str, Cell] = {"rnn_tanh": TANH, "rnn_relu": RELU, "gru": Gru(), "lstm": Lstm()}
