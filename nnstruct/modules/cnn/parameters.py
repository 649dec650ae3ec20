"""Parameters of convolutional networks."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.modules import mup
from nnstruct.network.cell_layout import CONVOLUTIONS, POSITIONS, CellLayout
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.units import HAMILTONIAN
from nnstruct.tasks import Task


def check_task(structure: Structure, task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the task holds images and the units' attributes fit."""
    if task.is_sequence or len(task.input_shape) not in (2, 3):
        found = "sequences" if task.is_sequence else list(task.input_shape)
        raise InvalidInputError("task.inputs", "be images [C, H, W] or [H, W] for the family 'cnn'", found)
    CellLayout(structure)


def check_config(config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` for an option that convolutional networks do not have."""
    if config.protocol != "clean":
        raise InvalidInputError("config.protocol", "be 'clean' for the family 'cnn'", config.protocol)
    if config.normalization == "layer":
        raise InvalidInputError(
            "config.normalization", "be 'default', 'batch' or 'none' for the family 'cnn'", "layer"
        )


def shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array; see :class:`nnstruct.network.cell_layout.CellLayout`.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``.
    task : Task
        Of images.
    config : TrainConfig
        With ``normalization="none"`` there are no scales.

    Returns
    -------
    dict of str to tuple of int
    """
    layout = CellLayout(structure)
    read_out = int(layout.cells.channels[structure.outputs].sum())
    found: dict[str, tuple[int, ...]] = {"weight": layout.weight_shape, "bias": layout.bias_shape}
    found |= layout.input_shapes(image_channels(task))
    if len(layout.own_units):
        found["unit_weight"] = layout.own_shape
    if config.normalization != "none":
        found["norm_scale"] = layout.bias_shape
    return found | {"readout_weight": (task.num_outputs, read_out), "readout_bias": (task.num_outputs,)}


def values(
    structure: Structure,
    task: Task,
    config: TrainConfig,
    shapes: dict[str, tuple[int, ...]],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Initial values: normal, with a variance of gain^2 / fan in (He et al., 2015, arXiv:1502.01852).

    Scales are 1 and biases 0. The read-out is uniform.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``.
    task : Task
    config : TrainConfig
        Its parametrization decides the scales of hidden weights and the read-out.
    shapes : dict of str to tuple of int
        From :func:`shapes`.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    dict of str to float32 array
        Zero where the layout has padding.
    """
    layout = CellLayout(structure)
    colours = next(shape[-2] for name, shape in shapes.items() if name.startswith("input_weight"))
    drawn = {"weight": rng.normal(size=shapes["weight"]) * _edge_spread(layout, colours)}
    widths = _layer_width(layout)[structure.edge_index]
    drawn["weight"] *= mup.hidden_gain(widths[0], widths[1], layout.fan_in(0), config)[:, None]
    drawn["bias"] = np.zeros(shapes["bias"])
    for name in (name for name in shapes if name.startswith("input_weight")):
        drawn[name] = rng.normal(size=shapes[name])
    _scale_inputs(layout, drawn, colours)
    if "unit_weight" in shapes:
        drawn["unit_weight"] = rng.normal(size=shapes["unit_weight"]) * _own_spread(layout)
        own = layout.cells.channels[layout.own_units]
        drawn["unit_weight"] *= mup.hidden_gain(own, own, own, config)[:, None]
        drawn["unit_weight"] = drawn["unit_weight"][layout.own_lenders]
    if "norm_scale" in shapes:
        drawn["norm_scale"] = layout.channel_mask(layout.has_norm).astype(float)
    bound = math.sqrt(1.0 / shapes["readout_weight"][1]) * mup.readout_gain(
        shapes["readout_weight"][1], config
    )
    drawn["readout_weight"] = rng.uniform(-bound, bound, shapes["readout_weight"])
    drawn["readout_bias"] = np.zeros(shapes["readout_bias"])
    return {name: drawn[name].astype(np.float32) for name in shapes}


def rates(
    structure: Structure, config: TrainConfig, shapes: dict[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Learning rates relative to ``config.learning_rate``, in the layout of the parameters.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``.
    config : TrainConfig
    shapes : dict of str to tuple of int
        From :func:`shapes`.

    Returns
    -------
    dict of str to float32 array
        By the rules of :mod:`nnstruct.modules.mup`, a width counted in channels.
    """
    layout = CellLayout(structure)
    channels = layout.cells.channels
    width = _layer_width(layout)
    vector = mup.vector_rate(width, config)[:, None]
    found = {
        "weight": mup.matrix_rate(layout.fan_in(0), width[structure.edge_index[1]], config)[:, None],
        "bias": vector,
    }
    units = np.flatnonzero(structure.inputs)
    for name in shapes:
        if name == "input_weight":
            found[name] = vector[units][:, :, None]
        elif name.startswith("input_weight."):
            found[name] = vector[int(name.rpartition(".")[2])][:, None]
    own = channels[layout.own_units]
    found["unit_weight"] = mup.matrix_rate(own, own, config)[:, None]
    found["norm_scale"] = vector
    found["readout_weight"] = mup.readout_rate(shapes["readout_weight"][1], config)
    found["readout_bias"] = np.ones(1)
    return {name: np.broadcast_to(found[name], shape).astype(np.float32) for name, shape in shapes.items()}


def num_masked(structure: Structure, config: TrainConfig) -> int:
    """Scalars within the shapes that are not trained on their own: padding, and what tied flows borrow.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``.
    config : TrainConfig

    Returns
    -------
    int
    """
    layout = CellLayout(structure)
    borrows = layout.own_lenders != np.arange(len(layout.own_units))
    own, bias = layout.own_mask & ~borrows[:, None], layout.has_bias.copy()
    bias[layout.own_units[borrows]] = False
    masks = [layout.weight_mask, layout.channel_mask(bias), own]
    if config.normalization != "none":
        masks.append(layout.channel_mask(layout.has_norm))
    return sum(int((~mask).sum()) for mask in masks)


def image_channels(task: Task) -> int:
    """Channels of a task's images; 1 where they have no axis for it.

    Parameters
    ----------
    task : Task
        Of images [C, H, W] or [H, W].

    Returns
    -------
    int
    """
    return task.input_shape[0] if len(task.input_shape) == 3 else 1


def _layer_width(layout: CellLayout) -> np.ndarray:
    """Channels of each unit's layer, float64 [N]."""
    layer = layout.structure.layer
    return np.bincount(layer, weights=layout.cells.channels)[layer]


def _gain(layout: CellLayout, unit: int) -> float:
    rectified = layout.cells.activation[unit] in ("relu", "gelu")
    return math.sqrt(2.0) if rectified and layout.cells.operator[unit] in CONVOLUTIONS else 1.0


def _row_spread(layout: CellLayout, unit: int, fan_in: int, *, residual: bool = False) -> np.ndarray:
    """Standard deviations of the weights that a unit takes from one channel, [row]."""
    if residual:
        return np.full(layout.cells.channels[unit], 1 / math.sqrt(fan_in))
    operator, length = layout.cells.operator[unit], int(layout.row_length[unit])
    if not layout.side_by_side[unit]:
        return np.full(length, 1 / math.sqrt(fan_in))
    gain = _gain(layout, unit)
    if operator == "sepconv3x3":
        pointwise = np.full(length - POSITIONS, gain / math.sqrt(fan_in))
        return np.concatenate([np.full(POSITIONS, 1 / math.sqrt(POSITIONS)), pointwise])
    return np.full(length, gain / math.sqrt(fan_in * CONVOLUTIONS[operator] ** 2))


def _edge_spread(layout: CellLayout, colours: int) -> np.ndarray:
    """Standard deviations of the weights on edges, zero where none is, [E, K]."""
    spread = np.zeros(layout.weight_shape)
    fan_in = layout.fan_in(colours)
    source, target = layout.structure.edge_index
    for edge in np.flatnonzero(layout.carries):
        residual = bool(layout.structure.residual[edge])
        row = _row_spread(layout, int(target[edge]), int(fan_in[edge]), residual=residual)
        spread[edge, : layout.edge_size[edge]] = np.tile(row, layout.cells.channels[source[edge]])
    return spread


def _scale_inputs(layout: CellLayout, drawn: dict[str, np.ndarray], colours: int) -> None:
    for place, unit in enumerate(np.flatnonzero(layout.structure.inputs).tolist()):
        fan_in = colours if layout.cells.join[unit] == "sum" else layout.unit_fan_in(unit, colours)
        row = drawn["input_weight"][place] if "input_weight" in drawn else drawn[f"input_weight.{unit}"]
        row *= _row_spread(layout, unit, fan_in)


def _own_spread(layout: CellLayout) -> np.ndarray:
    """Standard deviations of the units' own kernels, zero where none is, [U, K]."""
    spread = np.zeros(layout.own_shape)
    for row, unit in zip(spread, layout.own_units, strict=True):
        channels, operator = int(layout.cells.channels[unit]), layout.cells.operator[unit]
        size, rows = int(layout.own_size[unit]), channels // 2 if operator == HAMILTONIAN else channels
        if operator == "sepconv3x3":
            row[: POSITIONS * channels] = 1 / math.sqrt(POSITIONS)
            row[POSITIONS * channels : size] = _gain(layout, unit) / math.sqrt(channels)
        else:
            row[:size] = _gain(layout, unit) * math.sqrt(rows / size)
    return spread
