"""Which weights the edges and units of a convolutional Structure carry.

A unit t with c channels takes from each channel of each source a row of weights, as long as its operator
and join ask for:

======================================== ============= ==================================================
unit                                     row           meaning
======================================== ============= ==================================================
``conv3x3``, join ``concat``             9 c           a 3 x 3 kernel for each of its channels
``conv1x1``, join ``concat``             c             a factor for each of its channels
``sepconv3x3``, join ``concat``          9 + c         a 3 x 3 kernel, then a factor for each channel
any other                                c or nothing  a factor for each channel, to align what does not fit
any, along a residual edge               c or nothing  likewise, a projection
======================================== ============= ==================================================

Row e of ``Network.weight`` holds the rows of the source's channels one after the other, then zeros. A unit
that does not act on its inputs side by side has a kernel of its own, a row of ``unit_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import StructureError
from nnstruct.structure import Structure
from nnstruct.structure.units import (
    FLOWS,
    HAMILTONIAN,
    JOINS,
    UNIT_ACTIVATIONS,
    UNIT_OPERATORS,
    tie_labels,
    unit_values,
)

CONVOLUTIONS = {"conv3x3": 3, "conv1x1": 1, "sepconv3x3": 3}
POOLS = ("maxpool3x3", "avgpool3x3")
POSITIONS = 9  # of a 3 x 3 kernel


@dataclass(frozen=True)
class Cells:
    """The attributes of a structure's units, one value a unit.

    Attributes
    ----------
    operator, activation, join : tuple of str
    stage, channels : int64 [N]
    """

    operator: tuple[str, ...]
    activation: tuple[str, ...]
    join: tuple[str, ...]
    stage: np.ndarray
    channels: np.ndarray

    @classmethod
    def of(cls, structure: Structure) -> Cells:
        """The attributes of a structure, checked.

        Parameters
        ----------
        structure : Structure
            Of the family ``cnn``; an attribute that it lacks has the family's default.

        Returns
        -------
        Cells

        Raises
        ------
        StructureError
            If a value is not among those allowed, an edge leads to an earlier stage, or a Hamiltonian
            block has an odd number of channels.
        """
        operator = _named(structure, "operator", UNIT_OPERATORS)
        channels, stage = _counted(structure, "channels", 1), _counted(structure, "stage", 0)
        source, target = structure.edge_index
        back = np.flatnonzero(stage[source] > stage[target])
        if len(back):
            edge = f"stage {stage[source[back[0]]]} before stage {stage[target[back[0]]]}"
            raise StructureError("attributes['stage']", "not fall along an edge", edge)
        for unit, name in enumerate(operator):
            if name == HAMILTONIAN and channels[unit] % 2:
                raise StructureError("attributes['channels']", f"be even for {name!r}", int(channels[unit]))
        activation, join = _named(structure, "activation", UNIT_ACTIVATIONS), _named(structure, "join", JOINS)
        return cls(operator, activation, join, stage, channels)


class CellLayout:
    """Sizes and masks of the arrays that hold a convolutional structure's weights.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``, or ``module`` where ``carries`` is given.
    carries : bool [E], optional
        Whether an edge has weights, where pruning has left other edges than the rules above would need. Such
        a structure is of the family ``module``.

    Attributes
    ----------
    incoming : list of int64 arrays
        Edges that enter each unit and are not residual.
    shortcuts : list of int64 arrays
        Residual edges that enter each unit; what they bring is added behind its activation.
    side_by_side : bool [N]
        Whether a unit acts on its inputs side by side, with weights for each edge.
    carries : bool [E]
        Whether an edge has weights; one that only passes a map on has none.
    row_length : int64 [N]
        Weights that a unit takes from each channel of a source that carries any.
    own_size : int64 [N]
        Weights of the unit's own kernel.
    edge_size : int64 [E]
        Weights of each edge, 0 where it carries none.
    has_bias, has_norm : bool [N]
        Whether a unit has a bias, and whether a normalisation can follow it.

    Raises
    ------
    StructureError
        If an attribute of a unit breaks its rule; see :meth:`Cells.of`.
    """

    def __init__(self, structure: Structure, carries: np.ndarray | None = None) -> None:
        self.structure, self.cells = structure, Cells.of(structure)
        cells, (source, target) = self.cells, structure.edge_index
        self.incoming, self.shortcuts = (
            [np.flatnonzero((target == unit) & chosen) for unit in range(structure.num_units)]
            for chosen in (~structure.residual, structure.residual)
        )
        self.side_by_side = np.array(
            [j == "concat" and o in CONVOLUTIONS for j, o in zip(cells.join, cells.operator, strict=True)]
        )
        self.has_norm = np.array([name in CONVOLUTIONS for name in cells.operator])
        self.has_bias = self.has_norm | np.array([name in FLOWS for name in cells.operator])
        self.row_length = np.array([self._row_length(unit) for unit in range(structure.num_units)])
        self.own_size = np.array([self._own_size(unit) for unit in range(structure.num_units)])
        self.carries = np.zeros(structure.num_edges, dtype=bool) if carries is None else carries
        for unit in range(structure.num_units if carries is None else 0):
            self.carries[self.incoming[unit]] = self._edges_carry(unit)
            self.carries[self.shortcuts[unit]] = self._misfits(unit, self.shortcuts[unit])
        row = np.where(structure.residual, cells.channels[target], self.row_length[target])
        self.edge_size = np.where(self.carries, cells.channels[source] * row, 0)  # [E]

    def _row_length(self, unit: int) -> int:
        channels, operator = int(self.cells.channels[unit]), self.cells.operator[unit]
        if not self.side_by_side[unit]:
            return channels
        return {"conv3x3": POSITIONS * channels, "conv1x1": channels, "sepconv3x3": POSITIONS + channels}[
            operator
        ]

    def _own_size(self, unit: int) -> int:
        channels, operator = int(self.cells.channels[unit]), self.cells.operator[unit]
        square = channels * channels
        if operator in FLOWS:
            return POSITIONS * square // (4 if operator == HAMILTONIAN else 1)
        if self.side_by_side[unit]:
            return 0
        sizes = {
            "conv3x3": POSITIONS * square,
            "conv1x1": square,
            "sepconv3x3": POSITIONS * channels + square,
        }
        return sizes.get(operator, 0)

    def _misfits(self, unit: int, edges: np.ndarray) -> np.ndarray:
        """Whether each edge comes from another number of channels or another stage than the unit's."""
        cells, sources = self.cells, self.structure.edge_index[0, edges]
        other_width = cells.channels[sources] != cells.channels[unit]
        return other_width | (cells.stage[sources] != cells.stage[unit])

    def _edges_carry(self, unit: int) -> np.ndarray:
        """Whether each edge into a unit, other than a residual one, has weights."""
        cells, sources = self.cells, self.structure.edge_index[0, self.incoming[unit]]
        same_stage = cells.stage[sources] == cells.stage[unit]
        if self.side_by_side[unit]:
            return np.ones(len(sources), dtype=bool)
        if cells.join[unit] == "sum":
            return self._misfits(unit, self.incoming[unit])
        # A pool changes the resolution by itself, whatever else stands side by side has to fit.
        fits = cells.channels[sources].sum() == cells.channels[unit] and not self.structure.inputs[unit]
        fits = fits and (cells.operator[unit] in POOLS or bool(same_stage.all()))
        return np.full(len(sources), not fits)

    # ---- shapes of the padded arrays

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Shape of ``weight``: [E, K], with K the most weights of an edge and 1 at least."""
        return (self.structure.num_edges, max(1, int(self.edge_size.max(initial=0))))

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of ``bias``: [N, c], with c the most channels of a unit."""
        return (self.structure.num_units, int(self.cells.channels.max()))

    @cached_property
    def own_units(self) -> np.ndarray:
        """Units with a kernel of their own, int64 [U]; each has a row of ``unit_weight``."""
        return np.flatnonzero(self.own_size)

    @cached_property
    def own_lenders(self) -> np.ndarray:
        """Whose kernel, and bias, each unit with a kernel of its own has, int64 [U], places in ``own_units``.

        That of the first flow block with the same operator, width and ``tie``; itself, where there is none.
        """
        label, cells, found, first = tie_labels(self.structure), self.cells, [], {}  # type: ignore[var-annotated]
        for place, unit in enumerate(self.own_units.tolist()):
            key = (int(label[unit]), cells.operator[unit], int(cells.channels[unit]))
            tied = key[0] and key[1] in FLOWS
            found.append(first.setdefault(key, place) if tied else place)
        return np.array(found, dtype=np.int64)

    @property
    def own_shape(self) -> tuple[int, int]:
        """Shape of ``unit_weight``: [U, K], with K the most weights of the U units that have a kernel."""
        return (len(self.own_units), int(self.own_size.max(initial=0)))

    def input_shapes(self, image_channels: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights by which the image enters the I input units.

        Parameters
        ----------
        image_channels : int

        Returns
        -------
        dict of str to tuple of int
            ``input_weight`` [I, image channels, row]; or, where the units' rows differ in length,
            ``input_weight.u`` [image channels, row] for each input unit u.
        """
        units = np.flatnonzero(self.structure.inputs)
        lengths = {int(length) for length in self.row_length[units]}
        if len(lengths) == 1:
            return {"input_weight": (len(units), image_channels, lengths.pop())}
        return {f"input_weight.{unit}": (image_channels, int(self.row_length[unit])) for unit in units}

    # ---- masks of the padded arrays

    @property
    def weight_mask(self) -> np.ndarray:
        """Where ``weight`` holds a weight and not padding, bool [E, K]."""
        return np.arange(self.weight_shape[1]) < self.edge_size[:, None]

    def channel_mask(self, units: np.ndarray) -> np.ndarray:
        """Where an array of the shape of ``bias`` holds a channel of the chosen units.

        Parameters
        ----------
        units : bool [N]
            The chosen ones.

        Returns
        -------
        bool [N, c]
        """
        return (np.arange(self.bias_shape[1]) < self.cells.channels[:, None]) & units[:, None]

    @property
    def own_mask(self) -> np.ndarray:
        """Where ``unit_weight`` holds a weight and not padding, bool [U, K]."""
        return np.arange(self.own_shape[1]) < self.own_size[self.own_units][:, None]

    def dense_size(self, sources: np.ndarray, targets: np.ndarray) -> int:
        """Weights there would be if every one of some units fed every one of others, as far as stages allow.

        Parameters
        ----------
        sources, targets : int64 [S], int64 [T]
            Units. One that joins its inputs side by side without acting on them so has weights for all
            sources where it has any.

        Returns
        -------
        int
        """
        stage, channels = self.cells.stage, self.cells.channels
        aligns = np.array([bool(self.carries[self.incoming[unit]].any()) for unit in targets])
        summed = np.array([self.cells.join[unit] == "sum" for unit in targets])
        fits = (channels[sources][:, None] == channels[targets]) & (stage[sources][:, None] == stage[targets])
        needs = np.where(summed & ~self.side_by_side[targets], ~fits, self.side_by_side[targets] | aligns)
        allowed = stage[sources][:, None] <= stage[targets]  # [S, T]
        return int((channels[sources][:, None] * self.row_length[targets] * (needs & allowed)).sum())

    # ---- fan in

    def fan_in(self, image_channels: int) -> np.ndarray:
        """How many channels are summed where an edge's weights act.

        Parameters
        ----------
        image_channels : int

        Returns
        -------
        int64 [E]
            The source's channels where the target adds its inputs up one by one; else the channels of all
            that stands side by side before the target.
        """
        source, target = self.structure.edge_index
        together = np.array([self.unit_fan_in(u, image_channels) for u in range(self.structure.num_units)])
        summed = np.array([join == "sum" for join in self.cells.join])
        return np.where(
            summed[target] | self.structure.residual, self.cells.channels[source], together[target]
        )

    def unit_fan_in(self, unit: int, image_channels: int) -> int:
        """Channels of all that stands side by side before a unit.

        Parameters
        ----------
        unit : int
        image_channels : int
            Counted where the unit is an input unit.

        Returns
        -------
        int
        """
        sources = self.structure.edge_index[0, self.incoming[unit]]
        return int(self.cells.channels[sources].sum()) + image_channels * int(self.structure.inputs[unit])


def input_row(parameters: Mapping[str, np.ndarray], structure: Structure, unit: int) -> np.ndarray:
    """Weights of an input unit for the image.

    Parameters
    ----------
    parameters : mapping of str to float32 array
        With the names of :meth:`CellLayout.input_shapes`.
    structure : Structure
    unit : int
        An input unit.

    Returns
    -------
    float32 [image channels, row]
        A view.
    """
    if "input_weight" in parameters:
        return parameters["input_weight"][np.count_nonzero(structure.inputs[:unit])]
    return parameters[f"input_weight.{unit}"]


def _named(structure: Structure, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = unit_values(structure, name)
    for value in values:
        if value not in allowed:
            raise StructureError(f"attributes[{name!r}]", f"be among {', '.join(allowed)}", value)
    return values


def _counted(structure: Structure, name: str, least: int) -> np.ndarray:
    field, rule = f"attributes[{name!r}]", f"be integers from {least}"
    values = [
        check_integer(value, field, low=least, rule=rule, error=StructureError)
        for value in unit_values(structure, name)
    ]
    return np.array(values, dtype=np.int64)
