"""Which units of a convolutional structure are computed together, and what they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnstruct.network.cell_layout import CellLayout

IMAGE = -1
# A convolution of fewer channels than this costs about as much as one of so many.
_WIDE = 8


class Span(NamedTuple):
    """Channels ``start`` to ``stop`` of a block's map, or of the image."""

    block: int
    start: int
    stop: int


@dataclass(frozen=True)
class Reading:
    """Maps of one resolution that a block reads side by side, with weights.

    Attributes
    ----------
    stride : int
    spans : tuple of Span
    width : int
        Channels of all spans.
    columns : mapping of int to int
        From a source unit (or :data:`IMAGE`) to its first channel among them.
    """

    stride: int
    spans: tuple[Span, ...]
    width: int
    columns: dict[int, int]


class Shortcut(NamedTuple):
    """A map that is added to what a unit has made, ``projected`` where it does not fit as it is."""

    edge: int
    span: Span
    stride: int
    projected: bool


@dataclass(frozen=True)
class CellsTogether:
    """Units that are computed together.

    Attributes
    ----------
    units : tuple of int
        Several only where they act on their inputs side by side, by the same operator and activation,
        in the same layer and stage.
    readings : tuple of Reading
        One for each resolution.
    passing : tuple of (Span, stride)
        Maps that a single unit takes as they are, in the order of its edges.
    shortcuts : tuple of Shortcut
        Residual edges that enter a single unit.
    """

    units: tuple[int, ...]
    readings: tuple[Reading, ...]
    passing: tuple[tuple[Span, int], ...]
    shortcuts: tuple[Shortcut, ...] = ()


class CellWiring:
    """The blocks of a structure in an order in which they can be computed.

    Parameters
    ----------
    layout : CellLayout
    image_channels : int

    Attributes
    ----------
    blocks : list of CellsTogether
    home : list of Span
        Where each unit's map is.
    """

    def __init__(self, layout: CellLayout, image_channels: int) -> None:
        self.layout, self.image_channels = layout, image_channels
        together = _together(layout)
        self.home: list[Span] = [Span(IMAGE, 0, 0)] * layout.structure.num_units
        for number, units in enumerate(together):
            ends = np.cumsum(layout.cells.channels[list(units)])
            for unit, end in zip(units, ends.tolist(), strict=True):
                self.home[unit] = Span(number, end - int(layout.cells.channels[unit]), end)
        self.blocks = [
            CellsTogether(units, self._readings(units), self._passing(units), self._shortcuts(units[0]))
            for units in together
        ]

    def _readings(self, units: tuple[int, ...]) -> tuple[Reading, ...]:
        layout, stage = self.layout, int(self.layout.cells.stage[units[0]])
        edges = np.concatenate([layout.incoming[unit] for unit in units])
        sources = np.unique(layout.structure.edge_index[0, edges[layout.carries[edges]]])
        found = []
        for earlier in range(stage + 1):
            read = [int(unit) for unit in sources if layout.cells.stage[unit] == earlier]
            image = earlier == 0 and bool(layout.structure.inputs[list(units)].any())
            if read or image:
                found.append(self._reading(read, image, 2 ** (stage - earlier)))
        return tuple(found)

    def _reading(self, sources: list[int], image: bool, stride: int) -> Reading:
        spans = [Span(IMAGE, 0, self.image_channels)] if image else []
        for block in sorted({self.home[unit].block for unit in sources}):
            homes = [self.home[unit] for unit in sources if self.home[unit].block == block]
            spans.append(Span(block, min(home.start for home in homes), max(home.stop for home in homes)))
        columns, width = {}, 0
        for span in spans:
            if span.block == IMAGE:
                columns[IMAGE] = 0
            for unit in sources:
                if self.home[unit].block == span.block:
                    columns[unit] = width + self.home[unit].start - span.start
            width += span.stop - span.start
        return Reading(stride, tuple(spans), width, columns)

    def _passing(self, units: tuple[int, ...]) -> tuple[tuple[Span, int], ...]:
        layout = self.layout
        edges = np.concatenate([layout.incoming[unit] for unit in units])
        sources = layout.structure.edge_index[0, edges[~layout.carries[edges]]].tolist()
        stage = layout.cells.stage
        return tuple((self.home[unit], 2 ** int(stage[units[0]] - stage[unit])) for unit in sources)

    def _shortcuts(self, unit: int) -> tuple[Shortcut, ...]:
        layout, stage = self.layout, self.layout.cells.stage
        found = []
        for edge in layout.shortcuts[unit].tolist():
            source = int(layout.structure.edge_index[0, edge])
            stride = 2 ** int(stage[unit] - stage[source])
            found.append(Shortcut(edge, self.home[source], stride, bool(layout.carries[edge])))
        return tuple(found)


def _together(layout: CellLayout) -> list[tuple[int, ...]]:
    groups: dict[tuple, list[int]] = {}
    cells = layout.cells
    for unit in range(layout.structure.num_units):
        depth = int(layout.structure.layer[unit])
        narrow = (
            layout.side_by_side[unit] and cells.channels[unit] < _WIDE and not len(layout.shortcuts[unit])
        )
        if narrow and cells.operator[unit] != "sepconv3x3":
            key = (depth, 0, int(cells.stage[unit]), cells.operator[unit], cells.activation[unit])
        else:
            key = (depth, 1, unit, "", "")
        groups.setdefault(key, []).append(unit)
    return [tuple(groups[key]) for key in sorted(groups)]
