"""Slow but plain versions of the measures of centralities, paths, motifs and spectra."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import networkx as nx
import numpy as np
import scipy.linalg

from nnstruct import Structure

NAN = math.nan


def graphs(structure: Structure) -> tuple[nx.DiGraph, nx.Graph]:
    directed = structure.to_networkx(recurrent=False)
    return directed, nx.Graph(directed)


def described(values) -> list[float]:
    values = np.array(list(values), dtype=float)
    if not len(values):
        return [NAN] * 7
    return [values.mean(), values.std(), *np.quantile(values, [0, 0.25, 0.5, 0.75, 1])]


def farthest(graph) -> dict[int, int]:
    return {v: max(nx.single_source_shortest_path_length(graph, v).values()) for v in graph}


def networkx_centrality(structure: Structure) -> list[float]:
    directed, graph = graphs(structure)
    n, backward = len(graph), directed.reverse()

    def harmonic(of):
        return [value / max(1, n - 1) for value in nx.harmonic_centrality(of).values()]

    groups = [
        nx.betweenness_centrality(graph).values(),
        nx.edge_betweenness_centrality(graph).values(),
        nx.closeness_centrality(graph).values(),
        harmonic(graph),
        farthest(graph).values(),
        nx.betweenness_centrality(directed).values(),
        nx.edge_betweenness_centrality(directed).values(),
        nx.closeness_centrality(directed).values(),
        nx.closeness_centrality(backward).values(),
        harmonic(directed),
        harmonic(backward),
        farthest(backward).values(),
        farthest(directed).values(),
    ]
    return [x for values in groups for x in described(values)]


def walks_between(graph: nx.DiGraph, source: int, target: int) -> list[int]:
    """Length of every path, found by walking."""
    if source == target:
        return [0]
    return [
        1 + length for after in graph.successors(source) for length in walks_between(graph, after, target)
    ]


def brute_paths(structure: Structure) -> list[float]:
    directed, graph = graphs(structure)
    n = len(graph)
    inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
    pairs = list(itertools.product(inputs.tolist(), outputs.tolist()))
    lengths = [length for u, v in pairs for length in walks_between(directed, u, v)]
    near = [nx.shortest_path_length(directed, u, v) for u, v in pairs if nx.has_path(directed, u, v)]
    count, close = Counter(min(x, 9) for x in lengths), Counter(min(x, 5) for x in near)
    every = sum(len(walks_between(directed, u, v)) for u in graph for v in graph if u != v)
    forward = nx.to_numpy_array(directed, nodelist=range(n))
    powers = scipy.linalg.expm(forward)
    joined = powers[np.ix_(inputs, outputs)].mean()
    reach = [len(nx.descendants(directed, v)) / max(1, n - 1) for v in directed]
    return [
        *([np.mean(lengths), np.std(lengths), min(lengths), max(lengths)] if lengths else [NAN] * 4),
        *(count[k] / len(lengths) if lengths else NAN for k in range(10)),
        np.mean(near) if near else NAN,
        len(near) / len(pairs),
        *(close[k] / len(near) if near else NAN for k in range(6)),
        nx.global_reaching_centrality(directed) if directed.size() else 0.0,
        np.mean(reach),
        math.log(every) if every else NAN,
        math.log(scipy.linalg.expm(forward + forward.T).mean()),
        math.log(powers.mean()),
        math.log(joined) if joined > 0 else NAN,
    ]


def _assortativity(graph, **sides) -> float:
    """networkx divides by zero where degrees do not vary."""
    x, y = sides.get("x", "out"), sides.get("y", "in")
    if graph.is_directed():
        degree = {"in": graph.in_degree, "out": graph.out_degree}
        ends = [(degree[x](u), degree[y](v)) for u, v in graph.edges]
    else:
        ends = [(graph.degree(u), graph.degree(v)) for a, b in graph.edges for u, v in ((a, b), (b, a))]
    if any(len(set(side)) < 2 for side in zip(*ends, strict=True)) or not ends:
        return NAN
    return nx.degree_assortativity_coefficient(graph, **sides)


def refined(directed: nx.DiGraph) -> list[dict[int, int]]:
    """Colours after each round, as classes numbered without any hash."""
    colour, rounds = dict.fromkeys(directed, 0), []
    while True:
        key = {
            v: (
                colour[v],
                tuple(sorted(colour[u] for u in directed.predecessors(v))),
                tuple(sorted(colour[u] for u in directed.successors(v))),
            )
            for v in directed
        }
        names = {k: i for i, k in enumerate(sorted(set(key.values())))}
        before, colour = len(set(colour.values())), {v: names[key[v]] for v in directed}
        rounds.append(colour)
        if len(names) in (before, len(directed)):
            return rounds


def networkx_motifs(structure: Structure) -> dict[str, float]:
    """All but what greedy joining finds."""
    directed, graph = graphs(structure)
    n, m = len(graph), graph.number_of_edges()
    census = nx.triadic_census(directed) if n > 2 else Counter()
    joined = sum(census[name] for name in ("021D", "021U", "021C", "030T"))
    clustering = list(nx.clustering(graph).values())
    feeds = {v: set(directed.successors(v)) for v in directed}
    shared = [len(feeds[u] & feeds[v]) for u, v in itertools.combinations(directed, 2)]
    core = list(nx.core_number(graph).values())
    colours = [len(set(c.values())) for c in refined(directed)]
    at = structure.layer
    layers = [set(np.flatnonzero(at == depth).tolist()) for depth in range(structure.num_layers)]
    names = ("003", "012", "021D", "021U", "021C", "030T")
    return {
        **{f"triad_{name}": census[name] for name in names},
        "feed_forward_share": census["030T"] / joined if joined else NAN,
        "clustering_mean": np.mean(clustering),
        "clustering_sd": np.std(clustering),
        "clustering_max": max(clustering),
        "transitivity": nx.transitivity(graph),
        "bifans": sum(math.comb(k, 2) for k in shared),
        "assortativity": _assortativity(graph),
        **{
            f"assortativity_{x}_{y}": _assortativity(directed, x=x, y=y)
            for x, y in itertools.product(("in", "out"), repeat=2)
        },
        "core_mean": np.mean(core),
        "core_max": max(core),
        "core_share": core.count(max(core)) / n,
        **{f"colours_{k + 1}": colours[min(k, len(colours) - 1)] for k in range(3)},
        "colours_final": colours[-1],
        "modularity_layers": nx.community.modularity(graph, layers) if m else NAN,
    }


def all_partitions(items: list[int]):
    if not items:
        yield []
        return
    first, *rest = items
    for partition in all_partitions(rest):
        yield [[first], *partition]
        for place in range(len(partition)):
            yield [*partition[:place], [first, *partition[place]], *partition[place + 1 :]]


def scipy_spectra(structure: Structure) -> list[float]:
    directed, graph = graphs(structure)
    n = len(graph)
    order = range(n)
    adjacency = nx.to_numpy_array(graph, nodelist=order)
    a = np.sort(scipy.linalg.eigh(adjacency, eigvals_only=True))
    low = np.sort(nx.laplacian_spectrum(graph))
    normalised = np.sort(nx.normalized_laplacian_spectrum(graph))
    # networkx leaves 1 on the diagonal for no unit, but has it in no row of an isolated one either.
    connected = nx.is_connected(graph)
    trees = nx.number_of_spanning_trees(graph) if connected else NAN
    inverse = np.linalg.pinv(nx.laplacian_matrix(graph, nodelist=order).toarray().astype(float))
    resistance = [
        inverse[u, u] + inverse[v, v] - 2 * inverse[u, v] for u, v in itertools.combinations(order, 2)
    ]
    two = n > 1
    recurrent = np.zeros((n, n))
    recurrent[tuple(structure.recurrent_edges)] = 1
    return [
        a[-1],
        a[0],
        a[-2] if two else NAN,
        a[-1] - a[-2] if two else NAN,
        np.abs(a).sum(),
        math.log(np.trace(scipy.linalg.expm(adjacency)) / n),
        low[1] if two else NAN,
        low[-1],
        low.std(),
        math.log(trees) if connected else NAN,
        np.mean(resistance) if connected and two else NAN,
        normalised[1] if two else NAN,
        normalised[-1],
        normalised.std(),
        _entropy(normalised),
        *_ranks(nx.to_numpy_array(directed, nodelist=order)),
        *_ranks(recurrent),
    ]


def _entropy(values) -> float:
    share = np.array([x for x in values if x > 1e-8])
    share = share / share.sum() if len(share) else share
    return float(-(share * np.log(share)).sum()) if len(share) else NAN


def _ranks(matrix) -> list[float]:
    if not matrix.any():
        return [0.0, NAN, NAN]
    norm = np.linalg.norm(matrix, 2)
    singular = np.sqrt(np.maximum(scipy.linalg.eigvalsh(matrix.T @ matrix), 0.0))
    # Roots of rounding errors are no longer small.
    singular = singular[singular > 1e-6]
    return [norm, np.linalg.norm(matrix) ** 2 / norm**2, math.exp(_entropy(singular))]
