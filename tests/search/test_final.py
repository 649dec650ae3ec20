"""Finalists trained again: what is claimed, believed and retrained."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nnstruct import Search, Space, Structure
from nnstruct.errors import InvalidInputError, NotFittedError
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import CorrectedGuide
from nnstruct.search.final import FIRST_SEED
from nnstruct.search.guide import expected

from guides import Ridge  # isort: skip

SPACE = Space("mlp", units=(4, 14))


def truth(structure: Structure) -> float:
    """Deeper is better."""
    return 0.5 + 0.03 * structure.num_layers


def trained(structures: list[Structure], seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test scores with noise from each seed."""
    rows = []
    for structure in structures:
        draws = [np.random.default_rng([seed, structure.num_units]).normal(size=2) for seed in seeds]
        rows.append(truth(structure) + 0.02 * np.array(draws))
    scores = np.array(rows)
    return scores[:, :, 0], scores[:, :, 1]


def searched(guide=None) -> Search:
    """A search of thirty noisy scores."""
    search = Search(SPACE, guide, seed=2, population=10, offspring=4)
    rng = np.random.default_rng(5)
    for _ in range(5):
        asked = search.ask(6)
        search.tell(asked, [truth(s) + 0.05 * rng.normal() for s in asked])
    return search


def test_the_winner_is_chosen_by_one_score_and_told_by_another() -> None:
    search = searched()
    final = search.finish(trained, top=4, seeds=5)
    table = final.table
    ranked = search.history.dropna(subset="score").sort_values("score", ascending=False)
    assert table["fingerprint"].tolist() == ranked.fingerprint[:4].tolist()
    assert table["claimed"].tolist() == ranked.score[:4].tolist()
    assert table["winner"].idxmax() == table["chosen_by"].idxmax()
    won = table[table["winner"]].iloc[0]
    assert final.winner.fingerprint == won.fingerprint
    seeds = [FIRST_SEED + seed for seed in range(5)]
    scores = trained([final.winner], seeds)[1][0]
    low, high = stats.t.interval(0.95, 4, scores.mean(), scores.std(ddof=1) / np.sqrt(5))
    assert (final.score, *final.interval) == pytest.approx((scores.mean(), low, high))
    history = search.history.set_index("fingerprint")
    assert history.retrained.dropna().to_dict() == dict(zip(table.fingerprint, table.retrained, strict=True))


def test_the_believed_best_claims_less_than_the_luckiest() -> None:
    search = searched(GroupedGaussianProcess(steps=5))
    history = search.history
    assert search.best.fingerprint == history.fingerprint[history.believed.idxmax()]
    lucky = history.loc[history.score.idxmax()]
    assert lucky.believed < lucky.score  # the guide does not take luck for merit
    assert search.best_score <= lucky.score


def test_finalists_are_kept_with_the_study(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    first = Search(SPACE, seed=2, population=10, storage=storage)
    asked = first.ask(6)
    first.tell(asked, [truth(s) for s in asked])
    first.finish(trained, top=2, seeds=2)
    again = Search(SPACE, seed=2, population=10, storage=storage)
    assert again.history.retrained.notna().sum() == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda s, n: np.zeros((len(s), len(n))), r"train must return two arrays of shape \[2, 3\]"),
        (
            lambda s, n: (np.zeros((2, 3)), np.zeros((2, 2))),
            r"train must return two arrays of shape \[2, 3\]",
        ),
        (
            lambda s, n: (np.full((2, 3), np.nan), np.zeros((2, 3))),
            "train must give a finalist finite scores",
        ),
    ],
)
def test_bad_trainings_are_named(given, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        searched().finish(given, top=2, seeds=3)


def test_there_is_nothing_to_finish_before_a_score() -> None:
    with pytest.raises(NotFittedError):
        Search(SPACE).finish(trained)


def test_the_belief_comes_with_its_deviation() -> None:
    search = searched(GroupedGaussianProcess(steps=5))
    history = search.history.set_index("fingerprint")
    mean, std = search.best_belief
    assert (mean, std) == tuple(history.loc[search.best.fingerprint, ["believed", "believed_std"]])
    # That of a mean, which is nearer than one more score.
    assert std < search.guide_.predict([search.best], return_std=True)[1][0]
    table = search.finish(trained, top=3, seeds=2).table
    assert table.believed_std.tolist() == history.loc[table.fingerprint, "believed_std"].tolist()
    assert (table.believed_std > 0).all()


def test_a_guide_that_knows_no_more_gives_its_deviation_of_a_score() -> None:
    search = searched(Ridge())
    assert set(search.history.believed_std.round(12)) == {round(search.best_belief[1], 12)}
    assert np.isnan(searched().best_belief).all()


def test_a_corrected_guide_has_the_correction_s_deviation() -> None:
    structures = [Structure.from_layers([n, 2]) for n in range(2, 14)]
    base = Ridge().fit(structures, [truth(s) for s in structures])
    errors = 0.02 * np.random.default_rng(0).normal(size=len(structures))
    correction = GroupedGaussianProcess(steps=5).fit(structures, errors)
    guide = CorrectedGuide(base, correction, 2.0)
    mean, std = expected(guide, structures)
    np.testing.assert_allclose(mean, guide.predict(structures))
    np.testing.assert_array_equal(std, correction.expected(structures)[1])
