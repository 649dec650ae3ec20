"""Columns that tell what a convolutional structure can compute: its weights, and the features that are read.

A read-out sees the mean of each channel of the output units over all positions. What it can tell apart
hangs on how many learned features come through to it, what each of them sees of the image, and through how
many learned and non-linear steps it came. Pools and identities add none by themselves; they pass on, add
up or mix what convolutions made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.encode.operator_columns import ColumnBlock
from nnstruct.errors import StructureError
from nnstruct.network.cell_layout import CONVOLUTIONS, POSITIONS, CellLayout
from nnstruct.structure import Structure
from nnstruct.structure.units import FLOWS, UNIT_ACTIVATIONS

FAMILY = "cnn"
_KINDS = ("conv3x3", "conv1x1", "sepconv3x3", "maxpool3x3", "avgpool3x3", "identity")
_STAGES = 3
_SEEN = (5, 9, 15)  # pixels
# Of a feature: the mean over channels that are read, and the most.
_TRACKED = (
    "learned_steps", "convolutions", "spatial", "nonlinear", "receptive_field", "log_weights", "mean_spatial",
)  # fmt: skip
_COST = (
    "weights", "multiply_adds", "own_kernels", "alignment", "on_the_image", "in_spatial", "in_pointwise",
    "in_others",
)  # fmt: skip
_READ = (
    "channels", "outputs", "learned", "distinct", "distinct_most", "distinct_least", "units_seen", "paths",
    "narrowest_layer", "shortest_convolutions", "shortest_spatial",
)  # fmt: skip


def cell_names() -> tuple[list[str], list[str]]:
    """Names of the columns of both groups.

    Returns
    -------
    cost, features : list of str
        In the order of :func:`cell_blocks`.
    """
    cost = [f"cost.{name}" for name in _COST]
    cost += [f"cost.weights_of_{name}" for name in (*_KINDS[:3], *UNIT_ACTIVATIONS)]
    read = [f"features.{name}" for name in _READ]
    for name in _TRACKED:
        read += [f"features.{name}_mean", f"features.{name}_most"]
    read += [f"features.spatial_{count}_or_more" for count in (1, 2, 3)]
    read += [f"features.see_{pixels}_or_more" for pixels in _SEEN]
    read += [f"features.of_{name}" for name in _KINDS]
    read += [f"features.of_stage_{stage}" for stage in range(_STAGES)]
    read += [f"features.with_{name}" for name in UNIT_ACTIVATIONS]
    return cost, read


def cell_blocks(structures: Sequence[Structure]) -> list[ColumnBlock]:
    """The columns of both groups.

    Parameters
    ----------
    structures : sequence of S Structures
        Trimmed.

    Returns
    -------
    list of ColumnBlock
        ``cost`` (numbers of weights, in all, by kind and by place, and multiply-adds for each pixel of the
        image) and ``features`` (of the features that are read: how many, and of what kind). NaN in the
        rows of structures that are not of the family ``cnn``, or that no network can have. Counts stand as
        ``log(1 + count)``.
    """
    names = cell_names()
    values = [np.full((len(structures), len(part)), np.nan) for part in names]
    for row, structure in enumerate(structures):
        if structure.family == FAMILY and structure.outputs.any():
            try:
                cells = _Cells(structure)
            except StructureError:  # attributes that do not go together
                continue
            values[0][row], values[1][row] = cells.cost(), cells.features()
    return [
        ColumnBlock(group, part, block)
        for group, part, block in zip(("cost", "features"), names, values, strict=True)
    ]


class _Cells:
    """Of each unit what comes through to it, in the order of layers."""

    def __init__(self, structure: Structure) -> None:
        self.structure, self.layout = structure, CellLayout(structure)
        cells = self.layout.cells
        self.operator, self.stage = cells.operator, cells.stage
        self.channels = cells.channels.astype(np.float64)
        self.learns = np.array([name in CONVOLUTIONS or name in FLOWS for name in self.operator])
        self.looks = np.array([name not in ("conv1x1", "identity") for name in self.operator])
        self.sources: list[list[int]] = [[] for _ in self.operator]
        self.mixes = np.zeros(len(self.operator), dtype=bool)  # weights on edges into the unit
        carries = self.layout.carries.tolist()
        forward = ~structure.recurrent
        for (source, target), weighted in zip(
            structure.edge_index[:, forward].T.tolist(), carries, strict=False
        ):
            self.sources[target].append(source)
            self.mixes[target] |= weighted
        self.weights = self.layout.own_size.astype(np.float64)
        np.add.at(self.weights, structure.edge_index[1], self.layout.edge_size)
        wide = np.array(
            [POSITIONS if self.looks[u] and self.learns[u] else 1 for u in range(structure.num_units)]
        )
        self.on_image = np.where(structure.inputs, wide * self.channels, 0.0)
        self.track()

    def track(self) -> None:
        """Go through the units by layer."""
        structure, size = self.structure, self.structure.num_units
        joins, inputs = self.layout.cells.join, structure.inputs
        found = {name: np.zeros(size) for name in _TRACKED}
        found["receptive_field"] += 1.0
        self.shortest = np.zeros((2, size))  # convolutions, spatial ones
        self.distinct, self.paths = np.zeros(size), np.zeros(size)
        self.made: list[int] = [0] * size  # units whose learned features arrive, as bits
        for unit in np.argsort(structure.layer, kind="stable").tolist():
            sources, learns = self.sources[unit], bool(self.learns[unit])
            looks = bool(self.looks[unit])
            most = {name: max((float(found[name][s]) for s in sources), default=0.0) for name in _TRACKED}
            found["learned_steps"][unit] = most["learned_steps"] + (learns or self.mixes[unit])
            found["convolutions"][unit] = most["convolutions"] + learns
            found["spatial"][unit] = most["spatial"] + (learns and looks)
            bends = 1.0 if learns else 0.5 if self.operator[unit] == "maxpool3x3" else 0.0
            found["nonlinear"][unit] = most["nonlinear"] + bends
            reach = 2 * 2.0 ** self.stage[unit] if looks else 0.0
            found["receptive_field"][unit] = max(most["receptive_field"], 1.0) + reach
            size_here = np.log1p(self.weights[unit] + self.on_image[unit]) if learns else 0.0
            found["log_weights"][unit] = most["log_weights"] + size_here
            ways = float(self.paths[sources].sum()) + float(inputs[unit])
            through = sum(found["mean_spatial"][s] * self.paths[s] for s in sources)
            found["mean_spatial"][unit] = (through / ways if ways else 0.0) + (learns and looks)
            self.paths[unit] = min(ways, 1e9)
            for row, counts in enumerate((learns, learns and looks)):
                starts = [self.shortest[row, s] for s in sources] + ([0.0] if inputs[unit] else [])
                self.shortest[row, unit] = min(starts, default=0.0) + counts
            given = [float(self.distinct[s]) for s in sources] + ([1.0] if inputs[unit] else [])
            adds = joins[unit] == "concat" or self.mixes[unit]
            arriving = (sum(given) if adds else max(given, default=0.0)) * (
                POSITIONS if learns and looks else 1
            )
            width = float(self.channels[unit])
            # A non-linear unit makes more of what arrives than a linear one can.
            more = 0.5 * (width - arriving) if learns else 0.0
            self.distinct[unit] = width if arriving >= width else arriving + more
            bits = 1 << unit if learns else 0
            if not learns:
                for source in sources:
                    bits |= self.made[source]
            self.made[unit] = bits
        self.found = found

    def cost(self) -> list[float]:
        """Of the group ``cost``."""
        own, stage = self.layout.own_size, self.stage
        total = self.weights + self.on_image
        spatial, pointwise = self.learns & self.looks, self.learns & ~self.looks
        alignment = np.where(self.layout.side_by_side, 0.0, self.weights - own)
        numbers = [
            total.sum(),
            (total * 4.0**-stage).sum(),
            own.sum(),
            alignment.sum(),
            self.on_image.sum(),
            total[spatial].sum(),
            total[pointwise].sum(),
            total[~self.learns].sum(),
        ]
        numbers += [total[[name == kind for name in self.operator]].sum() for kind in _KINDS[:3]]
        activations = self.layout.cells.activation
        for name in UNIT_ACTIVATIONS:
            numbers.append(total[self.learns & np.array([a == name for a in activations])].sum())
        return np.log1p(np.array(numbers, dtype=np.float64)).tolist()

    def features(self) -> list[float]:
        """Of the group ``features``."""
        out = np.flatnonzero(self.structure.outputs)
        width = self.channels[out]
        reached = [self._made(self.made[unit]) for unit in out]
        read = np.array([min(w, self.channels[made].sum()) for w, made in zip(width, reached, strict=True)])
        seen = sorted({int(unit) for made in reached for unit in made})
        layer = self.structure.layer
        narrowest = np.bincount(layer, weights=self.channels).min()
        log = np.log1p
        row = [
            log(width.sum()),
            float(len(out)),
            log(read.sum()),
            log(self.distinct[out].sum()),
            self.distinct[out].max(),
            self.distinct[out].min(),
            log(self.channels[seen].sum()),
            log(self.paths[out].sum()),
            log(narrowest),
            self.shortest[0, out].min(),
            self.shortest[1, out].min(),
        ]
        for name in _TRACKED:
            values = self.found[name][out]
            if name == "receptive_field":
                values = np.log(values)
            row += [float((values * width).sum() / width.sum()), float(values.max())]
        spatial, field = self.found["spatial"][out], self.found["receptive_field"][out]
        row += [log(read[spatial >= count].sum()) for count in (1, 2, 3)]
        row += [log(read[field >= pixels].sum()) for pixels in _SEEN]
        operators = np.array([self.operator[unit] for unit in out])
        row += [log(read[operators == kind].sum()) for kind in _KINDS]
        stage = np.minimum(self.stage[out], _STAGES - 1)
        row += [log(read[stage == number].sum()) for number in range(_STAGES)]
        activations = self.layout.cells.activation
        for name in UNIT_ACTIVATIONS:
            row.append(log(sum(self.channels[unit] for unit in seen if activations[unit] == name)))
        return [float(value) for value in row]

    def _made(self, bits: int) -> np.ndarray:
        """The units of a set of bits."""
        units = []
        while bits:
            low = bits & -bits
            units.append(low.bit_length() - 1)
            bits ^= low
        return np.array(units, dtype=np.int64)
