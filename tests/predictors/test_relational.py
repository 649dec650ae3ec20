"""Predictors of relational graphs: the same prediction for every order of the units."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from nnstruct import Structure
from nnstruct.encode import FeatureTable
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble, ExtraTrees, GroupedGaussianProcess, RandomForest

GRAPHS = [nx.connected_watts_strogatz_graph(12, 4, p, seed=i) for i, p in enumerate(np.linspace(0, 1, 40))]
STRUCTURES = [Structure.from_networkx(graph, undirected=True) for graph in GRAPHS]
Y = np.array([nx.average_clustering(graph) for graph in GRAPHS])
NEW, OTHER, TRUTH = [], [], []
for number in range(6):
    graph = nx.connected_watts_strogatz_graph(12, 4, number / 6, seed=100 + number)
    order = np.random.default_rng(number).permutation(12).tolist()
    TRUTH.append(nx.average_clustering(graph))
    NEW.append(Structure.from_networkx(graph, undirected=True))
    OTHER.append(NEW[-1].relabel(order))


def test_columns_by_themselves_are_those_without_directions():
    table = FeatureTable().fit(STRUCTURES)
    assert set(table.groups_) == {"paper", "motifs", "spectra"}
    np.testing.assert_allclose(table.transform(NEW), table.transform(OTHER), rtol=1e-9, atol=1e-9)


def test_beside_networks_they_have_their_own_columns():
    layered = [Structure.from_layers([2, width, 2]) for width in range(2, 12)]
    table = FeatureTable().fit([*STRUCTURES[:10], *layered])
    assert {"paper", "layered", "size", "motifs", "spectra", "family"} <= set(table.groups_)


@pytest.mark.parametrize(
    "predictor",
    [
        RandomForest(n_estimators=20, random_state=0),
        ExtraTrees(n_estimators=20, random_state=0),
        GroupedGaussianProcess(random_state=0),
        Ensemble(random_state=0),
    ],
    ids=lambda predictor: predictor.name,
)
def test_every_order_of_the_units_has_one_prediction(predictor):
    predictor.fit(STRUCTURES, Y)
    first, second = predictor.predict(NEW), predictor.predict(OTHER)
    np.testing.assert_allclose(first, second, rtol=1e-6)
    assert np.corrcoef(first, TRUTH)[0, 1] > 0.8


def test_families_that_need_directions_are_refused():
    with pytest.raises(InvalidInputError, match="for graphs without directions"):
        RandomForest(families=["paper", "layered"]).fit(STRUCTURES, Y)
