"""Predictors across tasks: other tasks help where they are alike; held out labels teach nothing."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Benchmark, Space
from nnstruct.benchmark import CrossTask
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import RandomForest, task_transfer
from nnstruct.predictors.task_transfer import _OneTask, _split
from nnstruct.priors import sample
from nnstruct.structure.twins import twin_families, twin_groups

NETS = sample(Space("mlp", units=(5, 30)), n=60, seed=0)
EDGES = np.array([net.num_edges for net in NETS], dtype=float)
FAST = {"predictor": RandomForest(n_estimators=30), "trees": 10, "draws": 2}


def crossed(**scores: np.ndarray) -> CrossTask:
    return CrossTask({task: Benchmark.from_scores(NETS, y, task=task) for task, y in scores.items()})


def test_tasks_that_agree_tell_of_each_other_without_a_label():
    noise = np.random.default_rng(0).normal(size=len(NETS)) * EDGES.std() * 0.1
    table = task_transfer(
        crossed(a=EDGES + noise, b=EDGES, c=np.exp(EDGES / EDGES.std())), labels=[0], **FAST
    )
    assert (table.xs("other tasks", level="source")["kendall"] > 0.5).all()
    assert (table.xs("same structures elsewhere", level="source")["kendall"] > 0.7).all()
    assert (table["kendall_low"] <= table["kendall"]).all()
    assert (table["r2"] >= -1).all()


def test_own_labels_mend_what_other_tasks_say():
    table = task_transfer(crossed(a=EDGES, against=-EDGES), labels=[0, 10, "all"], **FAST)
    against = table.loc["against"]["kendall"]
    assert against["0", "other tasks"] <= 0 < against["10", "both"]
    assert against["0", "same structures elsewhere"] == pytest.approx(-1.0)
    assert against["all", "own labels"] > 0.6
    assert list(against.index) == [
        ("0", "other tasks"), ("0", "same structures elsewhere"), ("10", "own labels"), ("10", "both"),
        ("all", "own labels"),
    ]  # fmt: skip


def test_labels_of_held_out_structures_are_not_learned_from():
    cross = crossed(a=EDGES, b=EDGES * 2)
    inside, outside = _split(cross.structures, 0.2, 0, 0)
    assert not set(inside) & set(outside)
    assert len(inside) + len(outside) == len(NETS)
    groups = twin_families(twin_groups(cross.structures))
    assert not set(groups[inside]) & set(groups[outside])
    said = {}
    for name, change in (("as it is", 1.0), ("turned", -1.0)):
        labels = EDGES.copy()
        labels[outside] *= change
        y = np.stack([labels, labels], axis=1)
        one = _OneTask(cross, y, 0, inside, outside, 10, 0)
        said[name] = dict(one.answers(10, inside, RandomForest(n_estimators=10))) | {
            "zero": one.models.score(one.asked)[0]
        }
    for source, answer in said["as it is"].items():
        np.testing.assert_array_equal(answer, said["turned"][source])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"draws": 1}, "draws must be an integer of at least 2"),
        ({"labels": [-1]}, "labels must be"),
        ({"labels": [59]}, "test must leave at least 59 structures to learn from"),
        ({"test": 1.5}, "test must"),
    ],
)
def test_wrong_options(options, says):
    with pytest.raises(InvalidInputError, match=says):
        task_transfer(crossed(a=EDGES, b=EDGES), **{**FAST, **options})
