"""Packed sequences: recurrent layers on sequences that end at different times."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_affine import pad, recurrent_layers
from nnstruct.extract.aten_moves import take
from nnstruct.extract.lowering import Lowering, Ref, handles


def _places(sizes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Time and sequence of each packed row, int64 [N] each; the longest sequences come first."""
    alive = sizes.cpu().numpy()
    time = np.repeat(np.arange(len(alive)), alive)
    return time, np.concatenate([np.arange(count) for count in alive])


def _unpacked(low: Lowering, data: Any, sizes: Tensor, longest: int, number: float = 0.0) -> int:
    """Packed rows [N, ...] as sequences [T, B, ...], with a number where they have ended."""
    b, value = low.builder, low.ref(data)
    rows, *rest = b.shape[value]
    time, sequence = _places(sizes)
    place = np.full((longest, int(sizes[0])), rows)
    place[time, sequence] = np.arange(rows)
    if (place == rows).any():
        value = pad(low, value, [(0, 1)] + [(0, 0)] * len(rest), number)
    return b.reshape(take(low, value, 0, place.ravel()), (*place.shape, *rest))


def _packed(low: Lowering, value: int, sizes: Tensor) -> Ref:
    """Sequences [T, B, ...] as packed rows [N, ...]."""
    b = low.builder
    longest, batch, *rest = b.shape[value]
    time, sequence = _places(sizes)
    return Ref(take(low, b.reshape(value, (longest * batch, *rest)), 0, time * batch + sequence))


def _known(low: Lowering, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise low.unsupported("have lengths that do not depend on the input")
    return value


@handles("aten._pack_padded_sequence")
def _pack(low: Lowering, x: Any, lengths: Any, batch_first: bool) -> list[Any]:
    known = _known(low, lengths)
    value = low.builder.swap(x.value, 0, 1) if batch_first else x.value
    sizes = (known[None] > torch.arange(int(known.max()))[:, None]).sum(1)
    return [_packed(low, value, sizes), low.hold(sizes)]


@handles("aten._pad_packed_sequence")
def _pad_packed(
    low: Lowering, data: Any, sizes: Any, batch_first: bool, number: float, length: int
) -> list[Any]:
    known = _known(low, sizes)
    value = _unpacked(low, data, known, max(len(known), int(length)), float(number))
    lengths = (known[None] > torch.arange(int(known[0]))[:, None]).sum(1)
    return [Ref(low.builder.swap(value, 0, 1) if batch_first else value), low.hold(lengths)]


@handles("aten.lstm.data", "aten.gru.data", "aten.rnn_tanh.data", "aten.rnn_relu.data")
def _layers(
    low: Lowering, data: Any, sizes: Any, state: Any, params: Any, has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool,
) -> list[Any]:  # fmt: skip
    cell, known = low.operation, _known(low, sizes)
    lengths = (known[None] > torch.arange(int(known[0]))[:, None]).sum(1).tolist()
    extra = {} if min(lengths) == len(known) else {"lengths": lengths}
    value = Ref(_unpacked(low, data, known, len(known)))
    states = list(state) if cell == "lstm" else [state]
    out, *last = recurrent_layers(
        low, cell, value, states, params, has_biases, num_layers, bidirectional, False, extra
    )
    return [_packed(low, out.value, known), *last]
