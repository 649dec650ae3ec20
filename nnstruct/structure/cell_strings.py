"""Cells as tables of architecture search write them in one string."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from nnstruct.errors import InvalidInputError
from nnstruct.structure.cells import edge_cell
from nnstruct.structure.genotypes import Genotype, genotype_structure
from nnstruct.structure.structure import Structure

# Operators of NAS-Bench-201 by the names of nnstruct.
OPERATORS = {
    "none": "none",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avgpool3x3",
}
_NODE = re.compile(r"\|(?:[\w.-]+~\d+\|)+")
_PARTS = ("normal", "normal_concat", "reduce", "reduce_concat")
_RULE = (
    "be like |op~0|+|op~0|op~1|, or Genotype(normal=[...], normal_concat=..., reduce=..., reduce_concat=...)"
)


def read_cell(text: str) -> Structure:
    """The structure of a cell's string; see :meth:`nnstruct.Structure.from_cell`.

    Parameters
    ----------
    text : str

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If the text is no cell.

    Examples
    --------
    >>> read_cell("|nor_conv_3x3~0|").num_units
    3
    """
    if not isinstance(text, str):
        raise InvalidInputError("text", "be the string of a cell", text)
    origin = {"kind": "cell", "arch": text}
    if text.lstrip().startswith("|"):
        return edge_cell(cell_operators(text.strip()), origin=origin)
    parts = genotype_parts(text)
    cells = [pairs_of(parts[name], name) for name in ("normal", "reduce")]
    genotype = Genotype(cells[0], parts["normal_concat"], cells[1], parts["reduce_concat"])
    return genotype_structure(genotype, None, None, origin)


def cell_operators(text: str, field: str = "text") -> tuple[str, ...]:
    """The operators of a cell's string, by target node, then source node.

    Parameters
    ----------
    text : str
        ``|op~0|+|op~0|op~1|+...``: of each node, the operators on the edges from all nodes before it.
    field : str
        What the text is called in an error.

    Returns
    -------
    tuple of str
        n (n - 1) / 2 for n nodes, by the names of nnstruct.

    Raises
    ------
    InvalidInputError
        If it is no such string.

    Examples
    --------
    >>> cell_operators("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
    ('conv3x3', 'none', 'identity')
    """
    found: list[str] = []
    for target, node in enumerate(text.split("+"), 1):
        if _NODE.fullmatch(node) is None:
            raise InvalidInputError(field, _RULE, text)
        items = [item.rsplit("~", 1) for item in node.strip("|").split("|")]
        if [source for _, source in items] != [str(place) for place in range(target)]:
            rule = f"have one operator from each of the nodes 0 to {target - 1} at node {target}"
            raise InvalidInputError(field, rule, node)
        for operator, _ in items:
            if operator not in OPERATORS:
                raise InvalidInputError(field, f"use {', '.join(OPERATORS)}", operator)
            found.append(OPERATORS[operator])
    return tuple(found)


def genotype_parts(text: str, field: str = "text") -> dict[str, Any]:
    """The two cells of a genotype's string; nothing in it is run.

    Parameters
    ----------
    text : str
        As ``repr`` writes a genotype of DARTS.
    field : str
        What the text is called in an error.

    Returns
    -------
    dict
        ``normal``, ``normal_concat``, ``reduce`` and ``reduce_concat``.

    Raises
    ------
    InvalidInputError
        If it is no such string.

    Examples
    --------
    >>> cell = "[('skip_connect', 0)]"
    >>> text = f"Genotype(normal={cell}, normal_concat=range(2, 3), reduce={cell}, reduce_concat=[2])"
    >>> genotype_parts(text)["normal_concat"]
    [2]
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        given = {word.arg: word.value for word in call.keywords} if isinstance(call, ast.Call) else {}
        return {name: _literal(given[name]) for name in _PARTS}
    except (SyntaxError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(field, _RULE, text) from error


def _literal(node: ast.expr) -> list[Any]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("range", "list"):
        if node.func.id == "list":
            return _literal(node.args[0])
        return list(range(*(int(ast.literal_eval(argument)) for argument in node.args)))
    return list(ast.literal_eval(node))


def pairs_of(cell: Sequence[Any], field: str) -> list[tuple[str, int]]:
    """The operators of a genotype's cell and the states that they read.

    Parameters
    ----------
    cell : sequence of (str, int)
    field : str

    Returns
    -------
    list of (str, int)

    Raises
    ------
    InvalidInputError
        If an item is no such pair.
    """
    try:
        return [(str(name), int(read)) for name, read in cell]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, "hold pairs (operator, state)", cell) from error
