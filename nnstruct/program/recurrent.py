"""Units of recurrent layers and cells.

At unit resolution a hidden unit is one unit, and its gates are the values of its edges. At weight
resolution each gate is a unit too, so that every weight is an edge of its own; a unit of the cell
joins them by edges without parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstruct.program.affine import add_dense
from nnstruct.program.blocks import identity_edges
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.steps import Step, UnsupportedOperationError
from nnstruct.program.wiring import Wiring, rule
from nnstruct.structure.families import FAMILIES

# Units of one hidden unit at weight resolution, and the edges without parameters between them
# (True: delayed). ``forward`` and ``delayed`` say which of them read the input and the state.


@dataclass(frozen=True)
class _Parts:
    names: tuple[str, ...]
    forward: tuple[int, ...]
    delayed: tuple[int, ...]
    joints: tuple[tuple[int, int, bool], ...]
    state: int


_PARTS = {
    "lstm": _Parts(
        ("lstm_input", "lstm_forget", "lstm_candidate", "lstm_output", "lstm_cell", "lstm"),
        (0, 1, 2, 3),
        (0, 1, 2, 3),
        ((0, 4, False), (1, 4, False), (2, 4, False), (4, 4, True), (3, 5, False), (4, 5, False)),
        5,
    ),
    "gru": _Parts(
        ("gru_reset", "gru_update", "gru_recurrent", "gru_candidate", "gru"),
        (0, 1, 3),
        (0, 1, 2),
        ((0, 3, False), (2, 3, False), (1, 4, False), (3, 4, False), (4, 4, True)),
        4,
    ),
}
# Of a GRU that resets the state before its product (ONNX's and Keras' first one).
_RESET_FIRST = _Parts(
    ("gru_reset", "gru_update", "gru_reset_state", "gru_candidate", "gru"),
    (0, 1, 3),
    (0, 1),
    ((0, 2, False), (4, 2, True), (1, 4, False), (3, 4, False), (4, 4, True)),
    4,
)
_BIAS_PART = {"gru": (0, 1, 3, 2), "lstm": (0, 1, 2, 3)}


@rule("rnn")
def _rnn(wiring: Wiring, index: int, step: Step) -> None:
    state, cells = _recurrent_units(wiring, index, step)
    _from_initial_state(wiring, index, step, state, cells)
    _give_states(wiring, step, state, cells)


@rule("rnn_cell")
def _rnn_cell(wiring: Wiring, index: int, step: Step) -> None:
    key = tuple(step.tensors[role] for role in sorted(step.tensors) if role.startswith("weight"))
    read = wiring.rows(step.inputs[0])[0]
    if key in wiring.cells:
        first, count, known = wiring.cells[key]
        state = first + np.arange(count)
        own = np.array_equal(np.unique(wiring.ids[step.inputs[1]]), state) if len(step.inputs) > 1 else False
        if own and np.array_equal(known, read):
            # The same cell one step later: the edge from its state is the recurrent one.
            _give_states(wiring, step, state, state)
            return
    state, cells = _recurrent_units(wiring, index, step)
    _from_initial_state(wiring, index, step, state, cells)
    wiring.cells[key] = (int(state[0]), len(state), read)
    _give_states(wiring, step, state, cells)


def _give_states(wiring: Wiring, step: Step, state: np.ndarray, cells: np.ndarray) -> None:
    for place, (value, shape) in enumerate(zip(step.outputs, step.shapes, strict=True)):
        is_cell = step.options["cell"] == "lstm" and place == len(step.outputs) - 1 and place > 0
        ids = cells if is_cell else state
        wiring.ids[value] = ids.reshape((1,) * (len(shape) - 1) + (-1,))


def _recurrent_units(wiring: Wiring, index: int, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """Make the units and edges of a layer; the units that give its state, and those of its cells."""
    rows, _ = wiring.rows(step.inputs[0])
    if len(rows) > 1:
        raise UnsupportedOperationError(step.operator, step.name, "read the same units at every time step")
    if wiring.resolution == "weight" and step.options["cell"] in _PARTS:
        return _by_gate(wiring, index, step, rows)
    weight_ih, weight_hh = wiring.weight(step, "weight_ih"), wiring.weight(step, "weight_hh")
    gates = FAMILIES[step.options["cell"]].gates
    hidden = len(weight_ih) // gates
    start = wiring.new_units(index, hidden, step.operator)
    cells = start + np.arange(hidden)
    state = _projected(wiring, index, step, cells)
    for role, weight, sources in (("weight_ih", weight_ih, rows), ("weight_hh", weight_hh, state[None])):
        matrix = weight.reshape(gates, hidden, -1).transpose(1, 2, 0)  # [H, F, g]
        add_dense(wiring, index, role, sources, cells[None], matrix, recurrent=role == "weight_hh")
    bias = wiring.constant(step, "bias")  # [b, H]
    if bias is not None:
        wiring.biases.append((start, bias.T))
    return state, cells


def _by_gate(wiring: Wiring, index: int, step: Step, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cell = step.options["cell"]
    if "peephole" in step.tensors:
        raise UnsupportedOperationError(
            step.operator, step.name, "have no peepholes, or be read at unit resolution"
        )
    parts = _RESET_FIRST if step.options.get("reset_first") else _PARTS[cell]
    weight_ih, weight_hh = wiring.weight(step, "weight_ih"), wiring.weight(step, "weight_hh")
    hidden = len(weight_ih) // FAMILIES[cell].gates
    units = np.stack(
        [wiring.new_units(index, hidden, name) + np.arange(hidden) for name in parts.names]
    )  # [parts, H]
    state = _projected(wiring, index, step, units[parts.state])
    add_dense(
        wiring, index, "weight_ih", rows, units[list(parts.forward)].reshape(1, -1), weight_ih[..., None]
    )
    late = len(parts.delayed) * hidden
    add_dense(
        wiring, index, "weight_hh", state[None], units[list(parts.delayed)].reshape(1, -1),
        weight_hh[:late, :, None], recurrent=True,
    )  # fmt: skip
    if late < len(weight_hh):
        # The candidate reads the state once it is reset.
        add_dense(wiring, index, "weight_hh", units[2:3], units[3:4], weight_hh[late:, :, None])
    for source, target, delayed in parts.joints:
        wiring.blocks.append(identity_edges(index, units[source], units[target], recurrent=delayed))
    bias = wiring.constant(step, "bias")
    if bias is not None:
        for place, values in zip(_BIAS_PART[cell], bias, strict=True):
            wiring.biases.append((int(units[place, 0]), values[:, None]))
    return state, units[parts.names.index("lstm_cell")] if cell == "lstm" else units[parts.state]


def _projected(wiring: Wiring, index: int, step: Step, hidden: np.ndarray) -> np.ndarray:
    weight = wiring.constant(step, "weight_hr")  # [P, H]
    if weight is None:
        return hidden
    start = wiring.new_units(index, len(weight), f"{step.operator}_projection")
    state = start + np.arange(len(weight))
    add_dense(wiring, index, "weight_hr", hidden[None], state[None], weight[..., None])
    return state


def _from_initial_state(wiring: Wiring, index: int, step: Step, state: np.ndarray, cells: np.ndarray) -> None:
    """Edges without parameters from units that give the state before the first time step."""
    pairs = set()
    for value, units in zip(step.inputs[1:], (state, cells), strict=False):
        given = np.broadcast_to(wiring.ids[value], wiring.shape[value]).reshape(-1, len(units))[0]
        pairs |= {(int(a), int(b)) for a, b in zip(given, units, strict=True) if a != NO_UNIT}
    if pairs:
        source, target = np.array(sorted(pairs)).T
        wiring.blocks.append(identity_edges(index, source, target))
