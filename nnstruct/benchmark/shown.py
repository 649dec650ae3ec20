"""What a notebook shows of a Benchmark: how large it is, and how its labels are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure.panel import histogram, panel

if TYPE_CHECKING:
    from nnstruct.benchmark.bench import Benchmark


def benchmark_panel(bench: Benchmark) -> str:
    """What a notebook shows of a benchmark. The noise ceiling, which takes a while, is not among it.

    Parameters
    ----------
    bench : Benchmark

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> from nnstruct import Benchmark, Structure
    >>> nets = [Structure.from_layers([n, 2]) for n in (2, 3)]
    >>> "2 (mlp)" in Benchmark.from_scores(nets, [0.7, 0.8], task="toy")._repr_html_()
    True
    """
    facts: list[tuple[str, object]] = [("task", ", ".join(bench.tasks) or "none")]
    try:
        y, count = bench.y, bench.y_count
    except InvalidInputError as error:  # scores of several tasks, none chosen
        facts += [("structures", f"{len(bench):,}"), ("label", f"none: {error}")]
        return panel(_name(bench), facts)
    families = ", ".join(dict.fromkeys(bench.table["family"].tolist())) if len(bench) else "none"
    facts.append(("structures", f"{len(bench):,} ({families})"))
    if len(bench.unlabelled):
        facts.append(("without a label", f"{len(bench.unlabelled):,}"))
    facts.append(("records" if "status" in bench.table else "scores", f"{len(bench.table):,}"))
    facts.append(("target", bench.target))
    if not len(y):
        return panel(_name(bench), facts)
    low, high = int(count.min()), int(count.max())
    facts.append(("trainings each", f"{low}" if low == high else f"{low} to {high}"))
    facts.append(("label", f"{y.mean():.4g} in the mean, {y.min():.4g} to {y.max():.4g}"))
    spread = bench.y_std
    if np.isfinite(spread).any():
        typical = float(np.sqrt(np.nanmean(spread**2)))
        facts.append(("spread over trainings", f"{typical:.3g} beside {y.std():.3g} over structures"))
    return panel(_name(bench), facts, [histogram(y, bench.target)])


def _name(bench: Benchmark) -> str:
    name = getattr(bench, "name", "")
    return f"Benchmark {name!r}" if name else "Benchmark"
