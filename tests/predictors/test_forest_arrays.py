"""Forests as arrays say what scikit-learn's forests say."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from nnstruct.predictors.forest_arrays import ForestArrays

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 4))
LABELS = TABLE[:, 0] + RNG.normal(size=60)


@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
def test_mean_and_variance_are_those_of_the_trees(kind):
    forest = kind(20, min_samples_leaf=2, random_state=0).fit(TABLE, LABELS)
    others = RNG.normal(size=(30, 4))
    mean, variance = ForestArrays.of(forest).predict(others)
    by_tree = np.stack([tree.predict(others) for tree in forest.estimators_])
    np.testing.assert_allclose(mean, forest.predict(others), rtol=1e-12)
    np.testing.assert_allclose(variance, by_tree.var(axis=0), rtol=1e-9, atol=1e-12)


def arrays():
    return ForestArrays.of(ExtraTreesRegressor(3, random_state=0).fit(TABLE, LABELS)).arrays()


def test_arrays_bring_the_forest_back():
    kept = arrays()
    again = ForestArrays.from_arrays(kept, 4)
    np.testing.assert_array_equal(again.predict(TABLE)[0], ForestArrays(**kept).predict(TABLE)[0])


@pytest.mark.parametrize(
    ("name", "value"), [("left", 10**6), ("left", 0), ("right", -1), ("feature", 4), ("feature", -3)]
)
def test_links_that_lead_outside_are_refused(name, value):
    kept = {key: array.copy() for key, array in arrays().items()}
    kept[name][0] = value
    with pytest.raises(ValueError, match="lead outside"):
        ForestArrays.from_arrays(kept, 4)


def test_trees_that_are_not_whole_are_refused():
    kept = arrays()
    with pytest.raises(ValueError, match="not whole"):
        ForestArrays.from_arrays(kept | {"value": kept["value"][:-1]}, 4)
