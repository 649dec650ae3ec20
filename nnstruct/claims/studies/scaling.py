"""What happens as networks get wider."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.claims.base import STUDIES
from nnstruct.modules import build_module
from nnstruct.population import train
from nnstruct.probes.subject import subject_of
from nnstruct.pruning import fit
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import load_task


@STUDIES.register("rate-transfer")
def rate_transfer(
    *,
    seed: int,
    task: str = "digits",
    widths: Sequence[int] = (16, 256),
    rates: Sequence[float] = (-11, -10, -9, -8, -7, -6, -5, -4),
    layers: int = 3,
    epochs: int = 3,
) -> dict[str, float]:
    """The learning rate that is best for a narrow and for a wide network, under mu-P and the standard.

    Parameters
    ----------
    seed : int
    task : str
    widths : sequence of int
        The first is the base width.
    rates : sequence of float
        Logarithms to base 2.
    layers : int
    epochs : int

    Returns
    -------
    dict of str to float
        Logarithms of the best rates by final training loss (the vertex of a parabola through the best
        three), and by how much they differ between the widths.
    """
    data = load_task(task)
    found = {}
    for name in ("standard", "mup"):
        best = []
        for width in widths:
            losses = []
            for rate in rates:
                config = TrainConfig(epochs=epochs, learning_rate=2.0**rate)
                if name == "mup":
                    more = {"parametrization": "mup", "base_width": int(widths[0])}
                    config = config.model_copy(update=more)
                (record,) = train(
                    [Structure.from_layers([width] * layers)], data, config=config, seeds=[seed]
                )
                loss = float(record.train_loss[-1])
                losses.append(loss if np.isfinite(loss) else np.inf)
            best.append(_vertex(rates, losses))
            found[f"{name}_{width}"] = best[-1]
        found[f"{name}_shift"] = abs(best[-1] - best[0])
    return found | {"shift_saved": found["standard_shift"] - found["mup_shift"]}


def _vertex(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Where a parabola through the best point and its neighbours is lowest."""
    place = int(np.argmin(losses))
    if place in (0, len(losses) - 1) or not np.isfinite(losses[place - 1 : place + 2]).all():
        return float(rates[place])
    a, b, c = (np.log(losses[place + step]) for step in (-1, 0, 1))
    step = (a - c) / (2 * (a - 2 * b + c)) if a - 2 * b + c > 0 else 0.0
    return float(rates[place] + step * (rates[place + 1] - rates[place]))


@STUDIES.register("rich-features")
def rich_features(
    *, seed: int, task: str = "digits", widths: Sequence[int] = (32, 512), epochs: int = 3
) -> dict[str, float]:
    """How far hidden features move in training, relative to where they start, as widths grow.

    Parameters
    ----------
    seed : int
    task : str
    widths : sequence of int
        The first is the base width.
    epochs : int

    Returns
    -------
    dict of str to float
        Movements of the last hidden layer under mu-P and in the tangent-kernel parametrization, and their
        exponents in the width: about 0 for features that stay rich, below where training gets lazy.
    """
    data = load_task(task)
    found = {}
    for name in ("mup", "ntk"):
        moves = []
        for width in widths:
            config = TrainConfig(
                epochs=epochs, learning_rate=0.05, optimizer="sgd", parametrization=name,
                base_width=int(widths[0]),
            )  # fmt: skip
            fresh = build_module(Structure.from_layers([width] * 3), data, config, seed=seed)
            trained, _ = fit(fresh, data, config, seed=seed)
            before, after = (_features(module, data) for module in (fresh, trained))
            moves.append(float(np.linalg.norm(after - before) / np.linalg.norm(before)))
            found[f"{name}_{width}"] = moves[-1]
        found[f"{name}_exponent"] = float(np.log(moves[-1] / moves[0]) / np.log(widths[-1] / widths[0]))
    return found | {"exponent_gain": found["mup_exponent"] - found["ntk_exponent"]}


def _features(module: object, task: object) -> np.ndarray:
    subject = subject_of(module, task)  # type: ignore[arg-type]
    return subject.states(*subject.encode(task.test))[-2].detach().numpy()  # type: ignore[attr-defined]
