"""A search that is stopped and built again goes on as if it had never stopped."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pandas as pd
import pytest

from nnstruct import Space
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import Search, read_history
from nnstruct.search.ledger import Ledger

from guides import Ridge, noisy  # isort: skip

SPACE = Space("rnn_tanh", units=(6, 12), recurrence="random")
OPTIONS = {"seed": 1, "population": 6, "offspring": 4, "refit_every": 2, "random_share": 0.3}
ROUNDS, N = 6, 4


class KilledError(Exception):
    pass


def build(storage: str | None = None) -> Search:
    return Search(SPACE, Ridge(), storage=storage, **OPTIONS)


def step(search: Search) -> None:
    candidates = search.ask(N)
    search.tell(candidates, noisy(candidates))


@pytest.fixture(scope="module")
def undisturbed() -> pd.DataFrame:
    search = build()
    for _ in range(ROUNDS):
        step(search)
    return search.history


@pytest.fixture
def storage(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/runs/search.db"


def finish(storage: str) -> pd.DataFrame:
    search = build(storage)
    while (search.history.state == "complete").sum() < ROUNDS * N:
        step(search)
    return search.history


def test_another_process_believes_the_same(storage: str) -> None:
    """A guide that takes scores in rests on the kernel of its last fit, which is not that of all scores."""

    def guided() -> Search:
        return Search(SPACE, GroupedGaussianProcess(), storage=storage, seed=1, population=6, offspring=4)

    search = guided()
    for _ in range(6):
        step(search)
    pd.testing.assert_frame_equal(guided().history, search.history)
    assert guided().best_belief == pytest.approx(search.best_belief)
    assert guided().best == search.best


def test_new_object_every_round(storage: str, undisturbed: pd.DataFrame) -> None:
    for _ in range(ROUNDS):
        step(build(storage))
    pd.testing.assert_frame_equal(build(storage).history, undisturbed)


@pytest.mark.parametrize("rounds", [0, 3])
def test_stopped_between_ask_and_tell(storage: str, undisturbed: pd.DataFrame, rounds: int) -> None:
    search = build(storage)
    for _ in range(rounds):
        step(search)
    asked = search.ask(N)
    again = build(storage)
    assert again.ask(2) == asked[:2]
    assert again.ask(N) == asked[2:]
    pd.testing.assert_frame_equal(finish(storage), undisturbed)


def test_stopped_within_a_tell(storage: str, undisturbed: pd.DataFrame) -> None:
    search = build(storage)
    for _ in range(3):
        step(search)
    asked = search.ask(N)
    search.tell(asked[1:3], noisy(asked[1:3]))
    pd.testing.assert_frame_equal(finish(storage), undisturbed)


@pytest.mark.parametrize("written", [0, 1, 3])
def test_killed_while_a_batch_is_written(
    storage: str, undisturbed: pd.DataFrame, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = build(storage)
    for _ in range(3):
        step(search)
    whole = Ledger._add_trials

    def cut_short(self: Ledger, candidates) -> None:
        whole(self, candidates[:written])
        raise KilledError

    monkeypatch.setattr(Ledger, "_add_trials", cut_short)
    with pytest.raises(KilledError):
        search.ask(N)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(finish(storage), undisturbed)


def test_pending_structures_can_be_told_without_asking(storage: str) -> None:
    asked = build(storage).ask(N)
    search = build(storage)
    search.tell(asked, noisy(asked))
    assert search.history.state.tolist() == ["complete"] * N
    assert search.best_score == max(noisy(asked))


def test_a_study_is_one_search(storage: str) -> None:
    build(storage).ask(2)
    other = Search(SPACE, seed=2, storage=storage)
    with pytest.raises(
        InvalidInputError, match="seed must be 1 as in the stored study 'nnstruct-search', got 2"
    ):
        other.ask(2)
    wide = Search(Space("rnn_tanh", units=(6, 13)), seed=1, storage=storage)
    with pytest.raises(InvalidInputError, match=r"space must be .* as in the stored study"):
        wide.ask(2)
    down = Search(SPACE, seed=1, storage=storage, direction="minimize")
    with pytest.raises(InvalidInputError, match="direction must be 'maximize' as in the stored study"):
        down.ask(2)
    with pytest.raises(InvalidInputError, match="study_name must be new in this storage"):
        Search(SPACE, storage=storage, load_if_exists=False).ask(2)
    assert len(Search(SPACE, seed=2, storage=storage, study_name="other").ask(2)) == 2


def test_a_study_of_someone_else_is_refused(storage: str) -> None:
    build(storage)._open()  # makes the folder
    study = optuna.create_study(storage=storage, study_name="theirs", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(InvalidInputError, match="study_name must name a study made by a Search"):
        Search(SPACE, storage=storage, study_name="theirs").ask(2)


def test_foreign_trials_in_a_study_are_left_alone(storage: str) -> None:
    search = build(storage)
    step(search)
    search.study.add_trial(optuna.trial.create_trial(value=99.0))
    step(search)
    again = build(storage)
    assert again.history.trial.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    pd.testing.assert_frame_equal(again.history, search.history)
    assert again.best_score < 99


def test_an_altered_structure_is_found(storage: str) -> None:
    search = build(storage)
    search.ask(1)
    trial = search.study.trials[0]
    row = dict(trial.user_attrs["structure"])
    row["inputs"] = list(range(row["num_units"]))
    optuna.trial.Trial(search.study, trial._trial_id).set_user_attr("structure", row)
    with pytest.raises(CorruptFileError, match=r"trial 0: the fingerprint .* does not fit"):
        build(storage).ask(1)


def test_an_operator_that_is_no_text_is_found(storage: str) -> None:
    search = build(storage)
    search.ask(1)
    trial = search.study.trials[0]
    optuna.trial.Trial(search.study, trial._trial_id).set_user_attr("operator", "\ud800")
    with pytest.raises(CorruptFileError, match="trial 0: 'utf-8' codec can't encode"):
        _ = build(storage).history


def test_trials_that_do_not_fit_together_are_told(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna asserts some of what it expects in a database."""
    build(storage).ask(1)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(optuna.Study, "get_trials", fail)
    with pytest.raises(CorruptFileError, match=r"is not a readable study.*do not fit together"):
        build(storage).ask(1)
    with pytest.raises(CorruptFileError, match=r"is not a readable study.*do not fit together"):
        read_history(storage.removeprefix("sqlite:///"))


def test_a_file_that_is_no_study_is_told(tmp_path: Path) -> None:
    (tmp_path / "search.db").write_bytes(b"SQLite format 3\x00" + bytes(200))
    with pytest.raises(CorruptFileError, match=r"search\.db is not a readable study"):
        read_history(tmp_path)


def test_a_trial_of_an_impossible_number_is_told(storage: str) -> None:
    build(storage).ask(2)
    with sqlite3.connect(storage.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE trials SET number = '99999999999999999999' WHERE number = 1")
    with pytest.raises(InvalidInputError, match=r"search\.db: a count must be an integer"):
        _ = build(storage).history
