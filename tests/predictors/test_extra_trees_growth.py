"""Trees grown by the compiled loop: their definition, and what scikit-learn's extra trees say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor

from nnstruct.predictors.extra_trees_growth import extra_trees

RNG = np.random.default_rng(0)
TABLE = np.concatenate([RNG.normal(size=(300, 6)), RNG.integers(0, 4, (300, 6))], axis=1)
TRUTH = TABLE[:, 0] + TABLE[:, 7] * (TABLE[:, 1] > 0)
Y = 90 + TRUTH + RNG.normal(0, 0.3, 300)
NEW = np.concatenate([RNG.normal(size=(500, 6)), RNG.integers(0, 4, (500, 6))], axis=1)
NEW_TRUTH = 90 + NEW[:, 0] + NEW[:, 7] * (NEW[:, 1] > 0)


def trees_of(forest):
    """Each tree as what its nodes hold: rows of the table by node, from the root on."""
    for start, end in zip(forest.start[:-1], forest.start[1:], strict=True):
        part = slice(start, end)
        yield tuple(array[part] for array in (forest.left, forest.right, forest.feature, forest.threshold,
                                              forest.value))  # fmt: skip


@pytest.mark.parametrize("least", [1, 5])
def test_every_node_keeps_the_rules(least):
    weight = RNG.uniform(0.5, 2.0, 300)
    forest = extra_trees(TABLE, Y, weight, trees=6, least=least, columns=0.4, seed=1)
    rows32 = TABLE.astype(np.float32)
    for left, right, feature, threshold, value in trees_of(forest):
        waiting, leaves = [(0, np.arange(300))], []
        while waiting:
            node, rows = waiting.pop()
            assert value[node] == pytest.approx(np.average(Y[rows], weights=weight[rows]), rel=1e-12)
            if left[node] < 0:
                assert right[node] < 0
                assert least <= len(rows) < 2 * least or np.ptp(Y[rows]) == 0 or least > 1
                leaves.append(rows)
                continue
            column = rows32[rows, feature[node]]
            assert column.min() <= threshold[node] < column.max()
            goes = column <= threshold[node]
            assert min(goes.sum(), (~goes).sum()) >= least
            waiting += [(left[node], rows[goes]), (right[node], rows[~goes])]
        assert sorted(np.concatenate(leaves).tolist()) == list(range(300))


def test_of_the_drawn_thresholds_the_best_is_taken():
    """With all columns drawn, a column that parts the labels without an error is taken at the root."""
    y = (TABLE[:, 9] > 1).astype(float)
    table = TABLE.copy()
    table[:, 9] = y
    forest = extra_trees(table, y, trees=20)
    assert [feature[0] for _, _, feature, _, _ in trees_of(forest)] == [9] * 20
    np.testing.assert_array_equal(np.diff(forest.start), 3)


def test_columns_and_thresholds_are_drawn_evenly():
    noise = RNG.normal(size=30)
    table = np.concatenate([TABLE[:30, :3], np.ones((30, 1))], axis=1)
    forest = extra_trees(table, noise, trees=2000, columns=0.25, seed=3)
    counts = np.bincount([feature[0] for _, _, feature, _, _ in trees_of(forest)], minlength=4)
    assert counts[3] == 0
    assert stats.chisquare(counts[:3]).pvalue > 1e-3
    forest = extra_trees(table[:, :1], noise, trees=2000, seed=3)
    drawn = [threshold[0] for _, _, _, threshold, _ in trees_of(forest)]
    low, high = table[:, 0].min(), table[:, 0].max()
    assert stats.kstest((np.array(drawn) - low) / (high - low), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("least", [1, 5])
def test_they_are_as_good_as_scikit_learn_s(least):
    errors = {"own": [], "theirs": []}
    for seed in range(4):
        own = extra_trees(TABLE, Y, trees=50, least=least, columns=0.4, seed=seed)
        theirs = ExtraTreesRegressor(50, min_samples_leaf=least, max_features=0.4, random_state=seed)
        errors["own"].append(np.mean((own.predict(NEW)[0] - NEW_TRUTH) ** 2))
        errors["theirs"].append(np.mean((theirs.fit(TABLE, Y).predict(NEW) - NEW_TRUTH) ** 2))
    assert np.mean(errors["own"]) == pytest.approx(np.mean(errors["theirs"]), rel=0.1)


def test_threads_and_equal_columns_change_nothing():
    one = extra_trees(TABLE, Y, trees=60, columns=0.4)
    for other in (
        extra_trees(TABLE, Y, trees=60, columns=0.4, n_jobs=3),
        extra_trees(np.concatenate([TABLE, TABLE[:, :3]], axis=1), Y, np.ones(300), trees=60, columns=0.4),
    ):
        np.testing.assert_array_equal(one.feature, other.feature)
        np.testing.assert_array_equal(one.value, other.value)
    assert not np.array_equal(one.predict(NEW)[0], extra_trees(TABLE, Y, trees=60, seed=1).predict(NEW)[0])


def test_a_table_without_variation_has_one_leaf():
    forest = extra_trees(np.ones((5, 2)), np.arange(5.0), trees=3)
    assert forest.start.tolist() == [0, 1, 2, 3]
    assert forest.predict(np.zeros((1, 2)))[0].tolist() == [2.0]
