"""The graph neural network beyond the contract."""

from __future__ import annotations

import csv
import logging
import warnings
from importlib.util import find_spec

import networkx as nx
import numpy as np
import pytest
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger

from nnstruct.errors import InvalidInputError
from nnstruct.predictors import GNN
from nnstruct.predictors.gnn.layers import LAYERS
from nnstruct.predictors.gnn.losses import LOSSES
from nnstruct.predictors.gnn.members import GraphMembers, MemberSettings
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


def test_lightning_changes_nothing_but_tells_its_callbacks(structures, labels, make, unseen):
    class Watch(Callback):
        def __init__(self):
            self.losses = []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.losses.append(float(trainer.callback_metrics["labels_loss"]))

    logger = logging.getLogger("lightning.pytorch")
    before, watch = logger.level, Watch()
    watched = make("gnn", callbacks=[watch]).fit(structures, labels)
    assert logger.level == before
    assert len(watch.losses) == 3 * 2  # epochs, batches of 32 of 40
    assert watch.losses[0] != watch.losses[-1]
    plain = make("gnn").fit(structures, labels)
    np.testing.assert_array_equal(watched.predict(unseen), plain.predict(unseen))


def test_a_logger_writes_every_step_and_it_is_read_back(structures, labels, make, unseen, tmp_path):
    logged = make("gnn", logger=CSVLogger(tmp_path, name="gnn")).fit(structures, labels)
    (file,) = tmp_path.rglob("metrics.csv")
    rows = list(csv.DictReader(file.open()))
    assert [int(row["step"]) for row in rows] == list(range(3 * 2))
    losses = [float(row["labels_loss"]) for row in rows]
    assert all(np.isfinite(losses))
    assert losses[0] != losses[-1]
    np.testing.assert_array_equal(logged.predict(unseen), make("gnn").fit(structures, labels).predict(unseen))


def test_a_folder_stands_for_tensorboard(structures, labels, make, tmp_path):
    if not (find_spec("tensorboard") or find_spec("tensorboardX")):
        with pytest.raises(InvalidInputError, match=r"logger must .* TensorBoard is not installed"):
            make("gnn", logger=str(tmp_path)).fit(structures, labels)
        return
    make("gnn", logger=str(tmp_path)).fit(structures, labels)
    (file,) = tmp_path.rglob("events.out.tfevents.*")
    assert file.read_bytes().count(b"labels_loss") == 3 * 2


def test_what_is_no_logger_is_told_so(structures, labels, make):
    with pytest.raises(InvalidInputError, match=r"logger must be a logger of Lightning, .* got 3"):
        make("gnn", logger=3).fit(structures, labels)


def test_the_prediction_is_the_mean_of_members_brought_back(structures, labels, fitted, unseen):
    model = fitted("gnn")
    means, variances = model.members_.predict(unseen)
    assert len(means) == 2
    assert np.abs(means[0] - means[1]).max() > 1e-4
    variance = model.variance_scale_ * variances.mean(axis=0) + means.var(axis=0)
    mean, std = model.predict(unseen, return_std=True)
    expected = model.transform_.moments(means.mean(axis=0), np.sqrt(variance))
    np.testing.assert_allclose((mean, std), expected, rtol=0, atol=1e-12)


def test_a_member_does_not_learn_from_labels_of_no_weight(structures, labels):
    weight = np.ones((2, len(labels)))
    weight[1, ::2] = 0.0
    other = np.where(weight[1] > 0, labels, labels[::-1] + 3.0)
    settings = MemberSettings(hidden=8, layers=2, max_epochs=4)
    said = [GraphMembers(settings).fit(structures, y, weight).predict(structures)[0] for y in (labels, other)]
    np.testing.assert_array_equal(said[0][1], said[1][1])
    assert np.abs(said[0][0] - said[1][0]).max() > 0.1


def test_it_tells_apart_what_degrees_and_layers_of_plain_edges_do_not():
    # In each shape the forward edges are the same; only the delayed edges differ.
    shapes = [Structure.from_layers([2, width, depth], family="rnn_tanh")
              for width in (2, 3, 4) for depth in (1, 2, 3)]  # fmt: skip
    variants = [shape.with_recurrence(kind) for shape in shapes for kind in ("none", "self", "reverse")]
    y = np.tile([0.0, 1.0, 2.0], len(shapes))
    model = GNN(hidden=16, layers=2, members=1, max_epochs=40, batch_size=8, learning_rate=1e-2)
    assert np.abs(model.fit(variants, y).predict(variants) - y).mean() < 0.3


@pytest.mark.parametrize("layer", LAYERS)
def test_directions_of_edges_matter(layer):
    fan_in = nx.DiGraph([(0, 3), (1, 3), (2, 3), (3, 4)])
    fan_out = nx.DiGraph([(0, 1), (1, 2), (1, 3), (1, 4)])
    both = [Structure.from_networkx(graph) for graph in (fan_in, fan_out)]
    settings = MemberSettings(hidden=8, layers=2, layer=layer, max_epochs=60, learning_rate=1e-2)
    members = GraphMembers(settings).fit(both * 4, np.tile([0.0, 1.0], 4), np.ones((1, 8)))
    low, high = members.predict(both)[0][0]
    assert high - low > 0.8


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_finds_the_order_and_the_scale(loss, structures, labels):
    model = GNN(hidden=16, layers=2, members=1, loss=loss, max_epochs=60, learning_rate=1e-2)
    predicted = model.fit(structures, labels).predict(structures)
    assert np.corrcoef(predicted, labels)[0, 1] > 0.8
    assert np.abs(predicted - labels).mean() < 0.6 * np.abs(labels - labels.mean()).mean()


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
    model = GNN(hidden=8, layers=2, members=1, max_epochs=30, batch_size=8, learning_rate=1e-2)
    predicted = model.fit(structures, [0.0, 1.0] * 20).predict(structures)
    assert (predicted[1::2] - predicted[::2]).min() > 0.5


def test_noisier_structures_get_a_wider_interval(draw):
    structures = draw(80, seed=3)
    units = np.array([s.num_units for s in structures])
    big = units > np.median(units)
    noise = np.random.default_rng(0).normal(size=80) * np.where(big, 1.0, 0.2)
    model = GNN(hidden=8, layers=2, members=3, max_epochs=10, learning_rate=1e-2)
    _, std = model.fit(structures, noise).predict(structures, return_std=True)
    assert std[big].mean() > 1.3 * std[~big].mean()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("device", "tpu"),
        ("hidden", 0),
        ("members", 1.5),
        ("dropout", 1.0),
        ("validation", 0.9),
        ("layer", "gcn"),
        ("loss", "absolute"),
        ("label", "log"),
        ("n_jobs", 0),
    ],
)
def test_parameters_are_checked_in_fit(structures, labels, parameter, value):
    with pytest.raises(InvalidInputError, match=rf"^{parameter} must"):
        GNN(**{parameter: value}).fit(structures, labels)
