"""The four recurrent cells, from pre-activations to new states."""

from __future__ import annotations

import torch
from torch import Tensor

State = tuple[Tensor, Tensor]


def step(family: str, forward: Tensor, recurrent: Tensor, bias: Tensor, state: State) -> State:
    """One time step of a set of units.

    Gates stand in the order of PyTorch: input, forget, candidate, output for LSTM
    (Hochreiter and Schmidhuber, 1997); reset, update, candidate for GRU (Cho et al., 2014).

    Parameters
    ----------
    family : str
        ``rnn_tanh``, ``rnn_relu``, ``gru`` or ``lstm``.
    forward, recurrent : Tensor [g, B, H]
        What comes from this time step and from the one before.
    bias : Tensor [b, H]
        One a gate; GRU has a fourth one for the recurrent part of its candidate.
    state : (Tensor [B, H], Tensor [B, H])
        Hidden state and LSTM cell (unused elsewhere), one step before.

    Returns
    -------
    (Tensor [B, H], Tensor [B, H])
    """
    hidden, cell = state
    if family == "rnn_tanh":
        return torch.tanh(forward[0] + recurrent[0] + bias[0]), cell
    if family == "rnn_relu":
        return torch.relu(forward[0] + recurrent[0] + bias[0]), cell
    if family == "gru":
        reset = torch.sigmoid(forward[0] + recurrent[0] + bias[0])
        update = torch.sigmoid(forward[1] + recurrent[1] + bias[1])
        candidate = torch.tanh(forward[2] + bias[2] + reset * (recurrent[2] + bias[3]))
        return (1 - update) * candidate + update * hidden, cell
    gates = forward + recurrent + bias[:, None]
    cell = torch.sigmoid(gates[1]) * cell + torch.sigmoid(gates[0]) * torch.tanh(gates[2])
    return torch.sigmoid(gates[3]) * torch.tanh(cell), cell
