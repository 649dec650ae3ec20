"""The graph neural network beyond the contract."""

from __future__ import annotations

import logging
import warnings

import networkx as nx
import numpy as np
import pytest
import torch

from nnstruct.encode import GraphEncoder
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import GNN
from nnstruct.predictors.gnn.network import StructureNet
from nnstruct.predictors.gnn.training import predict_member
from nnstruct.structure import Structure


def test_training_writes_no_file_and_says_nothing(
    structures, labels, make, tmp_path, monkeypatch, capfd, caplog
):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        make("gnn").fit(structures, labels)
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")
    assert list(tmp_path.iterdir()) == []


def test_levels_of_lightnings_loggers_are_left_as_they_were(structures, labels, make):
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    make("gnn", members=1, max_epochs=1).fit(structures, labels)
    assert logger.level == before


def test_the_best_epoch_is_kept_and_patience_ends_training(structures, labels):
    # A rate this high ruins the weights; the epoch before the ruin has to be the one kept.
    wild = GNN(hidden=8, layers=2, members=1, max_epochs=30, patience=3, learning_rate=3.0)
    mean = wild.fit(structures, labels).predict(structures)
    assert np.isfinite(mean).all()
    assert np.abs(mean - labels.mean()).max() < 20 * labels.std()


def test_members_differ_and_the_prediction_is_their_mean(structures, labels, fitted, unseen):
    model = fitted("gnn")
    graphs = model.encoder_.transform(unseen)
    means = np.stack([predict_member(net, graphs, 4)[0].numpy() for net in model.members_])
    assert len(means) == 2
    assert np.abs(means[0] - means[1]).max() > 1e-4
    expected = model.label_mean_ + model.label_std_ * means.mean(axis=0)
    np.testing.assert_allclose(model.predict(unseen), expected, rtol=0, atol=1e-6)


def test_it_tells_apart_what_degrees_and_layers_of_plain_edges_do_not():
    # In each shape the forward edges are the same; only the delayed edges differ.
    shapes = [Structure.from_layers([2, width, depth], family="rnn_tanh")
              for width in (2, 3, 4) for depth in (1, 2, 3)]  # fmt: skip
    variants = [shape.with_recurrence(kind) for shape in shapes for kind in ("none", "self", "reverse")]
    y = np.tile([0.0, 1.0, 2.0], len(shapes))
    model = GNN(hidden=16, layers=2, members=1, max_epochs=40, batch_size=8).fit(variants, y)
    assert np.abs(model.predict(variants) - y).mean() < 0.3


def test_directions_of_edges_matter():
    fan_in = nx.DiGraph([(0, 3), (1, 3), (2, 3), (3, 4)])
    fan_out = nx.DiGraph([(0, 1), (1, 2), (1, 3), (1, 4)])
    both = [Structure.from_networkx(graph) for graph in (fan_in, fan_out)]
    encoder = GraphEncoder().fit(both)
    torch.manual_seed(0)
    net = StructureNet(*encoder.widths, hidden=8, layers=2, dropout=0.0, mean_units=5.0)
    torch.nn.init.normal_(net.head[-1].weight)
    mean, _ = predict_member(net.eval(), encoder.transform(both), 2)
    assert abs(float(mean[0] - mean[1])) > 1e-3


def test_a_structure_without_edges_and_a_family_never_seen_are_predicted(fitted):
    lonely = Structure(np.zeros((2, 0), dtype=np.int64), num_units=3)
    mean, std = fitted("gnn").predict([lonely, Structure.from_layers([4, 4, 2])], return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()


def test_unit_attributes_are_used():
    def chain(length: int, kind: str) -> Structure:
        edges = np.stack([np.arange(length - 1), np.arange(1, length)])
        return Structure(edges, length, attributes={"activation": ["relu", kind] + ["relu"] * (length - 2)})

    structures = [chain(length, kind) for length in range(3, 23) for kind in ("relu", "tanh")]
    model = GNN(hidden=8, layers=2, members=1, max_epochs=30, batch_size=8).fit(structures, [0.0, 1.0] * 20)
    predicted = model.predict(structures)
    assert (predicted[1::2] - predicted[::2]).min() > 0.5


def test_noisier_structures_get_a_wider_interval(draw):
    structures = draw(80, seed=3)
    units = np.array([s.num_units for s in structures])
    big = units > np.median(units)
    noise = np.random.default_rng(0).normal(size=80) * np.where(big, 1.0, 0.05)
    model = GNN(hidden=8, layers=2, members=1, max_epochs=30).fit(structures, noise)
    _, std = model.predict(structures, return_std=True)
    assert std[big].mean() > 1.3 * std[~big].mean()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("device", "tpu"),
        ("hidden", 0),
        ("members", 1.5),
        ("dropout", 1.0),
        ("validation", 0.9),
        ("n_jobs", 0),
    ],
)
def test_parameters_are_checked_in_fit(structures, labels, parameter, value):
    with pytest.raises(InvalidInputError, match=rf"^{parameter} must"):
        GNN(**{parameter: value}).fit(structures, labels)
