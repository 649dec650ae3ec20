"""NAS-Bench-301: the trained networks behind the surrogates, from the space of DARTS on CIFAR-10."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError
from nnstruct.structure.genotypes import Genotype, genotype_structures
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_objects

_CONFIG = "optimized_hyperparamater_config"
_PREFIX = "NetworkSelectorDatasetInfo:darts:"
_HINT = "The folder of results_*.json files that nasbench301's authors publish (nb_301) is wanted."


@TABLES.register("nasbench301")
def read_nasbench301(path: Path) -> Rows:
    """Read the surrogate's training rows of NAS-Bench-301.

    A folder is searched for ``results_*.json``, a file a training, as the authors publish them; a single
    file holds one such object or a list of them. Read are, of ``optimized_hyperparamater_config``, the keys
    ``NetworkSelectorDatasetInfo:darts:`` + ``edge_normal_k``, ``inputs_node_normal_j`` and those of
    ``reduce``, ``layers`` and ``init_channels``; and ``test_accuracy``, ``info[0]`` and ``runtime``.

    Networks become Structures as :func:`nnstruct.structure.genotypes.genotype_structures` says: where all
    have the same number of cells, a normal and a reduction cell. Edge k of a cell leads to node 2 for k in
    0..1, to 3 for 2..4, to 4 for 5..8, to 5 for 9..13; node 2 reads both inputs. Twins have equal
    fingerprints.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the task ``cifar10``: targets ``test`` and ``val`` after the last epoch; costs ``parameters`` and
        ``seconds``.

    Raises
    ------
    InvalidInputError
        If a file is in another format.

    References
    ----------
    J. Siems et al. NAS-Bench-301 and the case for surrogate benchmarks for neural architecture search.
    arXiv 2008.09777. The format: github.com/automl/nasbench301, ``nasbench301/surrogate_models/utils.py`` and
    ``nasbench301/representations.py``.
    """
    found = read_objects(path, "results_*.json", _HINT)
    genotypes, depths, widths, origins = [], [], [], []
    for where, item in found:
        config = item.get(_CONFIG)
        if not isinstance(config, Mapping) or "test_accuracy" not in item:
            raise InvalidInputError(where, f"hold {_CONFIG!r} and 'test_accuracy'", sorted(item), _HINT)
        cells = [_cell(config, cell, where) for cell in ("normal", "reduce")]
        genotypes.append(Genotype(cells[0], (2, 3, 4, 5), cells[1], (2, 3, 4, 5)))
        depths.append(config.get(f"{_PREFIX}layers"))
        widths.append(config.get(f"{_PREFIX}init_channels"))
        origins.append({"kind": "table", "table": "nasbench301", "file": Path(where).name})
    infos = [dict((item.get("info") or [{}])[0]) for _, item in found]
    test = numbers([item["test_accuracy"] for _, item in found], "test_accuracy") / 100
    val = numbers([info.get("val_accuracy") for info in infos], "val_accuracy") / 100
    return Rows.of_labels(
        genotype_structures(genotypes, depths, widths, origins),
        {("cifar10", "test"): (test, None, None), ("cifar10", "val"): (val, None, None)},
        costs={
            "parameters": numbers([info.get("model_parameters") for info in infos], "model_parameters"),
            "seconds": numbers([item.get("runtime") for _, item in found], "runtime"),
        },
        source="nasbench301",
    )


def _cell(config: Mapping[str, Any], cell: str, where: str) -> list[tuple[str, int]]:
    pairs, start = [], 0
    for node in range(2, 6):
        key = f"{_PREFIX}inputs_node_{cell}_{node}"
        text = str(config.get(key, "0_1" if node == 2 else ""))
        if not re.fullmatch(r"\d_\d", text):
            raise InvalidInputError(
                where, f"say which inputs node {node} of the {cell} cell has", text or None
            )
        for read in map(int, text.split("_")):
            operator = config.get(f"{_PREFIX}edge_{cell}_{start + read}")
            if not isinstance(operator, str):
                raise InvalidInputError(where, f"have an operator edge_{cell}_{start + read}", operator)
            pairs.append((operator, read))
        start += node
    return pairs
