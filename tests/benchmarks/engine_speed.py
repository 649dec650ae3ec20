"""CPU seconds for one epoch of one network: the compiled engines against the plain PyTorch module.

Run: python tests/benchmarks/engine_speed.py [--protocol faithful] [--strings 1024] [--repeats 3] [--kinds]

All train the same networks in alternation: the compiled engines on the paper's 18,750 strings, the
plain module on the first of them. The figures are medians of CPU seconds, scaled to the paper's
strings, and their ratios. The compiled engines train for two epochs, among which whatever they spend
once for a network is divided; in a real training there are more.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import networkx as nx
import numpy as np
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.population import native
from nnstruct.population.batched.engine import train_one as train_batched
from nnstruct.population.fused.engine import train_one as train_fused
from nnstruct.population.native.engine import train_one as train_native
from nnstruct.population.outcome import Outcome
from nnstruct.population.reference import train_one as train_plain
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES
from nnstruct.tasks import Split, Task, load_task

PAPER_STRINGS = 18_750
TrainOne = Callable[[Structure, Task, TrainConfig, int], Outcome]


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


def cpu_seconds(
    train_one: TrainOne, structure: Structure, task: Task, config: TrainConfig, seed: int
) -> float:
    started = time.process_time()
    train_one(structure, task, config, seed)
    return time.process_time() - started


def epoch_seconds(
    train_one: TrainOne, structure: Structure, task: Task, config: TrainConfig, seed: int
) -> float:
    """CPU seconds for an epoch of the paper's size."""
    seconds = cpu_seconds(train_one, structure, task, config, seed)
    return seconds / config.epochs * PAPER_STRINGS / len(task.train)


def kinds(strings: int) -> dict[str, Task]:
    """Random data of one length for each kind of task, so that all have the same number of steps."""
    rng, length = np.random.default_rng(0), 30
    symbols = rng.integers(1, 8, size=(strings + 20, length))
    series = rng.normal(size=(strings + 20, length, 1))
    classes, steps = rng.integers(2, size=strings + 20), rng.integers(7, size=(strings + 20, length))
    cuts = [slice(0, strings), slice(strings, strings + 10), slice(strings + 10, None)]

    def task(inputs: np.ndarray, targets: np.ndarray | None, **options: object) -> Task:
        parts = [(inputs[cut], None if targets is None else targets[cut]) for cut in cuts]
        sequences = inputs.ndim == 2
        return Task.from_splits("random", *parts, sequences=sequences, series=not sequences, **options)

    return {
        "classification": task(symbols, classes),
        "weighted classes": task(symbols, classes, class_weights=[1.0, 2.0]),
        "series": task(series, classes),
        "regression": task(series, rng.normal(size=(strings + 20, 2)), kind="regression"),
        "labelling": task(symbols, steps, kind="sequence-labelling"),
        "series labelling": task(series, steps, kind="sequence-labelling"),
    }


def compare_kinds(engines: dict[str, TrainOne], families: list[str], repeats: int) -> None:
    """Nanoseconds for a multiply-add of an epoch, by kind, and the ratio to plain classification."""
    config = TrainConfig(epochs=4, batch_size=128)
    for family in families:
        structure = Structure.from_networkx(paper_graph("WS", 30), family=family)
        tasks = kinds(2048)
        for name, train_one in engines.items():
            times: dict[str, list[float]] = {kind: [] for kind in tasks}
            for repeat in range(-1, repeats):  # the first compiles, or loads, and does not count
                for kind, task in tasks.items():
                    seconds = cpu_seconds(train_one, structure, task, config, max(repeat, 0))
                    times[kind] += [seconds] * (repeat >= 0)
            plain = 0.0
            for kind, task in tasks.items():
                gates, read = FAMILIES[family].gates, int(structure.outputs.sum()) * task.num_outputs
                channels = task.input_shape[1] if task.is_series else 0
                adds = gates * (structure.num_edges + channels * int(structure.inputs.sum()))
                adds += read if task.goal.every_step else 0
                spent = statistics.median(times[kind]) / (config.epochs * len(task.train) * 30 * adds) * 1e9
                plain = plain or spent
                print(f"{family:10}{name:8}{kind:18}{spent:8.4f} ns{spent / plain:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--protocol", default="faithful", choices=["clean", "faithful", "corrected"])
    parser.add_argument("--strings", type=int, default=1024, help="for the plain module")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--units", type=int, nargs="*", default=[12, 30, 48])
    parser.add_argument("--families", nargs="*", default=list(RNN_FAMILIES))
    parser.add_argument("--kinds", action="store_true", help="compare the kinds of tasks, and nothing else")
    parser.add_argument(
        "--engines", nargs="*", default=["fused", "native"], help="among fused, native and batched"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    engines: dict[str, TrainOne] = {"fused": train_fused, "batched": train_batched}
    if native.available():
        engines["native"] = train_native
    else:
        print(f"no native engine: {native.unavailable_reason()}")
    engines = {name: train_one for name, train_one in engines.items() if name in options.engines}
    if options.kinds:
        compare_kinds(engines, options.families, options.repeats)
        return
    full = shortened(load_task("reber", train=PAPER_STRINGS, val=100, test=100), PAPER_STRINGS)
    few, first = shortened(full, options.strings), shortened(full, 128)
    once, twice = (TrainConfig(protocol=options.protocol, epochs=n, batch_size=128) for n in (1, 2))
    print(f"{options.protocol} protocol, CPU seconds a network-epoch of {PAPER_STRINGS} strings")
    header = "".join(f"{name:>10}{'ratio':>8}" for name in engines)
    print(f"{'cell':10}{'graph':8}{'units':>6}{'plain':>10}{header}")
    ratios: dict[str, dict[str, list[float]]] = {}
    for family in options.families:
        of_family = ratios.setdefault(family, {name: [] for name in engines})
        for kind in ("BA", "WS"):
            for units in options.units:
                structure = Structure.from_networkx(paper_graph(kind, units), family=family)
                for train_one in (train_plain, *engines.values()):
                    train_one(structure, first, once, 0)  # imported; compiled, or loaded from the cache
                times: dict[str, list[float]] = {name: [] for name in ("plain", *engines)}
                for repeat in range(options.repeats):
                    for name, train_one in engines.items():
                        times[name].append(epoch_seconds(train_one, structure, full, twice, repeat))
                    times["plain"].append(epoch_seconds(train_plain, structure, few, once, repeat))
                median = {name: statistics.median(values) for name, values in times.items()}
                row = f"{family:10}{kind:8}{units:6}{median['plain']:10.2f}"
                for name in engines:
                    of_family[name].append(median["plain"] / median[name])
                    row += f"{median[name]:10.4f}{of_family[name][-1]:8.0f}"
                print(row, flush=True)
    for family, of_family in ratios.items():
        means = ", ".join(
            f"{name} {np.exp(np.mean(np.log(values))):.0f}" for name, values in of_family.items()
        )
        print(f"{family}: geometric mean of the ratios: {means}")


if __name__ == "__main__":
    main()
