"""Convolutional structures over the positions of their maps: the graphs of Cunegatti et al. (2024)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.network.cell_layout import CONVOLUTIONS, POOLS, CellLayout
from nnstruct.structure import Structure
from nnstruct.structure.units import FLOWS, HAMILTONIAN


@dataclass(frozen=True)
class _Reach:
    """Which channels see which, how far, and whether all see all or each its like."""

    to: tuple[int, int]
    origin: tuple[int, int]
    radius: int
    mixes: bool


def unrolled(structure: Structure, input_shape: tuple[int, ...], classes: int = 0) -> Structure:
    """A convolutional structure with a unit for each position of each channel.

    An edge leads from a position to each that its value enters: through a kernel, a pool, a sum, or a step of
    a differential equation (whose two convolutions see two positions to each side). Positions beyond the
    border are none. The image's positions come first and are the inputs; with ``classes`` there is a unit for
    each class at the end, which the positions of all output units feed.

    :func:`nnstruct.properties.topometrics.topometrics` of it are those of the paper's unrolled graph; where
    weights have been pruned, take ``extract(module, images, "weight").structure``. Pools have units of their
    own here, while the authors' program leads a window straight to what reads the pool.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``.
    input_shape : (int, int, int) or (int, int)
        Channels, height and width of images.
    classes : int
        0: output units are the outputs.

    Returns
    -------
    Structure
        Of the family ``module``.

    Raises
    ------
    InvalidInputError
        If the structure is of another family, or a size is none.

    References
    ----------
    E. Cunegatti, M. Farina, D. Bucur, G. Iacca, Understanding sparse neural networks from their topology via
    multipartite graph representations, TMLR 2024, arXiv:2305.16886.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> graph = unrolled(Structure([[0], [1]], 2, family="cnn"), (1, 3, 3))
    >>> graph.num_units, graph.num_edges  # an image and two maps; 9 windows see 49 positions
    (27, 98)
    """
    if structure.family != "cnn":
        raise InvalidInputError("structure.family", "be 'cnn'", structure.family)
    shape = (1, *input_shape) if len(input_shape) == 2 else tuple(input_shape)
    if len(shape) != 3:
        raise InvalidInputError("input_shape", "be channels, height and width", input_shape)
    shape = tuple(check_integer(size, "input_shape", low=1) for size in shape)
    classes = check_integer(classes, "classes", low=0)
    graph = _Unrolled(CellLayout(structure), shape)
    edges = [np.zeros((2, 0), dtype=np.int64), *graph.edges()]
    count, outputs = graph.count, np.zeros(graph.count + classes, dtype=bool)
    read = np.concatenate([graph.units(unit) for unit in np.flatnonzero(structure.outputs).tolist()])
    if classes:
        last = count + np.arange(classes)
        edges.append(np.stack([np.tile(read, classes), np.repeat(last, len(read))]))
        outputs[last] = True
    else:
        outputs[read] = True
    inputs = np.arange(count + classes) < np.prod(shape)
    pairs = np.unique(np.concatenate(edges, axis=1), axis=1)
    return Structure(pairs, count + classes, inputs=inputs, outputs=outputs, family="module")


class _Unrolled:
    def __init__(self, layout: CellLayout, shape: tuple[int, ...]) -> None:
        self.layout, self.cells, self.structure = layout, layout.cells, layout.structure
        self.image = shape
        self.sizes = [tuple(-(-size // 2 ** int(s)) for size in shape[1:]) for s in self.cells.stage]
        held = [int(c) * np.prod(size) for c, size in zip(self.cells.channels, self.sizes, strict=True)]
        self.starts = np.cumsum([np.prod(shape), *held])
        self.count = int(self.starts[-1])

    def units(self, unit: int) -> np.ndarray:
        """The positions of a unit's map."""
        return np.arange(self.starts[unit], self.starts[unit + 1])

    def edges(self) -> Iterator[np.ndarray]:
        for unit in range(self.structure.num_units):
            offset = 0
            for edge in self.layout.incoming[unit].tolist():
                source = int(self.structure.edge_index[0, edge])
                yield from self._entering(unit, source, bool(self.layout.carries[edge]), offset)
                offset += int(self.cells.channels[source]) * (self.cells.join[unit] == "concat")
            if self.structure.inputs[unit]:
                yield from self._entering(unit, None, True, 0)
            for edge in self.layout.shortcuts[unit].tolist():
                source, width = int(self.structure.edge_index[0, edge]), int(self.cells.channels[unit])
                mixes = bool(self.layout.carries[edge])
                origin = (0, int(self.cells.channels[source])) if mixes else (0, width)
                yield self._joined(unit, source, _Reach((0, width), origin, 0, mixes), before=False)

    def _entering(self, unit: int, source: int | None, carries: bool, offset: int) -> Iterator[np.ndarray]:
        """What a source's map is to a unit, by its operator; ``offset``: its place where maps are joined."""
        width = self.image[0] if source is None else int(self.cells.channels[source])
        operator, own = self.cells.operator[unit], int(self.cells.channels[unit])
        if self.layout.side_by_side[unit]:
            radius = CONVOLUTIONS[operator] // 2
            yield self._joined(unit, source, _Reach((0, own), (0, width), radius, True), before=True)
            return
        before = operator in POOLS and self.cells.join[unit] == "concat"
        for reach in self._own(operator, own):
            if carries:  # all channels of the source enter each of the joined map
                found = _Reach(reach.to, (0, width), reach.radius, True)
            else:
                low, high = max(reach.origin[0], offset), min(reach.origin[1], offset + width)
                if low >= high:
                    continue
                to = reach.to if reach.mixes else (low, high)
                found = _Reach(to, (low - offset, high - offset), reach.radius, reach.mixes)
            yield self._joined(unit, source, found, before)

    def _own(self, operator: str, channels: int) -> list[_Reach]:
        """What a unit's channels see of the map that it acts on."""
        whole, half = (0, channels), channels // 2
        if operator == HAMILTONIAN:
            y, z = (0, half), (half, channels)
            return [
                _Reach(y, y, 4, True),
                _Reach(y, z, 2, True),
                _Reach(z, y, 2, True),
                _Reach(z, z, 0, False),
            ]
        if operator in FLOWS:
            return [_Reach(whole, whole, 2, True)]
        mixes = operator in CONVOLUTIONS
        radius = CONVOLUTIONS[operator] // 2 if mixes else int(operator in POOLS)
        return [_Reach(whole, whole, radius, mixes)]

    def _joined(self, unit: int, source: int | None, reach: _Reach, before: bool) -> np.ndarray:
        """Edges by channels and positions; ``before``: a window is taken ahead of the stride."""
        stage = 0 if source is None else int(self.cells.stage[source])
        stride = 2 ** int(self.cells.stage[unit] - stage)
        small, large = self.sizes[unit], self.image[1:] if source is None else self.sizes[source]
        start = 0 if source is None else int(self.starts[source])
        rows, columns = (
            _pairs(to, of, stride, reach.radius, before) for to, of in zip(small, large, strict=True)
        )
        origin = (rows[0][:, None] * large[1] + columns[0]).ravel()
        target = (rows[1][:, None] * small[1] + columns[1]).ravel()
        to, of = np.arange(*reach.to), np.arange(*reach.origin)
        if reach.mixes:
            to, of = np.repeat(to, len(of)), np.tile(of, len(to))
        source_unit = start + of[:, None] * (large[0] * large[1]) + origin
        target_unit = self.starts[unit] + to[:, None] * (small[0] * small[1]) + target
        return np.stack([source_unit.ravel(), target_unit.ravel()])


def _pairs(small: int, large: int, stride: int, radius: int, before: bool) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis, which position enters which."""
    target, shift = (
        grid.ravel() for grid in np.meshgrid(np.arange(small), np.arange(-radius, radius + 1), indexing="ij")
    )
    if before:
        source = stride * target + shift
        inside = (source >= 0) & (source < large)
    else:
        middle = target + shift
        source = stride * middle
        inside = (middle >= 0) & (middle < small) & (source < large)
    return source[inside], target[inside]
