"""What is lost, and what is not, where weights are taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

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
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task, load_task

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
    kept: Sequence[int] = (1, 2),
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
    kept : sequence of int
        Each an n.
    decay : float
        Of masked weights under SR-STE.
    epochs : int
    learning_rate : float

    Returns
    -------
    dict of str to float
        Test accuracies and their difference, by n.
    """
    data = load_task(task, train=train, val=300, test=3000)
    config = TrainConfig(
        epochs=epochs, batch_size=64, learning_rate=learning_rate, optimizer="sgd", schedule="cosine"
    )
    found: dict[str, float] = {}
    for count in kept:
        for name, value in (("ste", 0.0), ("sr_ste", decay)):
            start = starting_network(network, data, seed=seed)
            sparse = prune(
                start, count / 4, method="sr-ste", task=data, config=config, seed=seed, decay=value
            )
            found[f"{name}_{count}_of_4"] = evaluate(sparse, data)["accuracy"]
        found[f"gain_{count}_of_4"] = found[f"sr_ste_{count}_of_4"] - found[f"ste_{count}_of_4"]
    return found


@STUDIES.register("pretrained")
def pretrained(
    *,
    seed: int,
    source: str = "cifar10",
    target: str | None = None,
    network: str = "cnn:16-32",
    known: int = 8000,
    train: int = 500,
    density: float = 0.05,
    before: Sequence[float] = (0.5, 0.2, 0.1),
    pretraining: int = 8,
    epochs: int = 20,
    retrain: int = 5,
) -> dict[str, float]:
    """Pruning a network that was trained on another task before, against one that was not.

    Parameters
    ----------
    seed : int
    source : str
        Task of pre-training.
    target : str, optional
        Task of fine-tuning and pruning; by default the source's other half of classes, so that both are
        images of one kind.
    network : str
    known, train : int
        Images of the source and of the target; where the classes are parted, about half of them are used.
    density : float
    before : sequence of float
        Densities on the way there, falling.
    pretraining : int
        Epochs on the source.
    epochs, retrain : int

    Returns
    -------
    dict of str to float
        Test accuracies on the target, dense, on the way and at the density, from either start; ``gain``, by
        how much the pruned network is better that was trained before, ``gain_dense`` and so on that of the
        others, ``gain_kept``, how much less it has lost to pruning.
    """
    first = load_task(source, train=known, val=300, test=300)
    data = load_task(target or source, train=train, val=600, test=4000)
    if target is None:
        half = first.num_classes // 2
        first, data = _of_classes(first, 0, half), _of_classes(data, half, first.num_classes)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=1e-3)
    fresh = starting_network(network, first, seed=seed)
    taught, _ = fit(fresh, first, config.model_copy(update={"epochs": pretraining}), seed=seed)
    found: dict[str, float] = {}
    for name, start in (("scratch", fresh), ("pretrained", taught)):
        run = run_trajectory(
            start, data, [*before, density], config=config, retrain=retrain, seed=seed, structures=False
        )
        accuracy = _accuracies(run)
        found |= {name: float(accuracy[density]), f"{name}_dense": float(accuracy[1.0])}
        found |= {f"{name}_{share:g}": float(accuracy[share]) for share in before}
    for which in ("_dense", *(f"_{share:g}" for share in before), ""):
        found[f"gain{which}"] = found[f"pretrained{which}"] - found[f"scratch{which}"]
    return found | {"gain_kept": found["gain"] - found["gain_dense"]}


def _of_classes(task: Task, first: int, end: int) -> Task:
    """The examples of some classes, numbered from 0."""
    parts = []
    for split in (task.train, task.val, task.test):
        rows = (split.targets >= first) & (split.targets < end)
        parts.append((split.inputs[rows], split.targets[rows] - first))
    return Task.from_splits(f"{task.name}, classes {first} to {end - 1}", *parts)


@STUDIES.register("random-pruning")
def random_pruning(
    *,
    seed: int,
    classes: int = 10,
    inputs: int = 500,
    samples: int = 200,
    signal: float = 3.0,
    width: int = 200,
    mild: float = 0.1,
    strong: float = 0.001,
    others: Sequence[float] = (0.5, 0.2, 0.02),
    epochs: int = 200,
    images: str | None = "fashion-mnist",
) -> dict[str, float]:
    """Hidden weights pruned at random before training, on the data of the theory and on images.

    An example of the theory's data is Gaussian noise of variance 1, and in the direction of its class, one
    of so many inputs, the signal alone. The network has one hidden layer, is wide, and is trained by
    gradient descent until the loss is about zero; the read-out keeps all its weights.

    Parameters
    ----------
    seed : int
    classes, inputs, samples : int
        Of the theory's data; 2,000 other examples are tested.
    signal : float
        In standard deviations of the noise.
    width : int
    mild, strong : float
        Densities of the hidden layer's weights: where accuracy is to have risen, and where it is to have
        fallen.
    others : sequence of float
        Densities that are measured beside them.
    epochs : int
    images : str or None
        Task of images, of which 400 are learned from, at the mild density and three times it.

    Returns
    -------
    dict of str to float
        Training losses and test accuracies by density; ``rise``, the accuracy at the mild density less that
        of the dense network; ``fall``, that at the mild density less that at the strong one;
        ``images_rise``, the rise at three times the mild density on images.
    """
    rng = generator(seed, "signal and noise")
    labels = rng.integers(classes, size=samples + 100 + 2000)
    points = rng.normal(size=(len(labels), inputs)).astype(np.float32)
    points[:, :classes] = 0.0
    points[np.arange(len(labels)), labels] = signal
    parts = [(points[a:b], labels[a:b]) for a, b in ((0, samples), (samples, -2000), (-2000, None))]
    task = Task.from_splits("signal and noise", *parts)
    config = TrainConfig(epochs=epochs, batch_size=50, learning_rate=0.1, optimizer="sgd")
    found: dict[str, float] = {}
    for density in sorted({1.0, mild, strong, *others}, reverse=True):
        loss, accuracy = _pruned_before(task, f"mlp:{width}", density, config, seed)
        found |= {f"train_loss_{density:g}": loss, f"test_{density:g}": accuracy}
    found |= {
        "rise": found[f"test_{mild:g}"] - found["test_1"],
        "fall": found[f"test_{mild:g}"] - found[f"test_{strong:g}"],
    }
    if images is not None:
        task = load_task(images, train=400, val=300, test=3000)
        config = TrainConfig(epochs=epochs, batch_size=50, learning_rate=0.02, optimizer="sgd")
        for density in (1.0, 3 * mild, mild):
            loss, accuracy = _pruned_before(task, f"mlp:{width}", density, config, seed)
            found |= {f"images_train_loss_{density:g}": loss, f"images_test_{density:g}": accuracy}
        found["images_rise"] = found[f"images_test_{3 * mild:g}"] - found["images_test_1"]
    return found


def _pruned_before(
    task: Task, network: str, density: float, config: TrainConfig, seed: int
) -> tuple[float, float]:
    """Training loss and test accuracy with a random share of the hidden weights."""
    start = starting_network(network, task, seed=seed)
    hidden = next(name for name, weight in start.named_parameters() if weight.dim() == 2)
    if density < 1:
        start = prune(start, density, method="random", parameters=[hidden], seed=seed)
    trained, _ = fit(start, task, config, seed=seed)
    return evaluate(trained, task, split="train")["loss"], evaluate(trained, task)["accuracy"]


@STUDIES.register("learned-masks")
def learned_masks(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 6000,
    network: str = "mlp:300-100",
    densities: Sequence[float] = (0.005, 0.0015),
    epochs: int = 20,
    finish: int = 10,
) -> dict[str, float]:
    """Masks learned by gradient descent in both forms, and magnitude pruning in steps, at the same densities.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    densities : sequence of float
        Falling.
    epochs : int
        In which masks are learned.
    finish : int
        Afterwards, with the masks as they are.

    Returns
    -------
    dict of str to float
        Test accuracies of our form, the authors' form and magnitude pruning, by density.
    """
    data = load_task(task, train=train, val=500, test=4000)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=2e-3)
    after = config.model_copy(update={"epochs": finish})
    start = starting_network(network, data, seed=seed)
    dense, _ = fit(start, data, after, seed=seed)
    found = {"dense": evaluate(dense, data)["accuracy"]}
    for share in densities:
        for name, first, method in (
            ("ours", dense, GumbelSoftmax()), ("published", start, GumbelSoftmax.published())
        ):  # fmt: skip
            sparse = prune(first, share, method=method, task=data, config=config, seed=seed)
            found[f"{name}_{share:g}"] = evaluate(fit(sparse, data, after, seed=seed)[0], data)["accuracy"]
    shares = [share for share in (0.2, 0.05, 0.02) if share > max(densities)]
    run = run_trajectory(
        dense,
        data,
        [*shares, *densities],
        config=config,
        pretrain=0,
        retrain=finish,
        seed=seed,
        structures=False,
    )
    accuracy = _accuracies(run)
    for share in densities:
        found[f"magnitude_{share:g}"] = float(accuracy[share])
        found[f"gain_{share:g}"] = found[f"ours_{share:g}"] - found[f"magnitude_{share:g}"]
    return found


def _accuracies(run: Trajectory) -> pd.Series:
    """Test accuracy of each step after its training, by the density that is left."""
    return trajectory_table([run]).set_index("density")["after_test"]
