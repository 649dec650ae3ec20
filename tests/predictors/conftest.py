"""A small benchmark of random structures whose label is known."""

from __future__ import annotations

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest

from nnstruct.predictors import PREDICTORS, Predictor
from nnstruct.structure import Structure

SMALL: dict[str, dict] = {
    "gnn": {"hidden": 8, "layers": 2, "members": 2, "max_epochs": 3},
    "random-forest": {"n_estimators": 20},
    "extra-trees": {"n_estimators": 20},
    "adaboost": {"n_estimators": 10},
    "hist-gradient-boosting": {"members": 3, "max_iter": 15},
    "gaussian-process": {"restarts": 0},
}


def draw_structures(count: int, *, seed: int, family: str = "rnn_tanh") -> list[Structure]:
    """Random structures of 6 to 20 units, distinct by fingerprint."""
    rng = np.random.default_rng(seed)
    found: dict[str, Structure] = {}
    while len(found) < count:
        units = int(rng.integers(6, 21))
        graph_seed = int(rng.integers(2**31))
        if len(found) % 2:
            graph = nx.barabasi_albert_graph(units, int(rng.integers(1, 4)), seed=graph_seed)
        else:
            graph = nx.connected_watts_strogatz_graph(units, 4, 0.5, 20, seed=graph_seed)
        structure = Structure.from_networkx(graph, family=family)
        found[structure.fingerprint] = structure
    return list(found.values())


def depth_and_edges(structures: list[Structure]) -> np.ndarray:
    """A label that a structure's depth and edges decide."""
    depth = np.array([s.num_layers for s in structures], dtype=float)
    edges = np.array([s.forward_edges.shape[1] for s in structures], dtype=float)
    return 0.9 - 0.02 * depth + 0.05 * np.log(edges)


def small_predictor(name: str, **parameters) -> Predictor:
    return PREDICTORS[name](**{**SMALL.get(name, {}), **parameters})


@pytest.fixture(scope="session")
def structures() -> list[Structure]:
    return draw_structures(40, seed=0)


@pytest.fixture(scope="session")
def labels(structures) -> np.ndarray:
    clean = depth_and_edges(structures)
    return clean + 0.1 * clean.std() * np.random.default_rng(1).normal(size=len(clean))


@pytest.fixture(scope="session")
def unseen() -> list[Structure]:
    return draw_structures(12, seed=7)


@pytest.fixture(scope="session")
def bench(structures, labels) -> SimpleNamespace:
    return SimpleNamespace(
        structures=structures,
        y=labels,
        y_std=np.full(len(labels), 0.01),
        y_count=np.full(len(labels), 3),
        fingerprints=[s.fingerprint for s in structures],
        noise_ceiling=SimpleNamespace(value=0.99, low=0.98, high=0.995),
    )


@pytest.fixture(scope="session")
def make():
    return small_predictor


@pytest.fixture(scope="session")
def draw():
    return draw_structures


@pytest.fixture(scope="session")
def label():
    return depth_and_edges


@pytest.fixture(scope="session")
def fitted(structures, labels):
    """Each predictor fitted once, by name; tests must not change it."""
    known: dict[str, Predictor] = {}

    def get(name: str) -> Predictor:
        if name not in known:
            known[name] = small_predictor(name).fit(structures, labels)
        return known[name]

    return get
