"""Graph networks that the other members teach."""

from functools import partial

import numpy as np
import pytest

from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble, load_predictor
from nnstruct.predictors.ensemble import graphs
from nnstruct.predictors.gnn import members
from nnstruct.predictors.gnn.cost import course_seconds
from nnstruct.predictors.gnn.members import GraphMembers, MemberSettings

NAMES = ["conv3x3", "conv1x1", "pool3x3", "skip_connect"]
WORTH = {"conv3x3": 1.0, "conv1x1": 0.6, "pool3x3": 0.1, "skip_connect": 0.3}


def cells(count: int, seed: int) -> list[Structure]:
    rng = np.random.default_rng(seed)
    edges = [[0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 5]]
    return [
        Structure(
            edges,
            6,
            family="module",
            attributes={"operator": ["input", *rng.choice(NAMES, 4).tolist(), "output"]},
        )
        for _ in range(count)
    ]


CELLS = cells(60, 0)
Y = np.array([sum(WORTH[name] for name in cell.attributes["operator"][1:5]) for cell in CELLS])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(graphs, "UNLABELLED", 40)
    monkeypatch.setattr(graphs, "MemberSettings", partial(MemberSettings, hidden=8, layers=2))
    monkeypatch.setattr(members, "LESSON_STEPS", 60)
    monkeypatch.setattr(members, "LABEL_STEPS", 60)


def test_the_network_is_blended_with_its_teachers_and_saved(small, tmp_path):
    every = ["trees", "smooth-trees", "gp", "gnn"]
    model = Ensemble(members=every, seconds=1e6, folds=3).fit(CELLS[:45], Y[:45])
    assert list(model.weights_) == every
    assert model.scores_["gnn"] > 0.5
    mean, std = model.predict(CELLS[45:], return_std=True)
    assert np.corrcoef(mean, Y[45:])[0, 1] > 0.8
    again = load_predictor(model.save(tmp_path / "model"))
    for now, before in zip(again.predict(CELLS[45:], return_std=True), (mean, std), strict=True):
        np.testing.assert_allclose(now, before, rtol=0, atol=1e-6)


def test_a_network_does_not_see_the_fold_that_it_is_asked_about(small):
    fold = np.arange(45) % 3
    other = Y[:45].copy()
    other[fold == 1] = 5.0 - 3.0 * other[fold == 1] ** 2
    others, teachers = cells(20, 1), np.zeros((4, 20))
    said, transforms = [], []
    for y in (Y[:45], other):
        taught = graphs.TaughtGraphs(0, 1, 1e6)
        taught.fit(CELLS[:45], y, np.ones(45), fold, others, teachers)
        said.append(taught.members.predict(CELLS)[0])
        transforms.append([transform.state() for transform in taught.transforms])
    np.testing.assert_array_equal(said[0][1], said[1][1])
    assert np.abs(said[0][0] - said[1][0]).max() > 0.1
    assert transforms[0][1] == transforms[1][1]
    assert transforms[0][0] != transforms[1][0]


def test_what_is_said_of_a_fold_is_brought_back_by_labels_outside_of_it(small):
    fold = np.arange(45) % 3
    taught = graphs.TaughtGraphs(0, 1, 1e6)
    told = taught.fit(CELLS[:45], Y[:45], np.ones(45), fold, [], np.zeros((4, 0)))
    said = taught.members.predict(CELLS[:45])[0]
    for number in range(3):
        seen = fold != number
        errors = [
            taught.transforms[f].transform(Y[:45]) - said[f] for f in range(3)
        ]  # of each fold's own network
        away = np.choose(fold, errors)[seen]
        deviation = np.full((~seen).sum(), np.sqrt(np.mean(away**2)))
        expected = taught.transforms[number].moments(said[number, ~seen], deviation)[0]
        np.testing.assert_allclose(told[~seen], expected, rtol=0, atol=1e-9)


def test_a_network_learns_what_its_own_teacher_says(monkeypatch):
    monkeypatch.setattr(members, "LESSON_STEPS", 150)
    monkeypatch.setattr(members, "LABEL_STEPS", 1)
    lessons = np.stack([Y, -Y])
    settings = MemberSettings(hidden=16, layers=2)
    taught = GraphMembers(settings).fit(CELLS[:4], Y[:4], np.ones((2, 4)), CELLS, lessons)
    said = taught.predict(CELLS)[0]
    assert np.corrcoef(said[0], Y)[0, 1] > 0.9
    assert np.corrcoef(said[1], -Y)[0, 1] > 0.9


def test_too_little_time_leaves_the_network_out():
    model = Ensemble(members=["trees", "gnn"], seconds=1e-3).fit(CELLS[:30], Y[:30])
    assert list(model.weights_) == ["trees"]
    assert model.graphs_ is None


def test_the_estimate_counts_graphs_members_units_and_widths():
    one = course_seconds(CELLS, 1000, 1, MemberSettings())
    assert course_seconds(CELLS, 3000, 2, MemberSettings()) == pytest.approx(6 * one)
    assert course_seconds(CELLS, 1000, 1, MemberSettings(layers=8)) == pytest.approx(2 * one)
    assert course_seconds(CELLS, 1000, 1, MemberSettings(hidden=64)) > 2 * one
    assert course_seconds([Structure.from_layers([9, 9])], 1000, 1, MemberSettings()) > one


def test_a_network_alone_has_no_teacher():
    with pytest.raises(
        InvalidInputError, match=r"^members must hold one of trees, smooth-trees, wide-trees, gp"
    ):
        Ensemble(members=["gnn"]).fit(CELLS, Y)
    with pytest.raises(InvalidInputError, match=r"^unlabelled must be left out without the member 'gnn'"):
        Ensemble(members=["trees"]).fit(CELLS, Y, unlabelled=CELLS[:2])


def test_networks_come_by_themselves_where_they_are_known_to_help():
    assert graphs.worth_a_network(cells(graphs.FEWEST_LABELS, 2))
    assert not graphs.worth_a_network(cells(graphs.FEWEST_LABELS - 1, 2))
    assert not graphs.worth_a_network([Structure.from_layers([2, 1 + n, 2]) for n in range(90)])


def test_given_structures_without_a_label_the_network_is_taken(small):
    model = Ensemble(folds=2).fit(CELLS[:20], Y[:20], unlabelled=CELLS[20:])
    assert "gnn" in model.weights_
    assert "gnn" not in Ensemble(folds=2).fit(CELLS[:20], Y[:20]).weights_


def test_what_one_network_scatters_more_than_all_is_told():
    structures = cells(80, 2)
    y = np.array([len(set(s.attributes["operator"])) + s.num_edges / 10 for s in structures])
    graphs_of = graphs.TaughtGraphs(0, 1, 30.0)
    fold = np.arange(80) % 2
    others = graphs_of.others(structures)[:50]
    graphs_of.fit(structures, y, np.ones(80), fold, others, np.full((3, len(others)), y.mean()))
    said = graphs_of._labels(graphs_of.members.predict(others)[0])
    count = 2 + graphs.WHOLE
    assert said.shape == (count, len(others))
    np.testing.assert_allclose(said.mean(axis=0), graphs_of.predict(others))
    expected = said.var(axis=0, ddof=1).mean() * (1 - 1 / count)
    assert graphs_of.excess == pytest.approx(expected)
    assert graphs_of.excess > 0
