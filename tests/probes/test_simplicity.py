"""Clones and surrogates have the moments that they claim, and training is that of the engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.population import train
from nnstruct.probes import functional_features, simplicity_over_training, surrogates_over_training
from nnstruct.probes.subject import subject_of
from nnstruct.probes.surrogates import gaussian_surrogate
from nnstruct.tasks import Split, Task
from nnstruct.tasks.clones import gaussian_clone


@pytest.fixture(scope="module")
def correlated() -> Task:
    """Two classes with different means and different covariances."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(2, 3, 3))
    y = rng.integers(2, size=4000)
    x = np.einsum("ni,nij->nj", rng.normal(size=(4000, 3)), mixing[y]) + 2.0 * y[:, None]
    return Task.from_arrays("correlated", x, y)


def surrogate(task: Task, order: str, samples: int = 40_000):
    return gaussian_surrogate(subject_of(nn.Linear(3, 2), task), task.train, order, samples, seed=0)


@pytest.mark.parametrize("order", ["mean", "covariance"])
def test_surrogates_have_the_moments(order, correlated):
    x, _, targets = surrogate(correlated, order)
    inputs, own = correlated.train.inputs, correlated.train.targets
    within = np.mean([inputs[own == c].var(axis=0) for c in (0, 1)])
    for c in (0, 1):
        drawn, true = x[targets == c].numpy(), inputs[own == c]
        np.testing.assert_allclose(drawn.mean(0), true.mean(0), atol=0.06)
        expected = np.cov(true.T, bias=True) if order == "covariance" else within * np.eye(3)
        np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.15)
    assert targets.double().mean().item() == pytest.approx(own.mean(), abs=0.01)


def test_surrogates_of_sequences_have_the_moments_where_they_reach():
    task = load_task("reber")
    module = build_module(Structure.from_layers([3], family="rnn_tanh"), task)
    subject = subject_of(module, task)
    x, lengths = subject.encode(task.train)
    drawn, drawn_lengths, targets = gaussian_surrogate(subject, task.train, "covariance", 20_000, seed=0)
    assert drawn.shape[1:] == x.shape[1:]
    assert set(drawn_lengths.tolist()) <= set(lengths.tolist())
    behind = torch.arange(x.shape[1]) >= drawn_lengths[:, None]
    assert (drawn[behind] == 0).all()
    for c in (0, 1):
        for time in (0, 2, 4):
            true = x[(task.train.targets == c) & (lengths.numpy() > time), time]
            found = drawn[(targets == c) & (drawn_lengths > time), time]
            np.testing.assert_allclose(found.mean(0), true.mean(0), atol=0.05)


def test_padding_is_kept_where_a_module_reads_it():
    task = load_task("reber")
    module = build_module(
        Structure.from_layers([3], family="rnn_tanh"), task, TrainConfig(protocol="faithful")
    )
    x, lengths, _ = gaussian_surrogate(subject_of(module, task), task.train, "mean", 50, seed=0)
    behind = torch.arange(x.shape[1]) >= lengths[:, None]
    assert (x[behind][:, 0] == 1).all()
    assert (x[behind][:, 1:] == 0).all()


def test_a_network_that_needs_the_covariance_is_found_out():
    # The classes have the same mean; only the sign of a correlation tells them apart.
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=2000)
    x = rng.normal(size=(2000, 2))
    x[:, 1] = np.where(y == 1, x[:, 0], -x[:, 0]) + 0.2 * x[:, 1]
    task = Task.from_arrays("correlation", x, y)

    class Product(nn.Module):
        def forward(self, inputs):
            product = inputs[:, 0] * inputs[:, 1]
            return torch.stack([-product, product], dim=1)

    row = functional_features([nn.Sequential(Product())], task, ["surrogates"]).iloc[0]
    assert row["surrogates.accuracy"] > 0.85
    assert row["surrogates.accuracy_mean"] < 0.6
    assert row["surrogates.accuracy_covariance"] == pytest.approx(row["surrogates.accuracy"], abs=0.05)
    assert row["surrogates.gap_mean"] > 0.3


def test_training_is_that_of_the_engines():
    task, config = load_task("reber"), TrainConfig(epochs=2)
    structure = Structure.from_layers([5, 4], family="rnn_tanh")
    module = build_module(structure, task, config, seed=3)
    before = [p.clone() for p in module.parameters()]
    table = surrogates_over_training(module, task, config, seed=3)
    (record,) = train([structure], task, seeds=[3], config=config, engine="reference")
    if len(task.test) <= 1000:
        assert table["accuracy"].iloc[-1] == pytest.approx(record.test, abs=0.005)
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table["loss"].iloc[-1] == pytest.approx(record.test_loss, abs=0.05)
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    assert all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_steps_are_counted_in_updates(correlated):
    module, config = nn.Linear(3, 2), TrainConfig(epochs=3, batch_size=64)
    each = -(-len(correlated.train) // 64)
    by_epoch = simplicity_over_training(module, correlated, config, seed=1)
    table = simplicity_over_training(
        module, correlated, config, steps=[0, 1, each, 3 * each, 3 * each + 1], seed=1
    )
    assert table["step"].tolist() == [0, 1, each, 3 * each]
    chosen = table.drop(index=1).drop(columns="step").reset_index(drop=True)
    expected = by_epoch.drop(index=2).drop(columns="epoch").reset_index(drop=True)
    np.testing.assert_array_equal(chosen.to_numpy(), expected.to_numpy())
    with pytest.raises(InvalidInputError, match="steps must rise"):
        simplicity_over_training(module, correlated, config, steps=[1, 1])


def test_diverging_training_ends_early(correlated):
    module = nn.Linear(3, 2)
    nn.init.constant_(module.weight, 1e38)
    table = surrogates_over_training(module, correlated, TrainConfig(epochs=3, learning_rate=1e38))
    assert len(table) < 4


def test_kept_data_do_not_mix_tasks_seeds_or_encodings(correlated):
    reber = load_task("reber", train=400, val=100, test=100)
    structure = Structure.from_layers([3], family="rnn_tanh")
    clean = build_module(structure, reber)
    faithful = build_module(structure, reber, TrainConfig(protocol="faithful"))

    def measure(module, task, seed=0):
        return functional_features([module], task, ["surrogates"], seed=seed).iloc[0].tolist()

    first = measure(clean, reber)
    others = [measure(faithful, reber), measure(clean, reber, 1), measure(nn.Linear(3, 2), correlated)]
    assert measure(clean, reber) == first
    assert first not in others


def test_clones_have_the_moments_of_the_training_data_and_real_test_data(correlated):
    # Four times as many examples, so that the moments of what is drawn are near.
    train = Split(np.tile(correlated.train.inputs, (4, 1)), np.tile(correlated.train.targets, 4))
    task = replace(correlated, train=train)
    within = np.mean([train.inputs[train.targets == c].var(axis=0) for c in (0, 1)])
    for order in ("mean", "covariance"):
        clone = task.clone(order, seed=3)
        assert clone.test is task.test
        assert clone.train.inputs.dtype == np.float32
        assert len(clone.val) == len(task.val)
        np.testing.assert_array_equal(clone.train.targets, train.targets)
        for c in (0, 1):
            drawn, true = clone.train.inputs[train.targets == c], train.inputs[train.targets == c]
            np.testing.assert_allclose(drawn.mean(0), true.mean(0), atol=0.15)
            expected = np.cov(true.T, bias=True) if order == "covariance" else within * np.eye(3)
            np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.3)
        again = task.clone(order, seed=3)
        assert again.fingerprint == clone.fingerprint != task.clone(order, seed=4).fingerprint


def test_few_examples_of_many_inputs_span_the_clone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 50))
    split = Split(x.astype(np.float32), np.repeat([0, 1], 30))
    clone = gaussian_clone(split, np.zeros(4000, dtype=np.int64), "covariance", rng)
    centred = x[:30] - x[:30].mean(0)
    assert np.linalg.matrix_rank(clone.inputs - clone.inputs.mean(0), tol=1e-3) == 29
    expected = centred.T @ centred / 30
    assert np.abs(np.cov(clone.inputs.T) - expected).max() < 0.15


def test_clones_are_of_vectors_and_images_alone(correlated):
    with pytest.raises(
        InvalidInputError, match="task must hold classes of vectors or images to have Gaussian clones"
    ):
        load_task("reber").clone("mean")
    with pytest.raises(InvalidInputError, match="order must be one of mean, covariance"):
        correlated.clone("skewness")


def test_networks_trained_on_clones_know_their_moments_alone():
    # Only the product of the two inputs tells the classes apart: the covariance clone teaches it, that of the
    # mean does not; a third class has a mean of its own.
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=3000)
    x = rng.normal(size=(3000, 2))
    x[:, 1] = np.select([y == 0, y == 1], [x[:, 0], -x[:, 0]], 0.0) + 0.3 * x[:, 1]
    x[y == 2] += 5.0
    task = Task.from_arrays("correlation", x, y)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 3))
    config = TrainConfig(epochs=4, learning_rate=0.02, batch_size=64)
    table = simplicity_over_training(module, task, config, seed=0)
    assert table["epoch"].tolist() == [0, 1, 2, 3, 4]
    first, last = table.iloc[0], table.iloc[-1]
    assert first["accuracy"] == first["accuracy_mean"] == first["accuracy_covariance"]
    assert last["accuracy"] > 0.85
    assert last["accuracy_covariance"] == pytest.approx(last["accuracy"], abs=0.05)
    assert last["accuracy_mean"] < last["accuracy"] - 0.1


def test_where_a_clone_diverges_its_values_are_missing(correlated):
    table = simplicity_over_training(nn.Linear(3, 2), correlated, TrainConfig(epochs=2, learning_rate=2e37))
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table[["loss", "loss_mean", "loss_covariance"]].iloc[-1].isna().all()
