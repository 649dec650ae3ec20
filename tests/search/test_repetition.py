"""Structures that are measured again: which, when, and with which seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nnstruct import Space, Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.recipes import run_search, run_search_recipe
from nnstruct.search import Search
from nnstruct.search.choice import Belief
from nnstruct.search.repetition import REPEATED, knowledge_gradient, to_repeat

from guides import Ridge, depth_score  # isort: skip

SPACE = Space("mlp", units=(8, 20))
RECIPE = """
task = { name = "digits" }
space = { families = ["mlp"], units = [4, 9] }
guide = { name = "grouped-gp" }
search = { generations = 5, per_generation = 4, params = { initial = 12, seed = 3, repeat_share = 0.9 } }
train = { epochs = 1 }
finish = { top = 1, seeds = 2 }
"""


def test_the_knowledge_gradient_is_that_of_independent_beliefs() -> None:
    """Frazier, Powell and Dayanik, 2008: s f(-|gap| / s), f(x) = x Phi(x) + phi(x), to the best other."""
    mean, variance, noise = np.array([0.5, 0.45, 0.2]), np.array([0.01, 0.02, 0.04]), 0.03
    found = knowledge_gradient(mean, np.diag(variance), noise)
    moves = variance / np.sqrt(variance + noise)
    best_other = np.array([0.45, 0.5, 0.5])
    x = -np.abs(mean - best_other) / moves
    np.testing.assert_allclose(found, moves * (x * stats.norm.cdf(x) + stats.norm.pdf(x)), rtol=0.01)


def test_what_moves_all_beliefs_alike_changes_no_choice() -> None:
    together = np.full((2, 2), 0.04)
    assert knowledge_gradient(np.array([0.5, 0.4]), together, 0.01)[0] == pytest.approx(0, abs=1e-12)
    apart = np.diag([0.04, 0.04])
    assert knowledge_gradient(np.array([0.5, 0.4]), apart, 0.01)[0] > 0.01


def test_nothing_is_repeated_that_is_known() -> None:
    known = Belief(np.array([0.9, 0.8]), np.zeros((2, 2)), 0.01, 2)
    assert to_repeat(known, 2) == []
    doubtful = Belief(np.array([0.9, 0.8, 0.1]), np.diag([1e-4, 0.04, 1e-4]), 0.01, 3)
    assert to_repeat(doubtful, 1) == [1]
    assert len(set(to_repeat(Belief(np.zeros(3), np.eye(3), 1.0, 3), 5))) == 3


def noise_of(rng: np.random.Generator, structures: list[Structure], std: float) -> list[float]:
    return [depth_score(structure) + std * rng.standard_normal() for structure in structures]


def repeating(std: float, guide=None, storage=None, rounds: int = 8, **options) -> Search:
    guide = guide or GroupedGaussianProcess()
    search = Search(
        SPACE, guide, seed=1, initial=16, offspring=6, repeat_share=0.5, storage=storage, **options
    )
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        asked = search.ask(4)
        assert len({structure.fingerprint for structure in asked}) == 4
        search.tell(asked, noise_of(rng, asked, std))
    return search


@pytest.mark.parametrize("guide", [None, Ridge()], ids=["joint", "other"])
def test_promising_structures_are_measured_again(guide) -> None:
    search = repeating(0.1, guide)
    history = search.history
    again = history[history["operator"] == REPEATED]
    assert len(history) == 32
    assert 2 <= len(again) <= 12
    assert (again["generation"] >= 4).all()
    assert again["prediction"].notna().all()
    first = history[history["operator"] != REPEATED]
    assert first["fingerprint"].is_unique
    assert set(again["fingerprint"]) <= set(first["fingerprint"])
    # Those repeated are among the better ones.
    means = first.set_index("fingerprint")["score"]
    assert means[again["fingerprint"]].median() > means.median()


def test_trainings_that_come_out_the_same_are_not_repeated_for_long() -> None:
    history = repeating(0.0, rounds=12).history
    again = history[history["operator"] == REPEATED]
    assert len(again) <= 7  # four tell, and a batch may be under way
    assert again["generation"].max() <= 8


def test_a_search_goes_on_with_the_same_repeats(tmp_path) -> None:
    whole = repeating(0.1)
    url = f"sqlite:///{tmp_path / 'search.db'}"
    repeating(0.1, storage=url, rounds=6)
    search = Search(
        SPACE, GroupedGaussianProcess(), seed=1, initial=16, offspring=6, repeat_share=0.5, storage=url
    )
    known = whole.history
    for generation in (6, 7):
        asked = search.ask(4)
        rows = known[known["generation"] == generation]
        assert [s.fingerprint for s in asked] == rows["fingerprint"].tolist()
        search.tell(asked, rows["score"].tolist())
    assert search.best == whole.best


def test_how_often_a_structure_was_measured_tells_its_seed() -> None:
    search = Search(SPACE, seed=0, initial=4)
    asked = search.ask(4)
    assert search.measured_before(asked) == [0, 0, 0, 0]
    search.tell(asked, [0.1, 0.2, np.nan, 0.4])
    search.tell(asked[:1], [0.3])
    assert search.measured_before(asked) == [2, 1, 1, 1]


def test_repeats_are_trained_with_new_seeds(tmp_path) -> None:
    search = Search(
        Space("mlp", units=(4, 10)), GroupedGaussianProcess(), seed=0, initial=10, offspring=4, repeat_share=1
    )
    bench = run_search(
        search, load_task("digits"), out=tmp_path, generations=8, per_generation=2,
        config=TrainConfig(epochs=1), workers=1,
    )  # fmt: skip
    history = search.history
    again = history[history["operator"] == REPEATED]
    assert len(again) >= 3
    assert len(bench.table) == len(history) == 16
    for name, scores in history.groupby("fingerprint")["score"]:
        rows = bench.table[bench.table["fingerprint"] == name].sort_values("seed")
        assert rows["seed"].tolist() == list(range(len(scores)))
        assert [curve[-1] for curve in rows["val"]] == pytest.approx(scores.tolist())


def test_a_share_of_a_recipe_trains_again(tmp_path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(RECIPE)
    run = run_search_recipe(file, tmp_path / "found", workers=1)
    again = run.search.history.query("operator == 'repeated'")
    assert len(again) >= 2
    assert set(run.found.table["seed"]) >= {0, 1}
    first = run_search_recipe(file, tmp_path / "found", workers=1)
    assert first.search.history.equals(run.search.history)


def test_the_share_is_checked() -> None:
    with pytest.raises(InvalidInputError, match=r"repeat_share must be in \[0, 1\], got 1.5"):
        Search(SPACE, repeat_share=1.5).ask(1)
    with pytest.raises(InvalidInputError, match=r"repeat_share must be 0 with several objectives, got 0\.2"):
        Search(SPACE, objectives=["val", "edges"], repeat_share=0.2).ask(1)
