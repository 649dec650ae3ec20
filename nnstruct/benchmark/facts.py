"""The numbers of a dataset card, counted from a benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.benchmark.compared import compared_configs
from nnstruct.benchmark.stored_structures import sizes_of
from nnstruct.benchmark.targets import TARGETS
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.record import STATUS_DIVERGED, STATUS_FAILED
from nnstruct.structure import PRUNED, Structure

if TYPE_CHECKING:
    from nnstruct.benchmark.bench import Benchmark

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BINS = 10
SPLIT_TEST, SPLIT_SEED = 0.2, 0


def facts(bench: Benchmark, *, by_family: bool = True) -> dict[str, Any]:
    """Every number that a card states.

    Parameters
    ----------
    bench : Benchmark
        With records of one task.
    by_family : bool
        Whether to tell the labels and ceilings of each family, too.

    Returns
    -------
    dict
        JSON values, except that a float may be NaN or infinite.

    Raises
    ------
    InvalidInputError
        If the records are of several tasks, or there are none.
    """
    table = bench.table
    found = bench._words("task_fingerprint")[0]
    if len(found) != 1:
        raise InvalidInputError("the benchmark", "hold records of one task to have a card", found)
    sizes = sizes_of(bench._all, list(bench._all))
    return {
        "task": str(table["task"].iloc[0]),
        "task_fingerprint": str(table["task_fingerprint"].iloc[0]),
        "metric": bench.metric,
        "structures": len(sizes.units),
        "records": len(table),
        "diverged": int((table["status"] == STATUS_DIVERGED).sum()),
        "failed": int((table["status"] == STATUS_FAILED).sum()),
        "seeds": np.unique(table["seed"]).tolist(),
        "cpu_hours": float(np.nansum(table["seconds"].to_numpy(dtype=np.float64)) / 3600),
        "engines": {str(k): int(v) for k, v in sorted(table["engine"].value_counts().items())},
        "units": _span(sizes.units.tolist()),
        "forward_edges": _span(sizes.forward.tolist()),
        "recurrent_edges": _span(sizes.recurrent.tolist()),
        "configs": {name: _config_facts(bench, name, by_family) for name in bench.config_ids},
        "compared": compared_configs(bench),
        "weights": _weight_facts(bench),
        **_config_fields(bench),
    }


def prior_of(structure: Structure) -> str:
    """What made a structure, as a card calls it.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    str
        The prior that drew it, ``pruned:`` and the method that pruned it, what else its origin names
        as its kind, or ``unknown``.
    """
    return prior_in(structure.origin)


def prior_in(origin: Mapping[str, Any]) -> str:
    """As :func:`prior_of`, from a structure's origin.

    Parameters
    ----------
    origin : mapping

    Returns
    -------
    str
    """
    if origin.get("kind") == PRUNED and origin.get("step"):
        return f"pruned: {origin.get('method')}"
    return str(origin.get("prior") or origin.get("kind") or "unknown")


def _weight_facts(bench: Benchmark) -> dict[str, Any]:
    """How many networks have their weights kept, and after which epochs."""
    try:
        rows = bench.networks(epoch="all").table
    except MissingDataError:
        return {"networks": 0, "epochs": []}
    return {"networks": len(rows), "epochs": sorted({int(epoch) for epoch in rows["epoch"]})}


def _config_fields(bench: Benchmark) -> dict[str, Any]:
    """The settings that all configurations share, and the names of those in which they differ."""
    found = [bench.configs[name].as_dict() for name in bench.config_ids if name in bench.configs]
    names = list(dict.fromkeys(key for config in found for key in config))
    varied = [key for key in names if len({repr(config.get(key)) for config in found}) > 1]
    shared = {key: found[0][key] for key in names if key not in varied}
    return {"shared_config": shared, "varied_config": varied}


def _config_facts(bench: Benchmark, config_id: str, by_family: bool) -> dict[str, Any]:
    part = bench.select_config(config_id).with_target("test")
    config = bench.configs.get(config_id)
    families = _families(part) if by_family else []
    train, test = (0, 0)
    if len(part) >= 2:
        train, test = (len(half) for half in part.split(SPLIT_TEST, SPLIT_SEED))
    return {
        "config": config.as_dict() if config else {},
        "labelled": len(part),
        "unlabelled": len(part.unlabelled),
        "records": len(part.table),
        "seeds_per_structure": _span(np.bincount(part._words("fingerprint")[1]).tolist()),
        "test": _distribution(part.y),
        "groups": _groups(part),
        "ceilings": {name: _ceiling(part.with_target(name)) for name in TARGETS},
        "families": {name: _family_facts(part.select_family(name)) for name in families},
        "split": {"train": train, "test": test},
    }


def _families(part: Benchmark) -> list[str]:
    return part._words("family")[0]


def _family_facts(part: Benchmark) -> dict[str, Any]:
    return {
        "structures": len(part),
        "seeds_per_structure": _span(np.bincount(part._words("fingerprint")[1]).tolist()),
        "test": _distribution(part.y),
        "ceilings": {name: _ceiling(part.with_target(name)) for name in TARGETS},
    }


def _distribution(y: np.ndarray) -> dict[str, Any]:
    if not len(y):
        return {"mean": math.nan, "sd": math.nan, "quantiles": {}, "edges": [], "counts": []}
    # Edges on hundredths, so that the card's rounded text says exactly what was counted.
    low, high = math.floor(100 * y.min()) / 100, math.ceil(100 * y.max()) / 100
    width = max(0.01, math.ceil(100 * (high - low) / BINS - 1e-9) / 100)
    if y.max() <= 1:
        low = min(low, 1 - BINS * width)
    edges = np.round(low + width * np.arange(BINS + 1), 2)
    counts, _ = np.histogram(y, bins=edges)
    return {
        "mean": float(y.mean()),
        "sd": float(y.std(ddof=1)) if len(y) > 1 else math.nan,
        "quantiles": {f"{q:g}": float(np.quantile(y, q)) for q in QUANTILES},
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
    }


def _groups(part: Benchmark) -> list[dict[str, Any]]:
    """Counts and mean test accuracy for each family and prior."""
    label = dict(zip(part.fingerprints, part.y.tolist(), strict=True))
    trained, codes = part._words("fingerprint")
    records = dict(zip(trained, np.bincount(codes, minlength=len(trained)).tolist(), strict=True))
    names = list(part._all)
    sizes = sizes_of(part._all, names)
    members: dict[tuple[str, str], list[str]] = {}
    for name, family, origin in zip(names, sizes.families, sizes.origins, strict=True):
        members.setdefault((family, prior_in(origin)), []).append(name)
    rows = []
    for (family, prior), group in sorted(members.items()):
        values = [label[name] for name in group if name in label]
        rows.append(
            {
                "family": family,
                "prior": prior,
                "structures": len(group),
                "records": int(sum(records[name] for name in group)),
                "mean_test": float(np.mean(values)) if values else math.nan,
            }
        )
    return rows


def _ceiling(part: Benchmark) -> dict[str, Any]:
    found = part.noise_ceiling
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "single_seed": found.single_seed,
        "seeds_for_90": found.seeds_for_90,
        "note": found.note,
    }


def _span(values: list[int]) -> dict[str, float]:
    if not values:
        return {"min": 0, "median": 0, "max": 0}
    return {"min": int(min(values)), "median": float(np.median(values)), "max": int(max(values))}
