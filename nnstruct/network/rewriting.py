"""The program of a network that has lost units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.constants import Folding, axes_gone, is_plain_sum
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.steps import POINTWISE, Program, Step
from nnstruct.program.wiring import Wiring


def gone_of(removed: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Which elements of an array of units go."""
    return np.where(ids == NO_UNIT, False, removed[ids])


def gone_from_sum(
    wiring: Wiring, step: Step, place: int, side: int, removed: np.ndarray, found: Folding
) -> np.ndarray:
    """The elements of one side of a sum that it will not read, of the shape of the side's units."""
    gone = removed[wiring.ids[step.inputs[side]]]
    return gone | found.dropped.get((place, side), np.zeros_like(gone))


class Rewriter:
    """Writes the program for the smaller arrays.

    Parameters
    ----------
    wiring : Wiring
        Of the old program.
    removed : bool [N]
        Units that go; in every value they are full cross-sections.
    tensors : mapping of str to array
        Constants of the old program that are no weights of edges.
    found : Folding

    Attributes
    ----------
    place : list of int
        For each old step its place in the new program.
    shifts : set of str
        Constants that hold what constant units gave to sums.
    """

    def __init__(
        self, wiring: Wiring, removed: np.ndarray, tensors: Mapping[str, np.ndarray], found: Folding
    ) -> None:
        self.wiring, self.old, self.tensors = wiring, wiring.program, tensors
        self.removed, self.found = removed, found
        self.place: list[int] = []
        self.shifts: set[str] = set()
        self.next_value = max(wiring.shape) + 1
        self.kept: dict[int, list[np.ndarray]] = {}  # value -> for each axis, which places stay
        for value, ids in wiring.ids.items():
            gone = axes_gone(gone_of(removed, ids)) or [np.zeros(size, dtype=bool) for size in ids.shape]
            shape = wiring.shape[value]
            self.kept[value] = [
                np.broadcast_to(~places, (length,)) for places, length in zip(gone, shape, strict=True)
            ]
        self.constants = dict(self.old.constants)

    def shape(self, value: int) -> tuple[int, ...]:
        """The shape of a value in the new program.

        Parameters
        ----------
        value : int

        Returns
        -------
        tuple of int
        """
        return tuple(int(places.sum()) for places in self.kept[value])

    def program(self) -> Program:
        """The program without what was removed.

        Returns
        -------
        Program
        """
        steps: list[Step] = []
        for place, step in enumerate(self.old.steps):
            before: list[Step] = []
            after: list[Step] = []
            if step.kind in POINTWISE:
                step = self._narrowed(step, before)
            smaller = self._step(step, place)
            if is_plain_sum(self.wiring, step):
                before, smaller, after = self._sum(smaller, step, place)
            steps += before
            self.place.append(len(steps))
            steps += [smaller, *after]
        used = {name for step in steps for name in step.tensors.values()}
        constants = {name: value for name, value in self.constants.items() if name in used}
        return replace(self.old, steps=tuple(steps), constants=constants)

    def _narrowed(self, step: Step, before: list[Step]) -> Step:
        """A step on the units that it keeps, where others read more of the same value."""
        value, dropped = step.inputs[0], ()
        if step.kind == "reduce" and not step.options["keepdim"]:
            dropped = tuple(step.options["axes"])
        left = iter(self.kept[step.outputs[0]])
        for axis in range(len(self.kept[value])):
            if axis in dropped:
                continue
            old, new = self.kept[value][axis], next(left)
            if len(old) != len(new) or np.array_equal(old, new):
                continue
            indices = np.flatnonzero(new[old]).tolist()
            shape = [int(kept.sum()) for kept in self.kept[value]]
            shape[axis] = len(indices)
            kept = list(self.kept[value])
            kept[axis] = new
            options = {"axis": axis, "indices": indices}
            value = self._moved("take", value, shape, options, step.name, before)
            self.kept[value] = kept
        return replace(step, inputs=(value, *step.inputs[1:]))

    def _sum(self, smaller: Step, old: Step, place: int) -> tuple[list[Step], Step, list[Step]]:
        """A sum, steps before it that bring both sides to its shape, and what constants gave after it."""
        before: list[Step] = []
        inputs = []
        for side, value in enumerate(old.inputs):
            gone = gone_from_sum(self.wiring, old, place, side, self.removed, self.found)
            inputs.append(self._fitted(value, old.outputs[0], gone, old.name, before))
        shift = self._shift(old)
        if shift is None:
            return before, replace(smaller, inputs=tuple(inputs)), []
        name = f"folded_shift.{place}"
        self.constants[name] = shift
        self.shifts.add(name)
        made = self._new_value()
        summed = replace(smaller, inputs=tuple(inputs), outputs=(made,))
        after = Step("affine", (made,), old.outputs, smaller.shapes, {}, {"shift": name}, old.name)
        return before, summed, [after]

    def _new_value(self) -> int:
        self.next_value += 1
        return self.next_value - 1

    def _fitted(self, value: int, out: int, gone: np.ndarray, name: str, steps: list[Step]) -> int:
        """A value with zeros where it is not read, and without what the sum does not have."""
        old, shape = value, list(self.shape(value))
        away = axes_gone(gone)
        if away is None:
            raise InvalidInputError("removed units", "be cross-sections of each side of a sum", name)
        separate = [axis for axis, size in enumerate(gone.shape) if size > 1] or [min(1, gone.ndim - 1)]
        for axis in separate:
            kept, wanted = self.kept[old][axis], self.kept[out][axis]
            lost = np.broadcast_to(away[axis], kept.shape)
            place = np.where(lost, shape[axis], np.cumsum(kept) - 1)[wanted]
            if np.array_equal(place, np.arange(shape[axis])):
                continue
            if lost[wanted].any():
                widths = [[0, int(a == axis)] for a in range(len(shape))]
                shape[axis] += 1
                value = self._moved("pad", value, shape, {"widths": widths, "value": 0.0}, name, steps)
            shape[axis] = len(place)
            value = self._moved("take", value, shape, {"axis": axis, "indices": place.tolist()}, name, steps)
        return value

    def _moved(
        self, kind: str, value: int, shape: list[int], options: dict[str, Any], name: str, steps: list[Step]
    ) -> int:
        made = self._new_value()
        steps.append(Step(kind, (value,), (made,), (tuple(shape),), options, {}, name))
        return made

    def _shift(self, step: Step) -> np.ndarray | None:
        out = step.outputs[0]
        ids = self.wiring.ids[out]
        kept = [places[:size] for places, size in zip(self.kept[out], ids.shape, strict=True)]
        shift = self.found.shift[ids[np.ix_(*kept)]].astype(np.float32)
        return shift if shift.any() else None

    def _step(self, step: Step, place: int) -> Step:
        options: dict[str, Any] = dict(step.options)
        source = self.kept[step.inputs[0]] if step.inputs else []
        if step.kind == "slice":
            places = source[options["axis"]]
            options["start"], options["stop"] = (
                int(places[: options[end]].sum()) for end in ("start", "stop")
            )
        elif step.kind == "select":
            options["index"] = int(source[options["axis"]][: options["index"]].sum())
        elif step.kind == "take":
            places = source[options["axis"]]
            rank = np.cumsum(places) - 1
            options["indices"] = [int(rank[i]) for i in options["indices"] if places[i]]
        elif step.kind == "conv" and options["groups"] > 1:
            options["groups"] = int(self._channels(step.inputs[0], options["nd"]).sum() * options["groups"]
                                    // len(self._channels(step.inputs[0], options["nd"])))  # fmt: skip
        tensors = {role: self._tensor(step, role, name, place) for role, name in step.tensors.items()}
        shapes = tuple(self.shape(value) for value in step.outputs)
        return replace(step, shapes=shapes, options=options, tensors=tensors)

    def _channels(self, value: int, nd: int) -> np.ndarray:
        return self.kept[value][-nd - 1]

    def _tensor(self, step: Step, role: str, name: str, place: int) -> str:
        value = self.constants[name]
        chosen = self._places(step, role, value)
        if chosen is None or all(places.all() for places in chosen):
            return name
        held = self.tensors.get(name)
        smaller = (
            np.broadcast_to(np.float32(0), [int(places.sum()) for places in chosen])
            if held is None
            else held[np.ix_(*chosen)]
        )
        new = f"{name}.compact.{place}"
        self.constants[new] = smaller
        return new

    def _places(self, step: Step, role: str, value: np.ndarray) -> list[np.ndarray] | None:
        """Which places along each axis of a tensor stay."""
        if not step.inputs:
            return None
        source, made = self.kept[step.inputs[0]], self.kept[step.outputs[0]]
        if step.kind == "linear":
            return [made[-1], source[-1]][: value.ndim]
        if step.kind == "conv":
            nd = step.options["nd"]
            inside, outside = source[-nd - 1], made[-nd - 1]
            if role == "bias":
                return [outside]
            taps = [np.ones(size, dtype=bool) for size in value.shape[2:]]
            if step.options["groups"] > 1:
                first = inside if step.options["transposed"] else outside
                return [first, np.ones(value.shape[1], dtype=bool), *taps]
            return [inside, outside, *taps] if step.options["transposed"] else [outside, inside, *taps]
        if step.kind == "rnn":
            hidden = made[-1]
            if role == "bias":
                return [np.ones(value.shape[0], dtype=bool), hidden]
            gates = np.tile(hidden, value.shape[0] // len(hidden))
            return [gates, source[-1] if role == "weight_ih" else hidden]
        if step.kind == "norm":
            by_channel = step.options["norm"] in ("instance_norm", "batch_statistics")
            return [source[1]] if value.ndim == 1 and by_channel else None
        if step.kind in ("affine", "activation"):
            axes = source[len(source) - value.ndim :]
            return [
                places if size == len(places) else np.ones(size, dtype=bool)
                for places, size in zip(axes, value.shape, strict=True)
            ]
        return None
