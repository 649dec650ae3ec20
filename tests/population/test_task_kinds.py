"""Trainings on all kinds of tasks: records are those of a plain loop in PyTorch."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_squared_error, r2_score
from torch import nn

from nnstruct import Structure, TrainConfig, train
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, initial_parameters, module_from_network, parameter_shapes
from nnstruct.population import choose_engine, train_network
from nnstruct.population.batches import epoch_batches
from nnstruct.population.module_training import ModuleTraining
from nnstruct.pruning import evaluate, fit, prune
from nnstruct.tasks import Metric, Task, load_task

RNG = np.random.default_rng(1)
CONFIG = TrainConfig(epochs=2, batch_size=16)
WORDS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 8))) for _ in range(90)]
SERIES = [RNG.normal(3.0, 2.0, size=(RNG.integers(2, 8), 2)) for _ in range(90)]
LSTM = Structure.from_layers([4, 3], family="lstm")


def cases() -> dict[str, Task]:
    rising = [[-1, *(np.diff(row[:, 0]) > 0).astype(int)] for row in SERIES]
    return {
        "regression": Task.from_series("mean", SERIES, [row.mean(0) for row in SERIES], kind="regression"),
        "next-symbol": Task.from_sequences("words", WORDS, kind="next-symbol"),
        "sequence-labelling": Task.from_series("rising", SERIES, rising, kind="sequence-labelling"),
        "weighted labelling": Task.from_series(
            "rising", SERIES, rising, kind="sequence-labelling", class_weights=[1.0, 3.0]
        ),
        "classification": Task.from_series("high", SERIES, [int(row.mean() > 3) for row in SERIES]),
        "weighted classes": Task.from_sequences(
            "begins", WORDS, [int(word[0] == "a") for word in WORDS], class_weights="balanced"
        ),
    }  # fmt: skip


TASKS = cases()


def losses(task: Task, scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each asked example's loss and weight, by the definitions alone."""
    if task.kind == "regression":
        return ((scores - targets) ** 2).mean(dim=1), torch.ones(len(scores))
    if scores.ndim == 3:
        wanted = targets[:, : scores.shape[1]].flatten()
        scores, targets = scores.flatten(0, 1)[wanted >= 0], wanted[wanted >= 0]
    weights = torch.ones(task.num_classes) if task.class_weights is None else torch.tensor(task.class_weights)
    return -scores.log_softmax(1)[torch.arange(len(scores)), targets], weights[targets].float()


@pytest.mark.parametrize("name", TASKS)
def test_a_record_is_that_of_a_plain_loop(name: str) -> None:
    task = TASKS[name]
    (record,) = train([LSTM], task, config=CONFIG)
    module = build_module(LSTM, task, CONFIG, seed=0)
    optimizer = torch.optim.Adam(module.parameters(), lr=CONFIG.learning_rate)
    arrays = {
        part: [torch.from_numpy(a) for a in (split.inputs, split.lengths, split.targets)]
        for part, split in (("train", task.train), ("val", task.val))
    }
    for epoch in range(CONFIG.epochs):
        total = weight = 0.0
        for batch in epoch_batches(task.train, CONFIG, 0, epoch):
            inputs, lengths, targets = (array[batch] for array in arrays["train"])
            loss, weights = losses(task, module(inputs, lengths), targets)
            mean = (loss * weights).sum() / weights.sum()
            optimizer.zero_grad()
            mean.backward()
            nn.utils.clip_grad_norm_(module.parameters(), CONFIG.clip_norm)
            optimizer.step()
            total += float((loss * weights).sum().detach())
            weight += float(weights.sum())
        assert record.train_loss[epoch] == pytest.approx(total / weight, rel=1e-5)
        with torch.no_grad():
            loss, weights = losses(task, module(*arrays["val"][:2]), arrays["val"][2])
        val_loss = float((loss * weights).sum() / weights.sum())
        assert record.val_loss[epoch] == pytest.approx(val_loss, rel=1e-5)
    if name == "next-symbol":
        assert record.val[-1] == pytest.approx(math.exp(-val_loss), rel=1e-5)


def test_linear_regression_reaches_the_closed_form() -> None:
    x = RNG.normal(size=(300, 3))
    y = np.stack([x @ [1.0, -2.0, 0.5], x @ [0.0, 1.0, 3.0]], axis=1) + 0.5 * RNG.normal(size=(300, 2))
    task = Task.from_arrays("linear", x, y, kind="regression")
    config = TrainConfig(epochs=200, batch_size=210, learning_rate=0.05, schedule="cosine")
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    training = ModuleTraining(module, task, config, seed=0)
    for epoch in range(config.epochs):
        assert len(list(training.epoch(epoch))) == 1
    rows = np.c_[task.train.inputs, np.ones(len(task.train))]
    solution, *_ = np.linalg.lstsq(rows, task.train.targets, rcond=None)
    np.testing.assert_allclose(module.weight.detach(), solution[:3].T, atol=1e-3)
    np.testing.assert_allclose(module.bias.detach(), solution[3], atol=1e-3)
    given = np.c_[task.test.inputs, np.ones(len(task.test))] @ solution
    loss, score = training.evaluate("test")
    assert loss == pytest.approx(mean_squared_error(task.test.targets, given), abs=1e-3)
    assert score == pytest.approx(r2_score(task.test.targets, given), abs=1e-3)


def test_a_series_enters_as_a_weighted_sum_and_symbols_are_a_series_of_ones() -> None:
    task = TASKS["next-symbol"]
    module = build_module(LSTM, task, seed=3)
    symbols, lengths = (torch.from_numpy(a[:8]) for a in (task.train.inputs, task.train.lengths))
    coded = nn.functional.one_hot(symbols, task.num_symbols)[:, :, 1:].float()
    torch.testing.assert_close(module(coded, lengths), module(symbols, lengths))
    last = module_from_network(module.to_network())
    at_every_step = module_from_network(module.to_network(), every_step=True)
    every = at_every_step(symbols, lengths)
    assert every.shape == (8, int(lengths.max()), 4)
    torch.testing.assert_close(every, module(symbols, lengths))
    torch.testing.assert_close(last(symbols, lengths), every[torch.arange(8), lengths - 1])


def test_the_fan_in_of_an_input_unit_counts_channels() -> None:
    wide = Task.from_series("wide", RNG.normal(size=(60, 3, 50)), np.arange(60) % 2)
    structure = Structure.from_layers([200], family="rnn_tanh")
    assert parameter_shapes(structure, wide, TrainConfig())["input_weight"] == (200, 50, 1)
    drawn = initial_parameters(structure, wide, TrainConfig(), 0)["input_weight"]
    # 200 recurrent edges and 50 channels enter a unit.
    assert np.abs(drawn).max() == pytest.approx(math.sqrt(3 / 250), rel=0.01)


def test_auto_takes_a_compiled_loop_but_the_reference_where_the_compiled_loops_cannot() -> None:
    for task in TASKS.values():
        assert choose_engine("auto", LSTM, task, CONFIG).name in ("native", "fused")
    own = replace(TASKS["classification"], metric=Metric("own", lambda scores, targets: 0.0))
    assert choose_engine("auto", LSTM, own, CONFIG).name == "reference"
    with pytest.raises(InvalidInputError, match="trains tasks with the own metric 'own', or 'auto'"):
        choose_engine("batched", LSTM, own, CONFIG)
    assert choose_engine("auto", LSTM, load_task("reber"), CONFIG).name in ("native", "fused")


def test_what_does_not_fit_together_is_refused() -> None:
    mlp = Structure.from_layers([4])
    with pytest.raises(InvalidInputError, match="hold vectors or images for the family 'mlp'"):
        train([mlp], TASKS["classification"])
    with pytest.raises(InvalidInputError, match="label_smoothing must be 0 for regression"):
        train([LSTM], TASKS["regression"], config=TrainConfig(label_smoothing=0.1))
    with pytest.raises(InvalidInputError, match="protocol must be 'clean' for series of real values"):
        train([LSTM], TASKS["next-symbol"], config=TrainConfig(protocol="faithful"))


def test_an_own_metric_is_the_score() -> None:
    def lowest(scores: np.ndarray, targets: np.ndarray) -> float:
        return float((scores.argmin(1) == targets).mean())

    words = Task.from_sequences("begins", WORDS, [int(word[0] == "a") for word in WORDS])
    own = replace(words, metric=Metric("lowest", lowest, (0.0, 1.0)))
    _, plain = train_network(LSTM, words, config=CONFIG, engine="reference")
    _, record = train_network(LSTM, own, config=CONFIG)
    np.testing.assert_allclose(record.val, 1 - plain.val)
    assert record.engine == "reference"


@pytest.mark.parametrize("name", ["regression", "next-symbol", "weighted labelling"])
def test_modules_are_trained_pruned_and_evaluated_on_every_kind(name: str) -> None:
    task = TASKS[name]
    module = build_module(LSTM, task, CONFIG, seed=0)
    trained, rows = fit(module, task, CONFIG, seed=0)
    (record,) = train([LSTM], task, config=CONFIG)
    np.testing.assert_allclose([row["train_loss"] for row in rows], record.train_loss, rtol=1e-5)
    np.testing.assert_allclose([row["val"] for row in rows], record.val, rtol=1e-5)
    found = evaluate(trained, task)
    assert set(found) == {"loss", task.score_name}
    assert found["loss"] == pytest.approx(record.test_loss, rel=1e-5)
    for method in ("snip", "synflow"):
        sparse = prune(module, 0.5, method=method, task=task)
        assert np.isfinite(evaluate(sparse, task)["loss"])
