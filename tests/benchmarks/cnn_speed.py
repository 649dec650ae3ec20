"""CPU milliseconds of a training step of convolutional networks: a convolution an edge, and the package.

Run: python tests/benchmarks/cnn_speed.py [--steps 4] [--size 28]

The plain way has a convolution for each edge and a normalisation for each unit. The package computes the
narrow units of a layer by one masked convolution, keeps channels last in memory, and may calculate in
bfloat16. All train the same networks on the same batch of 128 images, in alternation; the figures are
medians. Both ways give the same scores, which is checked first.
"""

from __future__ import annotations

import argparse
import statistics
import time

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct import Structure
from nnstruct.modules import build_module
from nnstruct.modules.cnn.module import CNN
from nnstruct.tasks import Task

BATCH, CLASSES = 128, 10


class EdgeByEdge(nn.Module):
    """A 3 x 3 convolution for each edge, taking the values of a :class:`CNN`."""

    def __init__(self, module: CNN) -> None:
        super().__init__()
        structure = self.structure = module.structure
        values = module.parameters_by_name()
        self.stage = structure.attributes.get("stage", (0,) * structure.num_units)
        channels = structure.attributes.get("channels", (1,) * structure.num_units)
        self.kernels, self.stems = nn.ParameterDict(), nn.ParameterDict()
        for edge, (source, target) in enumerate(structure.edge_index.T.tolist()):
            a, b = channels[source], channels[target]
            row = torch.tensor(values["weight"][edge, : 9 * a * b])
            self.kernels[f"{source}-{target}"] = row.view(a, b, 3, 3).transpose(0, 1).contiguous()
        for row, unit in enumerate(np.flatnonzero(structure.inputs).tolist()):
            kernel = torch.tensor(values["input_weight"][row])
            self.stems[str(unit)] = kernel.view(len(kernel), -1, 3, 3).transpose(0, 1).contiguous()
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        self.readout = module.readout

    def forward(self, image: Tensor) -> Tensor:
        maps: dict[int, Tensor] = {}
        for unit in np.argsort(self.structure.layer, kind="stable").tolist():
            parts = []
            if self.structure.inputs[unit]:
                stride = 2 ** self.stage[unit]
                parts.append(functional.conv2d(image, self.stems[str(unit)], stride=stride, padding=1))
            for source in self.structure.edge_index[0, self.structure.edge_index[1] == unit].tolist():
                stride = 2 ** (self.stage[unit] - self.stage[source])
                kernel = self.kernels[f"{source}-{unit}"]
                parts.append(functional.conv2d(maps[source], kernel, stride=stride, padding=1))
            maps[unit] = torch.relu(self.norms[unit](sum(parts[1:], parts[0])))
        means = [maps[unit].mean((2, 3)) for unit in np.flatnonzero(self.structure.outputs).tolist()]
        return self.readout(torch.cat(means, 1))


def structures() -> dict[str, Structure]:
    """Channel graphs and cell graphs of two stages."""
    found = {}
    for name, units, neighbours, channels in (
        ("60 channels", 60, 4, 1), ("120 channels", 120, 4, 1), ("12 cells of 8 and 16", 12, 2, 8),
        ("8 cells of 32 and 64", 8, 2, 32),
    ):  # fmt: skip
        plain = Structure.from_networkx(nx.barabasi_albert_graph(units, neighbours, seed=0), family="cnn")
        stage = (plain.layer >= plain.num_layers // 2).astype(int).tolist()
        attributes = {"stage": stage, "channels": [channels << s if channels > 1 else 1 for s in stage]}
        found[name] = Structure(plain.edge_index, units, family="cnn", attributes=attributes)
    return found


def step_seconds(module: nn.Module, images: Tensor, targets: Tensor, *, half: bool) -> float:
    optimizer = torch.optim.Adam(module.parameters())
    begin = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        scores = module(images)
    functional.cross_entropy(scores.float(), targets).backward()
    optimizer.step()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--size", type=int, default=28)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(BATCH, 1, options.size, options.size))
    task = Task.from_splits("noise", *[(pixels, np.arange(BATCH) % CLASSES)] * 3)
    images, targets = torch.from_numpy(task.train.inputs), torch.from_numpy(task.train.targets)
    print(f"{'network':22} {'edges':>6} {'an edge':>9} {'package':>9} {'bfloat16':>9}  ms a step")
    for name, structure in structures().items():
        modules = [build_module(structure, task) for _ in range(2)]
        plain = EdgeByEdge(modules[0])
        with torch.no_grad():
            torch.testing.assert_close(plain(images), modules[0](images), rtol=1e-3, atol=1e-3)
        runs = [(plain, False), (modules[0], False), (modules[1], True)]
        seconds: list[list[float]] = [[] for _ in runs]
        for _ in range(options.steps + 1):
            for found, (module, half) in zip(seconds, runs, strict=True):
                found.append(step_seconds(module, images, targets, half=half))
        medians = [1e3 * statistics.median(found[1:]) for found in seconds]
        print(f"{name:22} {structure.num_edges:6d} " + " ".join(f"{ms:9.1f}" for ms in medians), flush=True)


if __name__ == "__main__":
    main()
