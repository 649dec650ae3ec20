"""A Network that was read from a module: its edges in blocks of equal width, and its program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.network import Network
from nnstruct.program.steps import Program
from nnstruct.program.wiring import Group
from nnstruct.structure import Structure


@dataclass(frozen=True)
class EdgeBlock:
    """Edges of one step and role, with their values.

    Attributes
    ----------
    step : int
        Place of the step in the network's program.
    role : str
        The tensor of the step that the values belong to; ``identity`` for edges without parameters.
    parameter : str
        Name of that tensor in the program; steps with tied weights share it.
    recurrent : bool
    edges : int32 or int64 [e], or slice
        Columns of ``structure.edge_index``.
    values : float32 [e, k]
    """

    step: int
    role: str
    parameter: str
    recurrent: bool
    edges: np.ndarray | slice
    values: np.ndarray


def _padded(network: ModuleNetwork) -> np.ndarray:
    """All edges' values, float32 [E, k], padded with zeros to the widest edge."""
    width = max((block.values.shape[1] for block in network.blocks), default=1)
    weight = np.zeros((network.structure.num_edges, width), dtype=np.float32)
    for block in network.blocks:
        weight[block.edges, : block.values.shape[1]] = block.values
    weight.setflags(write=False)
    return weight


@dataclass(frozen=True, eq=False, repr=False, init=False)
class ModuleNetwork(Network):
    """A Network with the program of the module that it was read from.

    Edges have as many values as their step needs: kernel positions, gates, one. They are kept in
    blocks; :attr:`weight` joins them into one array, padded with zeros, when it is asked for.

    Arrays are taken as they are, without a copy. They cannot be written through the network, and stay as
    they were for the caller, who had better not write them either.

    Parameters
    ----------
    structure : Structure
        Of the family ``module``.
    blocks : sequence of EdgeBlock
        Each edge is in exactly one.
    bias : float32 [N, b]
    tensors : mapping of str to array
        Constants of the program that are no weights of edges: scales and shifts, for example.
    program : Program
    groups : sequence of Group
        Which units each step made.
    resolution : str

    Attributes
    ----------
    weight : float32 [E, k]

    Raises
    ------
    InvalidInputError
        If a value is not finite, or there is not one row of biases a unit, or one value vector an edge.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> network = extract(torch.nn.Linear(3, 2), torch.zeros(1, 3))
    >>> network.weight.shape
    (6, 1)
    >>> replace(network, structure=network.structure.with_origin(kind="mine")).structure
    Structure(family='module', units=5, layers=2, forward=6, recurrent=0, origin='mine')
    """

    weight: np.ndarray = field(init=False, default=cast(np.ndarray, cached_property(_padded)))
    _: KW_ONLY
    blocks: tuple[EdgeBlock, ...]
    program: Program
    groups: tuple[Group, ...]
    resolution: str

    def __init__(
        self,
        structure: Structure,
        blocks: Sequence[EdgeBlock],
        bias: np.ndarray,
        tensors: Mapping[str, np.ndarray],
        program: Program,
        groups: Sequence[Group],
        resolution: str,
    ) -> None:
        checked = {name: _finite(name, value) for name, value in sorted(tensors.items())}
        own = [replace(b, values=_finite(b.parameter or b.role, b.values)) for b in blocks]
        held = sum(len(block.values) for block in own)
        if held != structure.num_edges:
            raise InvalidInputError("blocks", f"hold values for each of {structure.num_edges} edges", held)
        if len(bias) != structure.num_units:
            raise InvalidInputError("bias", f"have {structure.num_units} rows, one a unit", len(bias))
        fields = {
            "structure": structure,
            "blocks": tuple(own),
            "bias": _finite("bias", np.ascontiguousarray(bias, dtype=np.float32)),
            "tensors": MappingProxyType(checked),
            "program": program,
            "groups": tuple(groups),
            "resolution": resolution,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def edge_width(self) -> np.ndarray:
        """How many values each edge has, int64 [E]."""
        width = np.zeros(self.structure.num_edges, dtype=np.int64)
        for block in self.blocks:
            width[block.edges] = block.values.shape[1]
        return width

    @property
    def edge_kind(self) -> np.ndarray:
        """For each edge ``weight``, ``recurrent``, ``identity`` or ``state`` (delayed identity), str [E]."""
        kind = np.full(self.structure.num_edges, "weight", dtype="<U9")
        for block in self.blocks:
            if block.role == "identity":
                kind[block.edges] = "state" if block.recurrent else "identity"
            elif block.recurrent:
                kind[block.edges] = "recurrent"
        return kind

    @property
    def tied(self) -> dict[str, list[int]]:
        """Parameters that several steps share, with the places of those steps in the program."""
        users: dict[str, list[int]] = {}
        for index, step in enumerate(self.program.steps):
            for name in step.tensors.values():
                users.setdefault(name, []).append(index)
        return {name: steps for name, steps in users.items() if len(steps) > 1}

    @property
    def opaque(self) -> tuple[str, ...]:
        """As :attr:`Network.opaque`, one entry for each opaque step.

        Returns
        -------
        tuple of str
        """
        return tuple(
            step.operator.removeprefix("opaque:") + (f" in {step.name!r}" if step.name else "")
            for step in self.program.steps
            if step.kind == "opaque"
        )

    def group_of(self, step: int) -> Group:
        """The units that a step made; the last of its groups, where it made several.

        Parameters
        ----------
        step : int
            Place of the step in ``program.steps``; -1 for the network's inputs.

        Returns
        -------
        Group

        Raises
        ------
        InvalidInputError
            If the step made no units of its own.
        """
        for group in reversed(self.groups):
            if group.step == step:
                return group
        raise InvalidInputError("step", "make units", step)

    def select(self, keep: np.ndarray) -> ModuleNetwork:
        """The same network with the chosen edges only; its units stay, also where they lose every edge.

        Parameters
        ----------
        keep : bool [E]
            True for the columns of ``structure.edge_index`` to keep.

        Returns
        -------
        ModuleNetwork

        Raises
        ------
        InvalidInputError
            If ``keep`` is of another type or shape.
        """
        structure = self.structure.with_edges(keep)
        keep = np.asarray(keep)
        place = np.cumsum(keep) - 1
        blocks = []
        for block in self.blocks:
            columns = np.arange(len(keep))[block.edges] if isinstance(block.edges, slice) else block.edges
            kept = keep[columns]
            blocks.append(
                EdgeBlock(
                    block.step, block.role, block.parameter, block.recurrent, place[columns[kept]],
                    block.values[kept],
                )
            )  # fmt: skip
        return replace(self, structure=structure, blocks=tuple(blocks))

    def compact(self) -> ModuleNetwork:
        """The network without its dead units; see :func:`nnstruct.network.compaction.compact`.

        Returns
        -------
        ModuleNetwork

        Raises
        ------
        InvalidInputError
            If the network is at another resolution than ``unit``.
        """
        from nnstruct.network.compaction import compact

        return compact(self)

    def __repr__(self) -> str:
        return f"ModuleNetwork({self.structure!r}, resolution={self.resolution!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            type(self),
            (
                self.structure, self.blocks, self.bias, dict(self.tensors), self.program, self.groups,
                self.resolution,
            ),
        )  # fmt: skip


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidInputError(name, "be finite", float(values[~np.isfinite(values)][0]))
    view = values.view()
    view.setflags(write=False)
    return view
