"""Stacked and bidirectional recurrent layers as one step for each layer and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.extract.builder import Builder
from nnstruct.structure.families import FAMILIES

Named = tuple[str, np.ndarray]
Layer = dict[str, Named]


def layers(cell: str, params: Sequence[Named], has_biases: bool, count: int) -> list[Layer]:
    """The weights of each layer and direction from PyTorch's flat list.

    Parameters
    ----------
    cell : str
        ``rnn_tanh``, ``rnn_relu``, ``gru`` or ``lstm``.
    params : sequence of (str, array)
        For each layer and direction both weights, both biases if there are any, and the projection if
        there is one.
    has_biases : bool
    count : int
        Layers times directions.

    Returns
    -------
    list of dict of str to (str, array)
        By role: ``weight_ih``, ``weight_hh``, ``bias`` and ``weight_hr``.
    """
    if not count or not params:
        return []
    each = len(params) // count
    stack = []
    for first in range(0, len(params), each):
        own = list(params[first : first + each])
        layer: Layer = {"weight_ih": own[0], "weight_hh": own[1]}
        if has_biases:
            name = own[2][0].replace("bias_ih", "bias") or "bias"
            layer["bias"] = (name, joined_bias(cell, own[2][1], own[3][1]))
        if each > (4 if has_biases else 2):
            layer["weight_hr"] = own[-1]
        stack.append(layer)
    return stack


def joined_bias(cell: str, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Both biases of a layer as one array.

    Parameters
    ----------
    cell : str
    inner, outer : float32 [gates * H]
        Added to the products with the input and with the state.

    Returns
    -------
    float32 [b, H]
        Their sum for each gate. GRU has four rows: the sums of reset and update, and the candidate's inner
        and outer bias apart.
    """
    inner, outer = inner.reshape(FAMILIES[cell].gates, -1), outer.reshape(FAMILIES[cell].gates, -1)
    if cell == "gru":
        return np.concatenate([inner[:2] + outer[:2], inner[2:], outer[2:]])
    return inner + outer


def run_layers(
    builder: Builder,
    cell: str,
    value: int,
    stack: Sequence[Layer],
    states: Sequence[int | None],
    bidirectional: bool,
    batch_first: bool,
    extra: Mapping[str, Any] | None = None,
) -> list[int]:
    """Emit the steps of a stack of recurrent layers.

    Parameters
    ----------
    builder : Builder
    cell : str
    value : int
        The input, [B, T, F] or [T, B, F].
    stack : sequence of dict
        As :func:`layers` gives it.
    states : sequence of (int or None)
        Initial states [layers * directions, B, H], one for each kind; None for zeros.
    bidirectional : bool
    batch_first : bool
        Whether the input is [B, T, F].
    extra : mapping, optional
        Further options of the steps, as for :func:`one_layer`.

    Returns
    -------
    list of int
        The outputs over time and the last states [layers * directions, B, H], one for each kind.
    """
    directions = 2 if bidirectional else 1
    final: list[list[int]] = [[], []]
    for first in range(0, len(stack), directions):
        outputs = []
        for place in range(first, first + directions):
            given = [None if state is None else builder.select(state, 0, place) for state in states]
            out, *last = one_layer(
                builder, cell, value, stack[place], given, reverse=place > first, batch_first=batch_first,
                extra=extra,
            )  # fmt: skip
            outputs.append(out)
            for kind, state in enumerate(last):
                final[kind].append(builder.reshape(state, (1, *builder.shape[state])))
        value = outputs[0] if directions == 1 else builder.concat(outputs, len(builder.shape[value]) - 1)
    stacked = [states[0] if len(states) == 1 else builder.concat(states, 0) for states in final if states]
    return [value, *stacked]


def one_layer(
    builder: Builder,
    cell: str,
    value: int,
    layer: Layer,
    states: Sequence[int | None],
    *,
    reverse: bool,
    batch_first: bool,
    extra: Mapping[str, Any] | None = None,
) -> tuple[int, ...]:
    """Emit one recurrent layer in one direction.

    Parameters
    ----------
    builder : Builder
    cell : str
    value : int
        The input, [B, T, F] or [T, B, F].
    layer : dict
        Of those that :func:`layers` gives.
    states : sequence of (int or None)
        Initial states [B, H], one for each kind; None for zeros.
    reverse : bool
        Whether it reads from the last time step to the first.
    batch_first : bool
        Whether the input is [B, T, F].
    extra : mapping, optional
        Further options of the step: ``lengths`` of the sequences, ``reset_first`` (a GRU that resets the
        state before its product), ``clip``, ``functions`` other than the usual ones, ``coupled`` gates.

    Returns
    -------
    tuple of int
        Outputs over time, last hidden state [B, H], and for LSTM the last cell [B, H].
    """
    shape = builder.shape[value]
    hidden = layer["weight_ih"][1].shape[0] // FAMILIES[cell].gates
    width = layer["weight_hh"][1].shape[1]
    batch = shape[0] if batch_first else shape[1]
    shapes = [(*shape[:-1], width), (batch, width)] + ([(batch, hidden)] if cell == "lstm" else [])
    options = {
        "operator": f"{cell}_reverse" if reverse else cell,
        "cell": cell,
        "reverse": reverse,
        "batch_first": batch_first,
        **(extra or {}),
    }
    return builder.emit(
        "rnn", [value, *_given(builder, states, shapes[1:])], *shapes, options=options, tensors=layer
    )


def run_cell(
    builder: Builder, cell: str, value: int, layer: Layer, states: Sequence[int | None]
) -> tuple[int, ...]:
    """Emit one time step of a recurrent cell.

    Parameters
    ----------
    builder : Builder
    cell : str
    value : int
        The input, [B, F].
    layer : dict
        Of those that :func:`layers` gives.
    states : sequence of (int or None)
        States before it, [B, H], one for each kind; None for zeros.

    Returns
    -------
    tuple of int
        The hidden state and, for LSTM, the cell.
    """
    hidden = layer["weight_ih"][1].shape[0] // FAMILIES[cell].gates
    shape = (*builder.shape[value][:-1], hidden)
    shapes = [shape] * (2 if cell == "lstm" else 1)
    return builder.emit(
        "rnn_cell",
        [value, *_given(builder, states, shapes)],
        *shapes,
        options={"operator": cell, "cell": cell},
        tensors=layer,
    )


def _given(builder: Builder, states: Sequence[int | None], shapes: Sequence[Sequence[int]]) -> list[int]:
    if all(state is None for state in states):
        return []
    zeros = [("zeros", np.zeros(shape, dtype=np.float32)) for shape in shapes]
    return [
        builder.one("constant", [], shape, tensors={"value": zero}) if state is None else state
        for state, shape, zero in zip(states, shapes, zeros, strict=True)
    ]
