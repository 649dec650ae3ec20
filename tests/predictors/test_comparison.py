"""Predictors are compared by tests that keep their level, and splits are told so that others can use them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nnstruct import Structure
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, UnknownNameError
from nnstruct.predictors import evaluate
from nnstruct.predictors.comparison import corrected_t, holm

NETS = [Structure.from_layers([2, width, 2]) for width in range(1, 41)]
BENCH = SimpleNamespace(
    structures=NETS,
    y=np.array([float(s.num_units) for s in NETS]),
    noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
)


class Noisy:
    """Says the number of units, and errs by a known amount."""

    def __init__(self, spread: float = 1.0, seed: int = 0, random_state: int = 0) -> None:
        self.spread, self.seed, self.random_state = spread, seed, random_state

    def get_params(self, deep: bool = True) -> dict:
        return {"spread": self.spread, "seed": self.seed, "random_state": self.random_state}

    def set_params(self, **params) -> Noisy:
        return self

    def fit(self, structures, y) -> Noisy:
        return self

    def predict(self, structures) -> np.ndarray:
        errors = [np.random.default_rng([self.seed, s.num_units]).normal(0, self.spread) for s in structures]
        return np.array([s.num_units for s in structures]) + np.array(errors)


@pytest.fixture(scope="module")
def found():
    several = {"good": Noisy(0.5, 1), "fair": Noisy(0.5, 2), "bad": Noisy(30.0, 3)}
    return evaluate(several, BENCH, folds=5, repeats=2, resamples=20)


@pytest.mark.parametrize("method", ["corrected-t", "permutation"])
@pytest.mark.parametrize("metric", ["kendall", "mae", "r2"])
def test_what_differs_is_told_from_what_does_not(found, method, metric) -> None:
    table = found.compare(
        metric=metric, method=method, permutations=80 if metric == "kendall" else 200
    ).set_index(["a", "b"])
    assert table.loc[("good", "bad"), "better"] == "good"
    assert table.loc[("fair", "bad"), "better"] == "fair"
    assert table.loc[("good", "fair"), "better"] == ""
    assert (table["p_holm"] >= table["p"]).all()


def test_one_predictor_is_compared_with_one_or_with_all_others(found) -> None:
    (row,) = found.compare("good", "bad").to_dict("records")
    other = found.compare("bad", "good").iloc[0]
    assert row["difference"] == pytest.approx(-other["difference"])
    assert row["p"] == pytest.approx(other["p"])
    assert row["low"] < row["difference"] < row["high"]
    assert found.compare("bad")["b"].tolist() == ["good", "fair"]
    with pytest.raises(UnknownNameError, match="a must be one of good, fair, bad, got 'best'"):
        found.compare("best")
    with pytest.raises(InvalidInputError, match="predictors must be two or more"):
        found.compare("good", "good")


def test_the_corrected_test_is_its_equation() -> None:
    d, ratio = np.array([0.3, -0.1, 0.2, 0.4]), 0.25
    t = d.mean() / np.sqrt((1 / 4 + ratio) * d.var(ddof=1))
    low, high, p = corrected_t(d, ratio, 0.95)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), 3))
    assert corrected_t(d, 0.0, 0.95)[2] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    assert low < 0.2 < high


def test_holm_is_its_definition() -> None:
    p = np.random.default_rng(0).random(9)
    order = np.argsort(p)
    wanted, running = np.empty(9), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (9 - rank) * p[place]))
        wanted[place] = running
    assert holm(p) == pytest.approx(wanted)


def test_the_level_is_kept_where_nothing_differs() -> None:
    """Of equal errors about one pair in twenty is said to differ, not more than three."""
    hits = 0
    for seed in range(20):
        pair = {"a": Noisy(9.0, 2 * seed + 100), "b": Noisy(9.0, 2 * seed + 101)}
        once = evaluate(pair, BENCH, folds=4, repeats=1, resamples=1)
        hits += once.compare("a", "b", metric="mae").loc[0, "p"] < 0.05
    assert hits <= 3


def test_curves_are_compared_size_by_size() -> None:
    curve = evaluate({"good": Noisy(0.5, 1), "bad": Noisy(30, 2)}, BENCH, train_sizes=[10, 20], draws=4)
    table = curve.compare("good", "bad")
    assert table["train_size"].tolist() == [10, 20]
    assert table["better"].tolist() == ["good", "good"]


def test_splits_go_out_and_come_in(found, tmp_path) -> None:
    told = found.splits(tmp_path / "splits.csv")
    assert told.groupby("split")["part"].value_counts().unstack().to_numpy().tolist() == [[8, 32]] * 10
    again = evaluate({"good": Noisy(0.5, 1)}, BENCH, splits=tmp_path / "splits.csv")
    assert again.repeats == 10
    assert again.train_sizes == [32]
    same = again.splits()
    pd.testing.assert_frame_equal(same, told)
    found.splits(tmp_path / "splits.parquet")
    third = evaluate({"good": Noisy(0.5, 1)}, BENCH, splits=tmp_path / "splits.parquet")
    assert third.table["kendall"].tolist() == again.table["kendall"].tolist()


def test_what_is_wrong_with_splits_is_said(found, tmp_path) -> None:
    told = found.splits()
    with pytest.raises(InvalidInputError, match="splits must have the columns split, fingerprint, part"):
        evaluate("mean", BENCH, splits=told.drop(columns="part"))
    with pytest.raises(InvalidInputError, match="splits must name structures of the benchmark"):
        evaluate("mean", BENCH, splits=told.assign(fingerprint="0" * 32))
    with pytest.raises(InvalidInputError, match="split 0 must have two structures or more in either part"):
        evaluate("mean", BENCH, splits=told.assign(part="train"))
    with pytest.raises(InvalidInputError, match="say 'train' or 'test'"):
        evaluate("mean", BENCH, splits=told.assign(part="val"))
    with pytest.raises(MissingDataError):
        evaluate("mean", BENCH, splits=tmp_path / "none.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptFileError):
        evaluate("mean", BENCH, splits=tmp_path / "a.parquet")
