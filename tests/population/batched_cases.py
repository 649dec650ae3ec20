"""Small tasks, structures and devices for the tests of the batched engine."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import torch

from nnstruct import Structure
from nnstruct.tasks import Task

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 8))) for _ in range(200)]
LABELS = [int(text.count("a") % 2 == 0) for text in STRINGS]
SEQUENCES = Task.from_sequences("parity-of-a", STRINGS, LABELS, val=0.2, test=0.2)
VECTORS = RNG.normal(size=(200, 2, 3)).astype(np.float32)
POINTS = Task.from_arrays("signs", VECTORS, (VECTORS[:, 0].sum(1) > 0).astype(int) + (VECTORS[:, 1, 1] > 0))


def task_of(family: str) -> Task:
    return POINTS if family == "mlp" else SEQUENCES


def graph_structure(family: str, seed: int, recurrence: str = "layer") -> Structure:
    """Of 5 to 9 units in no order, with inputs and outputs beyond the sources and sinks."""
    units = 5 + seed % 5
    graph = nx.gnp_random_graph(units, 0.4, seed=seed)
    graph.add_edges_from((unit, (unit + 1) % units) for unit in nx.isolates(graph.copy()))
    options = {} if family == "mlp" else {"recurrence": recurrence, "seed": seed}
    structure = Structure.from_networkx(graph, family=family, **options)
    rng = np.random.default_rng(seed)
    names = rng.choice(["relu", "tanh", "gelu"], size=units).tolist()
    return Structure(
        structure.edge_index,
        units,
        recurrent=structure.recurrent,
        family=family,
        inputs=structure.inputs | (rng.random(units) < 0.2),
        outputs=structure.outputs | (rng.random(units) < 0.2),
        attributes={"activation": names} if family == "mlp" and seed % 2 else {},
    ).relabel(rng.permutation(units))


def with_residual(structure: Structure, seed: int) -> Structure:
    """About half of the forward edges are residual, and alone into one unit at least where there are any."""
    rng = np.random.default_rng(seed)
    target = structure.edge_index[1]
    alone = rng.random(structure.num_units) < 0.3
    chosen = (rng.random(structure.num_edges) < 0.5) | alone[target]
    return replace(structure, residual=chosen & ~structure.recurrent)
