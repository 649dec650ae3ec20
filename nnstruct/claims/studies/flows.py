"""What a differential equation guarantees of a network that follows it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from nnstruct.claims.base import STUDIES
from nnstruct.modules import build_module
from nnstruct.priors import DiscretisedODE
from nnstruct.probes.numerics import jacobians
from nnstruct.probes.subject import Subject, subject_of
from nnstruct.pruning import fit
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task, load_task


@STUDIES.register("lipschitz-chain")
def lipschitz_chain(
    *,
    seed: int,
    task: str = "mnist",
    train: int = 3000,
    width: int = 48,
    steps: int = 4,
    epochs: int = 12,
    attack: float = 0.03,
    noise: float = 0.3,
) -> dict[str, float]:
    """A gradient flow, and steps that expand and contract in turn, against a network without the equation.

    No step of the first brings two states apart; of the second every other one may, and the chain does not.
    The last one has the same units and edges, residual ones too, but weights of its own on each edge and
    steps of the plain form ``x + act(W act(K x + b) + c)``.

    Parameters
    ----------
    seed : int
    task : str
    train : int
    width, steps : int
        Of the state, and of the chain.
    epochs : int
    attack : float
        Of the fast gradient sign method, in units of a pixel's range.
    noise : float
        Standard deviation of Gaussian noise on pixels.

    Returns
    -------
    dict of str to float
        Test accuracy clean, attacked and with noise, and how much the two chains are above the ``residual``
        network; ``growth``, the largest factor by which a chain brings the states of two test images apart,
        and ``step_growth``, that of a single step in turn.
    """
    data = load_task(task, train=train, val=300, test=2000)
    structure, in_turn = (
        DiscretisedODE(lift=width, width=width, steps=steps, field=width, flow=flow).sample(
            seed, family="mlp"
        )
        for flow in ("gradient-flow", "expand-contract")
    )
    plain = Structure(
        structure.edge_index, structure.num_units, inputs=structure.inputs, outputs=structure.outputs,
        residual=structure.residual,
    )  # fmt: skip
    states = [width + 2 * width * step + np.arange(width) for step in range(steps + 1)]
    config = TrainConfig(epochs=epochs, batch_size=32, learning_rate=1e-3, schedule="cosine")
    found = {}
    for name, chosen in (("flow", structure), ("in_turn", in_turn), ("residual", plain)):
        module, _ = fit(build_module(chosen, data, config, seed=seed), data, config, seed=seed)
        for what, value in _robustness(module, data, chosen, states, attack, noise, seed).items():
            if what != "step_growth" or name == "in_turn":
                found[f"{name}_{what}"] = value
    for what in ("clean", "attacked", "noisy"):
        found[f"{what}_gain"] = found[f"flow_{what}"] - found[f"residual_{what}"]
        found[f"in_turn_{what}_gain"] = found[f"in_turn_{what}"] - found[f"residual_{what}"]
    return found


def _robustness(
    module: nn.Module,
    task: Task,
    structure: Structure,
    states: list[np.ndarray],
    attack: float,
    noise: float,
    seed: int,
) -> dict[str, float]:
    subject = subject_of(module, task)
    x, lengths = subject.encode(task.test)
    targets = torch.from_numpy(task.test.targets)
    x.requires_grad_(True)
    loss = nn.functional.cross_entropy(subject.scores(x, lengths), targets)
    (slope,) = torch.autograd.grad(loss, x)
    clean = x.detach()
    size = float(clean.max() - clean.min())
    draw = torch.from_numpy(generator(seed, "noise").normal(size=clean.shape))
    versions = {
        "clean": clean, "attacked": clean + attack * size * slope.sign(),
        "noisy": clean + noise * size * draw,
    }  # fmt: skip
    with torch.no_grad():
        found = {
            name: float((subject.scores(given, lengths).argmax(1) == targets).double().mean())
            for name, given in versions.items()
        }
        by_layer = torch.cat(subject.states(clean[:400], lengths[:400])[:-1], dim=1)
    place = np.argsort(np.argsort(structure.layer, kind="stable"))
    apart = [torch.pdist(by_layer[:, place[units]]).clamp_min(1e-9) for units in states]
    steps = [float((far / near).max()) for near, far in pairwise(apart)]
    return found | {"growth": float((apart[-1] / apart[0]).max()), "step_growth": max(steps)}


def _slopes(subject: Subject, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Derivatives of all units by the inputs."""
    return jacobians(lambda z: torch.cat(subject.states(z, lengths)[:-1], dim=1), x)


@STUDIES.register("expansion")
def expansion(*, seed: int, width: int = 32, steps: int = 8) -> dict[str, float]:
    """By how much fresh chains bring states apart: a gradient flow, and the same with weights of its own.

    Parameters
    ----------
    seed : int
    width, steps : int

    Returns
    -------
    dict of str to float
        The largest spectral norm of the chain's Jacobian over 8 random inputs.
    """
    digits = load_task("digits")
    flow = DiscretisedODE(lift=width, width=width, steps=steps, field=width, flow="gradient-flow")
    structure = flow.sample(seed, family="mlp")
    plain = replace(structure, attributes={}, residual=np.zeros_like(structure.residual))
    found = {}
    for name, chosen in (("flow", structure), ("plain", plain)):
        subject = subject_of(build_module(chosen, digits, seed=seed), digits)
        x, lengths = subject.encode(digits.test)
        place = np.argsort(np.argsort(chosen.layer, kind="stable"))
        ends = (width + np.arange(width), chosen.num_units - width + np.arange(width))
        by_input = _slopes(subject, x[:8], lengths[:8])  # [8, N, inputs]
        norms = []
        for slopes in by_input:
            first, last = (slopes[place[units]] for units in ends)
            # What the last state makes of a direction that the first one can take.
            norms.append(float(torch.linalg.matrix_norm(last @ torch.linalg.pinv(first, rtol=1e-6), ord=2)))
        found[name] = max(norms)
    return found | {"plain_less_flow": found["plain"] - found["flow"]}
