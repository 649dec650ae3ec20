"""The network design spaces of Radosavovic et al.: cells and residual networks on CIFAR-10 and ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.structure.genotypes import Genotype, genotype_structures
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_json

_HINT = "A sweep such as DARTS.json of github.com/facebookresearch/nds is wanted."


@TABLES.register("nds")
def read_nds(path: Path) -> Rows:
    """Read a sweep of the network design spaces, such as ``DARTS.json`` or ``ResNeXt-A_in.json``.

    The file is a list of trainings, or an object of two, ``top`` and ``mid``. Read are, of each, ``net``,
    ``test_ep_top1`` (error in per cent after each epoch), ``min_test_top1``, ``params`` and ``flops``.

    A net with a ``genotype`` (sweeps Amoeba, DARTS, ENAS, NASNet, PNAS) becomes a Structure as
    :func:`nnstruct.structure.genotypes.genotype_structures` says, with its ``depth`` and ``width``. Any other
    (ResNet, ResNeXt, Vanilla) becomes a chain of its blocks, stage by stage (``ds`` blocks of ``ws`` channels
    in each), named by ``block_type``, and, where it has them, by bottleneck ratio and groups. Twins have
    equal fingerprints; note that the sweeps ``..._lr-wd`` train one net with several rates.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the task ``imagenet`` where the file's name has the part ``_in``, else ``cifar10``: targets
        ``test`` (after the last epoch) and ``test_best`` (of any epoch); costs ``parameters`` and ``flops``.

    Raises
    ------
    InvalidInputError
        If the file is in another format.

    References
    ----------
    I. Radosavovic et al. On network design spaces for visual recognition. ICCV 2019, arXiv 1905.13214. The
    data: github.com/facebookresearch/nds, read by its notebooks.
    """
    content = read_json(path, _HINT)
    items = [*content.get("top", []), *content.get("mid", [])] if isinstance(content, dict) else content
    if not isinstance(items, list) or not items:
        raise InvalidInputError(str(path), "hold a list of trainings", type(content).__name__, _HINT)
    for row, item in enumerate(items):
        if (
            not isinstance(item, dict)
            or not isinstance(item.get("net"), dict)
            or not item.get("test_ep_top1")
        ):
            raise InvalidInputError(f"{path}: row {row}", "hold 'net' and 'test_ep_top1'", item, _HINT)
    nets = [item["net"] for item in items]
    origins = [{"kind": "table", "table": "nds", "sweep": path.stem, "row": row} for row in range(len(items))]
    if "genotype" in nets[0]:
        structures = genotype_structures(
            [_genotype(net, f"{path}: row {row}") for row, net in enumerate(nets)],
            [net.get("depth") for net in nets],
            [net.get("width") for net in nets],
            origins,
        )
    else:
        structures = [
            _chain(net, origin, f"{path}: row {row}")
            for row, (net, origin) in enumerate(zip(nets, origins, strict=True))
        ]
    last = 1 - numbers([item["test_ep_top1"][-1] for item in items], "test_ep_top1") / 100
    best = [item.get("min_test_top1", min(item["test_ep_top1"])) for item in items]
    task = "imagenet" if "in" in path.name.split(".")[0].split("_")[1:] else "cifar10"
    return Rows.of_labels(
        structures,
        {
            (task, "test"): (last, None, None),
            (task, "test_best"): (1 - numbers(best, "min_test_top1") / 100, None, None),
        },
        costs={
            "parameters": numbers([item.get("params") for item in items], "params"),
            "flops": numbers([item.get("flops") for item in items], "flops"),
        },
        source=f"nds-{path.name.split('.')[0]}",
    )


def _genotype(net: Mapping[str, Any], where: str) -> Genotype:
    given: Any = net.get("genotype")
    try:
        cells = [[(str(name), int(read)) for name, read in given[cell]] for cell in ("normal", "reduce")]
        concats = [[int(i) for i in given[f"{cell}_concat"]] for cell in ("normal", "reduce")]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(where, "hold a genotype of two cells", given) from error
    return Genotype(cells[0], concats[0], cells[1], concats[1])


def _chain(net: Mapping[str, Any], origin: Mapping[str, Any], where: str) -> Structure:
    depths, widths = net.get("ds"), net.get("ws")
    if (
        not isinstance(depths, list)
        or not isinstance(widths, list)
        or len(depths) != len(widths)
        or not depths
    ):
        raise InvalidInputError(where, "hold 'ds' and 'ws' of one length", [depths, widths], _HINT)
    ratios = net.get("bot_muls") or net.get("bms") or [None] * len(depths)
    groups = net.get("num_gs") or net.get("gws") or [None] * len(depths)
    operators, channels, stages = ["input"], [int(widths[0])], [0]
    for stage, (depth, width, ratio, group) in enumerate(zip(depths, widths, ratios, groups, strict=True)):
        name = str(net.get("block_type", "block"))
        name += "" if not ratio else f"-b{ratio:g}"
        name += "" if not group else f"-g{group:g}"
        operators += [name] * int(depth)
        channels += [int(width)] * int(depth)
        stages += [stage] * int(depth)
    operators, channels, stages = [*operators, "output"], [*channels, channels[-1]], [*stages, stages[-1]]
    chain = np.arange(len(operators))
    return Structure(
        np.array([chain[:-1], chain[1:]]),
        len(operators),
        family="module",
        attributes={"operator": tuple(operators), "channels": tuple(channels), "stage": tuple(stages)},
        origin=dict(origin),
    )
