"""Numbers of a recipe, and of the same calls in Python, are refused before memory is taken for them."""

from __future__ import annotations

import pytest

import nnstruct as ns
from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.population import train
from nnstruct.priors import ErdosRenyi
from nnstruct.random import seed_list
from nnstruct.recipes import DatasetRecipe, read_recipe

TEXT = 'task.name = "reber"\nspace.families = ["gru"]\nspace.units = [5, UNITS]\nsample.count = COUNT\n'


@pytest.mark.parametrize(
    ("units", "count", "said"),
    [
        (10**5, 2, r"\[space\] units must ask for structures that fit into 1,073,741,824 bytes"),
        (2**63, 2, r"\[space\] units must be integers with 2 <= fewest <= most <= 2147483647"),
        (10**21, 2, r"\[space\] units must be integers"),
        (9, 10**9, r"\[sample\] count must ask for structures that fit"),
        (9, 10**21, r"\[sample\] count must ask for structures that fit"),
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


def test_seeds_and_trainings_beyond_memory_are_refused(tmp_path) -> None:
    task, nets = ns.load_task("digits"), [ns.Structure.from_layers([n, 2]) for n in (2, 3)]
    with pytest.raises(InvalidInputError, match="seeds must ask for seeds that fit"):
        seed_list(10**18)
    with pytest.raises(InvalidInputError, match="seeds must ask for trainings that fit"):
        ns.build(task, nets, seeds=10**7)
    with pytest.raises(InvalidInputError, match="seeds must ask for trainings that fit"):
        train(nets, task, seeds=10**7)


def test_structures_beyond_memory_are_not_drawn() -> None:
    with pytest.raises(InvalidInputError, match="the prior must ask for structures that fit"):
        ErdosRenyi(units=10**6, p=0.5).sample(0, family="mlp")
    with pytest.raises(InvalidInputError, match="n must ask for structures that fit"):
        ns.priors.sample(ns.Space("mlp"), 10**12)
    with pytest.raises(InvalidInputError, match="units must be integers with 2 <= fewest <= most <= 2147"):
        ns.Space("mlp", units=(10, 10**12))
    with pytest.raises(InvalidInputError, match="at most 0"):  # nothing was taken, and the reason is told
        ns.priors.sample(ns.Space("mlp", units=(10**9, 2 * 10**9)), 1)
