"""The perceptrons among the members of the ensemble."""

import numpy as np
import pytest

import nnstruct as ns
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble
from nnstruct.predictors.ensemble import perceptrons
from nnstruct.predictors.ensemble.choice import COLUMNS, check_members
from nnstruct.predictors.ensemble.members import BASIC
from nnstruct.predictors.ensemble.perceptrons import PERCEPTRONS, Perceptrons, learning_seconds

TABLE = np.random.default_rng(0).normal(size=(240, 4))
SMOOTH = np.sin(TABLE[:, 0]) + 0.5 * TABLE[:, 1] * TABLE[:, 2]
FOLD = np.arange(200) % 4
STRUCTURES = ns.priors.sample(ns.Space("mlp", units=(4, 16)), n=220, seed=0)
TRUTH = np.array([np.log(s.num_edges) + 0.2 * s.num_layers for s in STRUCTURES])


def r2(said, truth):
    return 1.0 - ((said - truth) ** 2).mean() / truth.var()


def learned(y, weight=None, seed=0):
    model = Perceptrons(seed, 1)
    return model, model.fit(TABLE[:200], y, np.ones(200) if weight is None else weight, FOLD)


def test_they_learn_a_smooth_function_and_know_how_well():
    model, told = learned(SMOOTH[:200])
    new = r2(model.predict(TABLE[200:]), SMOOTH[200:])
    assert new > 0.9
    assert 0.8 < r2(told, SMOOTH[:200]) < new + 0.05


def test_what_they_say_of_a_fold_does_not_hang_on_its_labels(monkeypatch):
    monkeypatch.setattr(perceptrons, "STEPS", 30)
    # How far predictions are drawn to the mean hangs on the errors in the other folds, and so on all labels.
    monkeypatch.setattr(perceptrons, "_root_mean", lambda error, weight: 0.1)
    told, other = (
        learned(y)[1] for y in (SMOOTH[:200], np.where(FOLD == 1, SMOOTH[:200] + 5.0, SMOOTH[:200]))
    )
    np.testing.assert_array_equal(told[FOLD == 1], other[FOLD == 1])
    assert (told[FOLD != 1] != other[FOLD != 1]).all()


def test_labels_without_weight_are_not_learned(monkeypatch):
    monkeypatch.setattr(perceptrons, "STEPS", 30)
    weight = np.where(np.arange(200) < 20, 0.0, 1.0)
    spoilt = np.where(weight == 0.0, 100.0, SMOOTH[:200])
    one, other = (learned(y, weight)[0].predict(TABLE[200:]) for y in (SMOOTH[:200], spoilt))
    np.testing.assert_array_equal(one, other)


def test_noisy_labels_that_weigh_little_move_little():
    noisy = np.arange(200) % 2 == 0
    y = SMOOTH[:200] + np.where(noisy, np.random.default_rng(1).normal(size=200) * 3.0, 0.0)
    scores = [
        r2(learned(y, w)[0].predict(TABLE[200:]), SMOOTH[200:]) for w in (None, np.where(noisy, 0.01, 1.0))
    ]
    assert scores[1] > scores[0] + 0.1


def test_the_same_seed_says_the_same_and_the_callers_chance_is_left_alone(monkeypatch):
    import torch

    monkeypatch.setattr(perceptrons, "STEPS", 30)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    said = [learned(SMOOTH[:200], seed=seed)[0].predict(TABLE) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(said[0], said[1])
    assert (said[0] != said[2]).any()


def test_the_ensemble_takes_them_with_many_labels_and_one_kind_of_unit(tmp_path):
    assert check_members("auto", STRUCTURES, None) == (*COLUMNS, PERCEPTRONS)
    assert check_members("auto", STRUCTURES[:199], None) == BASIC
    cells = ns.priors.sample(ns.Space("cnn", units=(4, 8), operators=("conv3x3", "conv1x1")), n=200, seed=0)
    assert PERCEPTRONS not in check_members("auto", cells, None)
    model = Ensemble(members=["smooth-trees", PERCEPTRONS]).fit(STRUCTURES[:200], TRUTH[:200])
    assert model.scores_[PERCEPTRONS] > 0.95
    assert model.weights_[PERCEPTRONS] > 0.5
    model.save(tmp_path / "model")
    again = ns.load_predictor(tmp_path / "model")
    np.testing.assert_array_equal(model.predict(STRUCTURES[200:]), again.predict(STRUCTURES[200:]))


def test_they_are_left_out_where_seconds_are_too_few():
    members = ["trees", PERCEPTRONS]
    model = Ensemble(members=members, seconds=0.1).fit(STRUCTURES[:60], TRUTH[:60])
    assert list(model.weights_) == ["trees"]
    assert learning_seconds(2000, 5) > learning_seconds(100, 5) > learning_seconds(100, 2)


def test_they_do_not_stand_alone():
    with pytest.raises(
        InvalidInputError, match="members must hold one of trees, smooth-trees, wide-trees, gp"
    ):
        Ensemble(members=PERCEPTRONS).fit(STRUCTURES[:60], TRUTH[:60])


@pytest.mark.parametrize("broken", ["layer.1", "centre"])
def test_a_part_that_is_not_whole_is_refused(monkeypatch, broken):
    monkeypatch.setattr(perceptrons, "STEPS", 30)
    state = learned(SMOOTH[:200])[0].state()
    arrays = {**state.arrays, broken: state.arrays[broken][..., :-1]}
    with pytest.raises(ValueError, match="are not whole"):
        Perceptrons(0, 1).restore(state.values, arrays, TABLE.shape[1])
