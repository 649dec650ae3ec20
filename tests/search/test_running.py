"""Searches that train by themselves: budgets, workers, what is awaited."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from nnstruct import Search, Space, Structure
from nnstruct.errors import InvalidInputError

from guides import Ridge, depth_score  # isort: skip

SPACE = Space("mlp", units=(6, 12))


def searched(guide=None, **options) -> Search:
    return Search(SPACE, guide, seed=1, population=6, initial=6, offspring=4, **options)


def by_hand(n: int) -> pd.DataFrame:
    search = searched(Ridge())
    for _ in range(n):
        (structure,) = search.ask(1)
        search.tell([structure], [depth_score(structure)])
    return search.history


def test_one_worker_asks_what_a_loop_by_hand_asks() -> None:
    search = searched(Ridge())
    history = search.run(depth_score, 12)
    pd.testing.assert_frame_equal(history, by_hand(12))
    assert len(search.run(depth_score, 12)) == 12  # nothing is left to do
    assert len(search.run(depth_score, 14)) == 14


class LastFirst:
    """An executor that ends what came last first, and remembers what ran side by side."""

    def __init__(self) -> None:
        self.open: list[tuple[Future, object, Structure]] = []
        self.most, self.asked = 0, []

    def submit(self, function, structure):
        future: Future = Future()
        self.open.append((future, function, structure))
        self.asked.append(structure.fingerprint)
        self.most = max(self.most, len(self.open))
        if len(self.open) == 3 or len(self.asked) >= 10:
            last, do, given = self.open.pop()
            last.set_result(do(given))
        if len(self.asked) == 12:
            for last, do, given in self.open:
                last.set_result(do(given))
            self.open.clear()
        return future


def test_the_next_structure_is_asked_as_soon_as_one_training_ends() -> None:
    runner, search = LastFirst(), searched(Ridge())
    history = search.run(depth_score, 12, workers=3, executor=runner)
    assert runner.most == 3
    assert runner.asked == history.fingerprint.tolist()
    assert history.fingerprint.is_unique
    scores = {s.fingerprint: depth_score(s) for s in (e.structure for e in search._open().entries)}
    assert history.score.tolist() == [scores[f] for f in history.fingerprint]


def test_processes_train_side_by_side() -> None:
    history = searched().run(depth_score, 5, workers=2)
    assert history.score.notna().sum() == 5


def test_seconds_and_patience_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    clock = [0.0]
    monkeypatch.setattr("nnstruct.search.running.monotonic", lambda: clock[0])

    def slow(structure: Structure) -> float:
        clock[0] += 2.0
        return 1.0

    history = searched().run(slow, 8, seconds=9, announce=lines.append)
    assert (history.state == "complete").tolist() == [True] * 5  # the fifth began after 8 seconds
    assert lines == [
        "The first training took 2.0 s; 7 more will take about 9 s",
        "The search ends: 9 seconds are over",
    ]
    search = searched()
    history = search.run(lambda s: 1.0, 1000, patience=4, announce=lines.append)
    assert len(history) == 5
    assert lines[-1] == "The search ends: 4 trainings in a row brought nothing better"


def test_an_error_ends_the_run_and_what_was_asked_comes_first_again() -> None:
    search = searched()

    def fails(structure: Structure) -> float:
        if search.num_trained == 3:
            raise ZeroDivisionError("out of data")
        return depth_score(structure)

    with pytest.raises(ZeroDivisionError):
        search.run(fails, 8)
    (state,) = set(search.history.state[3:])
    assert state == "pending"
    again = searched()
    pd.testing.assert_series_equal(search.history.fingerprint[:4], again.run(depth_score, 4).fingerprint)


def test_diverged_trainings_count_and_are_survived() -> None:
    search = searched(Ridge())
    history = search.run(lambda s: np.nan, 5)
    assert (history.state == "failed").all()
    with ThreadPoolExecutor(2) as threads:
        history = search.run(depth_score, 9, workers=2, executor=threads)
    assert history.score.notna().sum() == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be a positive integer"),
        ({"seconds": 0}, "seconds must be"),
        ({"patience": 0}, "patience must be a positive integer"),
        ({"workers": 0}, "workers must be"),
        ({"objective": 3}, "objective must be a function of a Structure"),
    ],
)
def test_what_breaks_a_rule_is_named(options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        searched().run(**{"objective": depth_score, "n": 3, **options})


def test_what_is_enqueued_is_asked_first(tmp_path) -> None:
    space, storage = Space("mlp", units=(4, 12)), f"sqlite:///{tmp_path / 'search.db'}"
    mine = [Structure.from_layers([5, width]) for width in (2, 3)]
    search = Search(space, seed=0, storage=storage, population=4)
    assert search.enqueue(mine).enqueue(mine[:1]).ask(1) == mine[:1]
    asked = search.ask(3)
    assert asked[0] == mine[1]
    assert not {s.fingerprint for s in asked[1:]} & {s.fingerprint for s in mine}
    search.tell([mine[0], *asked], [0.9, 0.1, 0.2, 0.3])
    assert search.best == mine[0]
    assert search.history["operator"][:2].tolist() == ["enqueued", "enqueued"]
    # Told or asked before: nothing happens; and the study remembers.
    search.enqueue([*mine, *asked])
    assert len(search.history) == 4
    with pytest.raises(InvalidInputError, match="structures must lie inside the space"):
        search.enqueue([Structure.from_layers([9, 9])])


def test_what_was_enqueued_outlives_its_process(tmp_path) -> None:
    space, storage = Space("mlp", units=(4, 12)), f"sqlite:///{tmp_path / 'search.db'}"
    mine = Structure.from_layers([5, 3])
    Search(space, seed=0, storage=storage).enqueue([mine])
    again = Search(space, seed=0, storage=storage)
    assert again.ask(4)[0] == mine


def test_what_is_enqueued_starts_at_the_lowest_rung() -> None:
    search = Search(Space("mlp", units=(4, 12)), seed=0, rungs=(0.25, 1))
    asked = search.enqueue([Structure.from_layers([5, 3])]).ask(2)
    assert search.fidelities_of(asked) == [0.25, 0.25]
