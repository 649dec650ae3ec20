"""CPU seconds for one epoch of one network: the compiled engine against the plain PyTorch module.

Run: python tests/benchmarks/engine_speed.py [--protocol faithful] [--strings 1024] [--repeats 3]

Both train the same networks on the same batches in alternation; the figures are medians of CPU
seconds, scaled to the paper's 18,750 strings, and the ratio of the two.
"""

from __future__ import annotations

import argparse
import statistics
import time

import networkx as nx
import numpy as np
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.families import RNN_FAMILIES
from nnstruct.population.fused.engine import train_one as fused
from nnstruct.population.reference import train_one as reference
from nnstruct.tasks import Split, Task, load_task

PAPER_STRINGS = 18_750


def shortened(task: Task, strings: int) -> Task:
    """The same task with the first strings only, and hardly any to evaluate on."""

    def head(split: Split, n: int) -> Split:
        assert split.lengths is not None
        return Split(split.inputs[:n], split.targets[:n], split.lengths[:n])

    return Task(
        task.name, head(task.train, strings), head(task.val, 2), head(task.test, 2), task.num_classes,
        task.num_symbols,
    )  # fmt: skip


def paper_graph(kind: str, units: int) -> nx.Graph:
    if kind == "BA":
        return nx.barabasi_albert_graph(units, units // 10, seed=0)
    return nx.connected_watts_strogatz_graph(units, max(2, units // 5), 1.0, tries=10, seed=0)


def cpu_seconds(train_one, *arguments) -> float:  # type: ignore[no-untyped-def]
    started = time.process_time()
    train_one(*arguments)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--protocol", default="faithful", choices=["clean", "faithful", "corrected"])
    parser.add_argument("--strings", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--units", type=int, nargs="*", default=[12, 30, 48])
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = shortened(load_task("reber", train=4000, val=100, test=100), options.strings)
    config = TrainConfig(protocol=options.protocol, epochs=1, batch_size=128)
    scale = PAPER_STRINGS / options.strings
    print(f"{options.protocol} protocol, CPU seconds a network-epoch of {PAPER_STRINGS} strings")
    print(f"{'cell':10}{'graph':8}{'units':>6}{'plain':>10}{'fused':>10}{'ratio':>8}")
    ratios: dict[str, list[float]] = {}
    for family in RNN_FAMILIES:
        for kind in ("BA", "WS"):
            for units in options.units:
                structure = Structure.from_networkx(paper_graph(kind, units), family=family)
                fused(structure, task, config, 0)  # compiled, or loaded from the cache
                plain_times, fused_times = [], []
                for repeat in range(options.repeats):
                    fused_times += [cpu_seconds(fused, structure, task, config, repeat) for _ in range(3)]
                    plain_times.append(cpu_seconds(reference, structure, task, config, repeat))
                plain_s, fused_s = statistics.median(plain_times), statistics.median(fused_times)
                ratios.setdefault(family, []).append(plain_s / fused_s)
                row = f"{plain_s * scale:10.2f}{fused_s * scale:10.3f}{plain_s / fused_s:8.0f}"
                print(f"{family:10}{kind:8}{units:6}{row}", flush=True)
    for family, values in ratios.items():
        print(f"{family}: geometric mean of the ratios {np.exp(np.mean(np.log(values))):.0f}")


if __name__ == "__main__":
    main()
