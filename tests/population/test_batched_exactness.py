"""The batched engine trains what the reference trains, whatever shares the population."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from batched_cases import DEVICES, graph_structure, task_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import TrainConfig
from nnstruct.modules import build_module
from nnstruct.population import Job
from nnstruct.population.batched.blocks import unpack
from nnstruct.population.batched.engine import train_many, train_one
from nnstruct.population.batched.models import make_model
from nnstruct.population.batched.population import Population
from nnstruct.population.outcome import Outcome
from nnstruct.population.reference import train_one as train_by_reference
from nnstruct.structure.families import RNN_FAMILIES

KINDS = [
    *product(RNN_FAMILIES, ("layer", "reverse", "random", "none")),
    ("mlp", "none"),
]


def close(found: Outcome, expected: Outcome, *, rtol: float, atol: float) -> None:
    for name in ("train_loss", "val_loss", "test_loss"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, err_msg=name)
    for name, value in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, atol=atol, err_msg=name)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("family", "recurrence"), KINDS)
def test_batched_losses_equal_the_reference_over_twenty_steps(family, recurrence, device):
    jobs = [Job(graph_structure(family, size, recurrence), size % 2) for size in (2, 3, 6)]
    task = task_of(family)
    config = TrainConfig(epochs=20, batch_size=len(task.train), learning_rate=3e-3)
    outcomes = {index: outcome for index, outcome, _ in train_many(jobs, task, config, device=device)}
    for index, (structure, seed) in enumerate(jobs[1:], start=1):
        plain = train_by_reference(structure, task, config, seed)
        close(outcomes[index], plain, rtol=1e-5, atol=2e-4)
        assert (outcomes[index].val, outcomes[index].test) == (plain.val, plain.test)


@pytest.mark.parametrize("family", ["gru", "mlp"])
def test_small_last_batches_and_several_seeds_equal_the_reference(family):
    jobs = [Job(graph_structure(family, size), size) for size in (1, 3)]
    task = task_of(family)
    config = TrainConfig(epochs=2, batch_size=32)
    for index, outcome, _ in train_many(jobs, task, config):
        close(outcome, train_by_reference(jobs[index].structure, task, config, jobs[index].seed),
              rtol=1e-5, atol=2e-4)  # fmt: skip


def test_clipped_gradients_equal_the_reference():
    jobs = [Job(graph_structure("rnn_relu", size), 0) for size in (1, 4)]
    task = task_of("rnn_relu")
    config = TrainConfig(epochs=10, batch_size=len(task.train), clip_norm=0.05, learning_rate=0.01)
    for index, outcome, _ in train_many(jobs, task, config):
        plain = train_by_reference(jobs[index].structure, task, config, 0)
        close(outcome, plain, rtol=1e-5, atol=2e-4)


def test_normalized_perceptrons_equal_the_reference():
    jobs = [Job(graph_structure("mlp", size), 0) for size in (3, 4, 9)]
    config = TrainConfig(epochs=10, batch_size=len(task_of("mlp").train), normalization="layer")
    for index, outcome, _ in train_many(jobs, task_of("mlp"), config):
        plain = train_by_reference(jobs[index].structure, task_of("mlp"), config, 0)
        close(outcome, plain, rtol=1e-5, atol=2e-4)


@settings(max_examples=12)
@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=2, max_size=5, unique=True),
    st.integers(1, 4),
)
def test_a_network_in_a_population_equals_the_network_alone(kind, members, population_size):
    family, recurrence = kind
    task, config = task_of(family), TrainConfig(epochs=1, batch_size=48)
    jobs = [Job(graph_structure(family, size, recurrence), seed) for size, seed in members]
    found = sorted(train_many(jobs, task, config, population_size=population_size), key=lambda item: item[0])
    assert [index for index, _, _ in found] == list(range(len(jobs)))
    assert all(seconds >= 0 for _, _, seconds in found)
    _, outcome, _ = found[-1]
    close(outcome, train_one(jobs[-1].structure, task, config, jobs[-1].seed), rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.integers(0, 10_000))
def test_batched_gradients_equal_autograd_in_float64(kind, seed):
    family, recurrence = kind
    task, config = task_of(family), TrainConfig(batch_size=40)
    jobs = [Job(graph_structure(family, size % 31, recurrence), seed) for size in (seed, seed + 1)]
    model = make_model([job.structure for job in jobs], task, config)
    population = Population(jobs, model, task, config)
    rows = population.rows.detach().double().requires_grad_()
    feeder = population.feeders["train"]
    batch = np.random.default_rng(seed).permutation(len(task.train))[:37]
    plan = feeder.plan([[batch]], 40)
    fed = feeder.feed(plan.positions[0], plan.steps[0], population.group)
    fed = fed._replace(batch=fed.batch._replace(features=fed.batch.features.double()))
    scores = model.scores(model.blocks.split(rows), fed.batch)[..., : len(batch)]
    targets = torch.from_numpy(task.train.targets[batch])
    losses = [torch.nn.functional.cross_entropy(own.T, targets) for own in scores]
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), rows)

    index = seed % 2
    module = build_module(jobs[index].structure, task, config, seed=seed).double()
    inputs = torch.from_numpy(task.train.inputs[batch])
    given = (inputs.double(),) if family == "mlp" else (inputs, torch.from_numpy(task.train.lengths[batch]))
    expected = torch.nn.functional.cross_entropy(module(*given), targets)
    expected.backward()
    assert losses[index].item() == pytest.approx(expected.item(), rel=1e-12)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.grad)
    found = unpack(population.slots[index], gradient[index].numpy())
    for name, value in module.parameters_by_name().items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
