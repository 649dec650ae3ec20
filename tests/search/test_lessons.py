"""What a guide learns: scores, diverged structures, awaited ones, and no more rows than it can take."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Search, Space, Structure
from nnstruct.search import refits
from nnstruct.search.ledger import Entry
from nnstruct.search.refits import Refits, lessons

from guides import Ridge, depth_score  # isort: skip

SPACE = Space("mlp", units=(8, 20))


def entries(scores: list[float | None]) -> list[Entry]:
    """Entries in a row, failed where there is no score."""
    made = []
    for number, score in enumerate(scores):
        state = "failed" if score is None else "complete"
        structure = Structure.from_layers([number + 1, 2])
        made.append(Entry(number, structure, "prior", (), 0, state, score, prediction=0.5 + number))
    return made


@pytest.mark.parametrize(("sign", "worst"), [(1.0, 0.2), (-1.0, 0.9)])
def test_diverged_structures_count_as_the_worst(sign: float, worst: float) -> None:
    structures, scores = lessons(entries([0.9, None, 0.2]), [], sign)
    assert [len(s.layer_sizes) for s in structures] == [2, 2, 2]
    assert scores.tolist() == [0.9, 0.2, worst]
    assert structures[2] == Structure.from_layers([2, 2])
    assert lessons(entries([None, None]), [], sign)[0] == []


def test_a_structure_that_diverged_once_keeps_its_score() -> None:
    rows = entries([0.9, None])
    again = Entry(2, rows[0].structure, "told", (), 1, "failed")
    assert lessons([*rows, again], [], 1.0)[1].tolist() == [0.9, 0.9]


def test_awaited_structures_count_as_predicted() -> None:
    rows = entries([0.9, 0.2, 0.4, 0.4])
    structures, scores = lessons(rows[:2], rows[1:], 1.0)
    assert scores.tolist() == [0.9, 0.2, 2.5, 3.5]
    assert structures == [row.structure for row in rows]


def test_a_guide_learns_from_what_diverged_and_from_what_is_awaited() -> None:
    search = Search(SPACE, Ridge(), population=10, initial=10, offspring=4)
    first = search.ask(10)
    search.tell(first, [np.nan, *(depth_score(s) for s in first[1:])])
    search.ask(3)  # 9 scores and a failure
    assert search.guide_.rows_ == 10
    search.ask(3)  # three more are awaited
    assert search.guide_.rows_ == 13


def test_a_generation_that_diverges_as_a_whole_is_survived() -> None:
    search = Search(SPACE, Ridge(), population=4, offspring=4)
    for _ in range(3):
        asked = search.ask(4)
        search.tell(asked, [np.nan] * 4)
    assert (search.history.state == "failed").all()
    asked = search.ask(4)
    search.tell(asked, [depth_score(s) for s in asked])
    assert search.best_claim == max(depth_score(s) for s in asked)
    assert search.best in asked
    assert len({*search.history.fingerprint}) == 16


def test_many_rows_are_cut_to_the_best_and_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refits, "MOST_ROWS", 6)
    scores = [0.1 * ((7 * k) % 20) for k in range(20)]
    known = Refits()
    structures, kept = known._lessons(entries(scores), (), capped=True)
    assert len(structures) == 6
    assert set(sorted(scores)[-3:]) <= set(kept.tolist())
    for structure, score in zip(structures, kept, strict=True):
        assert scores[structure.layer_sizes[0] - 1] == score
    assert len(known._lessons(entries(scores), (), capped=False)[0]) == 20
    more = known._lessons(entries([*scores, 0.05]), (), capped=True)[0]
    assert len({s.fingerprint for s in more} & {s.fingerprint for s in structures}) >= 5  # the sample stays
