"""Training pruned networks: a loop over the weights that are left against PyTorch with masks.

Run: python tests/benchmarks/pruning_speed.py [--data DIR] [--densities 0.5 0.05] [--epochs 1] [--repeats 3]

CPU seconds an epoch with one thread, medians of runs in alternation, and the ratio. Perceptrons learn MNIST
(55,000 images, batches of 128) where a data directory has it, else the digits of 8 x 8 pixels; recurrent
networks learn the Reber grammar (4,000 strings, batches of 64).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from nnstruct import TrainConfig, load_task
from nnstruct.pruning import fit, prune, starting_network
from nnstruct.pruning.compiled import compiled_module
from nnstruct.pruning.hooks import Hook
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.training import train_in_place
from nnstruct.tasks import Task


def by_pytorch(module: nn.Module, task: Task, config: TrainConfig) -> None:
    """A hook that wants to see each update keeps the compiled loop away."""
    train_in_place(copy_module(module), task, config, hooks=[Hook()])


def seconds(train: Callable[..., object], *arguments: object) -> float:
    started = time.process_time()
    train(*arguments)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("NNSTRUCT_DATA"))
    parser.add_argument("--densities", type=float, nargs="+", default=[0.5, 0.2, 0.1, 0.05, 0.01, 0.0015])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load_task("mnist", data=options.data) if options.data else load_task("digits")
    strings = load_task("reber")
    cases = [("lenet-300-100", images, 128), ("mlp:100", images, 128)]
    cases += [(f"{cell}:50-50-50", strings, 64) for cell in ("rnn_tanh", "rnn_relu", "gru", "lstm")]
    print("| network | task | density | loop, s an epoch | PyTorch | ratio |")
    print("|---|---|---|---|---|---|")
    for name, task, batch_size in cases:
        config = TrainConfig(epochs=options.epochs, batch_size=batch_size)
        start = starting_network(name, task, config=config)
        for density in options.densities:
            sparse = prune(start, density, method="magnitude-class-blind")
            if compiled_module(sparse, task, config) is None:
                print(f"| {name} | {task.name} | {100 * density:g}% | none here | | |")
                continue
            fit(sparse, task, config)  # compiles, and fills the caches
            ours, theirs = [], []
            for _ in range(options.repeats):
                ours.append(seconds(fit, sparse, task, config))
                theirs.append(seconds(by_pytorch, sparse, task, config))
            loop, plain = (statistics.median(times) / options.epochs for times in (ours, theirs))
            times = f"{loop:.3f} | {plain:.3f} | {plain / loop:.1f}"
            print(f"| {name} | {task.name} | {100 * density:g}% | {times} |", flush=True)


if __name__ == "__main__":
    main()
