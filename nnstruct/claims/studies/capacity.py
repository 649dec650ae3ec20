"""How many random labels a network can keep."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from nnstruct.claims.base import STUDIES
from nnstruct.modules import MaskedMLP, build_module
from nnstruct.population.reference import Training
from nnstruct.pruning import evaluate, fit
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Split, Task, load_task


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


@STUDIES.register("tensor-rank")
def tensor_rank(
    *,
    seed: int,
    task: str = "digits",
    layers: Sequence[int] = (64, 64),
    wrong: Sequence[float] = (0.0, 0.5, 1.0),
    epochs: int = 100,
    kept: float = 0.95,
) -> dict[str, float]:
    """How many terms of their weights networks need whose training labels are wrong in part.

    Of each layer's matrix the strongest terms of its decomposition (for matrices the singular values) are
    kept, in all layers the same share; the rank is the least share with which the network keeps ``kept`` of
    its accuracy on the training examples.

    Parameters
    ----------
    seed : int
    task : str
        Of vectors.
    layers : sequence of int
    wrong : sequence of float
        Shares of training labels that are drawn anew.
    epochs : int
    kept : float

    Returns
    -------
    dict of str to float
        Rank and generalisation gap (accuracy in training less that of the test) by share of wrong labels,
        and Spearman's rank correlation of the two.
    """
    clean = load_task(task)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=3e-3)
    found: dict[str, float] = {}
    ranks, gaps = [], []
    for share in wrong:
        rng = generator(seed, "wrong labels", str(share))
        targets = clean.train.targets.copy()
        drawn = rng.random(len(targets)) < share
        targets[drawn] = rng.integers(clean.num_classes, size=int(drawn.sum()))
        parts = Split(clean.train.inputs, targets), clean.val, clean.test
        data = Task(f"{task}, {share:g} of the labels drawn anew", *parts, clean.num_classes)
        training = Training(Structure.from_layers(list(layers)), data, config, seed)
        for epoch in range(epochs):
            collections.deque(training.epoch(epoch), maxlen=0)
        seen = training.evaluate("train")[1]
        gaps.append(seen - training.evaluate("test")[1])
        ranks.append(_share_of_terms(training, kept * seen))
        found |= {f"rank_{share:g}": ranks[-1], f"gap_{share:g}": gaps[-1], f"seen_{share:g}": seen}
    return found | {"agreement": float(spearmanr(ranks, gaps).statistic)}


@torch.no_grad()
def _share_of_terms(training: Training, accuracy: float) -> float:
    """The least share of terms with which a perceptron has the accuracy on its training examples."""
    module = cast(MaskedMLP, training.module)
    ends = module.layer_ends
    bands = [(a, b, c) for a, b, c in zip([0, *ends], ends, ends[1:], strict=False)]
    weight = module.weight * module.mask
    matrices = [module.input_weight, *(weight[b:c, a:b] for a, b, c in bands), module.readout.weight]
    terms = [torch.linalg.svd(matrix, full_matrices=False) for matrix in matrices]
    for share in np.linspace(0.025, 1.0, 40).tolist():
        found = []
        for u, strength, v in terms:
            count = max(1, round(share * len(strength)))
            found.append((u[:, :count] * strength[:count]) @ v[:count])
        module.input_weight.copy_(found[0])
        for (a, b, c), matrix in zip(bands, found[1:-1], strict=True):
            module.weight[b:c, a:b] = matrix
        module.readout.weight.copy_(found[-1])
        if training.evaluate("train")[1] >= accuracy:
            return share
    return 1.0
