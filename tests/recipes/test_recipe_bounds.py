"""Numbers of a recipe, and of the same calls in Python, are refused before memory is taken for them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import nnstruct as ns
from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.population import train
from nnstruct.predictors import PREDICTORS
from nnstruct.priors import ErdosRenyi
from nnstruct.random import seed_list
from nnstruct.recipes import DatasetRecipe, read_recipe
from nnstruct.recipes.sections import SpaceSection

TEXT = 'task.name = "reber"\nspace.families = ["gru"]\nspace.units = [5, UNITS]\nsample.count = COUNT\n'


@pytest.mark.parametrize(
    ("units", "count", "said"),
    [
        (10**5, 2, r"\[space\] units must fit into 1,073,741,824 bytes"),
        (2**63, 2, r"\[space\] units must be integers with 2 <= fewest <= most <= 2147483647"),
        (10**21, 2, r"\[space\] units must be integers"),
        (9, 10**9, r"\[sample\] count must fit"),
        (9, 10**21, r"\[sample\] count must fit"),
    ],
)
def test_a_recipe_that_asks_for_too_much_is_refused(units, count, said, tmp_path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT.replace("UNITS", str(units)).replace("COUNT", str(count)))
    with pytest.raises(RecipeError, match=said):
        read_recipe(path, DatasetRecipe)


def test_memory_that_is_allowed_allows_more(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", str(2 * 10**10))
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT.replace("UNITS", "100000").replace("COUNT", "20000000"))
    assert read_recipe(path, DatasetRecipe).sample.count == 20_000_000


def test_seeds_and_trainings_beyond_memory_are_refused(monkeypatch) -> None:
    task, nets = ns.load_task("digits"), [ns.Structure.from_layers([n, 2]) for n in (2, 3)]
    with pytest.raises(InvalidInputError, match="seeds must fit"):
        seed_list(10**18)
    monkeypatch.setenv("NNSTRUCT_MAX_BYTES", "100000")
    assert len(seed_list(1000)) == 1000
    for call in (ns.build, train):
        with pytest.raises(InvalidInputError, match="seeds must fit into 100,000 bytes of memory, got 1000"):
            call(task, nets, seeds=1000) if call is ns.build else call(nets, task, seeds=1000)


def test_structures_beyond_memory_are_not_drawn() -> None:
    with pytest.raises(InvalidInputError, match="the prior must fit"):
        ErdosRenyi(units=10**6, p=0.5).sample(0, family="mlp")
    with pytest.raises(InvalidInputError, match="n must fit"):
        ns.priors.sample(ns.Space("mlp"), 10**12)
    with pytest.raises(InvalidInputError, match="units must be integers with 2 <= fewest <= most <= 2147"):
        ns.Space("mlp", units=(10, 10**12))
    with pytest.raises(InvalidInputError, match="at most 0"):  # nothing was taken, and the reason is told
        ns.priors.sample(ns.Space("mlp", units=(10**9, 2 * 10**9)), 1)


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("random-forest", {"n_estimators": 10**9}, "n_estimators"),
        ("adaboost", {"n_estimators": 10**21}, "n_estimators"),
        ("hist-gradient-boosting", {"members": 10**21}, "members"),
        ("gnn", {"hidden": 10**6}, "hidden"),
        ("gnn", {"layers": 10**9}, "layers"),
        ("semi-supervised-assessor", {"hidden": 10**6}, "hidden"),
    ],
)
def test_predictors_beyond_memory_are_not_fitted(name, options, field) -> None:
    nets = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 7)]
    with pytest.raises(InvalidInputError, match=f"{field} must fit into 1,073,741,824 bytes of memory"):
        PREDICTORS[name](**options).fit(nets, [float(net.num_units) for net in nets])


def test_searches_beyond_memory_ask_for_nothing() -> None:
    with pytest.raises(InvalidInputError, match="n must fit"):
        ns.Search(ns.Space("rnn_tanh"), seed=0).ask(10**9)
    with pytest.raises(InvalidInputError, match="stages must leave units at most 2147483647 channels wide"):
        ns.Space("cnn", channels=(4, 8), stages=10**9)
    with pytest.raises(ValidationError, match="channels must fit"):
        SpaceSection(families=["cnn"], channels=[4, 10**6])
