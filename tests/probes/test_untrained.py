"""Measures of untrained networks."""

import numpy as np
import pytest

import nnstruct as ns
from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.probes import random_features, untrained

TASK = ns.load_task("digits")
CHANCE = np.random.default_rng(0)


def named(values, names):
    return dict(zip(names, values, strict=True))


def test_ridge_is_what_is_learned_from_all_other_examples():
    features, classes = CHANCE.normal(size=(12, 3)), np.eye(3)[np.arange(12) % 3]
    found = named(untrained._ridge(features, classes), untrained._RIDGE)
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    x = np.c_[x, np.ones(12)]
    for penalty in untrained.PENALTIES:
        told = np.empty_like(classes)
        for out in range(12):
            rows = np.arange(12) != out
            shrink = np.diag([penalty] * 3 + [0.0])  # the intercept is free
            weights = np.linalg.solve(x[rows].T @ x[rows] + shrink, x[rows].T @ classes[rows])
            told[out] = x[out] @ weights
        assert found[f"error_{penalty:g}"] == pytest.approx(((told - classes) ** 2).sum(axis=1).mean())
        right = (told.argmax(axis=1) == classes.argmax(axis=1)).mean()
        assert found[f"accuracy_{penalty:g}"] == pytest.approx(right)


def test_directions_are_counted():
    orthogonal, _ = np.linalg.qr(CHANCE.normal(size=(30, 5)) - CHANCE.normal(size=5))
    orthogonal -= orthogonal.mean(axis=0)
    orthogonal, _ = np.linalg.qr(orthogonal)
    classes = np.eye(2)[np.arange(30) % 2]
    found = named(untrained._spread(orthogonal, classes), untrained._SPREAD)
    assert found["units"] == 5
    assert found["participation"] == pytest.approx(5.0)
    assert found["entropy"] == pytest.approx(5.0)
    one = named(untrained._spread(orthogonal[:, :1] * np.ones(5) + 3.0, classes), untrained._SPREAD)
    assert one["participation"] == pytest.approx(1.0)
    assert one["log_power"] == pytest.approx(np.log(9.0))
    assert one["log_variance"] == pytest.approx(np.log(1.0 / 30))


def test_cosines_and_what_lies_between_classes():
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = named(untrained._spread(features, np.eye(2)[[0, 1, 0, 1]]), untrained._SPREAD)
    assert found["cosine"] == pytest.approx(2 / 6)
    # Each class is one point: the two squared class means over the mean squared length.
    assert found["log_between"] == pytest.approx(np.log(2.0))
    mixed = named(untrained._spread(features, np.eye(2)[[0, 0, 1, 1]]), untrained._SPREAD)
    assert mixed["log_between"] < -20


@pytest.mark.parametrize("family", ["mlp", "cnn", "gru"])
def test_a_row_for_each_structure_of_a_family(family):
    task = {"mlp": TASK, "cnn": ns.load_task("shapes", train=60, val=20, test=20)}.get(family)
    task = task or ns.load_task("reber", train=60, val=20, test=20)
    structures = ns.priors.sample(ns.Space(family, units=(4, 8)), n=2, seed=0)
    table = random_features([*structures, structures[0]], task, samples=50, draws=2)
    assert table.shape == (3, len(set(table.columns)))
    assert np.isfinite(table.to_numpy()).all()
    np.testing.assert_array_equal(table.iloc[0], table.iloc[2])
    assert (table.iloc[0] != table.iloc[1]).any()


def test_more_units_tell_more_classes_and_the_caller_is_left_alone():
    import torch

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    structures = [Structure.from_layers([width]) for width in (2, 50)]
    table = random_features(structures, TASK, samples=200, draws=2, seed=11)
    assert torch.equal(torch.rand(2), expected)
    assert table["random_features.units"].tolist() == [2, 50]
    assert table["random_features.accuracy_10"][1] > table["random_features.accuracy_10"][0] + 0.3
    assert table["random_features.accuracy_all_10"][0] > table["random_features.accuracy_10"][0]


def test_other_tasks_and_too_few_draws_are_refused():
    structures = [Structure.from_layers([2])]
    with pytest.raises(InvalidInputError, match=r"task\.kind must be 'classification', got 'regression'"):
        random_features(structures, ns.load_task("diabetes"))
    with pytest.raises(InvalidInputError, match="task must be a Task"):
        random_features(structures, "digits")
    with pytest.raises(InvalidInputError, match="draws must be"):
        random_features(structures, TASK, draws=1)
