"""A leaderboard says what the evaluations said, in one order, on one page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.predictors import BayesianRidge, Mean, evaluate, leaderboard, leaderboard_page
from nnstruct.structure import Structure


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three evaluations of two benchmarks in one folder."""
    folder = tmp_path_factory.mktemp("runs")
    structures = [Structure.from_layers([1, a, b, 1]) for a in range(1, 7) for b in range(1, 6)]
    units = np.array([float(s.num_units) for s in structures])
    ceiling = SimpleNamespace(value=0.9, low=0.8, high=0.95)
    one, two = (
        SimpleNamespace(structures=structures, y=y, noise_ceiling=ceiling, name=name)
        for name, y in (("one", units), ("two | <b>", -units))
    )
    ridge = BayesianRidge(families=("paper",))
    found = {
        "a": evaluate(["mean", ridge], one, train_sizes=[10, 20], draws=3, protocol=["unseen", "all-rows"]),
        "deep/b": evaluate({"<i>": Mean(), "ridge": ridge}, two, train_sizes=[10], draws=2),
        "c": evaluate(ridge, one, folds=3, repeats=2, resamples=20),
    }
    for name, evaluation in found.items():
        evaluation.save(folder / name)
    return folder, found


def test_it_has_a_row_for_each_predictor_and_case_the_best_first(runs):
    folder, found = runs
    board = leaderboard(folder)
    cases = board[["benchmark", "protocol", "predictor"]].to_numpy().tolist()
    curve = [["one", p, name] for p in ("all-rows", "unseen") for name in ("bayesian-ridge", "mean")]
    assert cases[:8] == curve + curve
    assert cases[8] == ["one", "unseen", "bayesian-ridge"]
    assert cases[9:] == [["two | <b>", "unseen", "ridge"], ["two | <b>", "unseen", "<i>"]]
    assert board["train_size"].tolist()[:8] == [10] * 4 + [20] * 4
    row = board[
        (board["train_size"] == 20) & (board["predictor"] == "mean") & (board["protocol"] == "unseen")
    ]
    expected = found["a"].table.loc[("mean", 20, "unseen")]
    for column in ("mae", "mae_sd", "mae_low", "mae_high", "r2", "ceiling"):
        assert row[column].item() == expected[column]


def test_it_does_not_hang_on_the_order_of_the_paths_and_counts_nothing_twice(runs):
    folder, _ = runs
    board = leaderboard(folder)
    again = leaderboard([folder / "c", folder / "deep", folder / "a" / "results.parquet", folder / "a"])
    assert board.equals(again)
    assert leaderboard_page(board) == leaderboard_page(again)


def test_errors_are_better_where_they_are_small(runs):
    board = leaderboard(runs[0] / "a", metric="mae")
    for _, case in board.groupby(["train_size", "protocol"]):
        assert case["mae"].is_monotonic_increasing
        assert case["predictor"].iloc[0] == "bayesian-ridge"


def test_the_page_shows_the_scores_in_sections(runs):
    folder, found = runs
    page = leaderboard_page(leaderboard(folder))
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## one", "## two | <b>"]
    heads = [line for line in page.splitlines() if line.startswith("### ")]
    assert heads[:2] == ["### 10 labels, all-rows, 3 draws", "### 10 labels, unseen, 3 draws"]
    assert "### 2 x 3-fold cross-validation, unseen" in heads
    row = found["a"].table.loc[("bayesian-ridge", 10, "unseen")]
    assert f"| bayesian-ridge | {row['kendall']:.3f} ± {row['kendall_sd']:.3f} | " in page
    cells = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert cells == {12}


def test_names_on_a_page_of_html_are_escaped(runs):
    page = leaderboard_page(leaderboard(runs[0]), ".html")
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "<b>" not in page
    assert page.count("<table>") == 6


def test_what_cannot_be_is_refused(runs, tmp_path):
    with pytest.raises(MissingDataError, match=r"holds no results\.parquet"):
        leaderboard(tmp_path)
    with pytest.raises(MissingDataError, match="none"):
        leaderboard(tmp_path / "none")
    with pytest.raises(InvalidInputError, match="paths must hold at least one path"):
        leaderboard([])
    with pytest.raises(InvalidInputError, match="metric must be one of r2"):
        leaderboard(runs[0], metric="tau")
    with pytest.raises(InvalidInputError, match=r"the name of the page must be one of \.md, \.html"):
        leaderboard_page(leaderboard(runs[0]), ".pdf")
