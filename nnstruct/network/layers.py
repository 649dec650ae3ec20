"""The layer resolution: operators as units."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.network.network import Network
from nnstruct.program.blocks import above
from nnstruct.program.pointwise import label
from nnstruct.program.rolled import earlier
from nnstruct.program.sizes import step_sizes, widths
from nnstruct.program.steps import MOVEMENTS, Program, Step
from nnstruct.structure import Structure
from nnstruct.structure.fields import SIZES

_SHOWN_MOVEMENTS = frozenset({"concat"})


def layer_network(
    program: Program, *, threshold: float = 0.0, origin: dict[str, Any] | None = None
) -> Network:
    """One unit for each input and each step that computes or concatenates; other movements pass.

    An edge leads from an operator to each one that reads its result (once, however often it does);
    recurrent layers have a recurrent edge to themselves, and cells stepped over time have recurrent edges
    from what they read of the step before.

    Parameters
    ----------
    program : Program
    threshold : float
        Parameters up to this magnitude count as zero.
    origin : dict, optional
        What else the structure's origin shall say.

    Returns
    -------
    Network
        ``weight`` is 1 for each edge, ``bias`` 0. ``tensors`` holds, for each unit, ``parameters``
        (how many the operator has), ``nonzero`` (how many of them are above the threshold) and
        ``width`` (its neurons or channels), which is an attribute of the unit as well.
    """
    program = program.pruned()
    sources: dict[int, set[tuple[int, tuple[int, ...]]]] = {}  # units, and the turn of the loop they are of
    repeated: dict[tuple[int, ...], int] = {}
    rows: list[tuple[str, int, int, int]] = []  # operator, parameters, nonzero, width
    sizes: list[dict[str, Any]] = []
    width = widths(program)
    edges: set[tuple[int, int]] = set()
    late: set[tuple[int, int]] = set()
    for value in program.inputs:
        sources[value] = {(len(rows), ())}
        rows.append(("input", 0, 0, width[value]))
        sizes.append({})
    for step in program.steps:
        read = set().union(*(sources[value] for value in step.inputs)) if step.inputs else set()
        if step.kind in (MOVEMENTS | {"merge"}) - _SHOWN_MOVEMENTS:
            made = read
        else:
            turn = step.repeat[2:]
            unit = repeated.setdefault(step.repeat[:2], len(rows)) if turn else len(rows)
            made = {(unit, turn)}
            for source, before in read:
                (late if earlier(before, turn) else edges).add((source, unit))
            if step.kind in ("rnn", "rnn_cell"):
                late.add((unit, unit))
            if unit == len(rows):
                name = label(step) if step.kind != "concat" else "concat"
                rows.append((name, *_counts(program, step, threshold), width[step.outputs[0]]))
                sizes.append(step_sizes(step))
        sources.update(dict.fromkeys(step.outputs, made))
    outputs = np.zeros(len(rows), dtype=bool)
    outputs[sorted({unit for value in program.outputs for unit, _ in sources[value]})] = True
    inputs = np.arange(len(rows)) < len(program.inputs)
    index = np.array([*sorted(edges), *sorted(late)], dtype=np.int64).reshape(-1, 2).T
    structure = Structure(
        index,
        len(rows),
        recurrent=np.arange(index.shape[1]) >= len(edges),
        family="module",
        inputs=inputs,
        outputs=outputs,
        attributes={
            "operator": tuple(row[0] for row in rows),
            **{name: tuple(given.get(name, 1) for given in sizes) for name in SIZES},
            "width": tuple(row[3] for row in rows),
        },
        origin={"kind": "extract", "resolution": "layer", **(origin or {})},
    )
    columns = {"parameters": 1, "nonzero": 2, "width": 3}
    return Network(
        structure,
        np.ones((structure.num_edges, 1)),
        np.zeros((len(rows), 1)),
        {name: np.array([row[place] for row in rows]) for name, place in columns.items()},
    )


def _counts(program: Program, step: Step, threshold: float) -> tuple[int, int]:
    held = [program.constants[name] for name in step.tensors.values()]
    numbers = [value for value in held if value.dtype.kind == "f"]
    return (
        sum(value.size for value in numbers),
        sum(int(np.count_nonzero(above(value, threshold))) for value in numbers),
    )
