"""NAS-Bench-201 (NATS-Bench, topology): cells of six operators on three tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.structure.cell_strings import cell_operators
from nnstruct.structure.cells import edge_cell
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_csv, read_json, stacked_scores

TASKS = {"c10": "cifar10", "c100": "cifar100", "im16": "imagenet16-120"}
_KEYS = {"cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet16-120"}
# Operators in the order of the string: on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3 of the cell.
_CELL_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_CELL = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_COLUMN = re.compile(r"(c10|c100|im16)_(test|val)_(\d+)")
_HINT = (
    "NATS-Bench's .pickle.pbz2 files are pickles, which nnstruct does not load: write a CSV from "
    "nats_bench (with a column 'arch' with api.arch(i), columns such as 'c10_test_200' in per cent)."
)


@TABLES.register("nasbench201")
def read_nasbench201(path: Path) -> Rows:
    """Read NAS-Bench-201.

    Three formats:

    - The authors' **.pth** file, such as ``NAS-Bench-201-v1_1-096897.pth``, by PyTorch's loader of plain
      values: trainings over several seeds for 12 and 200 epochs. It takes tens of GB of memory.
    - **CSV export** (``.csv`` or ``.csv.gz``): ``arch``, the authors' string
      ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, and accuracies in per cent in columns
      ``{c10,c100,im16}_{test,val}_{epochs}``; those of 200 epochs are the targets ``test`` and ``val``,
      others ``test_12``, ``val_12``. ``<column>_std`` and ``<column>_seeds`` may stand beside each, and
      ``params``, ``flops``, ``seconds`` (of CIFAR-10).
    - **JSON export**: an object from any key, or a list, of ``{"arch": string, "cifar10": {...}, "cifar100":
      {...}, "ImageNet16-120": {...}}``, each with accuracies in per cent, one number or a list of one a seed:
      ``test``, ``val``, ``test_12``, ... (``test_accuracy`` counts as ``test``), and of the first ``params``
      and ``flops``.

    The NATS-Bench files (``.pickle.pbz2``) are pickles and are refused; the error says how to make a CSV.

    Each cell is a Structure of 8 units: ``input``, its six operators, ``output`` (family ``module``). The
    operator on the edge i-j feeds those on the edges j-k; those that leave the cell's first node read the
    input, those that enter its last feed the output; what comes in is added.

    Twins are the authors' isomorphic cells: 6,466 of 15,625. Of a node they write the sum of its inputs,
    sorted; a skip passes on what it reads, and a zero is one zero of the sum.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the tasks ``cifar10``, ``cifar100`` and ``imagenet16-120``, as far as the file has them.

    Raises
    ------
    InvalidInputError
        If the file is in another format.

    References
    ----------
    X. Dong and Y. Yang. NAS-Bench-201: extending the scope of reproducible neural architecture search.
    ICLR 2020, arXiv 2001.00326. X. Dong et al. NATS-Bench. TPAMI 2021, arXiv 2009.00437. The string and the
    isomorphism: github.com/D-X-Y/NATS-Bench, ``nats_bench/genotype_utils.py``.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    reader = {".json": _from_json, ".pth": _from_pth}.get(suffixes[-1] if suffixes else "", _from_csv)
    archs, labels, costs = reader(path)
    cells = [parse_cell(arch, row) for row, arch in enumerate(archs)]
    structures = [
        cell_structure(cell, arch, row) for row, (cell, arch) in enumerate(zip(cells, archs, strict=True))
    ]
    return Rows.of_labels(
        structures, labels, costs=costs, source="nasbench201", groups=[unique_string(cell) for cell in cells]
    )


def parse_cell(arch: str, row: int = 0) -> tuple[str, ...]:
    """The six operators of a cell's string, by the names of nnstruct.

    Parameters
    ----------
    arch : str
    row : int
        For the error.

    Returns
    -------
    tuple of 6 str
        On the edges 0-1, 0-2, 1-2, 0-3, 1-3 and 2-3.

    Raises
    ------
    InvalidInputError
        If it is no such string.

    Examples
    --------
    >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|"
    >>> parse_cell(cell)
    ('conv3x3', 'none', 'identity', 'none', 'conv1x1', 'avgpool3x3')
    """
    if _CELL.fullmatch(arch) is None:
        rule = "be like |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        raise InvalidInputError(f"arch of row {row}", rule, arch)
    return cell_operators(arch, f"arch of row {row}")


def cell_structure(cell: Sequence[str], arch: str = "", row: int = 0) -> Structure:
    """The structure of six operators.

    Parameters
    ----------
    cell : sequence of 6 str
    arch : str
        For the origin.
    row : int
        For the origin.

    Returns
    -------
    Structure
    """
    return edge_cell(cell, origin={"kind": "table", "table": "nasbench201", "row": row, "arch": arch})


def unique_string(cell: Sequence[str]) -> str:
    """What the authors call isomorphic cells have in common.

    Parameters
    ----------
    cell : sequence of 6 str

    Returns
    -------
    str

    Examples
    --------
    >>> unique_string(["conv3x3", "none", "identity", "none", "none", "identity"])
    '#+#+#+(0)@conv3x3'
    >>> unique_string(["identity", "none", "conv3x3", "none", "none", "identity"])
    '#+#+#+(0)@conv3x3'
    """
    terms: list[list[str]] = [["0"], [], [], []]
    said = ["0", "", "", ""]
    for (source, target), operator in zip(_CELL_EDGES, cell, strict=True):
        x = said[source]
        term = "#" if operator == "none" or x == "#" else x if operator == "identity" else f"({x})@{operator}"
        terms[target].append(term)
        if source == target - 1:
            said[target] = "+".join(sorted(terms[target]))
    return said[3]


def _from_csv(path: Path) -> tuple[list[str], dict[tuple[str, str], Any], dict[str, Any]]:
    columns = read_csv(path, ["arch"], _HINT)
    labels: dict[tuple[str, str], Any] = {}
    for name in sorted(columns, key=_rank):
        match = _COLUMN.fullmatch(name)
        if match is None:
            continue
        std, seeds = columns.get(f"{name}_std"), columns.get(f"{name}_seeds")
        labels[TASKS[match[1]], _target(match[2], match[3])] = (
            numbers(columns[name], name) / 100,
            None if std is None else numbers(std, f"{name}_std") / 100,
            None if seeds is None else numbers(seeds, f"{name}_seeds").astype(np.int64),
        )
    if not labels:
        rule = "have a column of accuracies such as 'c10_test_200'"
        raise InvalidInputError(str(path), rule, list(columns), _HINT)
    known = {"params": "parameters", "flops": "flops", "seconds": "seconds"}
    costs = {cost: numbers(columns[name], name) for name, cost in known.items() if name in columns}
    return columns["arch"], labels, costs


def _rank(column: str) -> tuple[Any, ...]:
    """The tasks in the paper's order, of each the last epoch's test first."""
    match = _COLUMN.fullmatch(column)
    if match is None:
        return (len(TASKS), 0, 0, column)
    return (list(TASKS).index(match[1]), -int(match[3]), match[2] == "val", column)


def _target(split: str, epochs: str) -> str:
    return split if epochs == "200" else f"{split}_{epochs}"


def _from_pth(path: Path) -> tuple[list[str], dict[tuple[str, str], Any], dict[str, Any]]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        archs = [str(arch) for arch in content["meta_archs"]]
        infos = content["arch2infos"]
        places = sorted(infos)
        runs = {
            epochs: [infos[place][key]["all_results"] for place in places]
            for key, epochs in (("full", "200"), ("less", "12"))
        }
    except Exception as error:  # the loader raises whatever the bytes lead it to
        raise InvalidInputError(str(path), "be NAS-Bench-201's .pth file", str(error), _HINT) from error
    labels: dict[tuple[str, str], Any] = {}
    for key, task in _KEYS.items():
        sets = {"test": (key, "ori-test" if task == "cifar10" else "x-test")}
        sets["val"] = ("cifar10-valid" if task == "cifar10" else key, "x-valid")
        for epochs, results in runs.items():
            for split, (data, name) in sets.items():
                found = [_accuracies(result, data, f"{name}@{int(epochs) - 1}") for result in results]
                if any(found):
                    mean, std, count = stacked_scores(found, name)
                    labels[task, _target(split, epochs)] = mean / 100, std / 100, count
    costs = {}
    for cost, field in (("parameters", "params"), ("flops", "flop")):
        # The authors count both in millions.
        values = [
            [run[field] * 1e6 for (data, _), run in r.items() if data == "cifar10"] for r in runs["200"]
        ]
        costs[cost] = stacked_scores(values, field)[0]
    return [archs[place] for place in places], labels, costs


def _accuracies(results: dict[tuple[str, int], dict[str, Any]], data: str, name: str) -> list[float]:
    """One a seed."""
    found = [run["eval_acc1es"] for (trained, _), run in sorted(results.items()) if trained == data]
    return [float(accuracies[name]) for accuracies in found if name in accuracies]


def _from_json(path: Path) -> tuple[list[str], dict[tuple[str, str], Any], dict[str, Any]]:
    content = read_json(path, _HINT)
    items = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise InvalidInputError(str(path), "hold an object a cell", type(content).__name__, _HINT)
    archs = [item.get("arch", item.get("architecture_string")) for item in items]
    if not all(isinstance(arch, str) for arch in archs):
        raise InvalidInputError(str(path), "have 'arch' in every cell", sorted(items[0]), _HINT)
    names = {(key, name) for item in items for key in _KEYS if key in item for name in item[key]}
    labels: dict[tuple[str, str], Any] = {}
    for key, name in sorted(names, key=lambda pair: (list(_KEYS).index(pair[0]), pair[1])):
        target = name.removesuffix("_accuracy")
        if not re.fullmatch(r"(test|val)(_\d+)?", target):
            continue
        given = [item.get(key, {}).get(name) for item in items]
        lists = [value if isinstance(value, list) else [value] for value in given]
        mean, std, count = stacked_scores(lists, f"{key} {name}")
        labels[_KEYS[key], target] = mean / 100, std / 100, count
    if not labels:
        raise InvalidInputError(
            str(path), "have accuracies such as 'test' of 'cifar10'", sorted(items[0]), _HINT
        )
    first = next(key for key in _KEYS if any(key in item for item in items))
    known = {"params": "parameters", "flops": "flops", "seconds": "seconds"}
    costs = {
        cost: numbers([item.get(first, {}).get(name) for item in items], name)
        for name, cost in known.items()
        if (first, name) in names
    }
    return archs, labels, costs
