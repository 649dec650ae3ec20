"""A stack of recurrent layers over a whole sequence, with a backward pass of its own.

Autograd would keep every intermediate of every step and launch several small kernels for each. Here a
layer's gates are kept once and hold their gradients later, and every weight gradient is one product
over all steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nnstruct.population.batched.cells import CELLS, Buffers


@dataclass(frozen=True)
class StackPlan:
    """The shape of a stack.

    Attributes
    ----------
    family : str
    ends : tuple of int
        Behind the last unit of each layer, units standing layer by layer.
    local : bool
        Whether a layer's recurrent weights read that layer alone. Then the layers run one after the
        other and the forward edges of all steps are one product; otherwise a step runs through all
        layers before the next one begins.
    """

    family: str
    ends: tuple[int, ...]
    local: bool

    def span(self, layer: int) -> tuple[int, int]:
        """Where a layer's units stand.

        Parameters
        ----------
        layer : int

        Returns
        -------
        (int, int)
            The layer's first unit, and behind its last.
        """
        return (self.ends[layer - 1] if layer else 0), self.ends[layer]

    def recurrent_span(self, layer: int) -> tuple[int, int]:
        """The units whose states at the step before a layer reads.

        Parameters
        ----------
        layer : int

        Returns
        -------
        (int, int)
            The first unit, and behind the last.
        """
        return self.span(layer) if self.local else (0, self.ends[-1])


def run_stack(
    plan: StackPlan,
    gates: list[Tensor],
    forward: list[Tensor],
    recurrent: list[Tensor],
    inner_bias: list[Tensor] | None = None,
) -> Tensor:
    """States of all units at all steps.

    Parameters
    ----------
    plan : StackPlan
        Of L layers with N units, H in a layer.
    gates : list of L Tensors [P, g * H, T, B]
        What comes from the input, biases included. Overwritten: pass what nothing else reads.
    forward : list of L - 1 Tensors [P, a, g * H]
        From the a units of all earlier layers to each layer but the first.
    recurrent : list of L Tensors [P, K, g * H]
        From the units of :meth:`StackPlan.recurrent_span`.
    inner_bias : list of L Tensors [P, H], optional
        For GRU.

    Returns
    -------
    Tensor [P, N, T, B]
    """
    return _Stack.apply(plan, len(gates), *gates, *forward, *recurrent, *(inner_bias or []))


def _flat(states: Tensor) -> Tensor:
    """Steps and lanes as one axis, without a copy."""
    return states.view(*states.shape[:2], -1)


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: StackPlan, depth: int, *tensors: Tensor) -> Tensor:
        gates, forward = tensors[:depth], tensors[depth : 2 * depth - 1]
        recurrent, inner = tensors[2 * depth - 1 : 3 * depth - 1], tensors[3 * depth - 1 :]
        layers = [
            Buffers(gates[layer], recurrent[layer], inner[layer] if inner else None) for layer in range(depth)
        ]
        count, _, steps, lanes = gates[0].shape
        hidden = gates[0].new_empty(count, plan.ends[-1], steps + 1, lanes)
        hidden[:, :, 0] = 0.0
        cell = CELLS[plan.family]
        for buffers in layers:
            cell.prepare(buffers)

        def step(layer: int, t: int) -> None:
            start, stop = plan.span(layer)
            first, last = plan.recurrent_span(layer)
            source, own = hidden[:, first:last, t], hidden[:, start:stop, t]
            cell.forward(layers[layer], t, source, own, hidden[:, start:stop, t + 1])

        if plan.local:
            for layer in range(depth):
                if layer:
                    earlier = hidden[:, : plan.ends[layer - 1], 1:]
                    _flat(gates[layer]).baddbmm_(forward[layer - 1].mT, _flat(earlier))
                for t in range(steps):
                    step(layer, t)
        else:
            for t in range(steps):
                for layer in range(depth):
                    if layer:
                        earlier = hidden[:, : plan.ends[layer - 1], t + 1]
                        gates[layer][:, :, t].baddbmm_(forward[layer - 1].mT, earlier)
                    step(layer, t)
        ctx.plan, ctx.depth, ctx.num_tensors = plan, depth, len(tensors)
        extras = [buffers.extra for buffers in layers]
        ctx.save_for_backward(hidden, *tensors, *(extra for extra in extras if extra is not None))
        return hidden[:, :, 1:]

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        plan, depth = ctx.plan, ctx.depth
        hidden, *saved = ctx.saved_tensors
        tensors, extras = saved[: ctx.num_tensors], saved[ctx.num_tensors :]
        gates, forward = tensors[:depth], tensors[depth : 2 * depth - 1]
        recurrent, inner = tensors[2 * depth - 1 : 3 * depth - 1], tensors[3 * depth - 1 :]
        layers = [
            Buffers(gates[layer], recurrent[layer], extra=extras[layer] if extras else None)
            for layer in range(depth)
        ]
        # The only consumer of the states made this gradient for us, so it may be added to.
        gradient = output_gradient.contiguous()
        steps = hidden.shape[2] - 1
        cell = CELLS[plan.family]

        def step(layer: int, t: int) -> None:
            start, stop = plan.span(layer)
            first, last = plan.recurrent_span(layer)
            states = hidden[:, start:stop, t], hidden[:, start:stop, t + 1]
            before = None
            if t:
                before = gradient[:, first:last, t - 1], gradient[:, start:stop, t - 1]
            cell.backward(layers[layer], t, states, gradient[:, start:stop, t], before)

        if plan.local:
            for layer in reversed(range(depth)):
                for t in reversed(range(steps)):
                    step(layer, t)
                if layer:
                    earlier = _flat(gradient[:, : plan.ends[layer - 1]])
                    earlier.baddbmm_(forward[layer - 1], _flat(gates[layer]))
        else:
            for t in reversed(range(steps)):
                for layer in reversed(range(depth)):
                    step(layer, t)
                    if layer:
                        earlier = gradient[:, : plan.ends[layer - 1], t]
                        earlier.baddbmm_(forward[layer - 1], gates[layer][:, :, t])
        of_forward, of_recurrent, of_inner = [], [], []
        for layer, buffers in enumerate(layers):
            if layer:
                earlier = _flat(hidden[:, : plan.ends[layer - 1], 1:])
                of_forward.append(earlier @ _flat(gates[layer]).mT)
            first, last = plan.recurrent_span(layer)
            source = _flat(hidden[:, first:last, :-1])
            of_recurrent.append(source @ _flat(cell.recurrent_gradient(buffers)).mT)
            if inner:
                assert buffers.extra is not None
                of_inner.append(_flat(buffers.extra).sum(2))
        return None, None, *gates, *of_forward, *of_recurrent, *of_inner
