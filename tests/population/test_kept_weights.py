"""Weights kept on the way are those of a training that ends there; gains of initial weights."""

import numpy as np
import pytest

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import initial_parameters
from nnstruct.population import ENGINES, Job, native, stream_kept, train
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("ab"), size=RNG.integers(3, 7))) for _ in range(120)]
WORDS = Task.from_sequences("a-first", STRINGS, [int(s[0] == "a") for s in STRINGS])
POINTS = Task.from_arrays("sum", x := RNG.normal(size=(90, 4)).astype(np.float32), (x.sum(1) > 0).astype(int))
SHAPES = load_task("shapes", train=40, val=8, test=8)
CASES = {
    "fused": (Structure.from_layers([3, 3], family="gru"), WORDS),
    "native": (Structure.from_layers([3, 3], family="gru"), WORDS),
    "batched": (Structure.from_layers([3, 3]), POINTS),
    "reference": (Structure.from_layers([2, 2], family="cnn"), SHAPES),
    "fused perceptron": (Structure.from_layers([3, 3]), POINTS),
}
CONFIG = TrainConfig(epochs=4, batch_size=16, learning_rate=1e-2)


@pytest.mark.parametrize("case", CASES)
def test_weights_after_an_epoch_are_those_of_a_training_that_ends_with_it(case):
    structure, task = CASES[case]
    engine = case.split()[0]
    if engine == "native" and not native.available():
        pytest.skip(native.unavailable_reason())
    train_one = ENGINES[engine].train_one
    outcome = train_one(structure, task, CONFIG, 5, [1, 3, 4])
    assert sorted(outcome.kept) == [1, 3, 4]
    for epochs, kept in outcome.kept.items():
        ended = train_one(structure, task, CONFIG.model_copy(update={"epochs": epochs}), 5, ())
        assert ended.kept == {}
        assert kept.keys() == ended.parameters.keys()
        for name, value in ended.parameters.items():
            np.testing.assert_array_equal(kept[name], value, err_msg=name)
    for name, value in outcome.parameters.items():
        np.testing.assert_array_equal(outcome.kept[4][name], value, err_msg=name)


def test_keeping_weights_changes_no_record_whatever_the_workers():
    jobs = [Job(Structure.from_layers([n, 2], family="rnn_tanh"), seed) for n in (2, 3) for seed in (0, 1)]
    alone = {t.record.key: t for t in stream_kept(jobs, WORDS, CONFIG, keep=[2])}
    shared = {t.record.key: t for t in stream_kept(jobs, WORDS, CONFIG, keep=[2], workers=2)}
    plain = {r.key: r for r in train([job.structure for job in jobs[::2]], WORDS, seeds=2, config=CONFIG)}
    assert alone.keys() == shared.keys() == plain.keys()
    for key, (record, kept) in alone.items():
        np.testing.assert_array_equal(record.val_loss, plain[key].val_loss)
        np.testing.assert_array_equal(kept[2]["weight"], shared[key].kept[2]["weight"])


def test_a_diverged_training_keeps_only_the_epochs_that_it_completed():
    config = CONFIG.model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30, "optimizer": "sgd"})
    ((record, kept),) = stream_kept([Job(Structure.from_layers([3, 3]), 0)], POINTS, config, keep=[1, 4])
    assert record.status == "diverged"
    assert sorted(kept) == [epoch for epoch in (1, 4) if np.isfinite(record.val_loss[epoch - 1])]


@pytest.mark.parametrize("case", CASES)
def test_a_gain_scales_what_lies_before_the_read_out(case):
    structure, task = CASES[case]
    plain = initial_parameters(structure, task, CONFIG, 3)
    config = CONFIG.model_copy(update={"init_gain": 0.25})
    for name, value in initial_parameters(structure, task, config, 3).items():
        factor = 0.25 if name in ("weight", "input_weight") else 1.0
        np.testing.assert_array_equal(value, factor * plain[name], err_msg=name)
    assert plain["weight"].any()


@pytest.mark.parametrize("structure", [CASES["fused"][0], CASES["fused perceptron"][0]])
def test_every_engine_starts_with_the_gain(structure):
    task = WORDS if structure.family == "gru" else POINTS
    config = CONFIG.model_copy(update={"init_gain": 0.5, "epochs": 1})
    names = ["fused", "batched"] + (["native"] if native.available() and structure.family == "gru" else [])
    for name in names:
        (record,) = train([structure], task, config=config, engine=name)
        (plain,) = train([structure], task, config=config, engine="reference")
        np.testing.assert_allclose(record.train_loss, plain.train_loss, rtol=1e-5)


def test_a_gain_is_for_the_clean_protocol():
    config = TrainConfig(protocol="faithful", init_gain=2.0)
    with pytest.raises(
        InvalidInputError, match=r"config\.init_gain must be 1\.0 for the protocol 'faithful'"
    ):
        initial_parameters(CASES["fused"][0], WORDS, config, 0)
