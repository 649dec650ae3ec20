"""How many random labels a network can keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from nnstruct.claims.base import STUDIES
from nnstruct.modules import build_module
from nnstruct.pruning import evaluate, fit
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


@STUDIES.register("memory")
def memory(
    *,
    seed: int,
    samples: int = 200,
    inputs: int = 20,
    over: Sequence[int] = (40, 40, 40),
    under: Sequence[int] = (2, 2, 2),
    epochs: int = 300,
) -> dict[str, float]:
    """Random labels of random points, by a network with more connections than points and by one with fewer.

    Parameters
    ----------
    seed : int
    samples : int
        K.
    inputs : int
        Values of a point, drawn on the unit sphere.
    over, under : sequence of int
        Widths of the hidden layers.
    epochs : int
        At most; training ends sooner where all labels are kept.

    Returns
    -------
    dict of str to float
        Share of labels kept, and connections between hidden layers for each point.
    """
    rng = generator(seed, "random labels")
    points = rng.normal(size=(samples + 40, inputs))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    labels = rng.integers(2, size=len(points))
    parts = [(points[a:b], labels[a:b]) for a, b in ((0, samples), (samples, -20), (-20, None))]
    task = Task.from_splits("random labels", *parts)
    config = TrainConfig(epochs=50, batch_size=50, learning_rate=3e-3)
    found: dict[str, float] = {}
    for name, widths in (("over", over), ("under", under)):
        structure = Structure.from_layers(list(widths))
        module: nn.Module = build_module(structure, task, config, seed=seed)
        for turn in range(epochs // config.epochs):
            module, _ = fit(module, task, config, seed=seed + turn)
            kept = evaluate(module, task, split="train")["accuracy"]
            if kept == 1:
                break
        found |= {f"kept_{name}": kept, f"connections_a_point_{name}": structure.num_edges / samples}
    return found
