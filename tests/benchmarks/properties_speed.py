"""Time the property families against networkx, in one run.

    python tests/benchmarks/properties_speed.py [--workers 2] [--structures 10000]

Prints the first call's seconds, which hold the compilation where numba has no compiled kernel on disk
yet; CPU milliseconds a graph of the 23 measures by networkx and by ``features`` without cache, for one
call over all graphs and for one call a graph, with their ratios; and structures a second of wall time
for ``paper`` and ``layered`` together over many small structures, without cache and with all rows cached.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import networkx as nx
import numpy as np

from nnstruct import Structure
from nnstruct.properties import features
from nnstruct.properties.cache import ROWS

BOTH = ("paper", "layered")


def networkx_measures(graph: nx.Graph) -> list[float]:
    """What the 23 measures cost with networkx, the counts of layers, sources and sinks left out."""
    eccentricity = nx.eccentricity(graph)
    row = [max(eccentricity.values()), nx.density(graph), nx.average_shortest_path_length(graph)]
    for values in (
        eccentricity,
        dict(graph.degree),
        nx.closeness_centrality(graph),
        nx.betweenness_centrality(graph),
        nx.edge_betweenness_centrality(graph),
    ):
        floats = [float(value) for value in values.values()]
        row += [statistics.fmean(floats), statistics.variance(floats), statistics.stdev(floats)]
    return row


def random_graph(units: int, seed: int) -> nx.Graph:
    """Barabasi-Albert and connected Watts-Strogatz graphs in turn, of the sizes in Stier et al. (2021)."""
    if seed % 2:
        return nx.connected_watts_strogatz_graph(units, max(4, min(units // 5, 10)), 1.0, seed=seed)
    return nx.barabasi_albert_graph(units, max(1, min(units // 10, 5)), seed=seed)


def best_seconds(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The least of several times."""
    times = []
    for _ in range(repeats):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def against_networkx(units: int, graphs: int, repeats: int) -> None:
    given = [random_graph(units, seed) for seed in range(graphs)]
    structures = [Structure.from_networkx(graph) for graph in given]
    # CPU time: both sides use one thread, and other work on the machine does not count.
    clock = time.process_time
    slow = best_seconds(lambda: [networkx_measures(graph) for graph in given], repeats, clock) / graphs
    fast = best_seconds(lambda: features(structures, cache=False), 5 * repeats, clock) / graphs
    alone = best_seconds(lambda: [features([s], cache=False) for s in structures], repeats, clock) / graphs
    edges = np.mean([graph.number_of_edges() for graph in given])
    print(
        f"{units:6d} {edges:8.0f} {1e3 * slow:12.3f} {1e3 * fast:12.4f} {slow / fast:8.0f}x"
        f" {1e3 * alone:14.3f} {slow / alone:6.0f}x"
    )


def throughput(count: int, workers: int) -> None:
    rng = np.random.default_rng(0)
    structures = [
        Structure.from_networkx(random_graph(int(rng.integers(10, 51)), seed), family="rnn_tanh")
        for seed in range(count)
    ]
    for threads in sorted({1, workers}):
        seconds = best_seconds(lambda n=threads: features(structures, BOTH, workers=n, cache=False), 3)
        print(f"{threads} worker(s), no cache:   {count / seconds:8.0f} structures/s")
    ROWS.clear()
    seconds = best_seconds(lambda: features(structures, BOTH, workers=workers), 1)
    print(f"{workers} worker(s), empty cache: {count / seconds:7.0f} structures/s")
    seconds = best_seconds(lambda: features(structures, BOTH, workers=workers), 3)
    print(f"{workers} worker(s), all cached: {count / seconds:8.0f} structures/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--structures", type=int, default=10_000)
    options = parser.parse_args()
    seconds = best_seconds(lambda: features([Structure.from_layers([2, 2])], BOTH, cache=False), 1)
    print(f"first call (compile, or load the compiled kernels): {seconds:.2f} s\n")
    print("   n    edges  networkx ms  features ms    ratio  one a call, ms  ratio")
    for units in (10, 20, 30, 40, 50):
        against_networkx(units, graphs=20, repeats=3)
    against_networkx(1000, graphs=2, repeats=1)
    print(f"\npaper + layered over {options.structures} structures of 10 to 50 units")
    throughput(options.structures, options.workers)


if __name__ == "__main__":
    main()
