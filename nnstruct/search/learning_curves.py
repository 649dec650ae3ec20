"""What the learning curves of full trainings say of briefer ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure

# Where these differ from their default, a briefer training is another one than the beginning of a longer one.
_CONSTANT = ("schedule", "warmup", "resolutions")


def scores_of_curves(
    bench: Any, fidelities: Sequence[float]
) -> dict[float, tuple[list[Structure], np.ndarray]]:
    """Scores of trainings of fewer epochs, read from the curves of the full ones.

    With a constant learning rate a training of three epochs is the beginning of one of nine: the validation
    score after the third epoch is the score of the briefer training, to the last bit.

    Parameters
    ----------
    bench : Benchmark
        Of one configuration, with a constant schedule; its target is ``val_last``.
    fidelities : sequence of float
        Shares of the epochs.

    Returns
    -------
    dict of float to pair (list of Structure, float64 [n])
        For each fidelity below 1, the structures whose trainings came so far and their mean scores.

    Raises
    ------
    InvalidInputError
        If the target is another, there are several configurations, or the rate is not constant.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, build, load_task
    >>> nets = [Structure.from_layers([width, 4]) for width in (2, 3)]
    >>> bench = build(load_task("digits"), nets, config=TrainConfig(epochs=4)).with_target("val_last")
    >>> found = scores_of_curves(bench, (0.25, 1.0))
    >>> brief = build(load_task("digits"), nets, config=TrainConfig(epochs=1)).with_target("val_last")
    >>> list(found), bool((found[0.25][1] == brief.y).all())
    ([0.25], True)
    """
    if bench.target != "val_last":
        raise InvalidInputError(
            "benchmark.target", "be 'val_last', as curves are of that score", bench.target
        )
    if len(bench.configs) != 1:
        raise InvalidInputError("benchmark", "have one configuration", f"{len(bench.configs)} of them")
    (config,) = bench.configs.values()
    for name in _CONSTANT:
        if name in config.options:
            rule = f"leave {name!r} alone: with a constant rate alone a curve tells of briefer trainings"
            raise InvalidInputError(f"config.{name}", rule, config.options[name])
    found = {}
    for fidelity in fidelities:
        epochs = max(1, round(config.epochs * fidelity))
        if fidelity < 1 and epochs < config.epochs:
            scores = np.asarray(bench.with_target(f"val@{epochs}").labels(bench.structures), dtype=np.float64)
            there = np.flatnonzero(np.isfinite(scores))
            found[fidelity] = ([bench.structures[place] for place in there], scores[there])
    return found
