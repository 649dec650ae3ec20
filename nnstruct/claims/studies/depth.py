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
    task: str = "digits",
    width: int = 24,
    layers: int = 10,
    kept: int = 5,
    epochs: int = 30,
    learning_rate: float = 2e-3,
    normalization: str = "default",
) -> dict[str, float]:
    """An auto-compressing network and a residual one of the same layers, cut behind some of them.

    Parameters
    ----------
    seed : int
    task : str
    width, layers : int
        Weighted layers, in the residual network two to a block; an even number.
    kept : int
        Layers before the cut.
    epochs : int
    learning_rate : float
    normalization : str
        Of :class:`nnstruct.TrainConfig`.

    Returns
    -------
    dict of str to float
        Test accuracies whole and cut, effective depths (the fewest layers with 99% of the accuracy), and the
        direct part of the first layer's gradient as a share of both parts' norms at the start.
    """
    data = load_task(task)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=learning_rate, schedule="cosine")
    config = config.model_copy(update={"normalization": normalization})
    nets = {
        "compressing": AutoCompressing(sizes=(width,) * (layers + 1)),
        "residual": ResidualChain(sizes=(width,) * (layers + 1), skip=2),
    }
    found: dict[str, float] = {}
    for name, prior in nets.items():
        fresh = build_module(prior.sample(seed, family="mlp"), data, config, seed=seed)
        paths = gradient_paths(fresh, data).iloc[0]
        trained, _ = fit(fresh, data, config, seed=seed)
        profile = depth_profile(trained, data)
        whole = float(profile["truncated"].iloc[-1])
        found |= {
            name: whole,
            f"{name}_cut": float(profile["truncated"].iloc[kept]),
            f"{name}_lost": whole - float(profile["truncated"].iloc[kept]),
            f"{name}_depth": effective_depth(profile),
            f"{name}_direct_share": float(paths["direct"] / (paths["direct"] + paths["forward"])),
        }
    return found | {
        "depth_saved": found["residual_depth"] - found["compressing_depth"],
        "cut_gain": found["compressing_cut"] - found["residual_cut"],
    }
