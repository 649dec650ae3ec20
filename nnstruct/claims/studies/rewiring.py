"""Networks that are sparse from the first update to the last, and where their weights go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from torch import nn

from nnstruct.claims.base import STUDIES
from nnstruct.pruning import evaluate, fit, load_pruner, starting_network
from nnstruct.record import TrainConfig
from nnstruct.tasks import load_task

OURS = ("chts", "chtss")


@STUDIES.register("cannistraci-hebb")
def cannistraci_hebb(
    *,
    seed: int,
    task: str = "cifar10",
    train: int = 4000,
    network: str = "mlp:400-400-400",
    density: float = 0.01,
    epochs: int = 20,
    learning_rate: float = 0.025,
    weight_decay: float = 5e-4,
    augmentation: str = "none",
    methods: Sequence[str] = ("set", "rigl", "cht", "chts", "chtss"),
) -> dict[str, float]:
    """Perceptrons whose hidden layers are sparse, by how their weights move, and a dense one.

    All begin with weights of the same spread of sums (``rescale``) and the same density in each hidden layer;
    the read-out is dense, as in the authors' program. Layers, optimiser, rate, its schedule, decay and batch
    are those of the paper's Table 4; its layers have 3,072 units, and it trains 100 epochs on all images,
    cropped and flipped.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    density : float
        Of the hidden layers.
    epochs : int
    learning_rate, weight_decay : float
        Of SGD with momentum; the rate falls in a straight line.
    augmentation : str
        Of :class:`nnstruct.TrainConfig`.
    methods : sequence of str
        Of the pruners that rewire; ``chts`` and ``chtss`` among them.

    Returns
    -------
    dict of str to float
        Test accuracies; those of ``chts`` and ``chtss`` less the others'; of their units, the share that is
        still active.
    """
    data = load_task(task, train=train, val=500, test=4000)
    config = TrainConfig.model_validate({
        "epochs": epochs, "batch_size": 32, "learning_rate": learning_rate, "optimizer": "sgd",
        "weight_decay": weight_decay, "schedule": "linear", "augmentation": augmentation,
    })  # fmt: skip
    start = starting_network(network, data, seed=seed)
    linear = {name: part for name, part in start.named_modules() if isinstance(part, nn.Linear)}
    linear.popitem()  # the read-out
    hidden = [f"{name}.weight" for name in linear]
    units = sum(part.out_features for part in linear.values())
    dense, _ = fit(start, data, config, seed=seed)
    found = {"dense": evaluate(dense, data)["accuracy"]}
    for method in methods:
        pruner = load_pruner(method, parameters=hidden, rescale=True, distribution="uniform")
        sparse, rows = pruner.run(start, density, task=data, config=config, seed=seed)
        assert isinstance(sparse, nn.Module)
        found[method] = evaluate(sparse, data)["accuracy"]
        if method in OURS:
            found[f"{method}_active"] = rows[-1]["active"] / units
    others = ["dense", *(method for method in methods if method not in OURS)]
    pairs = [*product(OURS, others), ("chtss", "chts")]
    return found | {f"{one}_less_{other}": found[one] - found[other] for one, other in pairs}
