"""What depth does to ranks, and how much of it is used."""

from __future__ import annotations

from itertools import pairwise

from nnstruct.claims.base import STUDIES
from nnstruct.modules import build_module
from nnstruct.priors import AutoCompressing, ResidualChain
from nnstruct.probes import depth_profile, effective_depth, gradient_paths, layer_probes, perturbed_dimensions
from nnstruct.pruning import fit
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import load_task


@STUDIES.register("rank-diminishing")
def rank_diminishing(
    *, seed: int, task: str = "digits", width: int = 32, layers: int = 8, epochs: int = 20
) -> dict[str, float]:
    """Ranks of the first and of the last hidden layer of a perceptron, fresh and trained.

    Parameters
    ----------
    seed : int
    task : str
    width, layers : int
    epochs : int

    Returns
    -------
    dict of str to float
        The partial rank of the Jacobian and the PCA dimension around examples; ``rises``, layers whose
        dimension is above that of the layer before.
    """
    data = load_task(task)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=2e-3)
    fresh = build_module(Structure.from_layers([width] * layers), data, config, seed=seed)
    trained, rows = fit(fresh, data, config, seed=seed)
    found = {"accuracy": float(rows[-1]["val"])}
    for name, module in (("fresh", fresh), ("trained", trained)):
        ranks = layer_probes(module, data, seed=seed)["partial_rank"].to_numpy()[:layers]
        sizes = perturbed_dimensions(module, data, seed=seed)[:layers]
        found |= {
            f"{name}_first": float(ranks[0]), f"{name}_last": float(ranks[-1]),
            f"{name}_drop": float(ranks[0] - ranks[-1]),
            f"{name}_dimension_drop": sizes[0] - sizes[-1],
            f"{name}_rises": sum(b > a for a, b in pairwise(sizes)),
        }  # fmt: skip
    return found


@STUDIES.register("auto-compressing")
def auto_compressing(
    *,
    seed: int,
    task: str = "mnist",
    train: int | None = 5000,
    width: int = 64,
    layers: int = 12,
    kept: int = 6,
    epochs: int = 30,
    longer: float = 1.4,
    learning_rate: float = 1e-3,
    init_gain: float = 0.41,
) -> dict[str, float]:
    """An auto-compressing network and a residual one of the same layers, cut behind some of them.

    Optimiser, rate, schedule and batch are those of the paper's MLP-Mixers (AdamW, a cosine with warm-up,
    64 examples).

    Parameters
    ----------
    seed : int
    task : str
    train : int or None
        Training images; None for a task that takes no such number.
    width, layers : int
        Weighted layers, in the residual network two to a block; an even number.
    kept : int
        Weighted layers before the cut; an even number, so that no block is cut through.
    epochs : int
        Of the residual network.
    longer : float
        So many times its epochs the auto-compressing one is trained; in the paper it needs 420 where the
        residual one needs 300.
    learning_rate : float
    init_gain : float
        Of :class:`nnstruct.TrainConfig`; 0.41 gives the initial weights that PyTorch's linear layers have by
        default.

    Returns
    -------
    dict of str to float
        Test accuracies whole and cut, effective depths (the fewest layers with 99% of the accuracy, the
        input layer among them) and the direct part of the gradient as a share of the whole, by norms, in
        the mean of every second layer before the cut, before and after training.
    """
    data = load_task(task) if train is None else load_task(task, train=train, val=300, test=2000)
    config = TrainConfig(
        epochs=epochs, batch_size=64, learning_rate=learning_rate, schedule="cosine", warmup=0.1,
        optimizer="adamw", weight_decay=0.01, init_gain=init_gain,
    )  # fmt: skip
    nets = {
        "compressing": AutoCompressing(sizes=(width,) * (layers + 1)),
        "residual": ResidualChain(sizes=(width,) * (layers + 1), skip=2),
    }
    found: dict[str, float] = {}
    for name, prior in nets.items():
        rounds = round(longer * epochs) if name == "compressing" else epochs
        config = config.model_copy(update={"epochs": rounds})
        fresh = build_module(prior.sample(seed, family="mlp"), data, config, seed=seed)
        trained, _ = fit(fresh, data, config, seed=seed)
        accuracy = depth_profile(trained, data)["truncated"]
        whole, cut = float(accuracy.iloc[-1]), float(accuracy.iloc[kept])
        found |= {
            name: whole, f"{name}_cut": cut, f"{name}_lost": whole - cut,
            f"{name}_depth": effective_depth(accuracy.to_frame()),
        }  # fmt: skip
        for when, module in (("fresh", fresh), ("trained", trained)):
            early = gradient_paths(module, data).iloc[0:kept:2]
            found[f"{name}_direct_share_{when}"] = float((early["direct"] / early["total"]).mean())
    gains = {
        "depth_saved": ("residual_depth", "compressing_depth"),
        "accuracy_gain": ("compressing", "residual"),
        "cut_gain": ("compressing_cut", "residual_cut"),
        "direct_gain_fresh": ("compressing_direct_share_fresh", "residual_direct_share_fresh"),
        "direct_gain_trained": ("compressing_direct_share_trained", "residual_direct_share_trained"),
    }
    return found | {name: found[more] - found[less] for name, (more, less) in gains.items()}
