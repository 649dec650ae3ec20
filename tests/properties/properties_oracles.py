"""Random structures, and slow but plain versions of the measures."""

from __future__ import annotations

import math
import statistics

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from nnstruct import Structure

CENTRALITIES = ("eccentricity", "degree", "closeness", "node_betweenness", "edge_betweenness")


@st.composite
def structures(draw, max_units=25, families=("mlp", "gru", "lstm", "rnn_tanh", "module")):
    """Labelled DAGs of every density, disconnected and isolated units included."""
    n = draw(st.integers(1, max_units))
    density = draw(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]))
    family = draw(st.sampled_from(families))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    name = rng.permutation(n)
    forward = name[np.stack(np.nonzero(np.triu(rng.random((n, n)) < density, 1)))]
    delayed = np.stack(np.nonzero(rng.random((n, n)) < 0.1)) if family != "mlp" else forward[:, :0]
    has_incoming = np.isin(np.arange(n), forward[1])
    inputs = ~has_incoming | (rng.random(n) < 0.1)
    outputs = ~np.isin(np.arange(n), forward[0]) | (rng.random(n) < 0.1)
    if family == "module":  # the only family with outputs that no input reaches
        inputs &= rng.random(n) < 0.7
        outputs &= rng.random(n) < 0.7
        inputs[rng.integers(n)] = outputs[rng.integers(n)] = True
    return Structure(
        np.concatenate([forward, delayed], axis=1),
        n,
        recurrent=np.repeat([False, True], [forward.shape[1], delayed.shape[1]]),
        family=family,
        inputs=inputs,
        outputs=outputs,
    )


def undirected(structure: Structure) -> nx.Graph:
    return nx.Graph(structure.to_networkx(recurrent=False))


def networkx_paper(structure: Structure) -> dict[str, float]:
    """The 23 measures by networkx and the statistics module; NaN where either raises."""
    directed = structure.to_networkx(recurrent=False)
    graph = nx.Graph(directed)
    expected = {
        "layers": nx.dag_longest_path_length(directed) + 1,
        "nodes": graph.number_of_nodes(),
        "edges": graph.number_of_edges(),
        "sources": sum(degree == 0 for _, degree in directed.in_degree),
        "sinks": sum(degree == 0 for _, degree in directed.out_degree),
        "diameter": _or_nan(nx.diameter, graph),
        "density": nx.density(graph),
        "average_path_length": _or_nan(nx.average_shortest_path_length, graph),
    }
    eccentricity = _or_nan(nx.eccentricity, graph)
    values = {
        "eccentricity": [] if eccentricity is math.nan else eccentricity.values(),
        "degree": [degree for _, degree in graph.degree],
        "closeness": nx.closeness_centrality(graph).values(),
        "node_betweenness": nx.betweenness_centrality(graph).values(),
        "edge_betweenness": nx.edge_betweenness_centrality(graph).values(),
    }
    for name in CENTRALITIES:
        floats = [float(x) for x in values[name]]
        expected[f"{name}_mean"] = _or_nan(statistics.fmean, floats)
        expected[f"{name}_var"] = _or_nan(statistics.variance, floats)
        expected[f"{name}_sd"] = _or_nan(statistics.stdev, floats)
    return expected


def _or_nan(function, argument):
    try:
        return function(argument)
    except (nx.NetworkXError, statistics.StatisticsError):
        return math.nan


def brute_layered(structure: Structure) -> dict[str, float]:
    """The layered measures of a small structure by enumeration."""
    graph = structure.to_networkx(recurrent=False)
    layer = {v: max((len(p) - 1 for p in _paths_into(graph, v)), default=0) for v in graph}
    last = max(layer.values())
    width = [sum(depth == at for depth in layer.values()) for at in range(last + 1)]
    crossing = [
        [(u, v) for u, v in graph.edges if layer[u] <= gap < layer[v]] for gap in range(last)
    ]  # one list a gap
    spans = [layer[v] - layer[u] for u, v in graph.edges]
    fan_in = [d for _, d in graph.in_degree if d]
    fan_out = [d for _, d in graph.out_degree if d]
    whole = nx.DiGraph(structure.to_networkx())
    inputs, outputs = np.flatnonzero(structure.inputs), np.flatnonzero(structure.outputs)
    from_input = set(inputs).union(*(nx.descendants(whole, u) for u in inputs))
    to_output = set(outputs).union(*(nx.ancestors(whole, u) for u in outputs))
    paths = sum(p[0] in inputs for v in outputs for p in _paths_into(graph, v))
    recurrent = int(structure.recurrent.sum())
    gates, biases = {"gru": (3, 4), "lstm": (4, 4)}.get(structure.family, (1, 1))
    weights = (gates * len(spans), gates * recurrent, biases * len(layer))
    return {
        "width_first": width[0],
        "width_last": width[-1],
        "width_second_last": width[-2] if last >= 1 else 0,
        "width_third_last": width[-3] if last >= 2 else 0,
        "width_min": min(width),
        "width_max": max(width),
        "width_mean": statistics.fmean(width),
        "bottleneck_edges": min((len(edges) for edges in crossing), default=math.nan),
        "bottleneck_units": min((len({u for u, _ in edges}) for edges in crossing), default=math.nan),
        "span_mean": _or_nan(statistics.fmean, spans),
        "span_sd": _or_nan(statistics.pstdev, spans),
        "span_max": max(spans, default=math.nan),
        "skip_share": _or_nan(statistics.fmean, [span > 1 for span in spans]),
        "skips_into_last": sum(layer[v] - layer[u] > 1 and layer[v] == last for u, v in graph.edges),
        "fan_in_mean": _or_nan(statistics.fmean, fan_in),
        "fan_in_sd": _or_nan(statistics.pstdev, fan_in),
        "fan_in_max": max(fan_in, default=math.nan),
        "fan_out_mean": _or_nan(statistics.fmean, fan_out),
        "fan_out_sd": _or_nan(statistics.pstdev, fan_out),
        "fan_out_max": max(fan_out, default=math.nan),
        "depth_mean": statistics.fmean(layer.values()),
        "depth_sd": statistics.pstdev(layer.values()),
        "longest_path": last,
        "log_paths": math.log(paths) if paths else math.nan,
        "units_to_output": len(to_output),
        "units_dead": len(layer) - len(from_input & to_output),
        "inputs": len(inputs),
        "outputs": len(outputs),
        "recurrent_edges": recurrent,
        "recurrent_share": recurrent / structure.num_edges if structure.num_edges else math.nan,
        "parameters_forward": weights[0],
        "parameters_recurrent": weights[1],
        "parameters_bias": weights[2],
        "parameters": sum(weights),
    }


def _paths_into(graph: nx.DiGraph, unit: int) -> list[list[int]]:
    """Every path that ends in a unit, the one of length zero included."""
    before = [path for source in graph.predecessors(unit) for path in _paths_into(graph, source)]
    return [[unit], *([*path, unit] for path in before)]
