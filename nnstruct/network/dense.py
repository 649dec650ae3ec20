"""From edges back to the weight tensors that the steps of a program multiply with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.assembly import EDGE_ROLES
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program.blocks import Block, DenseBlock
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.numbering import wired
from nnstruct.program.steps import Program
from nnstruct.program.unrolled import ConvolutionBlock
from nnstruct.program.wiring import Wiring
from nnstruct.structure import Structure


@dataclass(frozen=True)
class DenseParameters:
    """Weights and biases of a program by name.

    Attributes
    ----------
    masks : dict of str to bool array
        Where each weight has an edge.
    values : dict of str to float32 array
        Weights and biases; empty for a structure without weights.
    biases : tuple of str
        Which of the program's constants are biases of units.
    """

    masks: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    biases: tuple[str, ...]


def program_of(source: Structure | ModuleNetwork) -> Program:
    """The program that a structure or network was read from.

    Parameters
    ----------
    source : Structure or ModuleNetwork
        From :func:`nnstruct.extract.extract` at unit resolution.

    Returns
    -------
    Program
        Without weights.

    Raises
    ------
    InvalidInputError
        If it holds none, or is at another resolution.
    """
    if isinstance(source, ModuleNetwork):
        program, resolution = source.program, source.resolution
    else:
        stored = source.origin.get("program")
        if stored is None:
            raise InvalidInputError(
                "structure.origin",
                "hold a program",
                sorted(source.origin),
                "Take a structure from extract().",
            )
        program, resolution = Program.from_json(stored), source.origin.get("resolution", "unit")
    if resolution != "unit":
        raise InvalidInputError("resolution", "be 'unit' to become a module again", resolution)
    return program


def dense_parameters(source: Structure | ModuleNetwork) -> DenseParameters:
    """Weight tensors, with zeros where there is no edge, and biases.

    Parameters
    ----------
    source : Structure or ModuleNetwork
        From :func:`nnstruct.extract.extract` at unit resolution; some edges may have gone since.

    Returns
    -------
    DenseParameters
        By the names of the program's constants, of their shapes; of a Structure masks only.

    Raises
    ------
    InvalidInputError
        If the structure has other units than its program, or an edge that the program cannot have. Both
        happen where units were relabelled.
    """
    program = program_of(source)
    network = source if isinstance(source, ModuleNetwork) else None
    structure = source.structure if isinstance(source, ModuleNetwork) else source
    wiring = wired(_numbered(program), "unit")
    if wiring.num_units != structure.num_units:
        raise InvalidInputError(
            "structure.num_units", f"be the program's {wiring.num_units}", structure.num_units
        )
    shapes = {name: value.shape for name, value in program.constants.items()}
    names = {
        program.steps[block.step].tensors[block.role] for block in wiring.blocks if block.role in EDGE_ROLES
    }
    masks = {name: np.zeros(shapes[name], dtype=bool) for name in names}
    values = {name: np.zeros(shapes[name], dtype=np.float32) for name in names} if network else {}
    possible = {name: np.zeros(shapes[name], dtype=bool) for name in names}
    for block in wiring.blocks:
        if block.role in EDGE_ROLES:
            name = program.steps[block.step].tensors[block.role]
            _mark(possible[name].reshape(-1), block)
    explained = np.zeros(structure.num_edges, dtype=bool)
    by_target = _by_target(structure)
    for block in wiring.blocks:
        if isinstance(block, ConvolutionBlock):
            _fill_unrolled(block, program, structure, network, masks, values, explained)
            continue
        if not isinstance(block, DenseBlock):
            explained[_listed(structure, block.source, block.target, block.recurrent)] = True  # type: ignore[attr-defined]
            continue
        columns, index = _matched(block, structure, by_target)
        explained[columns] = True
        name = program.steps[block.step].tensors[block.role]
        real = index >= 0
        masks[name].reshape(-1)[index[real]] = True
        if network:
            held, known = _values(network, block.step, block.role, columns, index.shape[1])
            real &= known[:, None]  # an edge that an earlier turn of a loop made holds its value there
            values[name].reshape(-1)[index[real]] = held[real]
    if not explained.all():
        edge = structure.edge_index[:, np.flatnonzero(~explained)[0]].tolist()
        raise InvalidInputError("structure", "have only edges that its program can have", edge)
    for name in names:
        alone = ~possible[name]  # they multiply constants only
        if alone.any():
            masks[name][alone] = True
            if network and name in network.tensors:
                values[name][alone] = network.tensors[name][alone]
    biases = _fill_biases(wiring, program, network, values)
    return DenseParameters(masks, values, biases)


def _mark(possible: np.ndarray, block: Block) -> None:
    """Weights that an edge of the block can carry."""
    if isinstance(block, ConvolutionBlock):
        read = (block.source != NO_UNIT)[:, block.template.position]  # [C, n]
        groups, inner, outputs, taps = block.kernel.shape
        used = np.zeros((groups * inner, taps), dtype=bool)
        channel, place = np.nonzero(read)
        used[channel, block.template.tap[place]] = True
        chosen = block.kernel[
            np.broadcast_to(used.reshape(groups, inner, 1, taps), (groups, inner, outputs, taps))
        ]
    elif isinstance(block, DenseBlock):
        known = block.source != NO_UNIT  # [G, U]
        chosen = block.values if known.all() else np.broadcast_to(
            block.values, (*known.shape, *block.values.shape[2:])
        )[known]  # fmt: skip
    else:
        return
    places = chosen.astype(np.int64).ravel() - 1
    possible[places[places >= 0]] = True


def _fill_unrolled(
    block: ConvolutionBlock, program: Program, structure: Structure, network: ModuleNetwork | None,
    masks: dict[str, np.ndarray], values: dict[str, np.ndarray], explained: np.ndarray,
) -> None:  # fmt: skip
    """A kernel whose weights stand on an edge for each position: it has those that any edge has."""
    count = block.prepare(0.0, None)
    ends = np.empty((2, count), dtype=np.int64)
    places = block.fill(ends[0], ends[1])[:, 0].astype(np.int64) - 1
    key = structure.edge_index[0] * structure.num_units + structure.edge_index[1]
    key = np.where(structure.recurrent, -1, key)
    order = np.argsort(key, kind="stable")
    wanted = ends[0] * structure.num_units + ends[1]
    at = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    column = order[at] if len(key) else at
    found = key[column] == wanted if len(key) else np.zeros(count, dtype=bool)
    explained[column[found]] = True
    name = program.steps[block.step].tensors[block.role]
    masks[name].reshape(-1)[places[found]] = True
    if network:
        alone = _alone(wanted[found])
        held, _ = _values(network, block.step, block.role, column[found][alone], 1)
        values[name].reshape(-1)[places[found][alone]] = held[:, 0]
        if not np.isin(places[found], places[found][alone]).all():
            rule = f"have each weight of {name!r} on an edge of its own to be computed again"
            raise InvalidInputError("the network", rule, "several weights of the kernel on one edge")


def _alone(pairs: np.ndarray) -> np.ndarray:
    """Which pairs of units come up once, bool [n]: the weight on their edge is one weight, and no sum."""
    _, group, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    return counts[group] == 1


def _numbered(program: Program) -> Program:
    """The program with weights and biases that hold their own places, from 1 on."""
    places = {
        name: np.arange(1, value.size + 1, dtype=np.float64).reshape(value.shape)
        for step in program.steps
        for role, name in step.tensors.items()
        for value in [program.constants[name]]
        if role in EDGE_ROLES or (role == "bias")
    }
    return replace(program, constants={**program.constants, **places})


def _by_target(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    target = structure.edge_index[1]
    order = np.argsort(target, kind="stable")
    return order, np.searchsorted(target[order], np.arange(structure.num_units + 1))


def _matched(
    block: DenseBlock, structure: Structure, by_target: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Edges that a block makes, and the flat places [e, k] of their values; -1 where there is none."""
    order, start = by_target
    low, high = int(block.target.min()), int(block.target.max()) + 1
    columns = order[start[low] : start[high]]
    n = structure.num_units
    row, place, group_of, output = (np.full(n, -1) for _ in range(4))
    groups = np.arange(len(block.source))[:, None]
    known = block.source >= 0
    row[block.source[known]] = np.broadcast_to(groups, block.source.shape)[known]
    place[block.source[known]] = np.broadcast_to(np.arange(block.source.shape[1]), block.source.shape)[known]
    group_of[block.target] = groups
    units = block.source[known]
    shared = len(units) and len(np.unique(units)) < len(units)  # a unit stands in several rows
    output[block.target] = np.arange(block.target.shape[1])
    source, target = structure.edge_index[:, columns]
    if shared:
        return _matched_by_row(block, columns, source, group_of[target], output[target], structure)
    fits = (
        (row[source] >= 0)
        & (row[source] == group_of[target])
        & (structure.recurrent[columns] == block.recurrent)
    )
    columns, source, target = columns[fits], source[fits], target[fits]
    group = row[source] if len(block.values) > 1 else np.zeros(len(source), dtype=np.int64)
    return columns, block.values[group, place[source], output[target]].astype(np.int64) - 1


def _matched_by_row(
    block: DenseBlock, columns: np.ndarray, source: np.ndarray, group: np.ndarray, output: np.ndarray,
    structure: Structure,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """As :func:`_matched`, where the target alone tells in which row a unit is read."""
    n = structure.num_units
    rows, places = np.nonzero(block.source >= 0)
    keys = rows * n + block.source[rows, places]
    order = np.argsort(keys)
    wanted = group * n + source
    at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    fits = (group >= 0) & (keys[at] == wanted) & (structure.recurrent[columns] == block.recurrent)
    columns, group, place, output = columns[fits], group[fits], places[at[fits]], output[fits]
    if len(block.values) == 1:
        group = np.zeros_like(group)
    return columns, block.values[group, place, output].astype(np.int64) - 1


def _listed(structure: Structure, source: np.ndarray, target: np.ndarray, recurrent: bool) -> np.ndarray:
    n = structure.num_units
    chosen = np.flatnonzero(structure.recurrent == recurrent)
    key = structure.edge_index[0, chosen] * n + structure.edge_index[1, chosen]
    return chosen[np.isin(key, source * n + target)]


def _values(
    network: ModuleNetwork, step: int, role: str, columns: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the step's blocks hold of some edges, and which of these they hold."""
    place = np.full(network.structure.num_edges, -1)
    held, known = np.zeros((len(columns), width), dtype=np.float32), np.zeros(len(columns), dtype=bool)
    for block in network.blocks:
        if block.step == step and block.role == role:
            place[block.edges] = np.arange(len(block.values))
            here = place[columns] >= 0
            held[here, : block.values.shape[1]] = block.values[place[columns[here]]]
            place[block.edges] = -1
            known |= here
    return held, known


def _fill_biases(
    wiring: Wiring, program: Program, network: ModuleNetwork | None, values: dict[str, np.ndarray]
) -> tuple[str, ...]:
    names = {step.tensors["bias"]: step for step in program.steps if "bias" in step.tensors}
    if network is None:
        return tuple(names)
    starts: dict[int, tuple[int, np.ndarray]] = {}
    for start, places in wiring.biases:
        starts[start] = (start, places)
    groups = {group.start: group.step for group in wiring.groups}
    for name in names:
        values[name] = np.zeros(program.constants[name].shape, dtype=np.float32)
    for start, places in starts.values():
        name = program.steps[groups[start]].tensors["bias"]
        held = network.bias[start : start + len(places), : places.shape[1]]
        values[name].reshape(-1)[places.astype(np.int64).ravel() - 1] = held.ravel()
    return tuple(names)
