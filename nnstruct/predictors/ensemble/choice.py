"""Which members there are, and which are taken."""

from __future__ import annotations

from typing import Any

from nnstruct.errors import InvalidInputError
from nnstruct.predictors.ensemble.graphs import GRAPHS, worth_a_network
from nnstruct.predictors.ensemble.members import BASIC, FORESTS, PROCESS
from nnstruct.predictors.ensemble.perceptrons import PERCEPTRONS, worth_perceptrons
from nnstruct.structure import Structure

AUTO = "auto"
COLUMNS = (*FORESTS, PROCESS)
MEMBERS = (*COLUMNS, PERCEPTRONS, GRAPHS)
# Beside the basic members, from so many labels on.
WIDE, LABELS_FOR_WIDE = "wide-trees", 200


def check_members(
    members: Any, structures: list[Structure], unlabelled: list[Structure] | None, task: Any = None
) -> tuple[str, ...]:
    """The members to take, in the order of ``MEMBERS``.

    Parameters
    ----------
    members : "auto", str or sequence of str
    structures : list of Structure
        Those with a label.
    unlabelled : list of Structure, optional
    task : str or Task, optional
        With one, ``auto`` leaves graph networks out: their lessons are structures without a label, and to
        measure untrained networks of a thousand of them takes minutes.

    Returns
    -------
    tuple of str

    Raises
    ------
    InvalidInputError
        If a name is unknown or occurs twice, or no member learns from columns as forests and processes do.
    """
    if isinstance(members, str) and members == AUTO:
        graphs = unlabelled is not None or (task is None and worth_a_network(structures))
        wanted = {
            WIDE: len(structures) >= LABELS_FOR_WIDE,
            PERCEPTRONS: worth_perceptrons(structures),
            GRAPHS: graphs,
        }
        return tuple(name for name in MEMBERS if wanted.get(name, name in BASIC))
    named = (members,) if isinstance(members, str) else tuple(members)
    unknown = [name for name in named if name not in MEMBERS]
    if unknown or not named or len(set(named)) < len(named):
        raise InvalidInputError(
            "members", f"be {AUTO!r}, or distinct names among {', '.join(MEMBERS)}", members
        )
    if not set(named) & set(COLUMNS):
        rule = f"hold one of {', '.join(COLUMNS)} beside {PERCEPTRONS} and {GRAPHS}"
        hint = "They are blended with what others say; for graph networks alone fit a GNN."
        raise InvalidInputError("members", rule, members, hint)
    return tuple(name for name in MEMBERS if name in named)
