"""Conformal intervals: the definition, what they cover, and bounds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from nnstruct.errors import InvalidInputError
from nnstruct.predictors import (
    BayesianRidge,
    Conformal,
    ExtraTrees,
    FittedState,
    Mean,
    Predictor,
    evaluate,
    load_predictor,
)
from nnstruct.structure import Structure

WORLD = [Structure.from_layers([1, a, b, 1]) for a in range(1, 26) for b in range(1, 21)]
UNITS = np.array([float(s.num_units) for s in WORLD])


class Line(Predictor):
    """Least squares on the number of units; the deviation it tells is wrong by a factor of three."""

    name = "line"

    def __init__(self, random_state=0):
        self.random_state = random_state

    def _fit(self, structures, y, weight):
        self.line_ = np.polyfit([s.num_units for s in structures], y, 1)

    def _predict(self, structures, return_std):
        units = np.array([s.num_units for s in structures], dtype=float)
        return np.polyval(self.line_, units), 3.0 * units

    def _get_state(self):
        return FittedState(arrays={"line": self.line_})

    def _set_state(self, state):
        self.line_ = state.arrays["line"]


def drawn(seed, count):
    """Structures in random order, with labels whose noise grows with the units."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(WORLD))
    y = UNITS + UNITS * rng.standard_t(4, size=len(WORLD)) / 3
    return [WORLD[i] for i in order], y[order], count


@pytest.mark.parametrize("method", ["cv+", "split"])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_intervals_hold_the_label_as_often_as_they_say(method, coverage):
    inside, total = 0, 0
    for seed in range(12):
        structures, y, n = drawn(seed, 80)
        model = Conformal(Line(), method=method, folds=8).fit(structures[:n], y[:n])
        low, high = model.predict_interval(structures[n:], coverage)
        inside += int(((low <= y[n:]) & (y[n:] <= high)).sum())
        total += len(y) - n
    # A draw's coverage scatters as that of its residuals does, so that 12 draws count, not their structures.
    known = 80 if method == "cv+" else 20
    spread = np.sqrt(coverage * (1 - coverage) / (12 * known) + coverage * (1 - coverage) / total)
    assert coverage - 2.6 * spread <= inside / total <= coverage + 2.6 * spread + 1 / known


def test_the_interval_of_a_split_is_the_definition():
    structures, y, n = drawn(0, 60)
    model = Conformal(Line(), method="split", calibration=0.4).fit(structures[:n], y[:n])
    (line,) = model.parts_
    assert line.num_structures_ == 36
    kept = len(model.residuals_)
    assert kept == 24
    mean, std = line.predict(structures[:n], return_std=True)
    every = np.abs(y[:n] - mean) / std
    assert np.isin(model.residuals_.round(9), every.round(9)).all()
    low, high = model.predict_interval(structures[n:], 0.8)
    q = np.sort(model.residuals_)[int(np.ceil(0.8 * 25)) - 1]
    mean, std = line.predict(structures[n:], return_std=True)
    np.testing.assert_allclose((high - low) / 2, q * std)
    np.testing.assert_allclose((high + low) / 2, mean)


def test_the_interval_of_cross_validation_is_the_definition():
    structures, y, n = drawn(1, 50)
    model = Conformal(Line(), folds=5).fit(structures[:n], y[:n])
    whole, *parts = model.parts_
    np.testing.assert_allclose(whole.line_, Line().fit(structures[:n], y[:n]).line_)
    ends = []
    for i in range(n):
        mean, std = parts[model.fold_[i]].predict(structures[i : i + 1], return_std=True)
        residual = abs(y[i] - mean[0]) / std[0]
        mean, std = parts[model.fold_[i]].predict(structures[n:], return_std=True)
        ends.append((mean - residual * std, mean + residual * std))
    lows, highs = (np.sort(each, axis=0) for each in zip(*ends, strict=True))
    low, high = model.predict_interval(structures[n:], 0.9)
    np.testing.assert_allclose(
        low, np.minimum(lows[int(np.floor(0.1 * 51)) - 1], whole.predict(structures[n:]))
    )
    np.testing.assert_allclose(
        high, np.maximum(highs[int(np.ceil(0.9 * 51)) - 1], whole.predict(structures[n:]))
    )


def test_no_fold_of_a_structure_holds_a_copy_of_it():
    structures = [s.relabel(np.random.default_rng(0).permutation(s.num_units)) for s in WORLD[:30]] + WORLD[
        :30
    ]
    model = Conformal(Mean()).fit(structures, np.arange(60.0))
    assert (model.fold_[:30] == model.fold_[30:]).all()


def test_the_deviation_tells_of_the_interval():
    structures, y, n = drawn(2, 100)
    model = Conformal(Line(), coverage=0.8, method="split").fit(structures[:n], y[:n])
    mean, std = model.predict(structures[n:], return_std=True)
    low, high = model.predict_interval(structures[n:], 0.8)
    z = stats.norm.ppf(0.9)
    np.testing.assert_allclose(low, mean - z * std)
    np.testing.assert_allclose(high, mean + z * std)
    bench = SimpleNamespace(
        structures=structures, y=y, noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0)
    )
    found = evaluate({"plain": Line(), "conformal": Conformal(Line())}, bench, train_sizes=[100], draws=3)
    covered = found.table["coverage_90"].droplevel(["train_size", "protocol"])
    assert covered["plain"] > 0.99
    assert 0.85 < covered["conformal"] < 0.95


def test_too_few_structures_give_an_unbounded_interval_and_a_finite_deviation():
    model = Conformal(Line(), folds=3).fit(WORLD[:6], UNITS[:6] + np.tile([0, 1], 3))
    low, high = model.predict_interval(WORLD[6:9], 0.9)
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()
    assert np.isfinite(model.predict(WORLD[6:9], return_std=True)[1]).all()
    low, high = model.set_bounds(0, 50).predict_interval(WORLD[6:9], 0.9)
    assert (low.tolist(), high.tolist()) == ([0.0] * 3, [50.0] * 3)


@pytest.mark.parametrize("method", ["cv+", "split"])
def test_predictors_inside_are_saved_with_it(tmp_path, method):
    structures, y, n = drawn(3, 40)
    inner = ExtraTrees(n_estimators=5, families=("paper",), random_state=4)
    model = Conformal(inner, method=method, folds=3).fit(structures[:n], y[:n])
    again = load_predictor(model.save(tmp_path / "p"))
    assert isinstance(again.predictor, ExtraTrees)
    assert again.predictor.get_params() == inner.get_params()
    for ends, expected in zip(
        again.predict_interval(structures[n:]), model.predict_interval(structures[n:]), strict=True
    ):
        np.testing.assert_array_equal(ends, expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "jackknife"}, "method must be one of cv+, split"),
        ({"coverage": 1.0}, "coverage must be a share"),
        ({"folds": 1}, "folds must be an integer of at least 2"),
        ({"calibration": 0.0, "method": "split"}, "calibration must be a share"),
        ({"predictor": 3}, "predictor must be a Predictor or the name of one"),
        ({"predictor": "lines"}, "predictor must be one of"),
    ],
)
def test_options_are_checked_in_fit(parameters, message):
    with pytest.raises(InvalidInputError) as caught:
        Conformal(**{"predictor": Line(), **parameters}).fit(WORLD[:9], UNITS[:9])
    assert message in str(caught.value)


def test_two_structures_are_too_few():
    with pytest.raises(InvalidInputError, match="structures must hold at least 3 for a conformal interval"):
        Conformal(Mean()).fit(WORLD[:2], [0.0, 1.0])


# ---- intervals and bounds of every predictor


def test_other_predictors_give_intervals_of_the_normal_distribution():
    model = BayesianRidge().fit(WORLD[::5], UNITS[::5] + np.random.default_rng(0).normal(size=100))
    mean, std = model.predict(WORLD, return_std=True)
    for coverage in (None, 0.5, 0.99):
        low, high = model.predict_interval(WORLD, coverage)
        z = stats.norm.ppf(0.5 + (0.9 if coverage is None else coverage) / 2)
        np.testing.assert_allclose(low, mean - z * std)
        np.testing.assert_allclose(high, mean + z * std)
    assert [len(ends) for ends in model.predict_interval([])] == [0, 0]
    with pytest.raises(InvalidInputError, match="coverage must be a share"):
        model.predict_interval(WORLD, 1.5)


def test_no_accuracy_above_one_is_predicted(tmp_path):
    accuracy = np.minimum(UNITS / 30, 1.0)
    model = BayesianRidge().fit(WORLD[::5], accuracy[::5])
    assert model.predict(WORLD).max() > 1.02
    model.set_bounds(0.0, 1.0)
    assert model.predict(WORLD).max() == 1.0
    assert model.predict_interval(WORLD)[1].max() == 1.0
    loaded = load_predictor(model.save(tmp_path / "p"))
    assert loaded.bounds_ == (0.0, 1.0)
    bench = SimpleNamespace(
        structures=WORLD[::5], y=accuracy[::5], bounds=(0.0, 1.0),
        noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
    )  # fmt: skip
    found = evaluate("bayesian-ridge", bench, folds=3, repeats=1, resamples=5)
    assert found.predictions["y_pred"].max() == 1.0


def test_a_bound_on_one_side_comes_back(tmp_path):
    model = Mean().fit(WORLD[:3], [-1.0, -2.0, -3.0]).set_bounds(high=-2.5)
    loaded = load_predictor(model.save(tmp_path / "p"))
    assert loaded.bounds_ == (-np.inf, -2.5)
    assert loaded.predict(WORLD[:1])[0] == -2.5


@pytest.mark.parametrize(("low", "high"), [(1, 0), (0.5, 0.5), (float("nan"), 1), ("0", 1), (True, 2)])
def test_bounds_that_are_none_are_refused(low, high):
    with pytest.raises(InvalidInputError, match=r"^low must be (below high|a number, or None)"):
        Mean().set_bounds(low, high)
