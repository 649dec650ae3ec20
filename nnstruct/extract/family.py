"""Networks that a family of structures can have, read as of that family.

A perceptron, a stack of recurrent layers or a plain convolutional network becomes the Structure that one
could have drawn: its inputs are no units but ports, and so is its linear read-out. The result is a Network
that :func:`nnstruct.modules.module_from_network` computes, with a few exceptions that it names.

Maps that are added behind an activation are residual edges where they come from before it and nothing else
reads what they are added to; other sums are units of the operator ``identity``, whose edges are residual
where no factor is on them. Two structures may compute the same: a unit that passes on one map is not seen.

Where a convolution of one reader brings the image to a unit's channels, units act on sums with kernels
of their own (``join`` ``sum``). A step of an equation is a flow block if it is as long as the block's; flows
of one kernel and bias are tied. A loop over time that is written by hand is a recurrent network if each of
its numbers is one of a cell's equation: see :mod:`nnstruct.extract.family_cells`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.extract.family_cells import is_stepped, stepped_network
from nnstruct.extract.family_state import Made
from nnstruct.extract.family_sums import divided
from nnstruct.extract.family_walk import FamilyWalk
from nnstruct.extract.forms import Form, NoFamilyError
from nnstruct.network import Network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.program import Program
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES
from nnstruct.structure.units import FLOWS, UNIT_DEFAULTS

MODULE, AUTO = "module", "auto"
# In the family ``mlp`` smaller layers are scaled and shifted, and not normalised.
_SMALLEST_NORMALISED = 3


def check_family(family: Any) -> None:
    """Raise :class:`InvalidInputError` unless it is ``module``, ``auto`` or a family that is trained."""
    names = (MODULE, AUTO, "mlp", "cnn", *RNN_FAMILIES)
    if family not in names:
        raise InvalidInputError("family", f"be one of {', '.join(names)}", family)


def family_network(
    program: Program, family: str, resolution: str, threshold: float, origin: dict[str, Any]
) -> Network | None:
    """The Network of a program as one of a family.

    Parameters
    ----------
    program : Program
    family : str
        ``auto``, or the family that it has to be.
    resolution : {"unit", "layer"}
        ``unit``: neurons, hidden units and channels. ``layer``: convolutions as cells with channels; there
        are no cells in the other families.
    threshold : float
        Weights up to this magnitude are no edges.
    origin : dict
        What the structure's origin shall say beside the resolution.

    Returns
    -------
    Network or None
        None where ``auto`` finds no family.

    Raises
    ------
    InvalidInputError
        If it is not of the family that it has to be; the message says why.
    """
    pruned = program.pruned()
    try:
        try:
            walk = FamilyWalk(pruned, by_cell=resolution == "layer")
            walk.run()
            return _Assembly(walk, family, resolution, threshold, origin).network()
        except NoFamilyError:
            if resolution == "layer" or not is_stepped(pruned):
                raise
            known = {"kind": "extract", "resolution": resolution, **origin}
            return stepped_network(pruned, family, threshold, known)
    except (NoFamilyError, StructureError) as error:
        if family == AUTO:
            return None
        hint = 'Take family="auto", which reads as "module" what is of no family.'
        raise InvalidInputError("module", f"be of the family {family!r}", str(error), hint) from error


class _Assembly:
    """Puts a walk's units together."""

    def __init__(
        self, walk: FamilyWalk, family: str, resolution: str, threshold: float, origin: dict[str, Any]
    ) -> None:
        self.by_cell = resolution == "layer"
        self.made = divided(walk.made) if self.by_cell else walk.made
        self.inputs, self.threshold = walk.num_inputs, threshold
        self.units = walk.num_atoms - walk.num_inputs
        self.readout, self.discrete = walk.readout, any(walk.program.discrete)
        self.family = self._family(family)
        if resolution == "layer" and self.family != "cnn":
            raise NoFamilyError(f"a unit of the family {self.family} is a neuron and no layer")
        self.origin = {"kind": "extract", "resolution": resolution, **origin}

    def _family(self, wanted: str) -> str:
        operators = {made.operator for made in self.made}
        if not operators:
            raise NoFamilyError("there is no unit with an activation")
        if operators == {"dense"}:
            found = "mlp"
        elif len(operators) == 1 and operators <= set(RNN_FAMILIES):
            found = operators.pop()
        elif operators.isdisjoint({"dense", *RNN_FAMILIES}):
            found = "cnn"
        else:
            raise NoFamilyError("units of several families stand together")
        if self.readout.reduced == (found == "mlp") or self.readout.norm is not None:
            raise NoFamilyError("the read-out sees no mean of maps and no last time step")
        if wanted not in (AUTO, found):
            raise NoFamilyError(f"it is of the family {found}")
        return found

    # ---- what all families share

    def _dense(self, form: Form, width: int) -> np.ndarray:
        """All weights into the rows of a form, float64 [rows, atoms, width]; zero up to the threshold."""
        found = np.zeros((form.rows, self.inputs + self.units, width))
        for term in form.terms:
            found[np.ix_(term.rows, term.atoms)] += term.weight
        if form.atom is not None:  # a pool reads each map as it is
            found[np.arange(form.rows), form.atom] = 1.0
        found[np.abs(found) <= self.threshold] = 0.0
        return found

    def _shortcuts(self, made: Made) -> np.ndarray:
        """What residual edges bring to the rows of a step, float64 [rows, atoms, 1]."""
        found = self._dense(replace(made.form, atom=None, terms=made.shortcuts), 1)
        if found[:, : self.inputs].any():
            raise NoFamilyError("the image is added to maps")
        return found

    def _width(self, made: Made) -> int:
        return max((term.weight.shape[2] for term in made.form.terms), default=1)

    def network(self) -> Network:
        """The whole network.

        Returns
        -------
        Network

        Raises
        ------
        NoFamilyError
            If it has what the family has not.
        """
        readout = self._dense(self.readout, 1)[:, :, 0]  # [C, atoms]
        if readout[:, : self.inputs].any():
            raise NoFamilyError("the read-out sees the input")
        readout = readout[:, self.inputs :]
        tensors = {"readout_bias": self.readout.shift}
        if self.by_cell:
            return self._cells(readout, tensors)
        outputs = (readout != 0).any(axis=0)
        tensors["readout_weight"] = readout[:, outputs]
        width = max(self._width(made) for made in self.made)
        edges, values, inputs, input_rows, added = [], [], [], [], []
        for made in self.made:
            into = self._dense(made.form, self._width(made))
            first = made.first - self.inputs
            for part, beside in ((into, False), (self._shortcuts(made), True)):
                row, source = np.nonzero((part[:, self.inputs :] != 0).any(axis=2))
                edges.append(np.stack([source, first + row]))
                values.append(_padded(part[row, self.inputs + source], width))
                added.append(np.full(len(row), beside))
            reads = (into[:, : self.inputs] != 0).any(axis=(1, 2))
            inputs.append(reads)
            input_rows += list(into[reads, : self.inputs])  # [D, k] each
        forward = np.concatenate(edges, axis=1)
        recurrent, delayed = self._recurrent(width)
        weight = np.concatenate([*values, delayed])
        index = np.concatenate([forward, recurrent], axis=1)
        late = np.repeat([False, True], [forward.shape[1], recurrent.shape[1]])
        order = np.lexsort((index[1], index[0], late))
        residual = np.concatenate([*added, np.zeros(recurrent.shape[1], dtype=bool)])
        structure = Structure(
            index[:, order],
            self.units,
            recurrent=late[order],
            residual=residual[order],
            family=self.family,
            inputs=np.concatenate(inputs),
            outputs=outputs,
            attributes=_without_defaults(
                {
                    "operator": [m.operator for m in self.made for _ in range(m.form.rows)],
                    "activation": [m.activation for m in self.made for _ in range(m.form.rows)],
                    "stage": [m.stage for m in self.made for _ in range(m.form.rows)],
                    "join": [m.join for m in self.made for _ in range(m.form.rows)],
                    "tie": [tie for m, tie in self._ties() for _ in range(m.form.rows)],
                },
                self.family,
            ),
            origin=self.origin,
        )
        tensors |= _input_tensors(structure, input_rows)
        if self.family == "mlp":
            tensors |= self._normalisation(structure)
        bias = np.concatenate(
            [made.form.shift[:, None] if made.gates is None else made.gates[1].T for made in self.made]
        )
        if self.family == "cnn":
            weight = self._as_channels(structure, weight[order])
            tensors |= self._own_kernels(structure)
            return _network(structure, weight, bias, tensors)
        return _network(structure, weight[order], bias, tensors)

    def _recurrent(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        edges, values = [np.zeros((2, 0), dtype=np.int64)], [np.zeros((0, width))]
        for made in self.made:
            if made.gates is None:
                continue
            own = np.where(np.abs(made.gates[0]) > self.threshold, made.gates[0], 0.0)  # [g, target, source]
            target, source = np.nonzero((own != 0).any(axis=0))
            edges.append(np.stack([source, target]) + made.first - self.inputs)
            values.append(own[:, target, source].T)
        return np.concatenate(edges, axis=1), np.concatenate(values)

    def _normalisation(self, structure: Structure) -> dict[str, np.ndarray]:
        if all(made.form.norm is None for made in self.made):
            return {}
        scale, shift = np.ones(self.units), np.zeros(self.units)
        normalised = np.zeros(self.units, dtype=bool)
        for made in self.made:
            first = made.first - self.inputs
            here = slice(first, first + made.form.rows)
            if made.form.norm is not None:
                layers = np.unique(structure.layer[here])
                if len(layers) > 1 or structure.layer_sizes[layers[0]] != made.form.rows:
                    raise NoFamilyError("a normalisation acts on other units than those of one layer")
                scale[here], shift[here] = made.form.norm
                normalised[here] = True
        small = structure.layer_sizes[structure.layer] < _SMALLEST_NORMALISED
        if (normalised == small).any():
            raise NoFamilyError("some layers are normalised and others are not")
        return {"norm_scale": scale, "norm_shift": shift}

    # ---- convolutions

    def _ties(self) -> list[tuple[Made, int]]:
        """What was made with the label of the kernel that it shares; 0 where no flow shares one."""
        flows = [made for made in self.made if made.operator in FLOWS and made.form.own is not None]
        marks = {
            id(made): (made.operator, made.form.own.tobytes(), made.form.shift.tobytes())  # type: ignore[union-attr]
            for made in flows
        }
        labels: dict[Any, int] = {}
        for made in flows if len({*marks.values()}) < len(flows) else ():
            labels.setdefault(marks[id(made)], len(labels) + 1)
        return [(made, labels.get(marks.get(id(made)), 0)) for made in self.made]

    def _own_kernels(self, structure: Structure) -> dict[str, np.ndarray]:
        """``unit_weight``, a row for each unit that has a kernel of its own."""
        kernels = [
            made.form.own
            for made in self.made
            for _ in range(1 if self.by_cell else made.form.rows)
            if made.form.own is not None
        ]
        layout = CellLayout(structure)
        if len(kernels) != len(layout.own_units):
            raise NoFamilyError("a unit of several channels has a kernel of its own")
        if not kernels:
            return {}
        found = np.zeros(layout.own_shape)
        for row, (unit, kernel) in enumerate(zip(layout.own_units.tolist(), kernels, strict=True)):
            if kernel.size != layout.own_size[unit]:
                raise NoFamilyError("a unit of several channels has a kernel of its own")
            found[row, : kernel.size] = kernel.reshape(-1)
        return {"unit_weight": found}

    def _as_channels(self, structure: Structure, weight: np.ndarray) -> np.ndarray:
        layout = CellLayout(structure)
        if (weight[~layout.carries] != _passing(weight[~layout.carries])).any():
            raise NoFamilyError("maps are passed on with weights")
        weight[~layout.carries] = 0.0
        return weight[:, : layout.weight_shape[1]]

    def _cells(self, readout: np.ndarray, tensors: dict[str, np.ndarray]) -> Network:
        starts = [made.first - self.inputs for made in self.made]
        ends = [*starts[1:], self.units]
        spans = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        outputs = np.array([bool(readout[:, span].any()) for span in spans])
        edges, rows, input_rows, inputs, added = [], [], [], [], []
        for cell, made in enumerate(self.made):
            into = self._dense(made.form, self._width(made)).transpose(1, 0, 2)  # [atoms, rows, k]
            for read, beside in ((into, False), (self._shortcuts(made).transpose(1, 0, 2), True)):
                for source, span in enumerate(spans):
                    part = read[self.inputs :][span]
                    if part.any():
                        edges.append((source, cell))
                        rows.append(part.reshape(-1))  # the source's channels one after the other
                        added.append(beside)
            image = into[: self.inputs]
            inputs.append(bool(image.any()))
            if image.any():
                input_rows.append(image.reshape(self.inputs, -1))
        attributes: dict[str, list[Any]] = {
            "operator": [made.operator for made in self.made],
            "activation": [made.activation for made in self.made],
            "stage": [made.stage for made in self.made],
            "channels": [made.form.rows for made in self.made],
            "join": [made.join for made in self.made],
            "tie": [tie for _, tie in self._ties()],
        }
        index = np.array(edges, dtype=np.int64).reshape(-1, 2).T
        order = np.lexsort((index[1], index[0]))
        structure = Structure(
            index[:, order],
            len(self.made),
            residual=np.array(added, dtype=bool)[order],
            family="cnn",
            inputs=np.array(inputs),
            outputs=outputs,
            attributes=_without_defaults(attributes, "cnn"),
            origin=self.origin,
        )
        layout = CellLayout(structure)
        weight = np.zeros(layout.weight_shape)
        for row, place in enumerate(order):
            if layout.carries[row]:
                weight[row, : len(rows[place])] = rows[place]
            elif not np.array_equal(rows[place], _identity(rows[place])):
                raise NoFamilyError("maps are passed on with weights")
        bias = np.zeros(layout.bias_shape)
        for cell, made in enumerate(self.made):
            bias[cell, : made.form.rows] = made.form.shift
        kept = np.concatenate(
            [np.full(made.form.rows, on) for made, on in zip(self.made, outputs, strict=True)]
        )
        tensors["readout_weight"] = readout[:, kept]
        tensors |= self._own_kernels(structure)
        return _network(structure, weight, bias, tensors | _input_tensors(structure, input_rows))


def _identity(row: np.ndarray) -> np.ndarray:
    """The weights with which as many channels are passed on one by one."""
    side = round(len(row) ** 0.5)
    return np.eye(side).reshape(-1) if side * side == len(row) else np.full(len(row), np.nan)


def _passing(weight: np.ndarray) -> np.ndarray:
    found = np.zeros(weight.shape)
    found[:, 0] = 1.0
    return found


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _without_defaults(attributes: dict[str, list[Any]], family: str) -> dict[str, tuple[Any, ...]]:
    if FAMILIES[family].keeps_state:
        return {}
    names = ("activation",) if family == "mlp" else tuple(attributes)
    return {
        name: tuple(attributes[name])
        for name in names
        if any(value != UNIT_DEFAULTS.get(name, 0) for value in attributes[name])
    }


def _input_tensors(structure: Structure, rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    if len({row.shape for row in rows}) == 1:
        return {"input_weight": np.stack(rows)}
    units = np.flatnonzero(structure.inputs).tolist()
    return {f"input_weight.{unit}": row for unit, row in zip(units, rows, strict=True)}


def _network(
    structure: Structure, weight: np.ndarray, bias: np.ndarray, tensors: dict[str, np.ndarray]
) -> Network:
    single = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}
    return Network(structure, weight.astype(np.float32), bias.astype(np.float32), single)
