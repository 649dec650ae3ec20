"""Scikit-learn's bases, and what stands in for them in a command's own process."""

import subprocess
import sys

import pytest
import sklearn.base
from sklearn.exceptions import NotFittedError

from nnstruct import estimators
from nnstruct.encode import FeatureTable
from nnstruct.predictors import Predictor, RandomForest


def test_everywhere_else_the_bases_are_those_of_scikit_learn():
    assert estimators.BaseEstimator is sklearn.base.BaseEstimator
    assert issubclass(Predictor, sklearn.base.RegressorMixin)
    assert issubclass(FeatureTable, sklearn.base.TransformerMixin)
    estimators.stand_in()  # this process is no command's own, and scikit-learn is there
    assert not estimators.stands_in()
    assert estimators.BaseEstimator is sklearn.base.BaseEstimator


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'ClassifierMixin'"):
        estimators.ClassifierMixin  # noqa: B018


def test_stand_ins_have_the_parameters_of_the_real_ones():
    code = (
        "import sys, nnstruct.estimators as e\n"
        "e.stand_in(); assert not e.stands_in()\n"
        "e.own_process(); e.stand_in(); assert e.stands_in()\n"
        "from nnstruct.predictors import RandomForest\n"
        "model = RandomForest().set_params(n_estimators=7)\n"
        "assert 'sklearn' not in sys.modules\n"
        "print(model.get_params())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(RandomForest(n_estimators=7).get_params())


def test_what_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="FeatureTable"):
        estimators.check_fitted(FeatureTable())
