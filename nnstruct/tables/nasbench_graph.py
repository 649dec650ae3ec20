"""NAS-Bench-Graph: graph neural networks of four operations on nine data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.checks import is_integer
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_json

OPERATORS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
OPERATORS_OF_PROTEINS = ("gcn", "sage", "arma", "fc", "skip")
LINKS = (
    (0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 1), (0, 0, 1, 2), (0, 0, 1, 3),
    (0, 1, 1, 1), (0, 1, 1, 2), (0, 1, 2, 2), (0, 1, 2, 3),
)  # fmt: skip
_NAMES = {"fc": "linear", "skip": "identity"}
_HINT = (
    "The authors' .bench files are pickles, which nnstruct does not load: write what their readbench "
    "reads as JSON to a file such as cora.json."
)


@TABLES.register("nasbench-graph")
def read_nasbench_graph(path: Path) -> Rows:
    """Read NAS-Bench-Graph from a JSON export of the authors' table of one data set.

    The authors publish pickles, which are refused. The export is the same mapping as JSON, in a file named as
    the data set, such as ``cora.json``: an object from the hash of an architecture to ``perf`` (test),
    ``valid_perf``, ``latency`` and ``para``. Instead of a hash that says it, an entry may hold ``link`` and
    ``ops``. A hash is the number of the macro space, then four digits to the base of one more than there are
    operations: nine, or five on ``proteins``.

    Each architecture is a Structure of six units (family ``module``): ``input``, its operations (``fc`` is
    ``linear``, ``skip`` is ``identity``) and ``output``, which reads every operation that no other one reads.
    Twins have equal fingerprints.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With one task, the file's name: targets ``test`` and ``val``; costs ``parameters`` and ``latency``.

    Raises
    ------
    InvalidInputError
        If the file is in another format.

    References
    ----------
    Y. Qin et al. NAS-Bench-Graph: benchmarking graph neural architecture search. NeurIPS 2022,
    arXiv 2206.09166. The hash: github.com/THUMNLab/NAS-Bench-Graph, ``architecture.py``.
    """
    content = read_json(path, _HINT)
    if not isinstance(content, dict) or not content:
        raise InvalidInputError(
            str(path), "hold an object from hash to scores", type(content).__name__, _HINT
        )
    task = path.name.split(".")[0]
    few = task == "proteins" and all(
        not key.isdigit() or int(key) < len(LINKS) * (len(OPERATORS_OF_PROTEINS) + 1) ** 4 for key in content
    )
    structures = []
    for key, item in content.items():
        if not isinstance(item, Mapping) or "perf" not in item:
            raise InvalidInputError(f"{path}: {key}", "hold 'perf'", item, _HINT)
        link, ops = item.get("link"), item.get("ops")
        if link is None or ops is None:
            link, ops = from_hash(key, OPERATORS_OF_PROTEINS if few else OPERATORS)
        structures.append(
            graph_structure(link, ops, {"kind": "table", "table": "nasbench-graph", "hash": key})
        )
    columns = {
        name: numbers([item.get(name) for item in content.values()], name)
        for name in ("perf", "valid_perf", "para", "latency")
    }
    return Rows.of_labels(
        structures,
        {(task, "test"): (columns["perf"], None, None), (task, "val"): (columns["valid_perf"], None, None)},
        costs={"parameters": columns["para"], "latency": columns["latency"]},
        source=f"nasbench-graph-{task}",
    )


def from_hash(key: str, operators: Sequence[str] = OPERATORS) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The links and operations that a hash stands for.

    Parameters
    ----------
    key : str
        A number.
    operators : sequence of str

    Returns
    -------
    link : tuple of 4 int
    ops : tuple of 4 str

    Raises
    ------
    InvalidInputError
        If it is no such hash.

    Examples
    --------
    >>> from_hash("81267")
    ((0, 1, 2, 3), ('gcn', 'gin', 'graph', 'fc'))
    """
    base = len(operators) + 1
    digits, rest = [], int(key) if key.isdigit() else -1
    for _ in range(4):
        rest, digit = divmod(rest, base)
        digits.append(digit)
    if not 0 <= rest < len(LINKS) or max(digits) >= len(operators):
        rule = f"be a hash to the base {base}, or 'link' and 'ops' be given"
        raise InvalidInputError("key", rule, key)
    return LINKS[rest], tuple(operators[digit] for digit in reversed(digits))


def graph_structure(link: Sequence[int], ops: Sequence[str], origin: Mapping[str, Any]) -> Structure:
    """The structure of an architecture.

    Parameters
    ----------
    link : sequence of 4 int
        What each operation reads: 0 for the input, i for operation i, counted from 1.
    ops : sequence of 4 str
    origin : mapping

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If an operation is unknown, or the two do not fit.
    """
    n = len(ops)
    if len(link) != n or not all(is_integer(i) and 0 <= i <= n for i in link):
        raise InvalidInputError("link", f"hold {n} numbers in 0..{n}", list(link))
    for name in ops:
        if name not in OPERATORS:
            raise InvalidInputError("ops", f"be among {', '.join(OPERATORS)}", name)
    edges = [(source, place) for place, source in enumerate(link, 1)]
    edges += [(place, n + 1) for place in range(1, n + 1) if place not in link]
    units = np.arange(n + 2)
    return Structure(
        np.array(edges).T,
        n + 2,
        family="module",
        inputs=units == 0,
        outputs=units == n + 1,
        attributes={"operator": ("input", *(_NAMES.get(name, name) for name in ops), "output")},
        origin=dict(origin),
    )
