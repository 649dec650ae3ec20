"""What is learned first, and what tells memorising from learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnstruct.claims.base import STUDIES
from nnstruct.modules import build_module
from nnstruct.probes import simplicity_over_training, tensor_bound
from nnstruct.pruning import evaluate, fit, starting_network
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import load_task


@STUDIES.register("increasing-complexity")
def increasing_complexity(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 3000,
    network: str = "mlp:100",
    epochs: int = 15,
    learning_rate: float = 0.02,
) -> dict[str, float]:
    """Training on the data and on its Gaussian clones, tested on the data, over epochs of SGD.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    epochs : int
    learning_rate : float

    Returns
    -------
    dict of str to float
        Test accuracies after the first and the last epoch; ``early_gap`` and ``late_gap`` are those of the
        data less those of the clone with the data's covariances.
    """
    data = load_task(task, train=train, val=300, test=3000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=learning_rate, optimizer="sgd")
    table = simplicity_over_training(starting_network(network, data, seed=seed), data, config, seed=seed)
    found: dict[str, float] = {}
    for when, row in (("early", table.iloc[1]), ("late", table.iloc[-1])):
        found |= {
            f"{when}_data": float(row["accuracy"]),
            f"{when}_covariance": float(row["accuracy_covariance"]),
            f"{when}_mean": float(row["accuracy_mean"]),
            f"{when}_gap": float(row["accuracy"] - row["accuracy_covariance"]),
        }
    return found | {
        "gap_growth": found["late_gap"] - found["early_gap"],
        "covariance_less_mean": found["late_covariance"] - found["late_mean"],
    }


@STUDIES.register("tensor-rank")
def tensor_rank(
    *,
    seed: int,
    task: str = "digits",
    widths: Sequence[int] = (40, 40),
    noise: Sequence[float] = (0.0, 0.25, 0.5, 1.0),
    epochs: int = 150,
) -> dict[str, float]:
    """The tensor bound of networks that fit labels of which some are random, against how they generalise.

    Parameters
    ----------
    seed : int
    task : str
    widths : sequence of int
    noise : sequence of float
        Shares of random training labels.
    epochs : int

    Returns
    -------
    dict of str to float
        For each share the gap of accuracies, training less test, and the bound; ``kendall``, their rank
        correlation over shares.
    """
    from scipy.stats import kendalltau

    data, rng = load_task(task), generator(seed, "label noise")
    order = rng.permutation(len(data.train))
    guesses = rng.integers(data.num_classes, size=len(order))
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=3e-3, schedule="cosine")
    found: dict[str, float] = {}
    gaps, bounds = [], []
    for share in noise:
        chosen = order[: round(share * len(order))]
        targets = data.train.targets.copy()
        targets[chosen] = guesses[chosen]
        noisy = replace(
            data, name=f"{data.name}, {share:g} random", train=replace(data.train, targets=targets)
        )
        module = build_module(Structure.from_layers(list(widths)), noisy, config, seed=seed)
        trained, _ = fit(module, noisy, config, seed=seed)
        gap = evaluate(trained, noisy, split="train")["accuracy"] - evaluate(trained, noisy)["accuracy"]
        table = tensor_bound(trained, noisy, margin=1.0, seed=seed)
        gaps.append(gap)
        bounds.append(float(np.sqrt((table["bound"] ** 2).sum())))
        found |= {f"gap_{share:g}": gap, f"bound_{share:g}": bounds[-1]}
    return found | {
        "kendall": float(kendalltau(gaps, bounds).statistic),
        "bound_growth": bounds[-1] - bounds[0],
    }
