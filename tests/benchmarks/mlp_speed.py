"""CPU seconds for multilayer perceptrons on random graphs: the compiled engine against layer pairs.

Run: python tests/benchmarks/mlp_speed.py [--batches 16] [--units 50 100 200] [--repeats 3]

The plain way has one masked Linear for each pair of layers that an edge connects, stepped in Python
and trained by PyTorch's autograd and Adam, as libraries for sparse structures do it. ``reference`` is
the package's own module, with one masked product a layer. All train the same structures on
batches of 128 vectors of 784 values, in alternation, ten times as many of them with the compiled
engine, whose time includes drawing the weights and planning. The figures are the medians of CPU
milliseconds a batch, and geometric means of the ratios.

Graphs with few layers have few pairs of them, and little is to be gained there: PyTorch alone takes
1.5 ms to step through a dense network of two layers. They are summed up apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct import Structure, TrainConfig
from nnstruct.population import ENGINES
from nnstruct.population.batches import epoch_batches
from nnstruct.priors import PRIORS
from nnstruct.random import generator
from nnstruct.structure.space import Space
from nnstruct.tasks import Task
from nnstruct.tasks.base import Split

INPUTS, CLASSES, BATCH = 784, 10, 128


class LayerPairs(nn.Module):
    """A masked Linear for each pair of connected layers."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        sizes = structure.layer_sizes
        place = np.zeros(structure.num_units, dtype=int)
        members = [np.flatnonzero(structure.layer == layer) for layer in range(structure.num_layers)]
        for units in members:
            place[units] = np.arange(len(units))
        self.outputs = [np.flatnonzero(structure.outputs[units]) for units in members]
        self.inputs = nn.Linear(INPUTS, int(sizes[0]))
        self.pairs = nn.ModuleDict()
        self.sources: list[list[int]] = [[] for _ in sizes]
        source, target = structure.edge_index
        for a, b in sorted({*zip(structure.layer[source], structure.layer[target], strict=True)}):
            chosen = (structure.layer[source] == a) & (structure.layer[target] == b)
            mask = torch.zeros(int(sizes[b]), int(sizes[a]))
            mask[place[target[chosen]], place[source[chosen]]] = 1.0
            self.pairs[f"{a}-{b}"] = MaskedLinear(mask)
            self.sources[b].append(int(a))
        self.readout = nn.Linear(int(structure.outputs.sum()), CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        values = [torch.relu(self.inputs(inputs))]
        for layer, sources in enumerate(self.sources[1:], start=1):
            sums = self.pairs[f"{sources[0]}-{layer}"](values[sources[0]])
            for source in sources[1:]:
                sums = sums + self.pairs[f"{source}-{layer}"](values[source])
            values.append(torch.relu(sums))
        seen = [value[:, places] for value, places in zip(values, self.outputs, strict=True) if len(places)]
        return self.readout(torch.cat(seen, 1))


class MaskedLinear(nn.Linear):
    """A Linear whose weight is multiplied by a mask each time."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(*mask.shape[::-1])
        self.register_buffer("mask", mask)

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.linear(inputs, self.weight * self.mask, self.bias)


def train_by_layer_pairs(structure: Structure, task: Task, config: TrainConfig, seed: int) -> None:
    """An epoch without evaluation."""
    module = LayerPairs(structure)
    optimiser = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
    inputs, targets = torch.from_numpy(task.train.inputs), torch.from_numpy(task.train.targets)
    for batch in epoch_batches(task.train, config, seed, 0):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(inputs[batch]), targets[batch]).backward()
        nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
        optimiser.step()


def random_task(batches: int) -> Task:
    """Vectors of which four fifths are zero, and hardly any to evaluate on."""
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        inputs = rng.random((n, INPUTS), dtype=np.float32) * (rng.random((n, INPUTS)) < 0.2)
        return Split(inputs.astype(np.float32), rng.integers(0, CLASSES, n))

    return Task("random", split(batches * BATCH), split(2), split(2), CLASSES)


def milliseconds(train_one: Callable[..., object], structure: Structure, task: Task, seed: int) -> float:
    started = time.process_time()
    train_one(structure, task, TrainConfig(epochs=1, batch_size=BATCH), seed)
    return (time.process_time() - started) / len(task.train) * BATCH * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batches", type=int, default=16)
    parser.add_argument("--units", type=int, nargs="*", default=[50, 100, 200])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    few, many = random_task(options.batches), random_task(10 * options.batches)
    ways: dict[str, tuple[Callable[..., object], Task]] = {
        "pairs": (train_by_layer_pairs, few),
        "reference": (ENGINES["reference"].train_one, few),
        "fused": (ENGINES["fused"].train_one, many),
    }
    print(f"{'prior':26}{'units':>6}{'layers':>7}{'pairs':>6}{'in':>5}{'edges':>7}", end="")
    print("".join(f"{name:>11}" for name in ways), "    ratio   of reference   (CPU ms a batch)")
    ratios: dict[bool, list[float]] = {False: [], True: []}
    for name in PRIORS:
        of_prior: list[float] = []
        for units in options.units:
            prior = PRIORS[name].draw(Space("mlp", units=(units, units)), generator(0, "speed", name, units))
            structure = prior.sample(0, family="mlp")
            times: dict[str, list[float]] = {way: [] for way in ways}
            for train_one, task in ways.values():
                milliseconds(train_one, structure, task, 0)  # compiled, caches warm
            for repeat in range(options.repeats):
                for way, (train_one, task) in ways.items():
                    times[way].append(milliseconds(train_one, structure, task, repeat))
            pairs, reference, fused = (statistics.median(found) for found in times.values())
            of_prior.append(pairs / fused)
            source, target = structure.layer[structure.edge_index]
            count = len({*zip(source, target, strict=True)})
            ratios[count > structure.num_layers].append(pairs / fused)
            print(
                f"{name:26}{units:6}{structure.num_layers:7}{count:6}{structure.inputs.sum():5}"
                f"{structure.num_edges:7}{pairs:11.2f}{reference:11.2f}{fused:11.3f}{pairs / fused:9.0f}"
                f"{reference / fused:15.0f}",
                flush=True,
            )
        print(f"{name:26}geometric mean of the ratios {geometric_mean(of_prior):.0f}")
    for skips, kind in ((True, "more pairs than layers"), (False, "no more pairs than layers")):
        found = ratios[skips]
        print(
            f"{len(found)} structures with {kind}: "
            f"geometric mean {geometric_mean(found):.0f}, lowest {min(found):.0f}"
        )


def geometric_mean(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


if __name__ == "__main__":
    main()
