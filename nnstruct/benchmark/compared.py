"""How the same structures fare under two training configurations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.benchmark.stored_structures import sizes_of
from nnstruct.intervals import mean_interval

if TYPE_CHECKING:
    from nnstruct.benchmark.bench import Benchmark


def compared_configs(bench: Benchmark) -> list[dict[str, Any]]:
    """Test accuracies of structures that were trained under several configurations, paired by structure.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    list of dict
        For each configuration but the first, by their ids, and each family of structures that have a
        label under both: ``first`` and ``second``, the ids; ``changes``, the settings of the second that
        differ from the first's; ``family``; ``structures``; ``mean_first`` and ``mean_second`` of the mean
        test accuracy; ``difference`` (second less first) with the ends ``low`` and ``high`` of its 95%
        interval by Student's t over structures; and Pearson's ``correlation`` of the two labels. What
        too few structures leave undefined is NaN.
    """
    # A configuration that was begun may have no record yet, and one of an old record be unknown.
    first, *others = [name for name in bench.config_ids if name in bench.configs] or [""]
    return [row for other in others for row in _rows(bench, first, other)]


def _rows(bench: Benchmark, first: str, second: str) -> Iterator[dict[str, Any]]:
    before, after = (bench.configs[name].as_dict() for name in (first, second))
    changes = {k: [before.get(k), after.get(k)] for k in {**before, **after} if before.get(k) != after.get(k)}
    labels = [_labels(bench, name) for name in (first, second)]
    families: dict[str, list[str]] = {}
    both = [name for name in bench.fingerprints if all(name in one for one in labels)]
    for name, family in zip(both, sizes_of(bench._all, both).families, strict=True):
        families.setdefault(family, []).append(name)
    for family, members in sorted(families.items()):
        x, y = (np.array([one[fingerprint] for fingerprint in members]) for one in labels)
        difference, low, high = mean_interval(y - x)
        varied = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
        yield {
            "first": first,
            "second": second,
            "changes": changes,
            "family": family,
            "structures": len(members),
            "mean_first": float(x.mean()),
            "mean_second": float(y.mean()),
            "difference": difference,
            "low": low,
            "high": high,
            "correlation": float(np.corrcoef(x, y)[0, 1]) if varied else math.nan,
        }


def _labels(bench: Benchmark, config_id: str) -> dict[str, float]:
    part = bench.select_config(config_id).with_target("test")
    return dict(zip(part.fingerprints, part.y.tolist(), strict=True))
