"""All weights of a network as tensors of targets x sources x positions, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnstruct.network import Network
from nnstruct.network.cell_layout import CONVOLUTIONS, POSITIONS, CellLayout, input_row
from nnstruct.properties.weights import weight_blocks
from nnstruct.structure.units import FLOWS, HAMILTONIAN


class LayerTensor(NamedTuple):
    """Weights that act together.

    Attributes
    ----------
    layer : int
        Of the units that they enter; the number of layers for the read-out.
    kind : str
        ``input``, ``forward``, ``recurrent``, ``unit`` (kernels of convolution cells that act on the sum of
        their inputs), or ``readout``.
    tensor : float64 [targets, sources, positions]
        Targets and sources are units, channels or values of the input; positions those of a kernel, or the
        gates of a recurrent unit.
    sources : int64 [sources]
        Which units, values of the input, or outputs they are; of cells the places of their channels.
    """

    layer: int
    kind: str
    tensor: np.ndarray
    sources: np.ndarray


def weight_tensors(network: Network) -> list[LayerTensor]:
    """The tensors of a network, first those that read the input, last the read-out.

    Residual edges have no weights. Sources that feed nothing of a tensor are left out of it, and so are
    tensors that are all zero. In the family ``cnn`` a convolution over several cells is one tensor, whose
    targets and sources are the channels of all cells of a layer; separable convolutions are two.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of LayerTensor

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> network = build_module(Structure.from_layers([5, 3]), load_task("digits")).to_network()
    >>> [(found.kind, found.tensor.shape) for found in weight_tensors(network)]
    [('input', (5, 64, 1)), ('forward', (3, 5, 1)), ('readout', (10, 3, 1))]
    """
    in_cells = network.structure.family == "cnn" or "unit_weight" in network.tensors
    found = [*(_of_cells(network) if in_cells else _of_neurons(network)), *_of_readout(network)]
    kept = []
    for layer, kind, tensor, sources in found:
        feeds = (tensor != 0).any(axis=(0, 2))
        if feeds.any():
            kept.append(LayerTensor(layer, kind, tensor[:, feeds], sources[feeds]))
    return sorted(kept, key=lambda part: (part.kind == "readout", part.layer, part.kind != "input"))


def _of_readout(network: Network) -> Iterator[LayerTensor]:
    if "readout_weight" in network.tensors:
        weight = np.asarray(network.tensors["readout_weight"], dtype=np.float64)
        yield LayerTensor(network.structure.num_layers, "readout", weight[:, :, None], _numbers(weight))


def _of_neurons(network: Network) -> Iterator[LayerTensor]:
    structure = network.structure
    if "input_weight" in network.tensors:
        weight = np.asarray(network.tensors["input_weight"], dtype=np.float64)  # [I, D, g]
        depth = structure.layer[np.flatnonzero(structure.inputs)]
        for layer in np.unique(depth).tolist():
            yield LayerTensor(layer, "input", weight[depth == layer], _numbers(weight))
    shown = network
    if structure.residual.any():
        shown = Network(structure, np.where(structure.residual[:, None], 0.0, network.weight), network.bias)
    for block in weight_blocks(shown):
        yield LayerTensor(block.layer, block.kind, block.matrix, _numbers(block.matrix))


def _numbers(tensor: np.ndarray) -> np.ndarray:
    """0 to one less than the sources, which are the second axis."""
    return np.arange(tensor.shape[1])


def _of_cells(network: Network) -> Iterator[LayerTensor]:
    """Kernels, grouped by layer, kind and size; a channel is a target or a source."""
    structure = network.structure
    pruned = (np.asarray(network.weight) != 0).any(axis=1) if structure.family != "cnn" else None
    layout = CellLayout(structure, pruned)
    channels = layout.cells.channels
    starts = np.cumsum([0, *channels])
    image = next((v.shape[-2] for n, v in network.tensors.items() if n.startswith("input_weight")), 0)
    groups: dict[tuple[int, str, str], list[tuple[int, int, np.ndarray]]] = {}
    for unit in range(structure.num_units):
        layer = int(structure.layer[unit])
        for edge in (*layout.incoming[unit], *layout.shortcuts[unit]):
            if layout.carries[edge]:
                source = int(structure.edge_index[0, edge])
                row = np.asarray(network.weight[edge][: layout.edge_size[edge]], dtype=np.float64)
                residual, wide = bool(structure.residual[edge]), int(channels[source])
                for kind, part in _kernels(layout, unit, row, wide, residual=residual):
                    place = starts[unit], starts[source], part
                    groups.setdefault((layer, "forward", kind), []).append(place)
        if structure.inputs[unit] and image:
            row = np.asarray(input_row(network.tensors, structure, unit), dtype=np.float64).ravel()
            for kind, part in _kernels(layout, unit, row, image):
                groups.setdefault((layer, "input", kind), []).append((starts[unit], 0, part))
    for (layer, kind, _), parts in groups.items():
        yield LayerTensor(layer, kind, *_assembled(parts))
    for row, unit in zip(network.tensors.get("unit_weight", ()), layout.own_units.tolist(), strict=True):
        own = np.asarray(row[: layout.own_size[unit]], dtype=np.float64)
        for part in _own(layout, unit, own):
            yield LayerTensor(int(structure.layer[unit]), "unit", part, starts[unit] + _numbers(part))


def _kernels(
    layout: CellLayout, unit: int, row: np.ndarray, sources: int, *, residual: bool = False
) -> list[tuple[str, np.ndarray]]:
    """What a unit takes from some channels: kind, and kernels [targets, sources, positions]."""
    width, operator = int(layout.cells.channels[unit]), layout.cells.operator[unit]
    by_source = row.reshape(sources, -1)
    if residual or not layout.side_by_side[unit]:
        return [("align", by_source.T[:, :, None])]
    if operator == "sepconv3x3":
        depthwise, pointwise = by_source[:, :POSITIONS], by_source[:, POSITIONS:]
        # One depthwise kernel a source, whatever the target.
        return [("depthwise", depthwise[None]), ("1", pointwise.T[:, :, None])]
    size = CONVOLUTIONS[operator] ** 2
    return [(str(size), by_source.reshape(sources, width, size).transpose(1, 0, 2))]


def _own(layout: CellLayout, unit: int, row: np.ndarray) -> list[np.ndarray]:
    width, operator = int(layout.cells.channels[unit]), layout.cells.operator[unit]
    if operator == "sepconv3x3":
        depthwise, pointwise = row[: POSITIONS * width], row[POSITIONS * width :]
        return [depthwise.reshape(1, width, POSITIONS), pointwise.reshape(width, width, 1)]
    if operator in FLOWS:
        width = width // 2 if operator == HAMILTONIAN else width
        return [row.reshape(width, width, POSITIONS)]
    return [row.reshape(width, width, CONVOLUTIONS[operator] ** 2)]


def _assembled(parts: list[tuple[int, int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Kernels put side by side by their first target and source; and which sources there are."""
    targets, sources = (
        np.unique(np.concatenate([part[axis] + np.arange(part[2].shape[axis]) for part in parts]))
        for axis in (0, 1)
    )
    whole = np.zeros((len(targets), len(sources), parts[0][2].shape[2]))
    for first, second, kernel in parts:
        row, column = np.searchsorted(targets, first), np.searchsorted(sources, second)
        whole[row : row + kernel.shape[0], column : column + kernel.shape[1]] = kernel
    return whole, sources
