"""Repeated cross-validation by fingerprint."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnstruct.encode import FeatureTable
from nnstruct.errors import InvalidInputError, NnstructError, UnknownNameError
from nnstruct.executors import Lost, ThreadExecutor
from nnstruct.predictors import PREDICTORS, Mean, evaluate

METRICS = ("r2", "mae", "rmse", "kendall", "spearman")


class Spy(RegressorMixin, BaseEstimator):
    """Remembers what each of its clones was fitted to and asked."""

    seen: list[tuple[set[str], set[str]]] = []  # noqa: RUF012

    def fit(self, structures, y):
        self.inside_ = {s.fingerprint for s in structures}
        return self

    def predict(self, structures):
        Spy.seen.append((self.inside_, {s.fingerprint for s in structures}))
        return np.zeros(len(structures))


@pytest.fixture(scope="module")
def result(bench, make):
    predictors = {"ridge": make("bayesian-ridge"), "forest": make("random-forest"), "mean": Mean()}
    return evaluate(predictors, bench, seed=3, resamples=100)


def test_the_table_holds_every_score_with_its_interval_and_the_ceiling(result):
    assert list(result.table.index) == ["ridge", "forest", "mean"]
    for metric in METRICS:
        low, value, high = (result.table[f"{metric}{end}"] for end in ("_low", "", "_high"))
        assert (low <= value).all()
        assert (value <= high).all()
    assert (result.table["ceiling"] == 0.99).all()
    assert (result.table["ceiling_low"] == 0.98).all()
    assert (result.table["fit_seconds"] > 0).all()
    assert result.table["coverage_90"].between(0.6, 1.0).all()


def test_every_structure_is_predicted_once_a_repeat(result, bench):
    counts = result.predictions.groupby(["predictor", "repeat"])["fingerprint"].agg(["count", "nunique"])
    assert (counts == len(bench.structures)).all().all()
    assert list(result.predictions.columns) == [
        "fingerprint", "predictor", "repeat", "fold", "y", "y_pred", "y_std_pred",
    ]  # fmt: skip


def test_scores_are_those_of_the_pooled_predictions_averaged_over_repeats(result):
    ridge = result.predictions[result.predictions["predictor"] == "ridge"]
    repeats = [part for _, part in ridge.groupby("repeat")]
    assert len(repeats) == 3
    expected = np.mean([r2_score(p["y"], p["y_pred"]) for p in repeats])
    assert result.table.loc["ridge", "r2"] == pytest.approx(expected, abs=1e-12)
    expected = np.mean([mean_absolute_error(p["y"], p["y_pred"]) for p in repeats])
    assert result.table.loc["ridge", "mae"] == pytest.approx(expected, abs=1e-12)


def test_every_predictor_sees_the_same_folds_and_repeats_differ(result):
    folds = result.predictions.pivot_table(
        index="fingerprint", columns=["predictor", "repeat"], values="fold", sort=True
    )
    assert (folds["ridge"] == folds["mean"]).all().all()
    assert not (folds["ridge"][0] == folds["ridge"][1]).all()


def test_predictors_beat_the_mean_and_the_mean_ranks_nothing(result):
    assert result.table.loc["ridge", "r2"] > 0.8
    assert result.table.loc["mean", "r2"] < 0.05
    assert result.table.loc["mean", ["kendall", "spearman"]].tolist() == [0.0, 0.0]


def test_copies_of_a_structure_never_stand_on_both_sides(structures, labels):
    rng = np.random.default_rng(0)
    copies = [s.relabel(rng.permutation(s.num_units)) for s in structures[:15]]
    bench = SimpleNamespace(
        structures=structures + copies,
        y=np.concatenate([labels, labels[:15]]),
        noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
    )
    Spy.seen.clear()
    evaluation = evaluate(Spy(), bench, folds=4, repeats=2, resamples=10)
    assert len(Spy.seen) == 8
    for inside, outside in Spy.seen:
        assert not inside & outside
    assert np.isnan(evaluation.table.loc["Spy", "coverage_90"])


def test_the_same_seed_gives_the_same_result_and_another_does_not(bench):
    first, again, other = (
        evaluate("bayesian-ridge", bench, folds=3, repeats=1, seed=seed, resamples=20) for seed in (1, 1, 2)
    )
    columns = [name for name in first.table if name != "fit_seconds"]
    assert first.table[columns].equals(again.table[columns])
    assert first.predictions.equals(again.predictions)
    assert first.table.loc["bayesian-ridge", "r2"] != other.table.loc["bayesian-ridge", "r2"]


def test_given_predictors_are_left_unfitted(bench):
    mean = Mean()
    evaluate([mean], bench, folds=2, repeats=1, resamples=10)
    assert not hasattr(mean, "mean_")


def test_names_lists_and_scikit_learn_pipelines_are_taken(bench):
    pipeline = make_pipeline(FeatureTable(), StandardScaler(), Ridge())
    result = evaluate(["mean", Mean(), pipeline], bench, folds=2, repeats=1, resamples=10)
    assert list(result.table.index) == ["mean", "mean#2", "Pipeline"]
    assert result.table.loc["Pipeline", "r2"] > 0.5


def test_the_text_is_aligned_ranked_and_ends_with_the_ceiling(result):
    lines = str(result).splitlines()
    assert "3 x 5-fold" in lines[0]
    assert "95% intervals" in lines[0]
    assert [line.split()[0] for line in lines[4:7]] == ["ridge", "forest", "mean"]
    assert lines[-1].split() == ["noise", "ceiling", "0.990", "[0.980,", "0.995]"]
    column = lines[2].index("MAE")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines[4:7])


def test_all_texts_come_from_one_table(result):
    scores = result.scores
    assert list(scores.rows) == ["ridge", "forest", "mean"]
    row, ridge = scores.rows["ridge"], result.table.loc["ridge"]
    assert str(row[scores.columns.index("R2")]) == (
        f"{ridge['r2']:.3f} [{ridge['r2_low']:.3f}, {ridge['r2_high']:.3f}]"
    )
    assert row[scores.columns.index("MAE")].value == f"{ridge['mae']:.4f}"
    assert row[scores.columns.index("inside 90%")].interval == ""
    for name, cells in scores.rows.items():
        (line,) = [line for line in str(result).splitlines() if line.startswith(name)]
        assert line.split() == [name, *" ".join(map(str, cells)).split()]
    assert str(scores.ceiling) == "0.990 [0.980, 0.995]"


def test_scores_that_are_no_numbers_are_dashes_and_an_open_ceiling_has_no_interval(result):
    table = result.table.copy()
    table.loc["mean", ["kendall", "kendall_low", "coverage_90"]] = np.nan
    scores = replace(result, table=table, noise_ceiling=(0.5, np.nan, np.nan)).scores
    row = dict(zip(scores.columns, scores.rows["mean"], strict=True))
    assert (row["Kendall tau"].value, row["inside 90%"].value) == ("-", "-")
    assert row["Kendall tau"].interval.startswith("[-, ")
    assert scores.ceiling == ("0.500", "")


def test_an_unknown_ceiling_is_said_to_be_unknown(bench):
    blind = SimpleNamespace(
        structures=bench.structures,
        y=bench.y,
        noise_ceiling=SimpleNamespace(value=float("nan"), low=float("nan"), high=float("nan")),
    )
    text = str(evaluate("mean", blind, folds=2, repeats=1, resamples=10))
    assert text.splitlines()[-1].split() == ["noise", "ceiling", "unknown"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds must be an integer of at least 2"),
        ({"folds": 41}, "folds must be at most the 40 distinct structures, got 41"),
        ({"repeats": 0}, "repeats must be a positive integer"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"confidence": 1.5}, "confidence must be a share"),
        ({"confidence": 1.0}, "confidence must be"),
        ({"resamples": 0}, "resamples must be a positive integer"),
    ],
)
def test_options_are_checked(bench, options, message):
    with pytest.raises(InvalidInputError, match=message):
        evaluate("mean", bench, **options)


def test_bad_labels_and_predictors_are_named(bench):
    broken = SimpleNamespace(**{**vars(bench), "y": np.append(bench.y[:-1], np.nan)})
    with pytest.raises(InvalidInputError, match=r"^bench\.y\[39\] must be finite, got nan"):
        evaluate("mean", broken)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'random-forest'"):
        evaluate("random-forst", bench)
    with pytest.raises(InvalidInputError, match="hold predictors or names"):
        evaluate([3], bench)
    with pytest.raises(InvalidInputError, match="hold predictors or names"):
        evaluate([Mean], bench)
    with pytest.raises(InvalidInputError, match="at least one predictor"):
        evaluate([], bench)


# ---- executors


class NobodyLives(ThreadExecutor):
    """Its workers die over the second fit."""

    def run(self, task, items, **how):
        for place, found in super().run(task, items, **how):
            yield place, Lost("3 workers died over it") if place == 1 else found


@pytest.mark.parametrize(
    ("executor", "gnn"),
    [("local", False), ("threads", False), pytest.param("local", True, marks=pytest.mark.study)],
)
def test_who_fits_changes_no_bit(executor, gnn, bench):
    asked = {"trees": PREDICTORS["extra-trees"](n_estimators=5), "mean": Mean()}
    if executor == "local":
        asked["gp"] = PREDICTORS["gaussian-process"]()
    if gnn:
        asked["gnn"] = PREDICTORS["gnn"](hidden=8, layers=2, members=2, max_epochs=1)
    how = {"train_sizes": [12, 20], "draws": 1}
    alone = evaluate(asked, bench, **how)
    spread = evaluate(asked, bench, executor=executor, workers=2, **how)
    pd.testing.assert_frame_equal(spread.predictions, alone.predictions, check_exact=True)
    told = [found.table.drop(columns=["fit_seconds"]) for found in (spread, alone)]
    pd.testing.assert_frame_equal(*told, check_exact=True)


def test_a_fit_over_which_workers_die_is_one_sentence(bench):
    with pytest.raises(NnstructError, match="'mean' could not be fitted: 3 workers died over it"):
        evaluate("mean", bench, folds=2, repeats=1, executor=NobodyLives(1))


def test_who_fits_is_checked_first(bench):
    with pytest.raises(InvalidInputError, match="executor must be 'local', 'threads', the address"):
        evaluate("mean", bench, executor="cluster")
    with pytest.raises(InvalidInputError, match="workers must be"):
        evaluate("mean", bench, workers=0)
