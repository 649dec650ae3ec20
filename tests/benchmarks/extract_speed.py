"""Time and memory of ``extract``, in one run.

    python tests/benchmarks/extract_speed.py [--repeats 5]

Prints, for the two modules that deepstruct's converter was timed on, the best seconds of several
runs, the ratio to deepstruct (its seconds are a constant here: 14.4 and 104 on a 2-core x86-64
machine with PyTorch 2.13) and to a plain loop over edges into networkx measured in this run; the
peak of memory for each edge beyond the weights, as ``tracemalloc`` counts it; and the seconds of a
module of ResNet-18's size at unit resolution. The first extraction of a process also loads
``torch.export``; it is shown apart.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from itertools import product

import networkx as nx
import torch
from torch import nn

from nnstruct.extract import extract

DEEPSTRUCT_SECONDS = {"mlp": 14.4, "conv": 104.0}
BYTES_PER_EDGE = 40


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.short(x))


def resnet18() -> nn.Module:
    stages = [
        (64, 64, 1),
        (64, 64, 1),
        (64, 128, 2),
        (128, 128, 1),
        (128, 256, 2),
        (256, 256, 1),
        (256, 512, 2),
    ]
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *[Block(*stage) for stage in stages], Block(512, 512, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3))


def loop_over_edges(module: nn.Sequential, side: int) -> nx.DiGraph:
    """The plain way: one Python iteration for each edge of linear layers and convolutions."""
    graph = nx.DiGraph()
    for place, layer in enumerate(module):
        if isinstance(layer, nn.Linear):
            for target, row in enumerate(layer.weight.tolist()):
                for source, weight in enumerate(row):
                    graph.add_edge((place, source), (place + 2, target), weight=weight)
        elif isinstance(layer, nn.Conv2d):
            kernel, side = layer.weight.tolist(), side - 2
            for o, c, y, x, dy, dx in product(
                range(layer.out_channels),
                range(layer.in_channels),
                range(side),
                range(side),
                range(3),
                range(3),
            ):
                graph.add_edge((place, c, y + dy, x + dx), (place + 1, o, y, x), weight=kernel[o][c][dy][dx])
    return graph


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.manual_seed(0)
    first = best_seconds(lambda: extract(nn.Linear(2, 2), torch.zeros(1, 2)), 1)
    print(f"first extraction of the process: {first:.2f} s\n")
    print(
        "module    units    edges  seconds  edges/s   deepstruct    ratio   loop, s   ratio  peak bytes/edge"
    )
    cases = [
        ("mlp", mlp(), torch.zeros(1, 784), "unit", 0),
        ("conv", convolutions(), torch.zeros(1, 1, 28, 28), "weight", 28),
    ]
    for name, module, example, resolution, side in cases:
        work = lambda m=module, x=example, r=resolution: extract(m, x, r)  # noqa: E731
        network = work()
        seconds = best_seconds(work, repeats)
        loop = best_seconds(lambda m=module, s=side: loop_over_edges(m, s), 1)
        edges, weights = network.structure.num_edges, 4 * sum(p.numel() for p in module.parameters())
        peak = (peak_bytes(work) - weights) / edges
        known = DEEPSTRUCT_SECONDS[name]
        print(
            f"{name:6s} {network.structure.num_units:8,} {edges:8,} {seconds:8.4f} {edges / seconds:8.1e}"
            f" {known:10.1f} s {known / seconds:7.0f}x {loop:9.2f} {loop / seconds:6.0f}x"
            f" {peak:10.1f} (limit {BYTES_PER_EDGE})"
        )
    module, example = resnet18(), torch.zeros(1, 3, 224, 224)
    network = extract(module, example)
    seconds = best_seconds(lambda: extract(module, example), repeats)
    print(
        f"\nResNet-18 at unit resolution: {network.structure.num_units:,} units,"
        f" {network.structure.num_edges:,} edges in {seconds:.2f} s (limit 2 s)"
    )


if __name__ == "__main__":
    main()
