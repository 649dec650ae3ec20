"""Walks a program and numbers its units: inputs first, then each step by the rule of its kind."""

from __future__ import annotations

from nnstruct.program import (  # noqa: F401  (they register their rules)
    affine,
    joins,
    operations,
    pointwise,
    recurrent,
)
from nnstruct.program.inputs import number_inputs
from nnstruct.program.merging import is_mixed, merge_before
from nnstruct.program.movement import moved
from nnstruct.program.rolled import even_uses, roll
from nnstruct.program.steps import MOVEMENTS, Program, Step
from nnstruct.program.wiring import RULES, Wiring


def wired(program: Program, resolution: str, threshold: float = 0.0, *, merges: bool = False) -> Wiring:
    """The units of every step and the blocks of edges between them.

    Parameters
    ----------
    program : Program
    resolution : {"unit", "weight"}
    threshold : float
        Values up to this magnitude are no edges.
    merges : bool
        Whether channels that several units make in turn get a unit of their own before a convolution.

    Returns
    -------
    Wiring
        With all steps numbered; its program has the steps that were added.
    """
    wiring = Wiring(program, resolution, threshold)
    even_uses(wiring)
    number_inputs(wiring)
    index = 0
    while index < len(wiring.program.steps):
        if merges and is_mixed(wiring, wiring.program.steps[index]):
            merge_before(wiring, index)
        step = wiring.program.steps[index]
        if step.kind in MOVEMENTS:
            _move(wiring, step)
        else:
            RULES[step.kind](wiring, index, step)
        index += 1
    if any(step.repeat for step in program.steps):
        roll(wiring)
    return wiring


def _move(wiring: Wiring, step: Step) -> None:
    ids = [wiring.ids[value] for value in step.inputs]
    out = step.outputs[0]
    wiring.ids[out] = moved(step, ids, [wiring.shape[value] for value in step.inputs])
    value = step.inputs[0]
    if step.kind in ("reshape", "permute", "flip", "roll") and wiring.uses[value] == 1:
        group = wiring.open.get(value)
        if group is not None:
            wiring.open[out] = group
