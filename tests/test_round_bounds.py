"""Numbers that ask for rounds without end, or for more memory than is allowed, are refused at the door."""

from __future__ import annotations

import numpy as np
import pytest

import nnstruct as ns
from nnstruct.errors import InvalidInputError
from nnstruct.processes import MOST_WORKERS, check_workers

NETS = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 13)]
BENCH = ns.Benchmark.from_scores(NETS, np.arange(12.0), name="rising")
TOO_MANY = 10**9


@pytest.mark.parametrize(
    "asked",
    [{"repeats": TOO_MANY}, {"repeats": 1, "resamples": TOO_MANY}, {"train_sizes": [5], "draws": TOO_MANY}],
    ids=["repeats", "resamples", "draws"],
)
def test_an_evaluation_without_end(asked):
    name = next(name for name, value in asked.items() if value == TOO_MANY)
    with pytest.raises(InvalidInputError, match=f"^{name} must be an integer in 1..1000000, got 1000000000"):
        ns.evaluate("mean", BENCH, workers=1, **asked)


@pytest.mark.parametrize(
    ("name", "params"),
    [("bayesian-ridge", "max_iter"), ("gaussian-process", "restarts"), ("grouped-gp", "steps")],
)
def test_a_fit_without_end(name, params):
    model = ns.predictors.PREDICTORS[name](**{params: TOO_MANY})
    with pytest.raises(InvalidInputError, match=f"^{params} must be an integer in"):
        model.fit(NETS, np.arange(12.0))


@pytest.mark.parametrize(
    ("task", "option"),
    [
        ("adding", "length"), ("anbncn", "max_n"), ("anbncn", "copies"), ("copy", "delay"),
        ("copy", "length"), ("delayed-xor", "delay"), ("dyck-2", "max_pairs"), ("mackey-glass", "ahead"),
        ("mackey-glass", "every"), ("mackey-glass", "tau"), ("multi-sine", "length"),
        ("narma-10", "length"), ("parity", "max_length"),
    ],
)  # fmt: skip
def test_a_task_that_fits_into_no_memory(task, option):
    with pytest.raises(InvalidInputError, match=f"^{option} must fit into"):
        ns.load_task(task, **{option: TOO_MANY})


def test_workers_and_epochs():
    assert check_workers(MOST_WORKERS) == MOST_WORKERS
    with pytest.raises(InvalidInputError, match=r"^workers must be an integer in 1\.\.4096, got 1000000000"):
        check_workers(TOO_MANY)
    with pytest.raises(ValueError, match="epochs"):
        ns.TrainConfig(epochs=TOO_MANY)
    search = ns.Search(ns.Space("mlp", units=(4, 8)), seed=0)
    with pytest.raises(InvalidInputError, match=r"^n must be an integer in"):
        search.run(lambda structures: np.zeros(len(structures)), n=TOO_MANY)
