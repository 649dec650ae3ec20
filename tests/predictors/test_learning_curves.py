"""Random training sets by size: what is drawn, what is scored, and what predictors are told."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.predictors import Evaluation, Mean, evaluate
from nnstruct.predictors.draws import check_train_sizes, drawn_splits
from nnstruct.predictors.metrics import METRICS, scores
from nnstruct.structure import Structure
from nnstruct.structure.twins import have_twins, twin_families, twin_groups

SHAPES = [Structure.from_layers([1, a, b, 1]) for a in range(1, 7) for b in range(1, 6)]


class Told(RegressorMixin, BaseEstimator):
    """Remembers which noise each of its clones was handed, and predicts the number of units."""

    handed: list = []  # noqa: RUF012

    def fit(self, structures, y, y_std=None):
        Told.handed.append((len(structures), y_std))
        return self

    def predict(self, structures):
        return np.array([float(s.num_units) for s in structures])


@pytest.fixture(scope="module")
def twice():
    """30 structures, each in two rows of different labels."""
    rng = np.random.default_rng(0)
    structures = [s.relabel(rng.permutation(s.num_units)) for s in SHAPES] + SHAPES
    y = np.array([s.num_units for s in structures]) + rng.normal(size=60)
    return SimpleNamespace(
        structures=structures, y=y, noise_ceiling=SimpleNamespace(value=0.9, low=0.8, high=0.95),
        name="shapes", target="score",
    )  # fmt: skip


@pytest.fixture(scope="module")
def curve(twice):
    return evaluate(
        {"told": Told(), "mean": Mean()}, twice, train_sizes=[10, 0.5], draws=4, k=5,
        protocol=["unseen", "no-twins", "all-rows"],
    )  # fmt: skip


def test_there_is_a_row_for_each_predictor_size_and_protocol(curve):
    assert curve.table.index.names == ["predictor", "train_size", "protocol"]
    assert len(curve.table) == 2 * 2 * 3
    assert curve.train_sizes == [10, 30]
    for metric in set(METRICS) - {"nll", "coverage_90"}:
        assert {metric, f"{metric}_sd", f"{metric}_low", f"{metric}_high"} <= set(curve.table)
        assert np.isfinite(curve.table[metric]).all()
    assert (curve.table["ceiling"] == 0.9).all()


@pytest.mark.parametrize("protocol", ["unseen", "no-twins", "all-rows"])
def test_scores_are_means_over_draws_of_the_rows_that_the_protocol_counts(curve, protocol):
    told = curve.predictions[curve.predictions["predictor"] == "told"]
    each, counts = [], []
    for draw in range(4):
        part = told[(told["train_size"] == 10) & (told["draw"] == draw)]
        learned = set(part.loc[part["trained"], "fingerprint"])
        assert part["trained"].sum() == 10
        if protocol != "all-rows":
            part = part[~part["trained"]]
        if protocol == "no-twins":
            part = part[~part["fingerprint"].isin(learned)]
        each.append(stats.kendalltau(part["y"], part["y_pred"]).statistic)
        counts.append(len(part))
    row = curve.table.loc[("told", 10, protocol)]
    assert row["scored"] == np.mean(counts)
    assert row["kendall"] == pytest.approx(np.mean(each))
    assert row["kendall_sd"] == pytest.approx(np.std(each, ddof=1))
    half = stats.t.ppf(0.975, 3) * np.std(each, ddof=1) / 2
    assert row["kendall_low"] == pytest.approx(np.mean(each) - half)
    assert row["kendall_high"] == pytest.approx(np.mean(each) + half)


def test_rows_without_a_twin_are_fewer_than_unseen_ones(curve):
    scored = curve.table["scored"].sort_index().xs(("told", 10))
    assert scored["no-twins"] < scored["unseen"] == 50 < scored["all-rows"] == 60


def test_training_sets_are_nested_in_a_draw_and_independent_between_draws():
    names = [f"{i:03d}" for i in range(100)]
    splits = {
        (s.draw, s.part): set(s.inside.tolist())
        for s in drawn_splits(names, [20, 5, 40], 3, 0, everything=False)
    }
    for draw in range(3):
        assert splits[draw, 5] < splits[draw, 20] < splits[draw, 40]
        assert len(splits[draw, 40]) == 40
    assert len(splits[0, 40] & splits[1, 40]) < 30
    (alone,) = drawn_splits(names, [20], 1, 0, everything=False)
    assert set(alone.inside.tolist()) == splits[0, 20]
    assert set(alone.outside.tolist()) == set(range(100)) - splits[0, 20]


def test_the_draws_do_not_hang_on_the_order_of_the_rows():
    names = [f"{i:03d}" for i in range(50)]
    order = np.random.default_rng(0).permutation(50)
    (first,) = drawn_splits(names, [10], 1, 3, everything=False)
    (second,) = drawn_splits([names[i] for i in order], [10], 1, 3, everything=False)
    assert {names[i] for i in first.inside} == {names[order[i]] for i in second.inside}


def test_the_same_seed_gives_the_same_curve_and_another_does_not(twice):
    first, again, other = (
        evaluate("mean", twice, train_sizes=[10], draws=2, seed=seed) for seed in (1, 1, 2)
    )
    assert first.predictions.equals(again.predictions)
    assert first.table.loc[("mean", 10, "unseen"), "mae"] == again.table.loc[("mean", 10, "unseen"), "mae"]
    assert first.table.loc[("mean", 10, "unseen"), "mae"] != other.table.loc[("mean", 10, "unseen"), "mae"]


# ---- twins


def test_twins_have_one_fingerprint_or_one_given_class():
    a, b, c, d = SHAPES[:4]
    groups = twin_groups([a, b, c, d, a], extra=[0, 1, 1, 2, 3])
    assert have_twins(groups, np.array([0])).tolist() == [True, False, False, False, True]
    assert have_twins(groups, np.array([1])).tolist() == [False, True, True, False, False]
    family = twin_families(twin_groups([a, b, c, d, a], extra=[0, 1, 1, 2, 2]))
    assert family[0] == family[3] == family[4] != family[1] == family[2]


def cell(*operators, edges):
    count = len(operators) + 2
    names = ["input", *operators, "output"]
    return Structure(edges, count, family="cnn", attributes={"operator": names})


def test_twins_differ_in_what_no_output_feels_or_in_where_an_identity_stands():
    one = cell("conv3x3", edges=[[0, 1], [1, 2]])
    dead = cell("conv3x3", "none", edges=[[0, 1, 0, 2], [1, 3, 2, 3]])
    passed_on = cell("skip_connect", "conv3x3", edges=[[0, 1, 2], [1, 2, 3]])
    double = cell("skip_connect", "skip_connect", "conv3x3", edges=[[0, 0, 1, 2, 3], [1, 2, 3, 3, 4]])
    other_way = cell("skip_connect", "conv3x3", edges=[[0, 1, 0, 2], [1, 2, 2, 3]])
    groups = twin_groups([one, dead, passed_on, double, other_way])
    fingerprint, trimmed, contracted = groups.tolist()
    assert fingerprint == [0, 1, 2, 3, 4]
    assert trimmed == [0, 0, 1, 2, 3]
    assert contracted == [0, 0, 0, 1, 1]  # two ways into the convolution, whatever they pass through
    assert have_twins(groups, np.array([0])).tolist() == [True, True, True, False, False]


def test_twins_do_not_hang_on_the_order_of_units():
    double = cell("skip_connect", "conv1x1", "conv3x3", edges=[[0, 0, 0, 1, 2, 3], [1, 2, 3, 3, 3, 4]])
    moved = double.relabel([2, 3, 4, 0, 1])
    assert (twin_groups([double, moved])[:, 0] == twin_groups([double, moved])[:, 1]).all()
    recurrent = Structure([[0, 1, 1], [1, 2, 1]], 3, [False, False, True], family="gru")
    assert twin_groups([recurrent, SHAPES[0]]).tolist() == [[0, 1]] * 3


def test_own_classes_are_kept_apart_too(twice):
    classes = [s.num_units for s in twice.structures]
    options = {"train_sizes": [4], "draws": 2, "protocol": "no-twins"}
    scored = [
        evaluate("mean", twice, groups=groups, **options).table["scored"].iloc[0]
        for groups in (None, classes)
    ]
    assert scored[1] < scored[0]


def test_twins_share_a_fold_of_a_cross_validation(twice):
    classes = [s.num_units for s in twice.structures]
    found = evaluate("mean", twice, folds=3, repeats=1, protocol="no-twins", groups=classes, resamples=5)
    units = dict(zip([s.fingerprint for s in twice.structures], classes, strict=True))
    folds = found.predictions.groupby(found.predictions["fingerprint"].map(units))["fold"].nunique()
    assert (folds == 1).all()
    assert found.predictions["fold"].nunique() == 3


# ---- noise and bounds


def test_the_noise_of_the_labels_is_passed_to_whom_it_may_concern(twice):
    noise = np.linspace(0.1, 1.0, 60)
    bench = SimpleNamespace(**vars(twice), label_noise=noise)
    Told.handed.clear()
    evaluate(["mean", Told()], bench, train_sizes=[20], draws=1)
    ((count, handed),) = Told.handed
    (split,) = drawn_splits([s.fingerprint for s in twice.structures], [20], 1, 0, everything=False)
    assert count == 20
    np.testing.assert_array_equal(handed, noise[split.inside])
    Told.handed.clear()
    evaluate(Told(), bench, folds=2, repeats=1, resamples=5, label_noise=False)
    evaluate(Told(), twice, folds=2, repeats=1, resamples=5)
    assert [noise for _, noise in Told.handed] == [None] * 4


def test_noise_decides_what_the_mean_predicts(twice):
    noise = np.where(twice.y > np.median(twice.y), 1000.0, 0.0)
    bench = SimpleNamespace(**vars(twice), label_noise=noise)
    told, untold = (
        evaluate("mean", bench, train_sizes=[30], draws=1, label_noise=on).predictions["y_pred"].iloc[0]
        for on in (True, False)
    )
    assert told < untold - 0.5


# ---- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_sizes": []}, r"train_sizes must hold distinct sizes, at least one"),
        ({"train_sizes": 10}, r"train_sizes must be a list of counts"),
        ({"train_sizes": [10, "many"]}, r"train_sizes must be a list of counts .* got 'many'"),
        ({"train_sizes": [True]}, r"train_sizes must be a list of counts"),
        ({"train_sizes": [10, 10]}, r"train_sizes must hold distinct sizes"),
        ({"train_sizes": [10, 1]}, r"train_sizes\[1\] must leave structures to score: from 2 to 58 of 60"),
        ({"train_sizes": [59]}, r"train_sizes\[0\] must leave structures to score"),
        ({"train_sizes": [1.5]}, r"train_sizes\[0\] must be a share in \(0, 1\]"),
        ({"train_sizes": [10], "draws": 0}, "draws must be a positive integer"),
        ({"train_sizes": [10], "protocol": "seen"}, "protocol must be one of unseen, no-twins, all-rows"),
        ({"train_sizes": [10], "protocol": []}, "protocol must be one protocol or several different"),
        ({"protocol": "all-rows"}, "protocol must be 'unseen' or 'no-twins' in cross-validation"),
        ({"protocol": ["unseen", "no-twins"]}, "several with train_sizes only"),
        ({"train_sizes": [10], "groups": [1] * 60}, "groups must be given with the protocol 'no-twins'"),
        (
            {"train_sizes": [10], "groups": [1, 2], "protocol": "no-twins"},
            "groups must hold one class for each of the 60",
        ),
        ({"k": 0}, "k must be a positive integer"),
    ],
)  # fmt: skip
def test_options_are_checked(twice, options, message):
    with pytest.raises(InvalidInputError, match=f"^{message}|{message}"):
        evaluate("mean", twice, **options)


def test_all_rows_may_be_trained_on_where_all_are_scored():
    assert check_train_sizes([1.0, 2], 10, ("all-rows",)) == [10, 2]


# ---- text, pictures, files


def test_the_text_has_sizes_in_order_and_the_best_first(curve):
    lines = str(curve).splitlines()
    assert "4 random training sets of each size" in lines[0]
    assert "k = 5" in lines[0]
    assert [line.split()[0] for line in lines[4:16]] == [*["told,"] * 3, *["mean,"] * 3] * 2
    assert [line.split()[1] for line in lines[4:16]] == [*["10,"] * 6, *["30,"] * 6]
    row = curve.table.loc[("told", 10, "unseen")]
    (line,) = [line for line in lines if line.startswith("told, 10, unseen")]
    assert f"{row['kendall']:.3f} ± {row['kendall_sd']:.3f}" in line
    assert repr(curve) == "Evaluation(told, mean; 60 structures)"


def test_notebooks_show_a_table_with_names_escaped(twice):
    page = evaluate({"<b>": Mean()}, twice, train_sizes=[10], draws=2)._repr_html_()
    assert page.startswith("<table>")
    assert "&lt;b&gt;, 10, unseen" in page
    assert "<b>" not in page


def test_the_plot_draws_a_line_for_each_predictor_and_protocol(curve):
    ax = curve.plot("spearman", Figure().subplots())
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert set(lines) == {f"{p}, {q}" for p in ("told", "mean") for q in ("unseen", "no-twins", "all-rows")}
    x, y = lines["told, no-twins"].get_data()
    assert list(x) == [10, 30]
    assert y[1] == curve.table.loc[("told", 30, "no-twins"), "spearman"]
    with pytest.raises(InvalidInputError, match="metric must be one of"):
        curve.plot("tau")


def test_another_benchmark_is_scored_without_what_was_learned_from():
    learned, others = SHAPES[:20], [*SHAPES[15:], Structure.from_layers([1, 9, 1])]
    noisy = SimpleNamespace(
        structures=learned, y=np.arange(20.0), noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
        label_noise=np.ones(20), name="small",
    )  # fmt: skip
    other = SimpleNamespace(
        structures=others, y=np.array([2.0 * s.num_units for s in others]), name="large",
        noise_ceiling=SimpleNamespace(value=0.7, low=0.6, high=0.8),
    )  # fmt: skip
    Told.handed.clear()
    found = evaluate({"told": Told(), "mean": Mean()}, noisy, test=other, resamples=20)
    ((count, noise),) = Told.handed
    assert count == 20
    np.testing.assert_array_equal(noise, np.ones(20))
    assert found.predictions["fingerprint"].nunique() == found.num_structures == 11
    assert not {s.fingerprint for s in learned} & set(found.predictions["fingerprint"])
    unseen = np.array([s.num_units for s in SHAPES[20:]] + [11.0])
    assert found.table.loc["told", "mae"] == pytest.approx(unseen.mean())
    assert found.table.loc["told", "kendall"] == pytest.approx(1.0)
    assert found.table.loc["told", "ceiling"] == 0.7
    means = found.predictions.loc[found.predictions["predictor"] == "mean", "y_pred"]
    assert set(means) == {9.5}
    assert "learned from another benchmark" in str(found)
    assert set(found.results["benchmark"]) == {"small to large"}
    for options in ({"train_sizes": [5]}, {"groups": np.zeros(20), "protocol": "no-twins"}):
        with pytest.raises(InvalidInputError, match="be left out where test is given"):
            evaluate("mean", noisy, test=other, **options)
    with pytest.raises(InvalidInputError, match="two structures or more that are not learned from"):
        evaluate("mean", noisy, test=noisy)


def test_a_cross_validation_is_drawn_with_its_intervals(twice):
    found = evaluate(["mean", Told()], twice, folds=2, repeats=1, resamples=20)
    ax = found.plot("r2", Figure().subplots())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["mean", "Told"]
    assert list(ax.get_lines()[0].get_xdata()) == found.table.loc[["mean", "Told"], "r2"].tolist()


def test_results_have_every_draw_and_say_what_they_are_of(curve):
    rows = curve.results
    one = rows[(rows["predictor"] == "told") & (rows["train_size"] == 10) & (rows["protocol"] == "unseen")]
    tau = one[one["metric"] == "kendall"]
    assert tau["draw"].tolist() == [0, 1, 2, 3, pd.NA]
    assert tau["value"].iloc[4] == pytest.approx(tau["value"].iloc[:4].mean())
    assert tau["sd"].iloc[4] == pytest.approx(tau["value"].iloc[:4].std())
    assert set(rows["benchmark"]) == {"shapes"}
    assert set(rows["target"]) == {"score"}
    assert set(rows["k"]) == {5}
    assert json.loads(rows.loc[rows["predictor"] == "mean", "parameters"].iloc[0]) == {"random_state": 0}


@pytest.mark.parametrize("kind", ["curve", "folds"])
def test_an_evaluation_comes_back_to_the_bit(curve, twice, tmp_path, kind):
    found = curve if kind == "curve" else evaluate("mean", twice, folds=2, repeats=2, resamples=5)
    assert found.save(tmp_path / "a") == tmp_path / "a"
    back = Evaluation.load(tmp_path / "a")
    pd.testing.assert_frame_equal(back.table, found.table, check_exact=True)
    pd.testing.assert_frame_equal(back.results, found.results, check_exact=True)
    pd.testing.assert_frame_equal(back.predictions, found.predictions, check_exact=True)
    assert str(back) == str(found)
    assert back.noise_ceiling == found.noise_ceiling
    assert (back.folds, back.repeats, back.num_structures) == (found.folds, found.repeats, 60)
    found.save(tmp_path / "b", predictions=False)
    one, two = ((tmp_path / name / "results.parquet").read_bytes() for name in "ab")
    assert one == two
    assert Evaluation.load(tmp_path / "b" / "results.parquet").predictions.empty


def test_what_holds_no_results_is_refused(curve, tmp_path):
    with pytest.raises(MissingDataError, match=r"holds no results\.parquet"):
        Evaluation.load(tmp_path)
    (tmp_path / "results.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(CorruptFileError, match="is not a readable Parquet file"):
        Evaluation.load(tmp_path)
    curve.table.reset_index().to_parquet(tmp_path / "results.parquet")
    with pytest.raises(CorruptFileError, match="does not hold the results of an evaluation"):
        Evaluation.load(tmp_path)
    curve.results[curve.results["metric"] != "kendall"].to_parquet(tmp_path / "results.parquet")
    with pytest.raises(CorruptFileError, match="is not an evaluation: KeyError: 'kendall'"):
        Evaluation.load(tmp_path)


def test_lower_is_better_turns_the_top_round():
    y = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    predicted = np.array([[0.5, 0.4, 0.1, 0.2, 0.3]])
    loss, score = (scores(y, predicted, k=2, higher_is_better=up) for up in (False, True))
    assert (loss["precision_at_k"], loss["n_at_k"]) == (0.0, 3.0)
    assert loss["regret_at_k"] == pytest.approx(0.2)
    assert (score["precision_at_k"], score["n_at_k"]) == (0.0, 4.0)
    assert score["regret_at_k"] == pytest.approx(0.3)
    assert loss["kendall"] == score["kendall"]
