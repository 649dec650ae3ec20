"""NAS-Bench-Macro: chains of eight blocks on CIFAR-10."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import mean_and_std, numbers, read_csv, read_json, stacked_scores

BLOCKS = ("identity", "mbconv3x3-e3", "mbconv5x5-e6")
_STAGES = (1, 1, 2, 2, 2, 3, 3, 3)
_CHANNELS = {0: 32, 1: 64, 2: 128, 3: 256}
_OPENS = (0, 2, 5)  # layers that halve the resolution and double the channels
_CHAIN = np.array([np.arange(9), np.arange(1, 10)])
_HINT = (
    "nas-bench-macro_cifar10.json of github.com/xiusu/NAS-Bench-Macro, or a CSV with its columns, is wanted."
)


@TABLES.register("macro")
def read_macro(path: Path) -> Rows:
    """Read NAS-Bench-Macro.

    Two formats: the authors' ``nas-bench-macro_cifar10.json``, an object from the code of a network, such as
    ``02012100``, to ``test_acc`` (a list of accuracies in per cent, one a seed), ``params`` and ``flops``;
    and a **CSV export** (``.csv`` or ``.csv.gz``) with ``arch``, ``acc1``, ``acc2``, ... and, where known,
    ``params`` and ``flops``.

    Each network is a Structure of 10 units in a chain (family ``module``): ``input``, eight blocks,
    ``output``. A digit of the code names a block: 0 ``identity``, 1 ``mbconv3x3-e3``, 2 ``mbconv5x5-e6``
    (inverted residuals with kernels of 3 and 5, expanded 3 and 6 times). The blocks form stages of 2, 3 and 3
    with 64, 128 and 256 channels; the first block of a stage halves the resolution, and an identity is a
    strided 1x1 convolution there, so that it is called ``conv1x1``.

    Twins are networks that are equal once identities are left out: 3,969 of 6,561.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the task ``cifar10``.

    Raises
    ------
    InvalidInputError
        If the file is in another format.

    References
    ----------
    X. Su et al. Prioritized architecture sampling with Monto-Carlo tree search. CVPR 2021, arXiv 2103.11922.
    The blocks: github.com/xiusu/NAS-Bench-Macro, ``train/model.py``.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if suffixes[-1:] == [".json"]:
        content = read_json(path, _HINT)
        if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
            raise InvalidInputError(
                str(path), "hold an object from code to scores", type(content).__name__, _HINT
            )
        archs, items = list(content), list(content.values())
        scores = [item.get("test_acc") for item in items]
        if not scores or not all(isinstance(score, list) and score for score in scores):
            raise InvalidInputError(str(path), "have a list 'test_acc' for every code", scores[:1], _HINT)
        labels = stacked_scores(scores, "test_acc")
        found = {name: [item.get(name) for item in items] for name in ("params", "flops")}
        costs = {name: column for name, column in found.items() if any(value is not None for value in column)}
    else:
        columns = read_csv(path, ["arch", "acc1"], _HINT)
        archs = columns["arch"]
        seeds = [numbers(columns[n], n) for n in columns if re.fullmatch(r"acc\d+", n)]
        labels = mean_and_std(np.stack(seeds, axis=1))
        costs = {name: columns[name] for name in ("params", "flops") if name in columns}
    called = {"params": "parameters", "flops": "flops"}
    return Rows.of_labels(
        [macro_structure(code, row) for row, code in enumerate(archs)],
        {("cifar10", "test"): (labels[0] / 100, labels[1] / 100, labels[2])},
        costs={called[name]: numbers(column, name) for name, column in costs.items()},
        source="macro",
        groups=[without_identities(code) for code in archs],
    )


def macro_structure(code: str, row: int = 0) -> Structure:
    """The structure of a network's code.

    Parameters
    ----------
    code : str
        Eight digits of 0, 1 and 2.
    row : int
        For the origin.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If it is no such code.

    Examples
    --------
    >>> macro_structure("02012100").attributes["operator"][:4]
    ('input', 'conv1x1', 'mbconv5x5-e6', 'conv1x1')
    """
    if not re.fullmatch("[012]{8}", code):
        raise InvalidInputError(f"arch of row {row}", "be eight digits of 0, 1 and 2", code)
    blocks = [BLOCKS[int(digit)] for digit in code]
    for layer in _OPENS:
        blocks[layer] = "conv1x1" if code[layer] == "0" else blocks[layer]
    stages = (0, *_STAGES, 3)
    return Structure(
        _CHAIN,
        10,
        family="module",
        attributes={
            "operator": ("input", *blocks, "output"),
            "stage": stages,
            "channels": tuple(_CHANNELS[stage] for stage in stages),
        },
        origin={"kind": "table", "table": "macro", "row": row, "arch": code},
    )


def without_identities(code: str) -> str:
    """A code without the blocks that pass on what they read; equal for equal networks.

    Parameters
    ----------
    code : str

    Returns
    -------
    str
        Stage by stage, the first block of each always there.

    Examples
    --------
    >>> without_identities("02012100"), without_identities("02021000") == without_identities("02020100")
    ('02|012|1', False)
    >>> without_identities("02001000") == without_identities("02010000")
    True
    """
    parts = [code[:2], code[2:5], code[5:]]
    return "|".join(part[0] + part[1:].replace("0", "") for part in parts)
