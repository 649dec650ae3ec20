"""``mup`` with SGD against MuSGD as microsoft/mup defines it, written down here once more, layer by layer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.modules import build_module
from nnstruct.population.reference import Training
from nnstruct.probes.subject import subject_of
from nnstruct.tasks import Task

BASE = 8
RNG = np.random.default_rng(0)
VECTORS = Task.from_arrays("vectors", RNG.normal(size=(90, 6)), RNG.integers(0, 3, size=90))
# Which of three hidden layers grow; the others keep the base width.
GROWS = {"all": (1, 1, 1), "first": (1, 0, 0), "second": (0, 1, 0), "third": (0, 0, 1)}


class MuSGD:
    """A perceptron in the parameters of microsoft/mup: multipliers in the forward pass, rates by shape.

    A dimension is infinite where it can grow, with its ratio to the base width. A layer from an infinite to a
    finite one is a MuReadout, whose input is divided by the ratio. MuSGD multiplies the rate of what has one
    infinite dimension by its ratio, and divides that of what has two by fan-in ratio over fan-out ratio.
    """

    def __init__(self, matrices: list[torch.Tensor], biases: list[torch.Tensor], grows: list[bool]) -> None:
        sizes = [matrices[0].shape[1], *(len(matrix) for matrix in matrices)]
        ratio = [size / BASE if grown else 1.0 for size, grown in zip(sizes, grows, strict=True)]
        self.parameters, self.multipliers, self.rates = [], [], []
        for layer, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
            into, out = grows[layer], grows[layer + 1]
            self.multipliers.append(1 / ratio[layer] if into and not out else 1.0)
            self.parameters += [matrix / self.multipliers[-1], bias.clone()]
            infinite = {
                0: 1.0, 1: ratio[layer] if into else ratio[layer + 1], 2: ratio[layer + 1] / ratio[layer],
            }  # fmt: skip
            self.rates += [infinite[into + out], ratio[layer + 1] if out else 1.0]

    def states(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for layer, multiplier in enumerate(self.multipliers):
            x = (multiplier * x) @ self.parameters[2 * layer].T + self.parameters[2 * layer + 1]
            x = torch.relu(x) if layer < len(self.multipliers) - 1 else x
            found.append(x)
        return found

    def step(self, x: torch.Tensor, y: torch.Tensor, rate: float) -> None:
        parameters = [parameter.requires_grad_() for parameter in self.parameters]
        loss = torch.nn.functional.cross_entropy(self.states(x)[-1], y)
        slopes = torch.autograd.grad(loss, parameters)
        self.parameters = [
            (parameter - rate * factor * slope).detach()
            for parameter, factor, slope in zip(parameters, self.rates, slopes, strict=True)
        ]


def layers_of(module, structure: Structure) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The matrices and biases of a perceptron of layers, the read-out's last."""
    held = {name: torch.tensor(value).double() for name, value in module.parameters_by_name().items()}
    dense = torch.zeros(structure.num_units, structure.num_units, dtype=torch.float64)
    source, target = torch.tensor(structure.edge_index)
    dense[target, source] = held["weight"][:, 0]
    layer = structure.layer
    units = [np.flatnonzero(layer == number) for number in range(int(layer.max()) + 1)]
    matrices = [held["input_weight"][:, :, 0]]
    matrices += [dense[to][:, start] for start, to in pairwise(units)]
    biases = [held["bias"][unit, 0] for unit in units] + [held["readout_bias"]]
    return [*matrices, held["readout_weight"]], biases


def drawn(widths: list[int], grows: list[bool], seed: int, zero: bool = False) -> MuSGD:
    """Their initial values: He's for hidden weights; a MuReadout starts by the base width, or at zero."""
    generator = torch.Generator().manual_seed(seed)
    sizes, matrices = [6, *widths, 3], []
    for (fan_in, fan_out), (into, out) in zip(pairwise(sizes), pairwise(grows), strict=True):
        gain = 2.0 if len(matrices) < len(widths) else 1.0
        matrix = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
        smaller = BASE / fan_in if into and not out else 1.0
        matrices.append(matrix * (gain / fan_in * smaller) ** 0.5)
    if zero:
        matrices[-1] = 0 * matrices[-1]
    return MuSGD(matrices, [torch.zeros(len(matrix), dtype=torch.float64) for matrix in matrices], grows)


@pytest.mark.parametrize("name", GROWS)
def test_steps_are_those_of_musgd_whichever_layers_grow(name):
    grows = [bool(grown) for grown in GROWS[name]]
    widths = [5 * BASE if grown else BASE for grown in grows]
    structure = Structure.from_layers(widths)
    config = TrainConfig(
        parametrization="mup", base_width=BASE, optimizer="sgd", learning_rate=0.1, clip_norm=1e6,
        batch_size=90, epochs=4, momentum=0.0,
    )  # fmt: skip
    training = Training(structure, VECTORS, config, 0)
    x = torch.from_numpy(VECTORS.train.inputs).double()
    y = torch.from_numpy(VECTORS.train.targets)
    theirs = MuSGD(*layers_of(training.module, structure), [False, *grows, False])
    start = theirs.states(x)
    for epoch in range(config.epochs):
        for _ in training.epoch(epoch):
            theirs.step(x, y, config.learning_rate)
    subject = subject_of(training.module, VECTORS)
    with torch.no_grad():
        ours = subject.states(*subject.encode(VECTORS.train))
    for mine, other, before in zip(ours, theirs.states(x), start, strict=True):
        assert float((other - before).abs().mean()) > 1e-3
        torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GROWS)
def test_initial_values_go_with_the_widths_as_theirs(name):
    grows = [bool(grown) for grown in GROWS[name]]
    config = TrainConfig(parametrization="mup", base_width=BASE, optimizer="sgd")
    size = {}
    for width in (BASE, 16 * BASE):
        widths = [width if grown else BASE for grown in grows]
        structure = Structure.from_layers(widths)
        ours, _ = layers_of(build_module(structure, VECTORS, config, seed=1), structure)
        made = drawn(widths, [False, *grows, False], seed=1)
        theirs = [
            multiplier * matrix
            for multiplier, matrix in zip(made.multipliers, made.parameters[::2], strict=True)
        ]
        size[width] = [
            float(torch.log(mine.std() / other.std())) for mine, other in zip(ours, theirs, strict=True)
        ]
    np.testing.assert_allclose(size[16 * BASE], size[BASE], atol=0.35)


def slopes(grows: list[bool], steps: int, zero: bool = False) -> np.ndarray:
    """Exponents of the mean change of each layer and the scores from 64 to 4,096 units."""
    x = torch.from_numpy(VECTORS.train.inputs).double()
    y, changes = torch.from_numpy(VECTORS.train.targets), []
    for width in (64, 4096):
        found = []
        for seed in range(16):
            net = drawn([width if grown else BASE for grown in grows], [False, *grows, False], seed, zero)
            before = net.states(x)
            for _ in range(steps):
                net.step(x, y, 0.1)
            pairs = zip(net.states(x), before, strict=True)
            found.append([float((new.detach() - old.detach()).abs().mean()) for new, old in pairs])
        changes.append(np.log(found).mean(0))
    return (changes[1] - changes[0]) / np.log(64)


def test_only_layers_below_the_growing_one_change_less_and_only_at_first():
    """A + B / sqrt(width), where A is 0 at the first step: see :mod:`nnstruct.modules.mup`."""
    third = [False, False, True]
    first, later = slopes(third, 1), slopes(third, 12)
    assert ((first[:2] > -0.7) & (first[:2] < -0.45)).all()
    assert (first[2:] > -0.25).all()
    assert (later[:2] > first[:2] + 0.2).all()
    assert np.abs(later[2:]).max() < 0.2
    assert np.abs(slopes(third, 3, zero=True)).max() < 0.1  # a read-out that starts at 0 has no B
    assert np.abs(slopes([True, False, False], 3)).max() < 0.25  # nothing lies below
