"""Which groups of columns structures need so that a table shows all that differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.encode.cell_columns import FAMILY, cell_blocks
from nnstruct.encode.operator_columns import ColumnBlock, blocks, learn
from nnstruct.encode.shortcuts import has_shortcuts, shortcut_block
from nnstruct.encode.signal_columns import has_signal, signal_block
from nnstruct.properties import feature_names
from nnstruct.properties.table import measures
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

AUTO = "auto"
Groups = dict[str, tuple[str, ...]]
# Group, and the families of measures that it holds.
DIRECTED_GROUPS: Groups = {"paper": ("paper",), "layered": ("layered",), "size": ("paths", "capacity")}
UNDIRECTED_GROUPS: Groups = {"paper": ("paper",), "motifs": ("motifs",), "spectra": ("spectra",)}
UNIT_GROUPS: Groups = {"units": ("units", "operators")}


def learn_columns(structures: Sequence[Structure]) -> dict[str, Any]:
    """Which groups apply to structures, and what each counts.

    Parameters
    ----------
    structures : sequence of Structure, at least one

    Returns
    -------
    dict
        Plain lists and arrays by name, for :func:`column_blocks`.
    """
    undirected = _are_undirected(structures)
    learned: dict[str, Any] = {
        "families": sorted({structure.family for structure in structures}),
        "directed": not undirected.all(),
        "undirected": bool(undirected.any()),
    }
    if FAMILY in learned["families"]:
        learned["cells"] = True
    if has_signal(learned["families"]):
        learned["signal"] = True
    if any(structure.attributes for structure in structures):
        learned["units"] = learn(list(dict.fromkeys(_trimmed(structures))))
    if any(has_shortcuts(structure) for structure in structures):
        learned["shortcuts"] = True
    return learned


def column_blocks(structures: Sequence[Structure], learned: dict[str, Any]) -> list[ColumnBlock]:
    """All columns of structures, in groups.

    Where units have attributes, all but the family and the dead units are taken of the trimmed structure
    (:meth:`nnstruct.Structure.trim`).

    Parameters
    ----------
    structures : sequence of S Structures
    learned : dict
        From :func:`learn_columns`.

    Returns
    -------
    list of ColumnBlock
        ``paper``, ``layered``, ``size`` (paths and capacity), ``family`` (which one, and the dead units),
        and where units have attributes ``units`` (their measures, and those by kind of operator) and the
        groups of :func:`nnstruct.encode.operator_columns.blocks`; ``shortcuts`` where there are residual
        edges or ties. Undirected graphs have ``paper``,
        ``motifs``, ``spectra`` and ``family``. What a structure does not have is NaN.
    """
    trimmed = _trimmed(structures)
    place = {structure: row for row, structure in enumerate(dict.fromkeys(trimmed))}
    rows = np.array([place[structure] for structure in trimmed])
    found = _blocks_of_trimmed(list(place), learned)
    if learned.get("cells"):
        found += cell_blocks(list(place))
    if learned.get("signal"):
        found.append(signal_block(list(place)))
    if learned.get("shortcuts"):
        found.append(shortcut_block(list(place)))
    family = _family_block(structures, trimmed, learned["families"])
    return [*(block._replace(values=block.values[rows]) for block in found), family]


def _trimmed(structures: Sequence[Structure]) -> list[Structure]:
    return [s.trim() if s.attributes or s.residual.any() else s for s in structures]


def _are_undirected(structures: Sequence[Structure]) -> np.ndarray:
    return np.array([FAMILIES[structure.family].undirected for structure in structures])


def _blocks_of_trimmed(structures: list[Structure], learned: dict[str, Any]) -> list[ColumnBlock]:
    undirected = _are_undirected(structures)
    with_units: Groups = UNIT_GROUPS if "units" in learned else {}
    parts = []
    if learned["directed"]:
        parts.append(_measured(DIRECTED_GROUPS | with_units, structures, ~undirected))
    if learned["undirected"]:
        parts.append(_measured(UNDIRECTED_GROUPS, structures, undirected))
    found = dict(parts[0])
    for group, block in dict(parts[-1]).items():
        before = found.get(group, block).values
        found[group] = block._replace(values=np.where(undirected[:, None], block.values, before))
    return [*found.values(), *blocks(structures, learned["units"])] if with_units else list(found.values())


def _measured(groups: Groups, structures: list[Structure], where: np.ndarray) -> dict[str, ColumnBlock]:
    """The measures of some of the structures by group; NaN in the rows of the others."""
    families = [family for held in groups.values() for family in held]
    chosen = [structure for structure, wanted in zip(structures, where, strict=True) if wanted]
    columns, table = measures(chosen, families) if chosen else ([], None)
    place = {column: at for at, column in enumerate(columns)}
    found = {}
    for group, held in groups.items():
        names = feature_names(held)
        values = np.full((len(structures), len(names)), np.nan)
        if table is not None:
            values[where] = table[:, [place[name] for name in names]]
        found[group] = ColumnBlock(group, names, values)
    return found


def _family_block(
    structures: Sequence[Structure], trimmed: Sequence[Structure], families: Sequence[str]
) -> ColumnBlock:
    """Which family, how many units are dead, and their share: units that trimming takes away."""
    values = np.zeros((len(structures), len(families) + 2))
    for row, (structure, left) in enumerate(zip(structures, trimmed, strict=True)):
        if structure.family in families:
            values[row, families.index(structure.family)] = 1
        dead = structure.num_units - left.num_units if structure.attributes else len(structure.dead_units)
        values[row, -2:] = dead, dead / structure.num_units
    return ColumnBlock(
        "family", [f"family.{name}" for name in [*families, "dead_units", "dead_share"]], values
    )
