"""The transformer from structures to a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import with_permutation

from nnstruct.encode import FeatureTable, table, to_table
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.properties import features
from nnstruct.structure import Structure

WIDTHS = [Structure.from_layers([2, width, 2]) for width in range(1, 9)]


def fake_features(columns: dict[str, list[float]]):
    """Stands for the properties of structures whose number of units is the row."""

    def compute(structures, families):
        return pd.DataFrame(
            [{name: values[s.num_units - 5] for name, values in columns.items()} for s in structures]
        )

    return compute


def test_the_table_holds_the_properties_to_ten_digits():
    ours, theirs = to_table(WIDTHS, ("paper",)), features(WIDTHS, ("paper",))
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@settings(max_examples=30)
@given(with_permutation())
def test_relabelling_changes_no_digit(case):
    structure, permutation = case
    before = to_table([structure]).to_numpy()
    after = to_table([structure.relabel(permutation)]).to_numpy()
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, 0.0),
        (1.0 + 1e-13, 1.0),
        (1e-14, 0.0),
        (-3.0000000000004, -3.0),
        (123456789012345.0, 123456789012345.0),
        (12345678901.25, 12345678900.0),
        (np.inf, np.nan),
    ],
)
def test_rounding_keeps_ten_digits_and_whole_numbers_and_drops_what_summation_leaves(value, expected):
    np.testing.assert_allclose(table.rounded(np.array([[value]])), [[expected]], rtol=1e-15, atol=0)


def test_gaps_take_the_median_of_fit_and_columns_without_a_value_take_zero(monkeypatch):
    monkeypatch.setattr(
        table,
        "features",
        fake_features(
            {"a.gap": [1.0, 3.0, np.nan, 8.0], "a.void": [np.nan] * 4, "a.full": [1.0, 2.0, 3.0, 4.0]}
        ),
    )
    encoder = FeatureTable(["a"]).fit(WIDTHS[:3])
    assert encoder.get_feature_names_out().tolist() == ["a.gap", "a.full"]
    assert encoder.transform(WIDTHS[:4]).tolist() == [[1.0, 1.0], [3.0, 2.0], [2.0, 3.0], [8.0, 4.0]]
    assert FeatureTable(["a"]).fit(WIDTHS[:1]).transform(WIDTHS[2:3]).tolist() == [[1.0]]


def test_constant_columns_are_dropped_also_where_rounding_makes_them_vary(monkeypatch):
    columns = {"a.same": [2.0] * 4, "a.nearly": [1.0, 1.0 + 1e-12, 1.0, 1.0], "a.grows": [1.0, 2.0, 3.0, 4.0]}
    monkeypatch.setattr(table, "features", fake_features(columns))
    assert FeatureTable(["a"]).fit(WIDTHS[:4]).get_feature_names_out().tolist() == ["a.grows"]


def test_one_column_is_kept_where_all_are_constant():
    encoder = FeatureTable().fit(WIDTHS[:1] * 3)
    assert encoder.transform(WIDTHS[:2]).shape == (2, 1)


def test_what_transform_gives_does_not_depend_on_its_companions():
    encoder = FeatureTable().fit(WIDTHS[:5])
    together = encoder.transform(WIDTHS)
    for row, structure in zip(together, WIDTHS, strict=True):
        np.testing.assert_array_equal(encoder.transform([structure])[0], row)
    assert together.shape == (8, len(encoder.get_feature_names_out()))


def test_it_works_in_a_pipeline_and_is_cloned_with_its_families():
    pipeline = make_pipeline(FeatureTable(["paper"]), StandardScaler(), BayesianRidge())
    pipeline.fit(WIDTHS, [s.num_edges for s in WIDTHS])
    mean, std = pipeline.predict(WIDTHS, return_std=True)
    np.testing.assert_allclose(mean, [s.num_edges for s in WIDTHS], atol=0.5)
    assert std.shape == mean.shape
    assert clone(pipeline)[0].families == ["paper"]
    names = pipeline[:-1].get_feature_names_out()
    assert all(name.startswith("paper.") for name in names)


def test_bad_input_is_named():
    with pytest.raises(NotFittedError):
        FeatureTable().transform(WIDTHS)
    with pytest.raises(UnknownNameError):
        FeatureTable(["papers"]).fit(WIDTHS)
    for families in ("paper", []):
        with pytest.raises(InvalidInputError, match="families"):
            FeatureTable(families).fit(WIDTHS)
    with pytest.raises(InvalidInputError, match="structures"):
        FeatureTable().fit(WIDTHS[0])
    with pytest.raises(InvalidInputError, match="at least one"):
        FeatureTable().fit([])


def test_a_column_that_is_gone_is_named(monkeypatch):
    encoder = FeatureTable(["paper"]).fit(WIDTHS)
    monkeypatch.setattr(table, "features", fake_features({"paper.other": [1.0, 2.0]}))
    with pytest.raises(InvalidInputError, match=r"families must have the columns seen in fit, got 'paper\."):
        encoder.transform(WIDTHS[:2])
