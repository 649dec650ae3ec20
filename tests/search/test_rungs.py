"""Successive halving: who is trained again, how long, and what is made of scores of several lengths."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import Search, Space, Structure, TrainConfig, build, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.search import Rungs
from nnstruct.search.ledger import Entry

from guides import Ridge, depth_score  # isort: skip

SPACE = Space("mlp", units=(6, 14))
THREE = (1 / 9, 1 / 3, 1)


def brief(structure: Structure, fidelity: float) -> float:
    """A score that rises with the fidelity, and whose order is not quite that of a full training."""
    wobble = int(structure.fingerprint[:6], 16) / 16**6
    return depth_score(structure) * fidelity + 0.1 * (1 - fidelity) * wobble


def searched(**options) -> Search:
    return Search(SPACE, seed=3, population=8, initial=200, rungs=THREE, **options)


def test_whole_rungs_at_a_time_are_successive_halving() -> None:
    search = searched()
    sizes, seen = [], []
    for n, fidelity in ((27, 1 / 9), (9, 1 / 3), (3, 1)):
        asked = search.ask(n)
        assert search.fidelities_of(asked) == pytest.approx([fidelity] * n)
        scores = {s.fingerprint: brief(s, fidelity) for s in asked}
        search.tell(asked, list(scores.values()))
        if seen:
            assert set(scores) == set(sorted(seen[-1], key=seen[-1].get)[-n:])
        seen.append(scores)
        sizes.append(len(scores))
    assert sizes == [27, 9, 3]
    # Nothing is promoted twice: the next is new.
    assert search.fidelities_of(search.ask(1)) == pytest.approx([1 / 9])
    assert search.spent == pytest.approx(3 + 3 + 3)
    assert search.history["fidelity"].value_counts().sort_index().tolist() == [28, 9, 3]
    assert search.best.fingerprint in seen[2]
    assert search.best_claim == max(seen[2].values())


def test_nothing_is_promoted_that_is_not_among_the_best_of_its_rung() -> None:
    search, rng = searched(), np.random.default_rng(0)
    told: dict[float, dict[str, float]] = {f: {} for f in Rungs(THREE).fidelities}
    above: dict[float, set[str]] = {f: set() for f in told}
    levels = list(told)
    for _ in range(25):
        asked = search.ask(int(rng.integers(1, 6)))
        fidelities = search.fidelities_of(asked)
        for structure, fidelity in zip(asked, fidelities, strict=True):
            if fidelity == levels[0]:
                continue
            below = told[levels[levels.index(fidelity) - 1]]
            best = sorted(below, key=lambda name: -below[name])[: math.floor(len(below) / 3)]
            assert structure.fingerprint in best
            assert structure.fingerprint not in above[fidelity]
            above[fidelity].add(structure.fingerprint)
        for structure, fidelity in zip(asked, fidelities, strict=True):
            diverged = rng.random() < 0.1
            score = math.nan if diverged else brief(structure, fidelity)
            search.tell([structure], [score])
            told[fidelity][structure.fingerprint] = -math.inf if diverged else score
    assert above[levels[2]]
    for low, high in pairwise(levels):
        # All that may be promoted are, save what came up since the last question.
        assert len(above[high]) >= len(told[low]) // 3 - 4


@given(st.data())
def test_promoted_shares_are_those_of_the_definition(data: st.DataObject) -> None:
    reduction = data.draw(st.sampled_from([1.5, 2, 3, 4]))
    sign = data.draw(st.sampled_from([1.0, -1.0]))
    scores = data.draw(st.lists(st.integers(-50, 50), min_size=1, max_size=30, unique=True))
    rungs = Rungs((0.5, 1), reduction=reduction)
    nets = [Structure.from_layers([n + 1, 2]) for n in range(len(scores))]
    entries = [
        Entry(n, s, "prior", (), 0, "complete", float(score), fidelity=0.5)
        for n, (s, score) in enumerate(zip(nets, scores, strict=True))
    ]
    found = rungs.promoted(entries, 99, sign=sign)
    expected = sorted(range(len(scores)), key=lambda n: -sign * scores[n])[: int(len(scores) // reduction)]
    assert [entry.structure for entry in found] == [nets[n] for n in expected]
    assert {entry.fidelity for entry in found} <= {1.0}
    # Once they are asked, nobody is left to promote.
    assert not rungs.promoted([*entries, *found], 99, sign=sign)


def test_brackets_start_in_the_shares_of_hyperband() -> None:
    rungs = Rungs((1 / 27, 1 / 9, 1 / 3, 1), reduction=3, brackets=4)
    # Hyperband with R = 27 and eta = 3 starts 27, 12, 6 and 4 configurations: ceil((s_max+1)/(s+1) eta^s).
    assert np.ceil(rungs.shares() / rungs.shares()[-1] * 4).astype(int).tolist() == [27, 12, 6, 4]
    started: dict[int, int] = {}
    for _ in range(500):
        at = rungs.start(started)
        started[at] = started.get(at, 0) + 1
    assert [started[s] / 500 for s in range(4)] == pytest.approx(rungs.shares().tolist(), abs=0.005)
    search = Search(SPACE, seed=0, initial=200, rungs=Rungs(THREE, brackets=2))
    asked = search.ask(20)
    begun = search.fidelities_of(asked)
    assert 0 < sum(f > 0.2 for f in begun) < 10
    search.tell(asked, [brief(s, f) for s, f in zip(asked, begun, strict=True)])
    again = search.ask(20 // 3)
    # Each bracket has rungs of its own.
    higher = {s.fingerprint for s, f in zip(again, search.fidelities_of(again), strict=True) if f == 1}
    own = [s.fingerprint for s, f in zip(asked, begun, strict=True) if f > 0.2]
    assert higher <= set(own)
    assert len(higher) == len(own) // 3


def test_the_guide_may_say_who_is_best_of_a_rung() -> None:
    nets = [Structure.from_layers([n, 2]) for n in range(2, 8)]
    entries = [Entry(n, s, "prior", (), 0, "complete", float(n), fidelity=0.5) for n, s in enumerate(nets)]
    belief = {s.fingerprint: -float(n) for n, s in enumerate(nets)}
    by_score, by_belief = Rungs((0.5, 1)), Rungs((0.5, 1), promotion="belief")
    for rungs, place in ((by_score, 5), (by_belief, 0)):
        found = rungs.promoted(entries, 1, sign=1.0, belief=belief)
        assert [entry.structure for entry in found] == [nets[place]]
    search = Search(SPACE, Ridge(), seed=1, initial=12, rungs=Rungs((0.5, 1), promotion="belief"))
    asked = search.ask(12)
    search.tell(asked, [brief(s, 0.5) for s in asked])
    chosen = search.ask(4)
    assert search.fidelities_of(chosen) == [1.0] * 4
    believed = Ridge().fit(asked, [brief(s, 0.5) for s in asked]).predict(asked)
    best = np.argsort(-believed)[:4]
    assert [s.fingerprint for s in chosen] == [asked[n].fingerprint for n in best]


def test_the_guide_learns_one_scale() -> None:
    search = Search(SPACE, Ridge(), seed=1, initial=12, rungs=(0.5, 1))
    asked = search.ask(12)
    search.tell(asked, [depth_score(s) for s in asked])
    again = search.ask(4)
    search.tell(again, [depth_score(s) + 7 for s in again])
    search.ask(1)
    # Every structure gained 7 by the longer training, so that all are believed to score so much there.
    expected = Ridge().fit(asked, [depth_score(s) + 7 for s in asked])
    assert search.guide_.predict(asked) == pytest.approx(expected.predict(asked))
    assert search.best in again


def test_a_search_that_was_killed_goes_on_without_loss(tmp_path) -> None:
    whole = searched()
    for n in (9, 4, 4, 4):
        asked = whole.ask(n)
        whole.tell(asked, [brief(s, f) for s, f in zip(asked, whole.fidelities_of(asked), strict=True)])
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    for n in (9, 4, 4, 4):
        search = searched(storage=storage)
        asked = search.ask(n)
        first, fidelities = asked[: n // 2], search.fidelities_of(asked)
        search.tell(first, [brief(s, f) for s, f in zip(first, fidelities, strict=False)])
        search = searched(storage=storage)  # the other process was killed here
        rest = search.ask(n)
        assert rest == asked[n // 2 :]
        assert search.fidelities_of(rest) == fidelities[n // 2 :]
        search.tell(rest, [brief(s, f) for s, f in zip(rest, search.fidelities_of(rest), strict=True)])
    shown = ["fingerprint", "score", "fidelity", "operator", "generation", "state"]
    assert search.history[shown].equals(whole.history[shown])
    with pytest.raises(InvalidInputError, match="rungs must be"):
        Search(SPACE, seed=3, rungs=(0.5, 1), storage=storage).ask(1)


def test_a_run_spends_full_trainings() -> None:
    search = searched()
    history = search.run(brief, 9)
    assert 9 <= search.spent < 10
    assert len(history) > 27
    assert (history["fidelity"] == 1).sum() >= 2
    assert len(search.run(brief, 9)) == len(history)
    expected = [brief(e.structure, e.fidelity) for e in search._open().entries]
    assert history["score"].tolist() == expected


def test_scores_of_a_fidelity_can_be_told() -> None:
    search = searched()
    known = search.ask(1)
    search.tell(known, [0.1], fidelity=1)  # no answer to what was asked at a ninth
    assert search.fidelities_of(known) == pytest.approx([1 / 9])
    search.tell(known, [0.05])
    assert search.history["fidelity"].tolist() == pytest.approx([1 / 9, 1])
    assert search.best_claim == 0.1
    assert search.spent == pytest.approx(1 / 9)
    with pytest.raises(InvalidInputError, match="fidelity must be one of"):
        search.tell(known, [0.1], fidelity=0.5)


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ([], "fidelities must be a sequence"),
        ([0.5], "fidelities must rise to 1"),
        ([0.5, 0.5, 1], "fidelities must rise to 1"),
        ([0, 1], "fidelities must be"),
        ("1", "fidelities must be a sequence"),
    ],
)
def test_rungs_that_are_none_are_refused(given_, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        Search(SPACE, rungs=given_).ask(1)


@pytest.mark.parametrize(("name", "value"), [("reduction", 1), ("brackets", 3), ("promotion", "luck")])
def test_parameters_of_rungs_are_checked(name: str, value) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} must be"):
        Rungs((0.5, 1), **{name: value})


def test_trainings_that_a_full_one_pays() -> None:
    # A ninth, a third of them a third, a ninth of them whole: 13/9 trainings for 3/9.
    assert Rungs(THREE).counts(1).sum() == pytest.approx((13 / 9) / (3 / 9))
    assert Rungs((1.0,)).counts(7).tolist() == [7]
    several = Rungs(THREE, brackets=3)
    counts = several.counts(5)
    assert counts @ np.array(several.fidelities) == pytest.approx(5)
    started = counts - np.concatenate([[0], counts[:-1] / 3])
    assert started / started.sum() == pytest.approx(several.shares())


def test_learning_curves_tell_of_briefer_trainings() -> None:
    task, config = load_task("digits"), TrainConfig(epochs=6, learning_rate=0.01)
    nets = [Structure.from_layers([width, 4]) for width in range(2, 8)]
    bench = build(task, nets, config=config).with_target("val_last")
    space = Space("mlp", units=(4, 12))
    search = Search(space, population=4, rungs=Rungs((1 / 6, 1 / 2, 1), reduction=2))
    for _ in range(2):  # the second time there is nothing new
        search.warm_start(bench, curves=True)
    for share, epochs in ((1 / 6, 1), (1 / 2, 3), (1.0, 6)):
        brief = build(task, nets, config=TrainConfig(epochs=epochs, learning_rate=0.01)).with_target(
            "val_last"
        )
        rows = search.history[np.isclose(search.history["fidelity"], share)]
        assert rows["score"].tolist() == brief.labels(nets).tolist()
    # Those that are known have their places: of new ones only what is better than half of them goes on.
    asked = search.ask(6)
    assert search.fidelities_of(asked) == [pytest.approx(1 / 6)] * 6
    search.tell(asked, [0.0] * 5 + [1.0])
    next_ones = search.ask(2)
    assert next_ones[0] == asked[5]
    assert search.fidelities_of(next_ones) == [pytest.approx(1 / 2), pytest.approx(1 / 6)]


def test_curves_that_tell_of_nothing_briefer_are_refused() -> None:
    task, net = load_task("digits"), Structure.from_layers([3, 4])
    search = Search(Space("mlp", units=(4, 12)), rungs=(0.5, 1))
    annealed = build(task, [net], config=TrainConfig(epochs=2, schedule="cosine")).with_target("val_last")
    with pytest.raises(InvalidInputError, match=r"config\.schedule must leave 'schedule' alone"):
        search.warm_start(annealed, curves=True)
    plain = build(task, [net], config=TrainConfig(epochs=2))
    with pytest.raises(InvalidInputError, match=r"benchmark\.target must be 'val_last'"):
        search.warm_start(plain, curves=True)
    with pytest.raises(InvalidInputError, match="curves must be False where no benchmark alone is given"):
        search.warm_start([net], [0.5], curves=True)
    assert search.num_trained == 0
