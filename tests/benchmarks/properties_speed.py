"""Time the property families against networkx, in one run.

    python tests/benchmarks/properties_speed.py [--workers 2] [--structures 10000]

Prints, in this order: the first call's seconds, which hold the compilation where numba has no compiled
kernel on disk yet; CPU milliseconds a graph of the 23 measures by networkx and by ``features`` without
cache, for one call over all graphs and for one call a graph, with their ratios; the same for every family
beside networkx (scipy, for spectra) on the same measures; and structures a second of wall time for
``paper`` and ``layered`` together over many small structures, without cache and with all rows cached.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import networkx as nx
import numpy as np
import scipy.linalg

from nnstruct import Structure
from nnstruct.properties import PROPERTY_FAMILIES, features
from nnstruct.properties.cache import ROWS

BOTH = ("paper", "layered")


def networkx_layered(directed: nx.DiGraph) -> list[float]:
    """Layers, fan-in, fan-out and reach by networkx; cuts, spans and path counts left out."""
    layers = [len(layer) for layer in nx.topological_generations(directed)]
    fans = [[degree for _, degree in view] for view in (directed.in_degree, directed.out_degree)]
    sinks = [v for v in directed if not directed.out_degree(v)]
    reaching = set(sinks).union(*(nx.ancestors(directed, v) for v in sinks))
    spread = [statistics.pstdev(values) for values in fans]
    return [max(layers), nx.dag_longest_path_length(directed), len(reaching), *spread]


def networkx_centrality(directed: nx.DiGraph) -> list[float]:
    """All 13 centralities, and the moments and quantiles of each."""
    graph, backward = nx.Graph(directed), directed.reverse()
    groups = [
        nx.betweenness_centrality(graph),
        nx.edge_betweenness_centrality(graph),
        nx.closeness_centrality(graph),
        nx.harmonic_centrality(graph),
        nx.eccentricity(graph),
        nx.betweenness_centrality(directed),
        nx.edge_betweenness_centrality(directed),
        nx.closeness_centrality(directed),
        nx.closeness_centrality(backward),
        nx.harmonic_centrality(directed),
        nx.harmonic_centrality(backward),
        *(
            {v: max(nx.single_source_shortest_path_length(g, v).values()) for v in g}
            for g in (directed, backward)
        ),
    ]
    values = [np.array(list(group.values()), dtype=float) for group in groups]
    return [x for v in values for x in (v.mean(), v.std(), *np.quantile(v, [0, 0.25, 0.5, 0.75, 1]))]


def networkx_paths(directed: nx.DiGraph) -> list[float]:
    """Distances, reach and communicability; the distribution of path lengths left out."""
    sources = [v for v in directed if not directed.in_degree(v)]
    distances = [d for v in sources for d in nx.single_source_shortest_path_length(directed, v).values()]
    adjacency = nx.to_numpy_array(directed)
    return [
        statistics.fmean(distances),
        nx.global_reaching_centrality(directed),
        float(scipy.linalg.expm(adjacency).mean()),
        float(scipy.linalg.expm(adjacency + adjacency.T).mean()),
    ]


def networkx_motifs(directed: nx.DiGraph) -> list[float]:
    """Bi-fans and refined colours left out."""
    graph = nx.Graph(directed)
    groups = nx.community.greedy_modularity_communities(graph)
    return [
        *nx.triadic_census(directed).values(),
        *nx.clustering(graph).values(),
        nx.transitivity(graph),
        nx.degree_assortativity_coefficient(graph),
        *(nx.degree_assortativity_coefficient(directed, x, y) for x in ("in", "out") for y in ("in", "out")),
        *nx.core_number(graph).values(),
        nx.community.modularity(graph, groups),
    ]


def networkx_spectra(directed: nx.DiGraph) -> list[float]:
    graph = nx.Graph(directed)
    spectra = [
        nx.adjacency_spectrum(graph),
        nx.laplacian_spectrum(graph),
        nx.normalized_laplacian_spectrum(graph),
    ]
    return [*(float(max(s.real)) for s in spectra), float(np.linalg.norm(nx.to_numpy_array(directed), 2))]


RIVALS = {
    "layered": networkx_layered,
    "centrality": networkx_centrality,
    "paths": networkx_paths,
    "motifs": networkx_motifs,
    "spectra": networkx_spectra,
}


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


def by_family(units: int, graphs: int, repeats: int) -> None:
    given = [random_graph(units, seed) for seed in range(graphs)]
    structures = [Structure.from_networkx(graph, family="rnn_tanh") for graph in given]
    directed = [structure.to_networkx(recurrent=False) for structure in structures]
    clock = time.process_time
    for name in PROPERTY_FAMILIES:
        features(structures[:1], (name,), cache=False)
        fast = (
            best_seconds(lambda f=(name,): features(structures, f, cache=False), 3 * repeats, clock) / graphs
        )
        line = f"{units:6d}  {name:10s} {len(PROPERTY_FAMILIES[name].measures):8d} {1e3 * fast:12.4f}"
        rival = RIVALS.get(name)
        if rival is not None:
            slow = best_seconds(lambda r=rival: [r(graph) for graph in directed], repeats, clock) / graphs
            line += f" {1e3 * slow:12.3f} {slow / fast:8.0f}x"
        print(line)


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
    print("\n   n    family   measures  features ms  networkx ms    ratio")
    by_family(30, graphs=20, repeats=2)
    by_family(300, graphs=2, repeats=1)
    print(f"\npaper + layered over {options.structures} structures of 10 to 50 units")
    throughput(options.structures, options.workers)


if __name__ == "__main__":
    main()
