"""Training pruned networks: a loop over the weights that are left against PyTorch with masks.

Run: python tests/benchmarks/pruning_speed.py [--data DIR] [--densities 0.5 0.05] [--epochs 1] [--repeats 3]

CPU seconds an epoch with one thread, medians of runs in alternation, and the ratio. Perceptrons learn MNIST
(55,000 images, batches of 128) where a data directory has it, else the digits of 8 x 8 pixels; recurrent
networks learn the Reber grammar (4,000 strings, batches of 64). The masks are fixed, or move now and then by
SET or RigL.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from unittest import mock

import torch

from nnstruct import TrainConfig, load_task
from nnstruct.pruning import fit, load_pruner, prune, starting_network
from nnstruct.pruning.training import updates
from nnstruct.pruning.training.choice import compiled_module


def by_pytorch(train: Callable[[], object]) -> None:
    """A training without a compiled loop."""
    with mock.patch.object(updates, "compiled_module", return_value=None):
        train()


def seconds(train: Callable[[], object]) -> float:
    started = time.process_time()
    train()
    return time.process_time() - started


def compare(case: str, train: Callable[[], object], options: argparse.Namespace) -> None:
    """Print the medians of a training's two ways, run in turns."""
    train()  # compiles, and fills the caches
    by_pytorch(train)
    ours, theirs = [], []
    for _ in range(options.repeats):
        ours.append(seconds(train))
        theirs.append(seconds(partial(by_pytorch, train)))
    loop, plain = (statistics.median(times) / options.epochs for times in (ours, theirs))
    print(f"| {case} | {loop:.3f} | {plain:.3f} | {plain / loop:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("NNSTRUCT_DATA"))
    parser.add_argument("--networks", nargs="+", help="some of them only")
    parser.add_argument("--densities", type=float, nargs="+", default=[0.5, 0.2, 0.1, 0.05, 0.01, 0.0015])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load_task("mnist", data=options.data) if options.data else load_task("digits")
    strings = load_task("reber")
    networks = [("lenet-300-100", images, 128), ("mlp:100", images, 128)]
    networks += [(f"{cell}:50-50-50", strings, 64) for cell in ("rnn_tanh", "rnn_relu", "gru", "lstm")]
    print("| network | task | masks | density | loop, s an epoch | PyTorch | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, task, batch_size in [x for x in networks if x[0] in (options.networks or x)]:
        config = TrainConfig(epochs=options.epochs, batch_size=batch_size)
        start = starting_network(name, task, config=config)
        for density, masks in product(options.densities, ("fixed", "set", "rigl")):
            case = f"{name} | {task.name} | {masks} | {100 * density:g}%"
            sparse = prune(start, density, method="magnitude-class-blind")
            if compiled_module(sparse, task, config) is None:
                print(f"| {case} | none here | | |")
            elif masks == "fixed":
                compare(case, partial(fit, sparse, task, config), options)
            else:
                moving = load_pruner(masks)
                compare(case, partial(moving.run, start, density, task=task, config=config), options)


if __name__ == "__main__":
    main()
