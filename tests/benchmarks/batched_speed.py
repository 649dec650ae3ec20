"""Networks per second of the batched engine, against the compiled and the plain one in the same run.

Run: python tests/benchmarks/batched_speed.py [--device cuda] [--populations 256 1024 4096]

All train the paper's kind of graphs (Barabasi-Albert and Watts-Strogatz, 10 to 50 units). Seconds are
wall-clock seconds of a GPU or CPU seconds of one core; for the other two engines always of one core, over
a few of the same networks. Rates are scaled to 15 epochs of the paper's 18,750 strings. The first epoch
sets up libraries, on a GPU the second one graphs; they are left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from engine_speed import PAPER_STRINGS, shortened

from nnstruct import TrainConfig
from nnstruct.population import Job
from nnstruct.population.batched.models import make_model
from nnstruct.population.batched.population import Population
from nnstruct.population.fused.engine import train_one as fused
from nnstruct.population.reference import train_one as reference
from nnstruct.priors import stier2021
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task, load_task

PAPER_EPOCHS = 15


def paper_jobs(family: str, count: int) -> list[Job]:
    """Structures of the paper's priors, the largest first."""
    structures = stier2021(count, seed=0, family=family)
    return [Job(s, 0) for s in sorted(structures, key=lambda s: (s.num_layers, s.num_units), reverse=True)]


def batched_seconds(jobs: list[Job], task: Task, config: TrainConfig, device: str) -> tuple[float, float]:
    """Seconds of one epoch after those that set things up, and bytes at the peak (0 on the CPU)."""
    on_gpu = device != "cpu"
    model = make_model([job.structure for job in jobs], task, config, device)
    population = Population(jobs, model, task, config, device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    for epoch in range(2 if on_gpu else 1):
        population.train_epoch(epoch)
    clock = time.perf_counter if on_gpu else time.process_time
    started = clock()
    for epoch in range(config.epochs):
        population.train_epoch(epoch)  # reads the losses back, so that it ends when the device does
    seconds = (clock() - started) / config.epochs
    return seconds, torch.cuda.max_memory_allocated(device) if on_gpu else 0.0


def core_seconds(train_one: Callable, jobs: list[Job], count: int, task: Task, config: TrainConfig) -> float:
    """CPU seconds of an epoch of one network, over a few from the largest to the smallest."""
    chosen = [jobs[i] for i in np.linspace(0, len(jobs) - 1, count).astype(int)]
    train_one(chosen[-1].structure, task, config, 0)  # compiled, or loaded from the cache
    started = time.process_time()
    for structure, seed in chosen:
        train_one(structure, task, config, seed)
    return (time.process_time() - started) / len(chosen) / config.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--populations", type=int, nargs="*")
    parser.add_argument("--families", nargs="*", default=list(RNN_FAMILIES), choices=RNN_FAMILIES)
    parser.add_argument("--strings", type=int)
    parser.add_argument("--tf32", action="store_true", help="let the GPU round factors to 10 bits")
    options = parser.parse_args()
    on_gpu = options.device != "cpu"
    torch.set_num_threads(1)
    if options.tf32:
        torch.set_float32_matmul_precision("high")
    strings = options.strings or (4000 if on_gpu else 256)
    task = shortened(load_task("reber", train=max(strings, 100), val=100, test=100), strings)
    config = TrainConfig(epochs=1, batch_size=128)
    scale = PAPER_EPOCHS * PAPER_STRINGS / strings
    name = torch.cuda.get_device_name(options.device) if on_gpu else "CPU, one thread"
    print(f"clean protocol on {name}; networks per second of {PAPER_EPOCHS} epochs")
    print(
        f"{'cell':10}{'P':>6}{'batched':>12}{'fused':>12}{'reference':>12}{'x fused':>9}{'x ref':>9}{'GB':>7}"
    )
    for family in options.families:
        sizes = options.populations or ([256, 1024, 4096] if on_gpu else [8, 32])
        jobs = paper_jobs(family, max(sizes))
        core = core_seconds(fused, jobs, 5, task, config), core_seconds(reference, jobs, 2, task, config)
        for size in sizes:
            chosen = [jobs[i] for i in np.linspace(0, len(jobs) - 1, size).astype(int)]
            seconds, held = batched_seconds(chosen, task, config, options.device)
            rates = size / (seconds * scale), *(1 / (own * scale) for own in core)
            row = "".join(f"{rate:12.4g}" for rate in rates)
            ratios = f"{rates[0] / rates[1]:9.2f}{rates[0] / rates[2]:9.1f}"
            print(f"{family:10}{size:6}{row}{ratios}{held / 1e9:7.1f}", flush=True)


if __name__ == "__main__":
    main()
