"""What is learned first, and what tells memorising from learning."""

from __future__ import annotations

from collections.abc import Sequence

from nnstruct.claims.base import STUDIES
from nnstruct.population.module_training import num_updates
from nnstruct.probes import simplicity_over_training
from nnstruct.pruning import starting_network
from nnstruct.record import TrainConfig
from nnstruct.tasks import load_task


@STUDIES.register("increasing-complexity")
def increasing_complexity(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 10000,
    network: str = "mlp:512",
    epochs: int = 12,
    learning_rate: float = 0.01,
    first: Sequence[int] = (2, 3, 5),
    early: Sequence[int] = (20, 32, 50),
) -> dict[str, float]:
    """Training on the data and on its Gaussian clones, tested on the data, over updates of SGD.

    Batch, momentum, decay and width are those of the authors' program, github.com/sgoldt/dist_inc_comp.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    epochs : int
    learning_rate : float
    first, early : sequence of int
        Numbers of updates, over which accuracies are averaged: before anything parts, and when the clone
        with the means alone has parted.

    Returns
    -------
    dict of str to float
        Test accuracies at first, early and after the last update; gaps are those of the data less those of
        the clone with the data's covariances, ``_mean`` less those of the clone with the means alone.
    """
    data = load_task(task, train=train, val=300, test=3000)
    config = TrainConfig(
        epochs=epochs, batch_size=128, learning_rate=learning_rate, optimizer="sgd", weight_decay=5e-4
    )
    steps = sorted({*first, *early, num_updates(data, config)})
    start = starting_network(network, data, seed=seed)
    table = simplicity_over_training(start, data, config, steps=steps, seed=seed).set_index("step")
    found: dict[str, float] = {}
    for when, places in (("first", first), ("early", early), ("late", steps[-1:])):
        row = table.loc[list(places)].mean()
        found |= {
            f"{when}_data": float(row["accuracy"]),
            f"{when}_covariance": float(row["accuracy_covariance"]),
            f"{when}_mean": float(row["accuracy_mean"]),
            f"{when}_gap": float(row["accuracy"] - row["accuracy_covariance"]),
            f"{when}_gap_mean": float(row["accuracy"] - row["accuracy_mean"]),
        }
    return found | {
        "gap_growth": found["late_gap"] - found["early_gap"],
        "early_covariance_less_mean": found["early_covariance"] - found["early_mean"],
        "covariance_less_mean": found["late_covariance"] - found["late_mean"],
    }
