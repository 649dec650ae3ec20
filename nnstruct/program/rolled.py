"""Units of a cell that is stepped over time: one set of units for all turns, with recurrent edges."""

from __future__ import annotations

import numpy as np

from nnstruct.program.blocks import Block, DenseBlock, ListBlock
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.wiring import Group, Wiring


def even_uses(wiring: Wiring) -> None:
    """Count a value as read as often as in the turn that reads it most, so that all turns have like units.

    Parameters
    ----------
    wiring : Wiring
        A new one; its ``uses`` change.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for step in wiring.program.steps:
        for place, value in enumerate(step.outputs if step.repeat else ()):
            alike.setdefault((*step.repeat[:2], place), []).append(value)
    for values in alike.values():
        most = max(wiring.uses[value] for value in values)
        wiring.uses.update(dict.fromkeys(values, most))


def roll(wiring: Wiring) -> None:
    """Make the units of repeated steps one, and edges from an earlier turn recurrent.

    Parameters
    ----------
    wiring : Wiring
        Of a whole program; changed in place. It stays as it is where turns differ in their units.
    """
    first: dict[tuple[int, ...], Group] = {}
    table = np.append(np.arange(wiring.num_units), NO_UNIT)
    kept: list[Group] = []
    pairs: list[tuple[Group, Group]] = []
    keys = [_key(wiring, number, group) for number, group in enumerate(wiring.groups)]
    for key, group in zip(keys, wiring.groups, strict=True):
        # In the first turn constants stand where a state is later: there are all units in the second only.
        if key and group.count > (first[key].count if key in first else 0):
            first[key] = group
    for key, group in zip(keys, wiring.groups, strict=True):
        same = first.get(key, group)
        if key and not group.count:
            continue
        if same is group:
            kept.append(group)
            continue
        if same.count != group.count:
            steps = wiring.program.steps
            if not earlier(steps[group.step].repeat[2:], steps[same.step].repeat[2:]):
                return
            table[group.start : group.start + group.count] = NO_UNIT  # the second turn has these and others
            continue
        table[group.start : group.start + group.count] = same.start + np.arange(group.count)
        pairs.append((same, group))
    if not pairs or not all(isinstance(block, DenseBlock | ListBlock) for block in wiring.blocks):
        return
    blocks = _rolled(wiring, table)
    for same, group in pairs:  # what follows the loop acts on its last turn
        if group.labels[: len(same.labels)] == same.labels:
            same.labels += group.labels[len(same.labels) :]
        same.mixing |= group.mixing
    number_of = np.full(wiring.num_units + 1, NO_UNIT)
    number_of[np.concatenate([group.start + np.arange(group.count) for group in kept])] = np.arange(
        sum(group.count for group in kept)
    )
    table = number_of[table]
    starts = {group.start for group in kept}
    wiring.biases = [(int(table[at]), values) for at, values in wiring.biases if at in starts]
    wiring.silenced = [np.unique(table[units[table[units] != NO_UNIT]]) for units in wiring.silenced]
    wiring.ids = {value: table[ids] for value, ids in wiring.ids.items()}
    wiring.symbols = {int(table[unit]): count for unit, count in wiring.symbols.items()}
    for block in blocks:
        block.source, block.target = number_of[block.source], number_of[block.target]
    wiring.blocks = [_with_targets(block) for block in blocks]
    for group in kept:
        group.start = int(number_of[group.start])
    wiring.groups = kept
    wiring.num_units = sum(group.count for group in kept)


def _with_targets(block: DenseBlock | ListBlock) -> DenseBlock | ListBlock:
    """A block without the targets that are no units."""
    known = block.target != NO_UNIT
    if known.all():
        return block
    if isinstance(block, ListBlock):
        ends = block.source[known], block.target[known]
        return ListBlock(block.step, block.role, block.recurrent, *ends, block.values[known])
    own = known.all(axis=1)  # units of one group go together
    values = block.values if len(block.values) == 1 else block.values[own]
    return DenseBlock(block.step, block.role, block.recurrent, block.source[own], block.target[own], values)


def _key(wiring: Wiring, number: int, group: Group) -> tuple[int, ...]:
    repeat = wiring.program.steps[group.step].repeat if group.step >= 0 else ()
    if not repeat:
        return ()
    others = 0  # a step can make several groups
    while number - others > 0 and wiring.groups[number - others - 1].step == group.step:
        others += 1
    return (repeat[0], repeat[1], others)


def _rolled(wiring: Wiring, table: np.ndarray) -> list[DenseBlock | ListBlock]:
    """Blocks between the units of the first turns, each once, and recurrent where they cross turns."""
    group_of = np.full(wiring.num_units + 1, -1)
    for number, group in enumerate(wiring.groups):
        group_of[group.start : group.start + group.count] = number
    turns = [wiring.program.steps[g.step].repeat[2:] if g.step >= 0 else () for g in wiring.groups]
    turns.append(())
    found: list[DenseBlock | ListBlock] = []
    seen: set[tuple[str, bool, bytes, bytes]] = set()
    for block in wiring.blocks:
        for part in _split(block, group_of, turns):
            part.source, part.target = table[part.source], table[part.target]
            mark = (part.role, part.recurrent, part.source.tobytes(), part.target.tobytes())
            if mark not in seen:
                seen.add(mark)
                found.append(part)
    return found


def _split(block: Block, group_of: np.ndarray, turns: list[tuple[int, ...]]) -> list[DenseBlock | ListBlock]:
    """A block's edges within one turn, and those from an earlier one."""
    assert isinstance(block, DenseBlock | ListBlock)
    if not block.source.size or not block.target.size:
        return [block]
    if isinstance(block, ListBlock):
        ends = np.stack([group_of[block.source], group_of[block.target]])
        pairs, which = np.unique(ends, axis=1, return_inverse=True)
        flags = np.array([earlier(turns[a], turns[b]) for a, b in pairs.T.tolist()])
        late = flags[which.ravel()] | block.recurrent
        chosen = [(flag, late == flag) for flag in np.unique(late).tolist()]
        return [
            ListBlock(block.step, block.role, flag, block.source[own], block.target[own], block.values[own])
            for flag, own in chosen
        ]
    target = turns[int(group_of[block.target.flat[0]])]
    groups = group_of[block.source]  # [G, U]
    flag_of = {number: earlier(turns[number], target) for number in np.unique(groups).tolist()}
    late = np.vectorize(flag_of.__getitem__, otypes=[bool])(groups)[0] | block.recurrent  # [U]
    return [
        DenseBlock(block.step, block.role, flag, block.source[:, late == flag], block.target,
                   block.values[:, late == flag])
        for flag in np.unique(late).tolist()
    ]  # fmt: skip


def earlier(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether one turn comes before another of the same loop.

    Parameters
    ----------
    source, target : tuple of int
        For each loop its number and the turn, the outermost first.

    Returns
    -------
    bool

    Examples
    --------
    >>> earlier((1, 0), (1, 1)), earlier((1, 1, 2, 0), (1, 1)), earlier((1, 0), (2, 1))
    (True, False, False)
    """
    for at in range(0, min(len(source), len(target)), 2):
        if source[at] != target[at]:
            return False
        if source[at + 1] != target[at + 1]:
            return source[at + 1] < target[at + 1]
    return False
