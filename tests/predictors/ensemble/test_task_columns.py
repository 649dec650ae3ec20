"""Columns of untrained networks in the default predictor."""

import numpy as np
import pytest

import nnstruct as ns
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble
from nnstruct.predictors.ensemble.choice import check_members
from nnstruct.predictors.ensemble.task_columns import TaskColumns
from nnstruct.probes import random_features

STRUCTURES = ns.priors.sample(ns.Space("mlp", units=(3, 12)), n=60, seed=0)
TASK = ns.load_task("digits")


@pytest.fixture(scope="module")
def truth():
    """What a read-out can learn, which no column of the structures holds."""
    return random_features(STRUCTURES, TASK)["random_features.error_10"].to_numpy()


def test_they_tell_what_the_structure_alone_does_not(truth):
    alone, with_task = (Ensemble(task=task).fit(STRUCTURES[:40], truth[:40]) for task in (None, TASK))
    errors = [((m.predict(STRUCTURES[40:]) - truth[40:]) ** 2).mean() for m in (alone, with_task)]
    assert errors[1] < 0.5 * errors[0]


def test_they_stand_beside_earlier_benchmarks_and_are_kept(tmp_path, truth):
    prior = [ns.build(TASK, STRUCTURES[20:], seeds=1, config=ns.TrainConfig(epochs=1))]
    model = Ensemble(task="digits", prior=prior).fit(STRUCTURES[:40], truth[:40])
    model.save(tmp_path / "model")
    again = ns.load_predictor(tmp_path / "model")
    assert again.task == "digits"
    for one, other in zip(
        model.predict(STRUCTURES[40:], return_std=True),
        again.predict(STRUCTURES[40:], return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_graph_networks_are_left_out_unless_named():
    cells = ns.priors.sample(ns.Space("cnn", units=(4, 8), operators=("conv3x3", "conv1x1")), n=80, seed=0)
    assert "gnn" in check_members("auto", cells, None)
    assert "gnn" not in check_members("auto", cells, None, "shapes")
    assert "gnn" in check_members("auto", cells, cells, "shapes")
    assert "gnn" in check_members(["trees", "gnn"], cells, None, "shapes")


def test_a_task_that_has_no_name_is_not_saved(tmp_path, truth):
    model = Ensemble(task=TASK, members=["trees"]).fit(STRUCTURES[:40], truth[:40])
    with pytest.raises(
        InvalidInputError, match="task must be the name of a task for the predictor to be saved"
    ):
        model.save(tmp_path / "model")


def test_other_data_under_the_same_name_are_refused(truth):
    columns = TaskColumns.of("digits")
    columns.fit(STRUCTURES[:5])
    state = columns.state("digits")
    with pytest.raises(InvalidInputError, match="task 'digits' must have the fingerprint 0"):
        TaskColumns.from_state(
            {"tasks": {"": {**state.values["tasks"][""], "fingerprint": "0"}}}, state.arrays
        )


def test_families_have_tasks_of_their_own(tmp_path):
    cells = ns.priors.sample(ns.Space("gru", units=(3, 8)), n=20, seed=0)
    words = ns.load_task("reber")
    both = [random_features(some, task) for some, task in ((STRUCTURES[:30], TASK), (cells, words))]
    truth = np.concatenate([table["random_features.error_10"].to_numpy() for table in both])
    given = [*STRUCTURES[:30], *cells]
    model = Ensemble(task={"mlp": "digits", "gru": "reber"}).fit(given, truth)
    found = model.task_columns_([cells[3], STRUCTURES[5]])
    for row, table, i in ((0, both[1], 3), (1, both[0], 5)):
        np.testing.assert_allclose(found[row], table.iloc[i, model.task_columns_.kept], rtol=1e-6)
    model.save(tmp_path / "model")
    again = ns.load_predictor(tmp_path / "model")
    assert again.task == {"mlp": "digits", "gru": "reber"}
    np.testing.assert_array_equal(again.predict(given), model.predict(given))
    images = ns.priors.sample(ns.Space("cnn", units=(4, 8)), n=2, seed=0)
    with pytest.raises(InvalidInputError, match="each family that is learned or asked, 'cnn' too"):
        model.predict(images)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (3, "task must be None, a Task"),
        ("diabetes", "task.kind must be"),
        ({"perceptron": "digits"}, "task must have keys among"),
        ({"mlp": 3}, r"task\['mlp'\] must be None, a Task"),
        ({}, "task must name the task of a family"),
    ],
)
def test_what_is_no_classification_is_refused(truth, task, message):
    with pytest.raises(InvalidInputError, match=message):
        Ensemble(task=task).fit(STRUCTURES[:40], truth[:40])
