"""The fast engines train tasks of every kind as the reference does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batched_cases import graph_structure, with_residual

from nnstruct import Structure, TrainConfig
from nnstruct.modules import build_module, initial_parameters
from nnstruct.population import ENGINES, native
from nnstruct.population.loop.data import split_data
from nnstruct.population.loop.network import Preparation, layout_of
from nnstruct.population.outcome import Outcome
from nnstruct.tasks import Task

RNG = np.random.default_rng(1)
WORDS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 8))) for _ in range(90)]
SERIES = [RNG.normal(3.0, 2.0, size=(RNG.integers(2, 8), 2)) for _ in range(90)]
RISING = [[-1, *(np.diff(row[:, 0]) > 0).astype(int)] for row in SERIES]
VECTORS = RNG.normal(size=(90, 5))
LABELS = (VECTORS[:, 0] > 0).astype(int) + (VECTORS[:, 1] > 0)
SEQUENCES = {
    "one target": Task.from_series("sum", SERIES, [row.sum() for row in SERIES], kind="regression"),
    "two targets": Task.from_series(
        "mean", SERIES, [row.mean(0) for row in SERIES], kind="regression", metric="neg_mae"
    ),
    "targets of symbols": Task.from_sequences(
        "lengths", WORDS, [float(len(word)) for word in WORDS], kind="regression"
    ),
    "next symbol": Task.from_sequences("words", WORDS, kind="next-symbol"),
    "labels": Task.from_series("rising", SERIES, RISING, kind="sequence-labelling"),
    "weighted labels": Task.from_series(
        "rising", SERIES, RISING, kind="sequence-labelling", class_weights=[1.0, 3.0],
        metric="balanced_accuracy",
    ),
    "series": Task.from_series("high", SERIES, [int(row.mean() > 3) for row in SERIES]),
    "weighted classes": Task.from_sequences(
        "begins", WORDS, ["abc".index(word[0]) for word in WORDS], class_weights=[1.0, 2.0, 0.5]
    ),
}  # fmt: skip
PLAIN = {
    "targets": Task.from_arrays("products", VECTORS, VECTORS[:, :2] * VECTORS[:, 2:4], kind="regression"),
    "weighted classes": Task.from_arrays("signs", VECTORS, LABELS, class_weights=[1.0, 2.0, 0.5]),
    "balanced": Task.from_arrays("signs", VECTORS, LABELS, metric="balanced_accuracy"),
}
FAMILIES = ("rnn_tanh", "gru", "lstm")
CASES = [(family, name) for family in FAMILIES for name in SEQUENCES] + [("mlp", name) for name in PLAIN]
CONFIG = TrainConfig(epochs=2, batch_size=25)


def task_of(family: str, name: str) -> Task:
    return (PLAIN if family == "mlp" else SEQUENCES)[name]


def outcome(engine: str, structure: Structure, task: Task, config: TrainConfig = CONFIG) -> Outcome:
    return ENGINES[engine].train_one(structure, task, config, 1, ())


def check_equal(found: Outcome, plain: Outcome) -> None:
    for curve in ("train_loss", "val_loss", "test_loss"):
        np.testing.assert_allclose(getattr(found, curve), getattr(plain, curve), rtol=1e-5, err_msg=curve)
    for score in ("val", "test"):  # an R2 near 0 is a difference of numbers near 1
        np.testing.assert_allclose(getattr(found, score), getattr(plain, score), rtol=1e-5, atol=1e-5)
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_losses_and_scores_are_those_of_the_reference(family: str, name: str) -> None:
    compare(family, name, set(ENGINES) - {"fused"})


@pytest.mark.study
@pytest.mark.parametrize(("family", "name"), CASES)
def test_losses_and_scores_in_numba_whose_loops_take_a_minute_to_compile(family: str, name: str) -> None:
    compare(family, name, {"fused"})


def compare(family: str, name: str, engines: set[str]) -> None:
    task, structure = task_of(family, name), graph_structure(family, 3, "random")
    structure = structure if family == "gru" or name == "balanced" else with_residual(structure, 3)
    served = [engine for engine in ENGINES if not ENGINES[engine].obstacle(structure, task, CONFIG)]
    expected = {"reference", "fused"}
    expected |= {"batched"} if not structure.residual.any() else set()
    expected |= {"native"} if family != "mlp" and native.available() else set()
    assert expected <= set(served)
    plain = outcome("reference", structure, task)
    for engine in (set(served) & engines) - {"reference"}:
        check_equal(outcome(engine, structure, task), plain)


@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_autograd_in_float64(family: str, name: str) -> None:
    from nnstruct.population.native.bridge import NativeEpochs

    task, structure = SEQUENCES[name], with_residual(graph_structure(family, 7, "random"), 7)
    config = TrainConfig(batch_size=48)
    named = initial_parameters(structure, task, config, 0)
    layout = layout_of(structure, task, config)
    split, batch = task.train, np.arange(37)
    prepared = Preparation.of(layout, layout.pack(named), config, split.inputs.shape[1])
    prepared = prepared._replace(settings=(0.0, *prepared.settings[1:]))  # a step that leaves the weights
    data = split_data(split, task, layout.symbols)
    loss, _ = NativeEpochs(prepared)(True, data, batch, np.array([0, len(batch)]))

    module = build_module(structure, task, config, seed=0).double()
    inputs, targets = torch.from_numpy(split.inputs[batch]), torch.from_numpy(split.targets[batch])
    real = inputs.is_floating_point()
    scores = module(inputs.double() if real else inputs, torch.from_numpy(split.lengths[batch]))
    expected = task.goal.loss(scores, targets.double() if task.kind == "regression" else targets)
    expected.backward()
    assert loss / task.goal.weight(targets) == pytest.approx(float(expected.detach()), rel=1e-5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.grad)
    nothing = {key: np.zeros_like(value) for key, value in named.items()}
    nothing["weight"][structure.residual] = 1.0  # as the module says of weights that are fixed
    found = layout.unpack(prepared.flat[1], nothing)
    for key, value in module.parameters_by_name().items():
        np.testing.assert_allclose(found[key], value, rtol=2e-3, atol=2e-5, err_msg=key)


@pytest.mark.parametrize("engine", ["native", pytest.param("fused", marks=pytest.mark.study)])
def test_a_diverged_training_stops_on_tasks_of_every_kind(engine: str) -> None:
    structure, config = (
        Structure.from_layers([4, 3], family="rnn_tanh"),
        TrainConfig(epochs=6, learning_rate=2e38),
    )
    for name in ("two targets", "next symbol", "weighted classes"):
        if not ENGINES[engine].obstacle(structure, SEQUENCES[name], config):
            found = outcome(engine, structure, SEQUENCES[name], config)
            assert len(found.train_loss) < 6
            assert np.isnan(found.test)


def test_what_a_network_does_behind_the_end_of_a_series_counts_nowhere() -> None:
    long = [np.concatenate([row, RNG.normal(size=(9 - len(row), 2))]) for row in SERIES]
    steps = [[*row, *[-1] * (9 - len(row))] for row in RISING]
    more, given = (
        Task.from_series("rising", rows, wanted, kind="sequence-labelling", standardise=False)
        for rows, wanted in ((long, steps), (SERIES, RISING))
    )
    config = TrainConfig(epochs=2, batch_size=200)
    structure = Structure.from_layers([4], family="gru")
    for engine in ("native", "reference"):
        if not ENGINES[engine].obstacle(structure, more, config):
            found, plain = (outcome(engine, structure, task, config) for task in (more, given))
            np.testing.assert_allclose(found.val_loss, plain.val_loss, rtol=1e-5)
