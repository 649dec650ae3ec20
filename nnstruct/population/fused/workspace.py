"""The arrays in which a compiled training works."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LANE_MULTIPLE = 16
# A gated cell keeps four times the values; half the lanes at a time keep them in the cache.
MOST_LANES, MOST_LANES_GATED = 128, 64
INPUT_SUMS = 8
TANH, RELU, GRU, LSTM = 0, 1, 2, 3


class Workspace(NamedTuple):
    """Arrays that live through a training; B lanes, T steps."""

    symbols: np.ndarray  # int32 [T, B]
    lengths: np.ndarray  # int32 [B]; 0 for a lane without an example
    targets: np.ndarray  # int32 [B]
    hidden: np.ndarray  # float32 [T + 1, N, B]; row 0 is the state before the first symbol
    memory: np.ndarray  # float32 [T + 1, N, B]: LSTM's, or plain units' own values without those added
    gates: np.ndarray  # float32 [T, N, 4, B] for GRU and LSTM
    delta: np.ndarray  # float32 [2, N, b, B]: gradients of pre-activations at this step and the next
    carry: np.ndarray  # float32 [N, B]: gradient that reaches a unit's own state without an edge
    added: np.ndarray  # float32 [N, B]: gradient of this step's state from the units to which it is added
    sums: np.ndarray  # float32 [b, B]
    hidden_gradient: np.ndarray  # float32 [B]
    inner: np.ndarray  # float32 [2, B]
    input_sums: np.ndarray  # float32 [I, g, 8, S]
    last: np.ndarray  # float32 [O, B]
    last_gradient: np.ndarray  # float32 [O, B]
    scores: np.ndarray  # float32 [C, B]
    step_gradient: np.ndarray  # float32 [T, O, B]: of states that are read out at every step, else [0, O, B]


def make_workspace(plan, weights, batch_size: int, longest: int) -> Workspace:  # type: ignore[no-untyped-def]
    """Zeroed arrays for batches of at most ``batch_size`` sequences of at most ``longest`` symbols."""
    biases, units = weights.bias.shape
    gated, sums = plan.cell in (GRU, LSTM), len(plan.sum_source) > 0
    most = MOST_LANES_GATED if gated else MOST_LANES
    lanes = min(most, -(-batch_size // LANE_MULTIPLE) * LANE_MULTIPLE)
    classes, outputs = weights.readout.shape

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype=np.float32)

    return Workspace(
        np.zeros((longest, lanes), dtype=np.int32),
        np.zeros(lanes, dtype=np.int32),
        np.zeros(lanes, dtype=np.int32),
        zeros(longest + 1, units, lanes),
        zeros(longest + 1, units, lanes) if plan.cell == LSTM or (sums and not gated) else zeros(1, 1, lanes),
        zeros(longest, units, 4, lanes) if gated else zeros(1, 1, 4, lanes),
        zeros(2, units, biases, lanes),
        zeros(units, lanes),
        zeros(units if sums else 0, lanes),
        zeros(biases, lanes),
        zeros(lanes),
        zeros(2, lanes),
        zeros(*weights.input.shape[:2], INPUT_SUMS, weights.input.shape[2]),
        zeros(outputs, lanes),
        zeros(outputs, lanes),
        zeros(classes, lanes),
        zeros(longest if plan.every_step else 0, outputs, lanes),
    )
