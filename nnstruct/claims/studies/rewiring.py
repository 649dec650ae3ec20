"""Networks that are sparse from the first update to the last, and where their weights go."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nnstruct.claims.base import STUDIES
from nnstruct.pruning import evaluate, fit, load_pruner, starting_network
from nnstruct.record import TrainConfig
from nnstruct.tasks import load_task


@STUDIES.register("cannistraci-hebb")
def cannistraci_hebb(
    *,
    seed: int,
    task: str = "cifar10",
    train: int = 4000,
    network: str = "mlp:400-400",
    density: float = 0.01,
    epochs: int = 20,
    learning_rate: float = 2e-3,
    methods: Sequence[str] = ("set", "rigl", "cht", "chts", "chtss"),
) -> dict[str, float]:
    """Perceptrons whose hidden layers are sparse, by how their weights move, and a dense one.

    All begin with weights of the same spread of sums (``rescale``) and the same density in each hidden layer;
    the read-out is dense, as in the authors' program.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    network : str
    density : float
        Of the hidden layers.
    epochs : int
    learning_rate : float
    methods : sequence of str
        Of the pruners that rewire; ``chts`` among them.

    Returns
    -------
    dict of str to float
        Test accuracies; those of ``chts`` less the others'; of its units, the share that is still active.
    """
    data = load_task(task, train=train, val=500, test=4000)
    config = TrainConfig(epochs=epochs, batch_size=32, learning_rate=learning_rate, schedule="cosine")
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
        if method == "chts":
            found["chts_active"] = rows[-1]["active"] / units
    others = ["dense", *(method for method in methods if method != "chts")]
    return found | {f"chts_less_{name}": found["chts"] - found[name] for name in others}
