"""Claims: recipes, verdicts by hand, what is kept, and the command."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nnstruct.claims import STUDIES, ClaimRecipe, claims_page, find_claims, load_outcome, run_claim
from nnstruct.claims.base import load_studies
from nnstruct.claims.outcome import outcome_of
from nnstruct.cli import app
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, RecipeError
from nnstruct.intervals import mean_interval

FOLDER = Path(__file__).parents[2] / "train" / "claims"
TEXT = """
claim = {{ says = "Even seeds come first", paper = "None, 2026", figure = "2" }}
study = {{ name = "seeds of a test", seeds = 3, options = {{ shift = {shift} }} }}
holds = [{{ measure = "value", above = 0.0 }}, {{ measure = "half", below = 9.5 }}]
expected = {{ holds = {expected} }}
"""


@pytest.fixture(autouse=True)
def study():
    if "seeds of a test" not in STUDIES:

        @STUDIES.register("seeds of a test")
        def seeds(*, seed: int, shift: float = 0.0) -> dict[str, float]:
            return {"value": seed + shift, "half": (seed + shift) / 2}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "high.toml").write_text(TEXT.format(shift=10.0, expected="true"))
    (tmp_path / "low.toml").write_text(TEXT.format(shift=0.0, expected="true"))
    return tmp_path


def test_every_shipped_claim_names_a_study_and_options_that_are_there():
    studies = load_studies()
    used = set()
    for name, recipe in find_claims(FOLDER).items():
        parameters = inspect.signature(studies[recipe.study.name]).parameters
        assert set(recipe.study.options) <= set(parameters) - {"seed"}, name
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values()), name
        used.add(recipe.study.name)
    assert used == set(studies) - {"seeds of a test"}


def test_a_verdict_is_that_of_the_whole_interval(folder):
    recipes = find_claims(folder)
    high, low = (run_claim(name, recipes[name]) for name in ("high", "low"))
    assert high.values == {"value": [10, 11, 12], "half": [5, 5.5, 6]}
    assert high.interval("value") == mean_interval(np.array([10.0, 11.0, 12.0]))
    # 11 less 2.48 is above 0; 1 less 2.48 is not.
    assert (high.holds, low.holds) == (True, False)
    tight = outcome_of("tight", recipes["high"], {"value": [1.0, 1.0], "half": [9.4, 9.6]}, 0.0)
    assert not tight.holds  # the mean of the halves is below 9.5, their interval is not


def test_outcomes_are_kept_and_put_on_a_page(folder, tmp_path):
    outcomes = [run_claim(name, recipe) for name, recipe in find_claims(folder).items()]
    for outcome in outcomes:
        assert load_outcome(outcome.save(tmp_path / "kept")) == outcome
    page = claims_page(outcomes)
    assert page.startswith("# Claims of the papers\n\n1 of 2 hold")
    assert "| value | 11 | 8.516 to 13.48 |" in page
    assert "half 5.5 [4.26, 6.74] (below 9.5) | yes |" in page
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(CorruptFileError, match=r"bad\.json"):
        load_outcome(tmp_path / "bad.json")
    with pytest.raises(MissingDataError):
        load_outcome(tmp_path / "none.json")


def test_what_a_recipe_must_be(folder):
    both = TEXT.format(shift=1.0, expected="true").replace("above = 0.0", "above = 0.0, below = 1.0")
    (folder / "high.toml").write_text(both)
    with pytest.raises(RecipeError, match="have 'above' or 'below'"):
        find_claims(folder)
    with pytest.raises(MissingDataError):
        find_claims(folder / "none")
    recipe = find_claims(FOLDER)["memory"]
    for changed, message in (
        ({"name": "seeds of a test", "options": {"shfit": 1}}, "Did you mean 'shift'"),
        ({"name": "seeds of a test"}, "be one of value, half"),
    ):
        content = recipe.model_dump() | {"study": changed}
        with pytest.raises(InvalidInputError, match=message):
            run_claim("x", ClaimRecipe.model_validate(content))


def test_the_command(folder, tmp_path):
    def run(*arguments):
        options = ["--folder", str(folder), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, ["claims", *arguments, *options])

    listed = run()
    assert listed.exit_code == 0
    assert "high" in listed.output
    assert "low" in listed.output
    one = run("high", "--strict")
    assert (one.exit_code, "It holds" in one.output) == (0, True)
    every = run("--all", "--strict", "--page", str(tmp_path / "page.md"))
    assert every.exit_code == 1
    assert "Not as expected: low" in every.output
    assert "1 of 2 hold" in (tmp_path / "page.md").read_text()
    assert run("hihg").exit_code == 1


def test_the_steps_of_a_gradient_flow_expand_nothing():
    found = load_studies()["expansion"](seed=0, width=8, steps=3)
    assert found["flow"] <= 1 + 1e-6
    assert found["plain_less_flow"] == found["plain"] - found["flow"]


def test_random_pruning_finds_a_signal_in_noise():
    options = {"inputs": 200, "samples": 60, "classes": 4, "width": 60, "others": (), "images": None}
    found = load_studies()["random-pruning"](seed=0, epochs=100, **options)
    assert found["train_loss_1"] < 0.05
    assert found["rise"] == found["test_0.1"] - found["test_1"] > 0.1
    assert found["fall"] > 0.3


def test_classes_of_a_task_are_parted_and_numbered():
    from nnstruct import load_task
    from nnstruct.claims.studies.pruning import _of_classes

    digits = load_task("digits")
    late = _of_classes(digits, 6, 10)
    rows = digits.test.targets >= 6
    assert np.array_equal(late.test.inputs, digits.test.inputs[rows])
    assert np.array_equal(late.test.targets, digits.test.targets[rows] - 6)
    assert late.num_classes == 4


def test_the_vertex_of_a_parabola():
    from nnstruct.claims.studies.scaling import _vertex

    rates = [-3.0, -2.0, -1.0, 0.0]
    losses = np.exp([(rate + 1.7) ** 2 for rate in rates])
    assert _vertex(rates, list(losses)) == pytest.approx(-1.7)
    assert _vertex(rates, [1.0, 2.0, 3.0, np.inf]) == -3.0
