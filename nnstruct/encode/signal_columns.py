"""Columns that tell how a signal travels through a recurrent structure before any training.

Weights are taken as independent, with a variance that is a gain over the fan-in, as initialisations draw
them; then the variance of each unit follows from those before it, a step of time after the other. For
rectified units it is what Kaiming initialisation keeps (He et al., 2015, arXiv 1502.01852); whether it
dies out or explodes over time says how well such a network trains (Poole et al., 2016, arXiv 1606.05340).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.encode.operator_columns import ColumnBlock
from nnstruct.properties.packing import starts
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

_WAYS, _GAIN_NAMES = ("all", "kind"), ("half", "one")
_TRAVEL = (
    "steady_1", "steady_4", "steady_12", "steady_sum", "echo_1", "echo_4", "echo_12", "growth",
)  # fmt: skip
_COUNTS = ("without_memory", "memory_mean", "memory_most", "into_outputs", "narrowest_layer", "widest_layer")


def has_signal(families: Sequence[str]) -> bool:
    """Whether any of the families is recurrent.

    Parameters
    ----------
    families : sequence of str

    Returns
    -------
    bool
    """
    return any(FAMILIES[family].keeps_state for family in families)


def signal_block(structures: Sequence[Structure]) -> ColumnBlock:
    """The columns of the group ``signal``.

    Parameters
    ----------
    structures : sequence of S Structures

    Returns
    -------
    ColumnBlock
        NaN in the rows of structures whose family keeps no state.
    """
    names = [f"signal.{name}_{way}_{gain}" for way in _WAYS for gain in _GAIN_NAMES for name in _TRAVEL]
    names += [f"signal.{name}" for name in _COUNTS]
    values = np.full((len(structures), len(names)), np.nan)
    chosen = [row for row, structure in enumerate(structures) if FAMILIES[structure.family].keeps_state]
    if chosen:
        values[chosen] = _rows([structures[row] for row in chosen])
    return ColumnBlock("signal", names, values)


def _rows(structures: list[Structure]) -> np.ndarray:
    from nnstruct.encode.signal_kernel import COLUMNS, GAINS, MOMENTS, STEPS, travel

    forward, weighted, delayed, counts = [], [], [], []
    for structure in structures:
        inner = ~structure.recurrent
        edges, residual = structure.edge_index[:, inner], structure.residual[inner]
        order = np.argsort(structure.layer[edges[1]], kind="stable")
        forward.append(edges[:, order])
        weighted.append(~residual[order])
        delayed.append(structure.recurrent_edges)
        counts.append(_counts(structure))
    found = np.zeros((len(structures), 2 * len(GAINS) * COLUMNS))
    source, target = np.concatenate(forward, axis=1)
    delayed_source, delayed_target = np.concatenate(delayed, axis=1)
    travel(
        source,
        target,
        np.concatenate(weighted),
        starts([edges.shape[1] for edges in forward]),
        delayed_source,
        delayed_target,
        starts([edges.shape[1] for edges in delayed]),
        starts([structure.num_units for structure in structures]),
        np.concatenate([structure.inputs for structure in structures]).astype(np.float64),
        np.concatenate([structure.outputs for structure in structures]),
        np.array(GAINS),
        np.array(MOMENTS),
        STEPS,
        found,
    )
    return np.concatenate([found, np.array(counts)], axis=1)


def _counts(structure: Structure) -> list[float]:
    size = structure.num_units
    memory = np.bincount(structure.recurrent_edges[1], minlength=size)
    coming = np.bincount(structure.forward_edges[1], minlength=size)
    widths = np.bincount(structure.layer)
    return [
        float((memory == 0).sum()),
        float(memory.mean()),
        float(memory.max()),
        float(np.log1p(coming[structure.outputs].sum())),
        float(widths.min()),
        float(widths.max()),
    ]
