"""What encodings show of residual edges and of ties between units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.encode.operator_columns import ColumnBlock
from nnstruct.structure import Structure
from nnstruct.structure.units import tie_labels

# Of each unit: residual edges that enter it and leave it, and how many units share its tie.
DEGREES = ("residual_in", "residual_out", "tied")
MEASURES = {
    "edges": "residual edges",
    "share": "of all forward edges",
    "units": "that residual edges enter",
    "span_mean": "layers from source to target",
    "span_max": "likewise",
    "depth_mean": "layer of the source, as a share of the last layer",
    "tied_units": "units with a tie",
    "ties": "different ties",
}


def has_shortcuts(structure: Structure) -> bool:
    """Whether a structure has residual edges or ties.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool
    """
    return "tie" in structure.attributes or bool(structure.residual.any())


def shown_attributes(structure: Structure) -> Mapping[str, tuple[Any, ...]]:
    """Attributes of units as a graph network sees them: with :data:`DEGREES`, in the place of ``tie``.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    mapping of str to tuple of length N
        The structure's own attributes where it has neither residual edges nor ties.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> chain = Structure([[0, 0, 1], [1, 2, 2]], 3, residual=[False, True, False])
    >>> shown_attributes(chain)["residual_in"]
    (0, 0, 1)
    """
    if not has_shortcuts(structure):
        return structure.attributes
    n = structure.num_units
    source, target = structure.edge_index[:, structure.residual]
    label = tie_labels(structure)
    _, which, count = np.unique(label, return_inverse=True, return_counts=True)
    rows = (np.bincount(target, minlength=n), np.bincount(source, minlength=n), count[which] * (label > 0))
    kept = {name: values for name, values in structure.attributes.items() if name != "tie"}
    return kept | {name: tuple(row.tolist()) for name, row in zip(DEGREES, rows, strict=True)}


def shortcut_block(structures: Sequence[Structure]) -> ColumnBlock:
    """Measures of residual edges and ties, :data:`MEASURES`.

    Parameters
    ----------
    structures : sequence of S Structures

    Returns
    -------
    ColumnBlock
        Of the group ``shortcuts``.
    """
    rows = [_row(structure) for structure in structures]
    return ColumnBlock("shortcuts", [f"shortcuts.{name}" for name in MEASURES], np.array(rows, dtype=float))


def _row(structure: Structure) -> list[float]:
    source, target = structure.edge_index[:, structure.residual]
    span = structure.layer[target] - structure.layer[source]
    label = tie_labels(structure)
    forward = max(1, structure.forward_edges.shape[1])
    return [
        len(span),
        len(span) / forward,
        len(np.unique(target)),
        span.mean() if len(span) else 0,
        span.max(initial=0),
        structure.layer[source].mean() / max(1, structure.num_layers - 1) if len(span) else 0,
        int((label > 0).sum()),
        len(np.unique(label[label > 0])),
    ]
