"""The ensemble: what its members see, what it takes and how it answers."""

import numpy as np
import pytest
from scipy import stats

import nnstruct as ns
from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble
from nnstruct.predictors.ensemble.members import ColumnMembers

STRUCTURES = ns.priors.sample(ns.Space("mlp", units=(4, 16)), n=80, seed=0)
TRUTH = np.array([np.log(s.num_edges) + 0.2 * s.num_layers for s in STRUCTURES])


def test_it_predicts_labels_it_has_not_seen():
    model = Ensemble().fit(STRUCTURES[:60], TRUTH[:60])
    mean, std = model.predict(STRUCTURES[60:], return_std=True)
    assert stats.kendalltau(mean, TRUTH[60:]).statistic > 0.85
    assert (np.abs(mean - TRUTH[60:]) < 3.0 * std).mean() > 0.9
    assert sorted(model.weights_) == sorted(model.scores_) == ["gp", "smooth-trees", "trees"]
    assert max(model.scores_.values()) > 0.9


def test_a_member_alone_is_that_member():
    model = Ensemble(members=["trees"]).fit(STRUCTURES[:60], TRUTH[:60])
    assert list(model.weights_) == ["trees"]
    assert model.columns_.process is None
    assert np.isfinite(model.predict(STRUCTURES[60:], return_std=True)[1]).all()


def test_what_a_member_says_of_a_fold_does_not_hang_on_its_labels():
    table = np.random.default_rng(0).normal(size=(40, 3))
    y = table[:, 0] + 0.1 * table[:, 1]
    fold = np.arange(40) % 4
    changed = np.where(fold == 1, y + 5.0, y)
    said = [
        ColumnMembers(("trees", "smooth-trees", "gp"), 0, 1)
        .fit(table, [np.arange(3)], labels, np.ones(40), None, None)
        .unseen(table, labels, np.ones(40), None, None, fold)[0]
        for labels in (y, changed)
    ]
    for name in said[0]:
        np.testing.assert_allclose(said[0][name][fold == 1], said[1][name][fold == 1], rtol=1e-9)


@pytest.mark.parametrize(("labels", "exact"), [(30, True), (100, False)])
def test_the_smooth_forest_has_leaves_of_one_where_labels_are_few(labels, exact):
    table = np.random.default_rng(0).normal(size=(labels, 3))
    members = ColumnMembers(("smooth-trees",), 0, 1)
    members.fit(table, [np.arange(3)], table[:, 0], np.ones(labels), None, None)
    said = members.predict(table)[0]["smooth-trees"]
    assert np.allclose(said, table[:, 0]) == exact


def test_the_wide_forest_finds_the_one_column_that_decides():
    table = np.random.default_rng(0).normal(size=(200, 40))
    y = (table[:, 0] > 0) + np.sin(3.0 * table[:, 0])
    members = ColumnMembers(("trees", "wide-trees"), 0, 1)
    members.fit(table[:150], [np.arange(40)], y[:150], np.ones(150), None, None)
    said = members.predict(table[150:])[0]
    errors = {name: ((told - y[150:]) ** 2).mean() for name, told in said.items()}
    assert errors["wide-trees"] < 0.5 * errors["trees"]


def test_structures_with_the_same_columns_share_a_fold():
    from nnstruct.predictors.ensemble.predictor import _folds

    table = np.repeat(np.arange(6.0), 3)[:, None]
    fold = _folds(STRUCTURES[:18], table, 3, 0)
    assert all(len(set(fold[3 * k : 3 * k + 3])) == 1 for k in range(6))


def test_outliers_beyond_the_fences_are_left_to_the_forests():
    y = TRUTH.copy()
    y[:5] = -50.0  # networks that diverged
    model = Ensemble().fit(STRUCTURES, y)
    mean = model.predict(STRUCTURES)
    assert (mean[:5] < model.low_).all()
    assert (mean[5:] >= model.low_).mean() > 0.9


def test_noisy_labels_are_smoothed_and_exact_ones_kept():
    rng = np.random.default_rng(0)
    noisy = TRUTH + rng.normal(0.0, 0.5, size=80)
    told = Ensemble().fit(STRUCTURES, noisy, y_std=np.full(80, 0.5)).predict(STRUCTURES)
    assert np.corrcoef(told, TRUTH)[0, 1] > np.corrcoef(noisy, TRUTH)[0, 1]


@pytest.mark.parametrize("members", [[], ["trees", "trees"], ["forest"], "forest"])
def test_members_that_are_none_are_refused(members):
    with pytest.raises(InvalidInputError, match=r"^members must"):
        Ensemble(members=members).fit(STRUCTURES, TRUTH)


def test_cells_that_differ_in_an_operator_are_told_apart():
    kinds = ["conv3x3", "maxpool3x3"]
    cells = [
        Structure([[0, 0, 1, 2], [1, 2, 3, 3]], 4, family="cnn",
                  attributes={"operator": ["conv3x3", kinds[i % 2], kinds[i // 2 % 2], "conv3x3"]})
        for i in range(16)
    ]  # fmt: skip
    y = np.array([sum(o == "conv3x3" for o in c.attributes["operator"]) for c in cells], dtype=float)
    mean = Ensemble().fit(cells, y).predict(cells)
    assert stats.kendalltau(mean, y).statistic > 0.9
