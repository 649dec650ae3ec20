"""What is learned first, and what tells memorising from learning."""

from __future__ import annotations

from nnstruct.claims.base import STUDIES
from nnstruct.probes import simplicity_over_training
from nnstruct.pruning import starting_network
from nnstruct.record import TrainConfig
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
