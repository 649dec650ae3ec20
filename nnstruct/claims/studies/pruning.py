"""What is lost, and what is not, where weights are taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnstruct.claims.base import STUDIES
from nnstruct.pruning import (
    GumbelSoftmax,
    Trajectory,
    evaluate,
    fit,
    prune,
    run_trajectory,
    starting_network,
    trajectory_table,
)
from nnstruct.record import TrainConfig
from nnstruct.tasks import load_task

if TYPE_CHECKING:
    import pandas as pd


@STUDIES.register("class-blind")
def class_blind(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 3000,
    network: str = "mlp:100",
    density: float = 0.2,
    sparse: float = 0.03,
    epochs: int = 8,
    retrain: int = 4,
) -> dict[str, float]:
    """Magnitude pruning over all weights at once against a share of each layer, with retraining.

    Parameters
    ----------
    seed : int
    task : str
    train : int
        Training images.
    network : str
        As for :func:`nnstruct.pruning.starting_network`.
    density : float
        Kept where class-blind pruning is compared with the dense network.
    sparse : float
        Kept where the two are compared.
    epochs, retrain : int

    Returns
    -------
    dict of str to float
        Test accuracies and their differences.
    """
    data = load_task(task, train=train, val=500, test=4000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=1e-3)
    found: dict[str, float] = {}
    for name in ("blind", "uniform"):
        run = run_trajectory(
            network, data, [density, sparse], method=f"magnitude-class-{name}", config=config,
            retrain=retrain, seed=seed, structures=False,
        )  # fmt: skip
        accuracy = _accuracies(run)
        found |= {f"{name}_{share:g}": float(accuracy[share]) for share in (density, sparse)}
        found["dense"] = float(accuracy[1.0])
    return found | {
        "blind_less_uniform": found[f"blind_{sparse:g}"] - found[f"uniform_{sparse:g}"],
        "blind_less_dense": found[f"blind_{density:g}"] - found["dense"],
    }


@STUDIES.register("n-of-m")
def n_of_m(
    *,
    seed: int,
    task: str = "fashion-mnist",
    train: int = 2000,
    network: str = "mlp:100",
    density: float = 0.25,
    decay: float = 2e-3,
    epochs: int = 15,
    learning_rate: float = 0.1,
) -> dict[str, float]:
    """SR-STE against the plain straight-through estimator, n of 4 weights kept, by SGD.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    density : float
        n / 4.
    decay : float
        Of masked weights under SR-STE.
    epochs : int
    learning_rate : float

    Returns
    -------
    dict of str to float
        Test accuracies, their difference, and the share of the mask that changes in the last epoch.
    """
    data = load_task(task, train=train, val=300, test=3000)
    config = TrainConfig(
        epochs=epochs, batch_size=64, learning_rate=learning_rate, optimizer="sgd", schedule="cosine"
    )
    found: dict[str, float] = {}
    for name, value in (("ste", 0.0), ("sr_ste", decay)):
        start = starting_network(network, data, seed=seed)
        sparse = prune(start, density, method="sr-ste", task=data, config=config, seed=seed, decay=value)
        found[name] = evaluate(sparse, data)["accuracy"]
    return found | {"gain": found["sr_ste"] - found["ste"]}


@STUDIES.register("pretrained")
def pretrained(
    *,
    seed: int,
    source: str = "fashion-mnist",
    target: str = "mnist",
    train: int = 600,
    density: float = 0.05,
    before: Sequence[float] = (0.5, 0.2),
    pretraining: int = 6,
    epochs: int = 12,
    retrain: int = 4,
) -> dict[str, float]:
    """Pruning a network that was trained on another task before, against one that was not.

    Parameters
    ----------
    seed : int
    source, target : str
        Tasks: of pre-training, and of fine-tuning and pruning.
    train : int
        Images of the target.
    density : float
    before : sequence of float
        Densities on the way there, falling.
    pretraining : int
        Epochs on the source.
    epochs, retrain : int

    Returns
    -------
    dict of str to float
        Test accuracies on the target, dense and pruned, from either start; ``gain``, by how much the pruned
        network is better that was trained before, ``gain_dense``, the dense one, ``gain_kept``, how much less
        it has lost to pruning.
    """
    known = load_task(source, train=6000, val=300, test=300)
    data = load_task(target, train=train, val=300, test=3000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=1e-3)
    fresh = starting_network("mlp:100", known, seed=seed)
    taught, _ = fit(fresh, known, config.model_copy(update={"epochs": pretraining}), seed=seed)
    found: dict[str, float] = {}
    for name, start in (("scratch", fresh), ("pretrained", taught)):
        run = run_trajectory(
            start, data, [*before, density], config=config, retrain=retrain, seed=seed, structures=False
        )
        accuracy = _accuracies(run)
        found |= {name: float(accuracy[density]), f"{name}_dense": float(accuracy[1.0])}
    gain, dense = (found[f"pretrained{which}"] - found[f"scratch{which}"] for which in ("", "_dense"))
    return found | {"gain": gain, "gain_dense": dense, "gain_kept": gain - dense}


@STUDIES.register("random-pruning")
def random_pruning(
    *,
    seed: int,
    task: str = "fashion-mnist",
    train: int = 500,
    network: str = "mlp:200",
    densities: Sequence[float] = (0.7, 0.4, 0.2, 0.1, 0.05, 0.003),
    epochs: int = 40,
) -> dict[str, float]:
    """Fresh networks pruned at random, then trained: the training loss and the test accuracy by density.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
        One hidden layer, as in the theory.
    densities : sequence of float
        Falling; the last is to lie above the threshold.
    epochs : int

    Returns
    -------
    dict of str to float
        Training losses and test accuracies; ``rise``, the best accuracy of a pruned network less the dense
        one's; ``fall``, the best less the last.
    """
    data = load_task(task, train=train, val=300, test=3000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=2e-3)
    found, accuracies = {}, []
    for density in (1.0, *densities):
        start = starting_network(network, data, seed=seed)
        cut = start if density == 1 else prune(start, density, method="random", seed=seed)
        trained, _ = fit(cut, data, config, seed=seed)
        found[f"train_loss_{density:g}"] = evaluate(trained, data, split="train")["loss"]
        accuracies.append(evaluate(trained, data)["accuracy"])
        found[f"test_{density:g}"] = accuracies[-1]
    best = max(accuracies[1:])
    return found | {"rise": best - accuracies[0], "fall": best - accuracies[-1]}


@STUDIES.register("learned-masks")
def learned_masks(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 6000,
    network: str = "mlp:300-100",
    density: float = 0.005,
    epochs: int = 20,
    finish: int = 10,
) -> dict[str, float]:
    """Masks learned by gradient descent in both forms, and magnitude pruning in steps, at one density.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    density : float
    epochs : int
        In which masks are learned.
    finish : int
        Afterwards, with the masks as they are.

    Returns
    -------
    dict of str to float
        Test accuracies of our form, the authors' form and magnitude pruning.
    """
    data = load_task(task, train=train, val=500, test=4000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=2e-3)
    after = config.model_copy(update={"epochs": finish})
    start = starting_network(network, data, seed=seed)
    dense, _ = fit(start, data, after, seed=seed)
    found = {"dense": evaluate(dense, data)["accuracy"]}
    for name, first, method in (
        ("ours", dense, GumbelSoftmax()), ("published", start, GumbelSoftmax.published())
    ):  # fmt: skip
        sparse = prune(first, density, method=method, task=data, config=config, seed=seed)
        found[name] = evaluate(fit(sparse, data, after, seed=seed)[0], data)["accuracy"]
    shares = [share for share in (0.2, 0.05, 0.02) if share > density]
    run = run_trajectory(
        dense,
        data,
        [*shares, density],
        config=config,
        pretrain=0,
        retrain=finish,
        seed=seed,
        structures=False,
    )
    found["magnitude"] = float(_accuracies(run)[density])
    return found | {"ours_less_magnitude": found["ours"] - found["magnitude"]}


def _accuracies(run: Trajectory) -> pd.Series:
    """Test accuracy of each step after its training, by the density that is left."""
    return trajectory_table([run]).set_index("density")["after_test"]
