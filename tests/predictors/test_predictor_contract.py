"""What every registered predictor keeps; a new one is covered by being registered."""

from __future__ import annotations

import inspect
import random

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from nnstruct.errors import InvalidInputError, NnstructError, NotFittedError
from nnstruct.network import Network
from nnstruct.predictors import PREDICTORS, Predictor
from nnstruct.structure import Structure

every_predictor = pytest.mark.parametrize("name", list(PREDICTORS))
# Float32 sums over units change in the last digits with the order of the units.
TOLERANCE = {"gnn": 1e-5}


def test_the_registry_holds_the_documented_names():
    assert set(PREDICTORS) >= {
        "adaboost", "bayesian-ridge", "extra-trees", "gaussian-process", "gnn", "hist-gradient-boosting",
        "mean", "random-forest",
    }  # fmt: skip


@every_predictor
def test_its_name_is_its_registered_one_and_its_docstring_lists_every_parameter(name):
    cls = PREDICTORS[name]
    assert issubclass(cls, Predictor)
    assert cls.name == name
    for parameter in inspect.signature(cls).parameters:
        assert f"{parameter} :" in cls.__doc__


@every_predictor
def test_the_constructor_only_stores(name, make):
    for parameter in inspect.signature(PREDICTORS[name]).parameters:
        marker = object()
        predictor = PREDICTORS[name](**{parameter: marker})
        assert getattr(predictor, parameter) is marker
        assert predictor.get_params(deep=False)[parameter] is marker


@every_predictor
def test_clone_and_set_params_keep_parameters_and_forget_what_was_learned(name, fitted, make, unseen):
    copy = clone(fitted(name))
    assert copy.get_params() == fitted(name).get_params()
    with pytest.raises(NotFittedError, match=r"Call fit"):
        copy.predict(unseen)
    assert copy.set_params(random_state=5).random_state == 5


@every_predictor
def test_fit_returns_itself_and_predictions_are_finite_vectors(name, fitted, unseen):
    predictor = fitted(name)
    mean, std = predictor.predict(unseen, return_std=True)
    assert mean.shape == std.shape == (len(unseen),)
    assert mean.dtype == std.dtype == np.float64
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    np.testing.assert_allclose(predictor.predict(unseen), mean, rtol=0, atol=1e-12)
    assert predictor.num_structures_ == 40


@every_predictor
def test_predict_before_fit_raises_the_packages_own_error(name, make, unseen):
    with pytest.raises(NotFittedError, match="has not been fitted"):
        make(name).predict(unseen)


@every_predictor
def test_relabelling_the_units_leaves_the_prediction(name, fitted, unseen):
    rng = np.random.default_rng(0)
    relabelled = [s.relabel(rng.permutation(s.num_units)) for s in unseen]
    before, std_before = fitted(name).predict(unseen, return_std=True)
    after, std_after = fitted(name).predict(relabelled, return_std=True)
    tolerance = TOLERANCE.get(name, 1e-9)
    np.testing.assert_allclose(after, before, rtol=0, atol=tolerance)
    np.testing.assert_allclose(std_after, std_before, rtol=0, atol=tolerance)


@every_predictor
def test_the_seed_decides_and_the_global_random_state_does_not(
    name, fitted, make, structures, labels, unseen
):
    random.seed(3), np.random.seed(3), torch.manual_seed(3)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    again = make(name).fit(structures, labels)
    np.testing.assert_array_equal(again.predict(unseen), fitted(name).predict(unseen))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    assert torch.get_num_threads() == threads


@every_predictor
def test_a_batch_of_one_equals_a_batch_of_many(name, fitted, unseen):
    together = fitted(name).predict(unseen)
    alone = np.concatenate([fitted(name).predict([structure]) for structure in unseen])
    np.testing.assert_allclose(alone, together, rtol=0, atol=TOLERANCE.get(name, 1e-9))


@every_predictor
def test_no_structure_gives_no_prediction(name, fitted):
    mean, std = fitted(name).predict([], return_std=True)
    assert mean.shape == std.shape == (0,)


@every_predictor
def test_networks_stand_for_their_structures(name, fitted, unseen):
    networks = [Network(s, np.ones((s.num_edges, 1)), np.zeros((s.num_units, 1))) for s in unseen]
    np.testing.assert_array_equal(fitted(name).predict(networks), fitted(name).predict(unseen))


@every_predictor
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, y: (s, [*y[:2], float("nan"), *y[3:]]), r"^y\[2\] must be finite, got nan"),
        (lambda s, y: (s, [*y[:4], float("inf"), *y[5:]]), r"^y\[4\] must be finite, got inf"),
        (lambda s, y: (s, y[:-1]), r"^y must hold one value for each of the 40 structures, got 39"),
        (lambda s, y: (s, y[:, None]), r"^y must have one dimension, got \[40, 1\]"),
        (lambda s, y: (s, ["good"] * len(y)), r"^y must hold numbers"),
        (lambda s, y: (s[0], y[:1]), r"^structures must be a list of Structure.*\[structure\]"),
        (lambda s, y: ([*s[:-1], "dense"], y), r"^structures\[39\] must be a Structure, got 'dense'"),
        (lambda s, y: (s[:1], y[:1]), r"^structures must hold at least 2, got 1"),
        (lambda s, y: (None, y), r"^structures must be a list of Structures, got None"),
    ],
)
def test_fit_names_what_is_wrong_with_its_input(name, make, structures, labels, change, message):
    with pytest.raises(InvalidInputError, match=message):
        make(name).fit(*change(structures, labels))


@every_predictor
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda n: -np.ones(n), r"^sample_weight\[0\] must be finite and not negative, got -1.0"),
        (lambda n: [1.0] * (n - 1) + [float("nan")], r"^sample_weight\[39\] must be finite"),
        (lambda n: np.zeros(n), r"^sample_weight must have a positive sum, got 0.0"),
        (lambda n: np.ones(n - 1), r"^sample_weight must hold one value for each of the 40"),
    ],
)
def test_fit_names_what_is_wrong_with_the_weights(name, make, structures, labels, weights, message):
    with pytest.raises(InvalidInputError, match=message):
        make(name).fit(structures, labels, sample_weight=weights(len(labels)))


@every_predictor
def test_predict_refuses_a_single_structure(name, fitted, unseen):
    with pytest.raises(InvalidInputError, match=r"Wrap a single one in a list"):
        fitted(name).predict(unseen[0])


@every_predictor
@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_random_state_must_be_a_non_negative_integer(name, make, structures, labels, seed):
    with pytest.raises(InvalidInputError, match=r"^random_state must be a non-negative integer"):
        make(name, random_state=seed).fit(structures, labels)


@every_predictor
def test_bad_parameters_are_refused_in_fit_by_name(name, make, structures, labels):
    numbers = {k: v for k, v in PREDICTORS[name]().get_params().items() if type(v) in (int, float)}
    numbers.pop("random_state")
    for parameter in numbers:
        with pytest.raises(NnstructError, match=rf"^{parameter} must "):
            make(name, **{parameter: -1}).fit(structures, labels)


@every_predictor
def test_series_arrays_and_tuples_are_taken_like_lists(name, fitted, make, structures, labels, unseen):
    boxed = np.empty(len(structures), dtype=object)
    boxed[:] = structures
    other = make(name).fit(boxed, pd.Series(labels, index=range(100, 140)))
    np.testing.assert_array_equal(other.predict(tuple(unseen)), fitted(name).predict(unseen))


@every_predictor
def test_a_constant_label_is_predicted_everywhere(name, make, structures, unseen):
    mean, std = make(name).fit(structures, np.full(len(structures), 0.75)).predict(unseen, return_std=True)
    np.testing.assert_allclose(mean, 0.75, atol=0.02 if name == "gnn" else 1e-6)
    assert np.isfinite(std).all()


@every_predictor
def test_copies_of_a_single_structure_give_the_mean_of_their_labels(name, make):
    copies = [Structure.from_layers([2, 3, 1])] * 12
    mean, std = make(name).fit(copies, [0.4, 0.6] * 6).predict(copies[:1], return_std=True)
    assert mean[0] == pytest.approx(0.5, abs=0.1)
    assert 0.02 < std[0] < 0.5


@every_predictor
def test_weights_decide_between_contradicting_labels(name, make):
    copies = [Structure.from_layers([2, 3, 1]), Structure.from_layers([2, 4, 1])] * 12
    y, weight = np.tile([0.0, 0.0, 1.0, 1.0], 6), np.tile([100.0, 100.0, 1.0, 1.0], 6)
    predictor = make(name).fit(copies, y, sample_weight=weight)
    assert predictor.predict(copies[:1])[0] < 0.25
    assert make(name).fit(copies, y, sample_weight=weight[::-1]).predict(copies[:1])[0] > 0.75


@every_predictor
def test_scikit_learn_tools_take_lists_of_structures(name, make, structures, labels):
    result = cross_val_score(make(name), structures, labels, cv=2)
    assert result.shape == (2,)
    assert np.isfinite(result).all()
    pipeline = make_pipeline(make(name)).fit(structures, labels)
    assert pipeline.score(structures, labels) == pytest.approx(
        pipeline[-1].score(structures, labels), abs=1e-12
    )


def test_grid_search_and_pipelines_carry_weights_and_std(make, structures, labels):
    search = GridSearchCV(make("random-forest"), {"min_samples_leaf": [1, 15]}, cv=2)
    search.fit(structures, labels)
    assert search.best_params_ == {"min_samples_leaf": 1}
    pipeline = make_pipeline(make("bayesian-ridge"))
    pipeline.fit(structures, labels, bayesianridge__sample_weight=np.ones(len(labels)))
    mean, std = pipeline.predict(structures, return_std=True)
    assert mean.shape == std.shape


@every_predictor
def test_wider_labels_give_wider_uncertainty(name, fitted, make, structures, labels, unseen):
    wide = make(name).fit(structures, 10 * labels).predict(unseen, return_std=True)[1]
    narrow = fitted(name).predict(unseen, return_std=True)[1]
    assert np.median(wide / narrow) == pytest.approx(10, rel=0.2)
