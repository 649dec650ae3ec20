"""Scikit-learn's bases, which come in when anything imports scikit-learn."""

import json
import subprocess
import sys

import pytest
import sklearn.base
from sklearn.exceptions import NotFittedError

from nnstruct import estimators
from nnstruct.encode import FeatureTable
from nnstruct.predictors import Predictor, RandomForest

# What an estimator says before and after, in a process that has no scikit-learn at first.
LATE = """
import json, pickle, sys
import nnstruct as ns
from nnstruct.encode import FeatureTable
from nnstruct.predictors import RandomForest

class Mine(RandomForest):
    def fit(self, structures, y, sample_weight=None, *, colour=None): ...

def loaded():
    return "sklearn" in sys.modules

model = ns.load_pretrained("mnist-mlp")
nets = [ns.Structure.from_layers([10, width, 10]) for width in (5, 50)]
said, before = model.predict(nets).tolist(), pickle.dumps(model)
parameters = RandomForest().set_params(n_estimators=7).get_params()
lines = [loaded()]
{touch}
lines.append(loaded())
import sklearn.base
from sklearn.utils import get_tags
lines += [
    isinstance(model, sklearn.base.BaseEstimator), sklearn.base.is_regressor(model),
    sklearn.base.clone(model).get_params() == model.get_params(),
    RandomForest(n_estimators=7).get_params() == parameters,
    pickle.loads(before).predict(nets).tolist() == said, model.predict(nets).tolist() == said,
    "set_fit_request" in vars(Mine), get_tags(Mine()).estimator_type, repr(Mine(n_estimators=3)),
    issubclass(FeatureTable, sklearn.base.TransformerMixin), hasattr(FeatureTable.transform, "__wrapped__"),
    sklearn.base.__spec__.loader is not None and type(sklearn.base.__loader__).__module__,
]
print(json.dumps(lines))
"""
SAID = [True] * 7 + ["regressor", "Mine(n_estimators=3)", True, True, "_frozen_importlib_external"]


@pytest.mark.parametrize(
    ("touch", "loads"),
    [("pass", False), ("assert model.score(nets, model.predict(nets)) == 1.0", True)],
    ids=["nothing", "score"],
)
def test_what_was_made_before_is_an_estimator_once_scikit_learn_is_there(touch, loads):
    code = LATE.replace("{touch}", touch)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert json.loads(run.stdout) == [False, loads, *SAID]


def test_where_scikit_learn_is_there_already_its_bases_are_inherited_at_once():
    code = (
        "import sklearn.base\nfrom nnstruct.estimators import *\nprint(BaseEstimator.__mro__[1].__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "sklearn.base"


def test_the_bases_are_those_of_scikit_learn():
    assert issubclass(estimators.BaseEstimator, sklearn.base.BaseEstimator)
    assert issubclass(Predictor, sklearn.base.RegressorMixin)
    assert issubclass(FeatureTable, sklearn.base.TransformerMixin)
    for name in ("get_params", "set_params", "__repr__", "score", "set_output"):
        late = next(kind for kind in RandomForest.__mro__ + FeatureTable.__mro__ if name in vars(kind))
        assert late.__module__.startswith("sklearn."), name


def test_a_parameter_that_there_is_not_is_told_by_scikit_learn():
    with pytest.raises(ValueError, match="Invalid parameter 'trees'"):
        RandomForest().set_params(trees=7)


def test_only_a_process_of_its_own_asks_only():
    estimators.ask_only()
    assert not estimators.asks_only()


def test_what_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="FeatureTable"):
        estimators.check_fitted(FeatureTable())
