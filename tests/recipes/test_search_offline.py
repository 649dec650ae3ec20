"""A guide that was fitted to another task: the shipped recipes, with fewer and shorter trainings."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from nnstruct import Space, priors
from nnstruct.errors import OutsideRangeWarning
from nnstruct.recipes import run_predictor_recipe, run_search_recipe

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "train"


def changed(text: str, **values: str) -> str:
    """A recipe with other values of some keys."""
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", lambda _, key=key, value=value: f"{key} = {value}", text)
        assert count, key
    return text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline")
    (folder / "train").mkdir()
    # Without bounds: those are of the whole.
    fit, search = (
        (TRAIN / name).read_text().partition("[expected]")[0]
        for name in ("guide-teacher-mlp.toml", "search-digits-offline.toml")
    )
    bench = ROOT / "datasets" / "many-tasks" / "teacher"
    fit = changed(fit, path=f'"{bench}"', name='"bayesian-ridge"', folds="2")
    search = changed(search, per_generation="6", generations="3", epochs="1", top="1", seeds="2")
    search = search.replace('name = "digits"', 'name = "digits"\noptions = { val = 0.3 }')
    for name, text in (("guide.toml", fit), ("search.toml", search)):
        (folder / "train" / name).write_text(text)
    made = run_predictor_recipe(folder / "train" / "guide.toml", folder / "runs" / "guide-teacher-mlp")
    with warnings.catch_warnings():  # a search leads away from what the guide knows, at every step
        warnings.simplefilter("error", OutsideRangeWarning)
        return made, run_search_recipe(folder / "train" / "search.toml", folder / "found", workers=1)


def test_the_guide_chooses_from_the_first_structure_on(run):
    made, found = run
    history = found.search.history
    assert len(history) == 18
    assert history["prediction"].notna().all()
    # Of the first batch, before a score was told, all but fresh draws are the best of many to the guide.
    drawn = priors.sample(Space("mlp", units=(10, 60)), 60, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideRangeWarning)
        usual = made.predictor.predict(drawn)
    assert (history["prediction"][:6] > np.quantile(usual, 0.75)).sum() >= 4


def test_what_it_gets_wrong_is_learned(run):
    made, found = run
    assert type(found.search.guide_).__name__ == "CorrectedGuide"
    assert type(found.search.guide).__name__ == type(made.predictor).__name__ == "BayesianRidge"
    assert found.final.winner.fingerprint in set(found.search.history["fingerprint"])
