"""What a guide is worth, and how it is refitted."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Space, Structure
from nnstruct.errors import InvalidInputError, NotFittedError
from nnstruct.predictors import RandomForest
from nnstruct.search import CorrectedGuide, Search

from guides import Ridge, depth_score, noisy  # isort: skip

SPACE = Space("mlp", units=(8, 20))


def best_of(guide, seed: int) -> float:
    search = Search(SPACE, guide, seed=seed, population=12, offspring=12)
    for _ in range(6):
        candidates = search.ask(6)
        search.tell(candidates, noisy(candidates, seed))
    return depth_score(search.best)


def test_guide_finds_better_structures_than_plain_evolution() -> None:
    gains = np.array([best_of(Ridge(), seed) - best_of(None, seed) for seed in range(8)])
    assert gains.mean() > 3 * gains.std(ddof=1) / np.sqrt(len(gains))
    # Where the first draws are near the best, there is little left to gain.
    assert (gains > 0).sum() >= 6
    assert gains.min() > -0.05


def tell_prior(search: Search, count: int) -> list[Structure]:
    candidates = search.ask(count)
    search.tell(candidates, noisy(candidates))
    return candidates


def test_the_guide_given_is_never_touched() -> None:
    search = Search(SPACE, guide := Ridge(), population=10, offspring=4)
    with pytest.raises(NotFittedError, match="fitted guide or 10 scores"):
        _ = search.guide_
    tell_prior(search, 10)
    search.ask(2)
    assert guide.fits == 0
    assert not hasattr(guide, "rows_")
    assert search.guide_ is not guide
    assert search.guide_.rows_ == 10


def test_refit_every() -> None:
    search = Search(SPACE, Ridge(), population=10, offspring=4, refit_every=2)
    rows = []
    tell_prior(search, 12)
    for _ in range(5):
        tell_prior(search, 3)
        rows.append(search.guide_.rows_)
    assert rows == [12, 12, 18, 18, 24]


def test_fitted_guide_screens_from_the_start_and_is_corrected_later() -> None:
    others = Search(SPACE, seed=9).ask(30)
    fitted = Ridge().fit(others, [depth_score(s) for s in others])
    search = Search(SPACE, fitted, population=6, offspring=10)
    plain = Search(SPACE, population=6)
    first, unscreened = tell_prior(search, 6), plain.ask(6)
    assert search.guide_ is fitted
    assert search.history.prediction.notna().all()
    assert np.mean([depth_score(s) for s in first]) > np.mean([depth_score(s) for s in unscreened])
    tell_prior(search, 6)
    search.ask(2)
    assert isinstance(search.guide_, CorrectedGuide)
    assert search.guide_.base is fitted
    assert fitted.fits == 1
    assert search.guide_.correction.rows_ == 12


def test_correction_removes_a_constant_error() -> None:
    others = Search(SPACE, seed=9).ask(30)
    fitted = Ridge().fit(others, [depth_score(s) + 5 for s in others])
    search = Search(SPACE, fitted, population=6, offspring=4)
    for _ in range(3):
        tell_prior(search, 6)
    search.ask(2)
    off = search.guide_.predict(others) - np.array([depth_score(s) for s in others])
    assert abs(np.mean(off)) < 1.5
    mean, std = search.guide_.predict(others, return_std=True)
    assert mean.shape == std.shape == (30,)


def test_fitted_guide_with_a_warm_start_is_fitted_anew() -> None:
    others = Search(SPACE, seed=9).ask(20)
    scores = [depth_score(s) for s in others]
    search = Search(SPACE, Ridge().fit(others, scores), population=6, offspring=4)
    search.warm_start(others, scores)
    search.ask(2)
    assert isinstance(search.guide_, Ridge)
    assert search.guide_.rows_ == 20


class WrongShape(Ridge):
    def predict(self, structures, return_std=False):
        return np.zeros(1), np.zeros(1)


class NotANumber(Ridge):
    def predict(self, structures, return_std=False):
        mean, std = super().predict(structures, return_std=True)
        return mean * np.nan, std


class NoStd(Ridge):
    def predict(self, structures, return_std=False):
        return super().predict(structures)


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        (WrongShape(), r"guide's mean must have shape \[\d+\]"),
        (NotANumber(), "guide's mean must be finite"),
        (NoStd(), "guide must return"),
    ],
)
def test_bad_predictions_are_named(guide, message: str) -> None:
    search = Search(SPACE, guide, population=10, offspring=4)
    tell_prior(search, 10)
    with pytest.raises(InvalidInputError, match=message):
        search.ask(2)
    assert len(search.history) == 10


@pytest.mark.parametrize("acquisition", ["ucb", "mean", "ei", "nei", "thompson"])
def test_every_acquisition_runs_with_a_forest(acquisition: str) -> None:
    guide = RandomForest(n_estimators=10, random_state=0)
    search = Search(SPACE, guide, population=10, offspring=4, acquisition=acquisition, random_share=0.0)
    for _ in range(2):
        tell_prior(search, 10)
    history = search.history
    assert history.prediction[10:].notna().all()
    assert (history["std"][10:] >= 0).all()
    assert (history.operator[10:] != "prior").sum() >= 5  # some of the candidates are draws


def test_random_share_draws_from_the_priors() -> None:
    search = Search(SPACE, Ridge(), population=10, offspring=4, random_share=1.0)
    for _ in range(2):
        tell_prior(search, 10)
    assert (search.history.operator == "prior").all()
