"""Correlations and importances find what was put in, and the plots show it."""

from __future__ import annotations

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Mean, RandomForest
from nnstruct.predictors.feature_study import family_importance, label_correlations
from nnstruct.properties import features
from nnstruct.report.feature_plots import correlation_bars, correlation_map, importance_bars

FAMILIES = ["paper", "motifs"]


@pytest.fixture(scope="module")
def bench():
    """Structures of one size, labelled by their number of feed-forward loops alone."""
    graphs = [nx.gnm_random_graph(14, 40, seed=seed) for seed in range(120)]
    structures = [Structure.from_networkx(graph) for graph in graphs if nx.is_connected(graph)]
    y = features(structures, ["motifs"])["motifs.triad_030T"].to_numpy()
    return SimpleNamespace(structures=structures, y=y, y_std=np.zeros(len(y)), y_count=np.ones(len(y)))


def test_correlations_equal_scipy(bench):
    table = features(bench.structures, FAMILIES)
    found = label_correlations(table, bench.y)
    assert found.index[0] in ("motifs.triad_030T", "motifs.transitivity", "motifs.feed_forward_share")
    assert "paper.edges" not in found.index
    for name in found.index[:10]:
        known = table[name].notna()
        assert found["spearman"][name] == pytest.approx(spearmanr(table[name][known], bench.y[known])[0])
    assert found["spearman"].abs().is_monotonic_decreasing


def test_importance_tells_the_family_that_matters(bench):
    forest = RandomForest(families=FAMILIES, n_estimators=30, random_state=0)
    found = family_importance(forest, bench, folds=3, permutations=3)
    assert found.index[0] == "motifs"
    assert found.attrs["r2"] > 0.8
    assert found["loss"]["motifs"] > 0.5
    assert abs(found["loss"]["paper"]) < 0.2
    again = family_importance(forest, bench, folds=3, permutations=3)
    pd.testing.assert_frame_equal(found, again)


def test_plots_show_what_was_found(bench):
    table = features(bench.structures, FAMILIES)
    found = label_correlations(table, bench.y)
    axes = Figure().subplots(1, 3)
    bars = correlation_bars(axes[0], found, top=4)
    assert [t.get_text() for t in bars.get_yticklabels()] == list(found.index[:4][::-1])
    assert [b.get_width() for b in bars.patches] == list(found["spearman"][:4][::-1])
    drawn = correlation_map(axes[1], table, list(found.index[:4])).images[0].get_array()
    np.testing.assert_allclose(np.diag(drawn), 1)
    losses = pd.DataFrame({"loss": [0.5, 0.1], "sd": [0.1, 0.0]}, index=["motifs", "paper"])
    losses.attrs["r2"] = 0.9
    ax = importance_bars(axes[2], losses)
    assert [b.get_width() for b in ax.patches] == [0.1, 0.5]
    assert "R2 0.90 with all" in ax.get_xlabel()


def test_bad_input(bench):
    with pytest.raises(InvalidInputError, match="y must have shape"):
        label_correlations(pd.DataFrame({"a": [1.0]}), [1.0, 2.0])
    with pytest.raises(InvalidInputError, match="predictor must be one that learns from a table"):
        family_importance(Mean(), bench)
    with pytest.raises(InvalidInputError, match="permutations must be a positive integer"):
        family_importance(RandomForest(), bench, permutations=0)
    with pytest.raises(InvalidInputError, match="hold at least one measure"):
        correlation_bars(Figure().subplots(), pd.DataFrame({"spearman": []}))
    with pytest.raises(InvalidInputError, match="at least two columns"):
        correlation_map(Figure().subplots(), pd.DataFrame({"a": [1.0]}), ["a", "b"])
