"""What a notebook shows of a search: what there is, and nothing that would have to be opened or fitted."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Search, Space
from nnstruct.search import read_history

SPACE = Space("mlp", units=(4, 12))


class Untouchable:
    """A guide that must be left alone."""

    def fit(self, structures, y):
        raise AssertionError("a picture fits nothing")

    def predict(self, structures, return_std=False):
        raise AssertionError("a picture predicts nothing")


def test_before_the_first_ask_nothing_is_opened(tmp_path):
    html = Search(SPACE, storage=f"sqlite:///{tmp_path}/<x>.db", seed="wrong")._repr_html_()
    assert "nothing asked or told yet" in html
    assert "&lt;x&gt;" in html
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("direction", "best"), [("maximize", "0.7"), ("minimize", "0.2")])
def test_trials_and_the_best_of_them_are_shown(direction, best):
    search = Search(SPACE, Untouchable(), seed=0, population=4, direction=direction)
    asked = search.ask(4)
    search.tell(asked[:3], [0.2, 0.7, np.nan])
    html = search._repr_html_()
    assert f"{best}, the best of 2 noisy ones" in html
    assert "3 trained, 1 waiting, 1 failed" in html
    winner = asked[1 if direction == "maximize" else 0]
    assert winner.fingerprint in html
    assert html.count("<svg") == 2
    assert repr(search) == f"Search({SPACE!r}, guide=Untouchable, trials=4)"
    assert "Untouchable" in html


def test_a_search_without_a_score_has_no_picture():
    search = Search(SPACE, seed=0, population=4)
    search.tell(search.ask(1), [np.nan])
    assert "<svg" not in search._repr_html_()


def test_several_objectives_are_named():
    search = Search(SPACE, seed=0, population=4, objectives=["val", "edges"])
    search.tell(search.ask(2), [0.1, 0.2])
    assert "val, edges" in search._repr_html_()


def test_a_stored_history_tells_the_objective_that_was_told(tmp_path):
    """Also where an own measure stands before it, which a name alone does not give away."""

    def width(structure):
        return max(structure.layer_sizes)

    storage = f"sqlite:///{tmp_path}/search.db"
    search = Search(SPACE, seed=0, population=4, storage=storage, objectives=[width, "val"])
    search.tell(search.ask(2), [0.25, 0.75])
    assert read_history(storage)["score"].tolist() == [0.25, 0.75]
