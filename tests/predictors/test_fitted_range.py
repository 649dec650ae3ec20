"""Predictors know what they were fitted to, and say so when they are asked about something else."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from resealing import reseal

from nnstruct import Structure
from nnstruct.errors import CorruptFileError, InvalidInputError, OutsideRangeWarning
from nnstruct.predictors import BayesianRidge, Conformal, Ensemble, evaluate, load_predictor
from nnstruct.predictors.persistence import DESCRIPTION

NETS = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
Y = np.linspace(0.5, 0.9, len(NETS))
FAR = Structure.from_layers([2, 90, 2])


@pytest.fixture(scope="module")
def line() -> BayesianRidge:
    return BayesianRidge().fit(NETS, Y)


def test_each_structure_is_told_in_what_it_lies_outside(line) -> None:
    deep = Structure.from_layers([2, 2, 2, 2, 2])
    gated = Structure.from_layers([2, 3, 2], family="gru")
    unseen = Structure(NETS[2].edge_index, 7, attributes={"activation": ["tanh"] * 7})
    found = line.outside([NETS[3], FAR, deep, gated, unseen])
    assert found == ["", "units, edges, features", "layers, features", "family", "activation"]


def test_there_is_a_warning_a_call(line) -> None:
    with pytest.warns(OutsideRangeWarning) as told:
        line.predict([NETS[0], FAR, FAR])
    assert len(told) == 1
    assert str(told[0].message) == (
        "2 of 3 structures lie outside what BayesianRidge was fitted to (units: 5 to 24; edges: 4 to 80; "
        "features: far from all that was seen): take such predictions as guesses."
    )
    with pytest.warns(OutsideRangeWarning):
        line.predict_interval([FAR])


def test_there_is_none_inside_and_little_beyond(line) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line.predict(NETS)
        line.predict([Structure.from_layers([2, 21, 2])])
        evaluate({"line": line}, Benchmark(), folds=2, repeats=1, resamples=10)


class Benchmark:
    structures, y = [*NETS, FAR], np.append(Y, 0.95)

    class noise_ceiling:  # noqa: N801
        value, low, high = 1.0, 1.0, 1.0


def test_predictors_of_predictors_warn_once() -> None:
    several = Conformal(BayesianRidge()).fit(NETS, Y)
    with pytest.warns(OutsideRangeWarning) as told:
        several.predict([FAR], return_std=True)
    assert [str(w.message)[:60] for w in told] == [str(told[0].message)[:60]]


def test_the_range_is_saved(line, tmp_path) -> None:
    again = load_predictor(line.save(tmp_path / "line"))
    assert again.range_ == line.range_
    assert again.outside([FAR]) == ["units, edges, features"]


def test_an_option_that_is_none_is_named() -> None:
    with pytest.raises(
        InvalidInputError, match=r"option of Ensemble must be one of .*Did you mean 'members'"
    ):
        Ensemble(member="gnn")


@pytest.mark.parametrize("sizes", [{}, {"units": [3, 1]}, {"units": [1, 10**400]}, {"units": [1]}])
def test_a_range_that_no_structures_have_is_a_damaged_file(line, tmp_path, sizes) -> None:
    folder = line.save(tmp_path / "line")
    told = json.loads((folder / DESCRIPTION).read_text())
    known = told["fitted"]["range"]["sizes"]
    told["fitted"]["range"]["sizes"] = known | sizes if sizes else {"layers": [1, 2]}
    (folder / DESCRIPTION).write_text(json.dumps(told))
    reseal(folder)
    with pytest.raises(CorruptFileError, match="line"):
        load_predictor(folder)


def test_features_far_from_all_that_was_seen_are_told() -> None:
    """As many units, edges and layers as known structures, but wired in another way."""
    chain = np.stack([np.arange(11), np.arange(1, 12)])
    known = [Structure(np.concatenate([chain, [[unit], [unit + 2]]], axis=1), 12) for unit in range(10)]
    model = BayesianRidge(families=["paper"]).fit(known, np.linspace(0.5, 0.9, 10))
    fan = Structure(np.concatenate([chain, [[0], [11]]], axis=1), 12)
    table = model.pipeline_[0]
    row = table.transform([fan])[0]
    seen = table.transform(known)
    far = (row < 2 * seen.min(0) - seen.max(0)) | (row > 2 * seen.max(0) - seen.min(0))
    varied = (seen != np.median(seen, axis=0)).mean(axis=0) > 0.1
    assert (far & varied).any(), "the case is one"
    assert model.outside([known[3], fan]) == ["", "features"]
    with pytest.warns(OutsideRangeWarning, match=r"\(features: far from all that was seen\)"):
        model.predict([fan])
    assert Conformal(model).fit(known, np.linspace(0.5, 0.9, 10)).outside([fan]) == ["features"]


def test_the_ends_of_columns_are_saved(tmp_path) -> None:
    wide = [Structure.from_layers([2, 5, 2]), Structure.from_layers([2, 200, 2])]
    for model in (BayesianRidge(), Ensemble(members="trees", prior=None)):
        fitted = model.fit(NETS, Y)
        found = fitted.outside(wide)
        assert found[0] == ""
        assert found[1].endswith("features")
        again = load_predictor(fitted.save(tmp_path / type(model).__name__))
        assert again.outside(wide) == found
        assert again.outside(wide[::-1]) == found[::-1], "other structures, other answers"
