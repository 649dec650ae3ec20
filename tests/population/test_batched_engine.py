"""Populations: what is padded stays zero, what diverges disturbs nobody, what is shared out is complete."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from batched_cases import DEVICES, POINTS, SEQUENCES, graph_structure, task_of
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import initial_parameters
from nnstruct.population import Job
from nnstruct.population.batched.blocks import Blocks, pack, unpack
from nnstruct.population.batched.buckets import buckets
from nnstruct.population.batched.engine import train_many
from nnstruct.population.batched.models import make_model
from nnstruct.population.batched.population import Population
from nnstruct.population.batched.replay import PLAIN_STEPS, Replayed

KINDS = ["rnn_tanh", "lstm", "gru", "mlp"]


def population_of(jobs: list[Job], config: TrainConfig, device: str = "cpu") -> Population:
    task = task_of(jobs[0].structure.family)
    model = make_model([job.structure for job in jobs], task, config, device)
    return Population(jobs, model, task, config, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", KINDS)
def test_padding_stays_zero(family, device):
    config = TrainConfig(epochs=2, batch_size=48, learning_rate=0.01)
    population = population_of([Job(graph_structure(family, s), 0) for s in range(4)], config, device)
    before = population.rows.detach().clone()
    population.train()
    trained = population.adam.trained.bool()
    assert 0.05 < trained.float().mean().item() < 0.95
    assert (population.rows[~trained] == 0.0).all()
    assert (population.rows != before)[trained].float().mean() > 0.5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", KINDS)
def test_a_diverged_network_disturbs_nobody(family, device):
    config = TrainConfig(epochs=3, batch_size=48)
    jobs = [Job(graph_structure(family, size), 0) for size in (3, 4, 8)]
    healthy = population_of(jobs, config, device).train()
    population = population_of(jobs, config, device)
    with torch.no_grad():
        population.rows[1] = torch.where(population.adam.trained[1] > 0, torch.inf, 0.0)
    ill = population.train()
    task = task_of(family)
    assert ill[1].train_loss == []
    assert ill[1].record(jobs[1].structure, task, config, 0, 0.0, "batched").status == "diverged"
    for index in (0, 2):
        assert ill[index].train_loss == healthy[index].train_loss
        assert ill[index].test == healthy[index].test
        for name, value in healthy[index].parameters.items():
            np.testing.assert_array_equal(ill[index].parameters[name], value)


def test_training_ends_when_all_have_diverged():
    jobs = [Job(graph_structure("rnn_tanh", size, "random"), 0) for size in (2, 3)]
    config = TrainConfig(epochs=100, learning_rate=3e38, batch_size=16)
    outcomes = [outcome for _, outcome, _ in train_many(jobs, SEQUENCES, config)]
    assert all(len(outcome.val) < 5 and np.isnan(outcome.test) for outcome in outcomes)


def test_networks_learn_and_records_repeat():
    jobs = [Job(Structure.from_layers([12], family="lstm"), seed) for seed in (0, 1)]
    config = TrainConfig(epochs=20, batch_size=32, learning_rate=0.02)
    first, again = ({i: o for i, o, _ in train_many(jobs, SEQUENCES, config)} for _ in range(2))
    assert first[0].train_loss[-1] < 0.8 * first[0].train_loss[0]
    assert first[0].train_loss != first[1].train_loss
    assert all(first[i].train_loss == again[i].train_loss for i in (0, 1))


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 50), min_size=1, max_size=4))
def test_unpacking_undoes_packing(family, sizes):
    task, config = task_of(family), TrainConfig()
    structures = [graph_structure(family, size) for size in sizes]
    model = make_model(structures, task, config)
    slots = [model.slots(index) for index in range(len(structures))]
    named = [initial_parameters(structure, task, config, 3) for structure in structures]
    rows, trained = pack(slots, named, model.blocks.size)
    for own, places, row, mask in zip(named, slots, rows, trained, strict=True):
        taken = np.concatenate([place.ravel() for place in places.values()])
        assert len(set(taken.tolist())) == len(taken) == mask.sum()  # no two parameters share a place
        for name, value in unpack(places, row).items():
            np.testing.assert_array_equal(value, own[name])


def test_block_positions_agree_with_the_views():
    blocks = Blocks({"a": (2, 3), "b": (), "c": (3, 2, 2)})
    row = torch.arange(blocks.size)[None].float()
    views = blocks.split(row)
    for name, view in views.items():
        np.testing.assert_array_equal(blocks.position(name), view[0].numpy())
    np.testing.assert_array_equal(blocks.position("c", [0, 2], 1), views["c"][0][[0, 2], 1].numpy())


@given(
    st.lists(st.tuples(st.sampled_from(["gru", "lstm"]), st.integers(0, 9), st.integers(0, 2)), max_size=12),
    st.sampled_from([1, 3, None]),
    st.sampled_from([1, 10**6]),
)
def test_buckets_hold_each_job_once_and_fit(members, population_size, memory):
    jobs = [Job(graph_structure(f, size, ("layer", "random")[size % 2]), seed) for f, size, seed in members]
    config = TrainConfig(batch_size=16)
    found = list(buckets(jobs, SEQUENCES, config, population_size=population_size, memory=memory))
    assert sorted(index for chosen, _ in found for index in chosen) == list(range(len(jobs)))
    for chosen, model in found:
        assert len({jobs[i].structure.family for i in chosen}) == 1
        if population_size is not None:
            assert len(chosen) <= population_size
        else:
            steps = SEQUENCES.train.inputs.shape[1]
            assert len(chosen) == 1 or 4 * len(chosen) * model.numbers_held(steps, 16) <= memory


def test_networks_of_unlike_size_are_kept_apart_where_padding_would_cost_more():
    small, large = Structure.from_layers([2], family="gru"), Structure.from_layers([60] * 4, family="gru")
    config = TrainConfig(batch_size=128)
    mixed = [Job(structure, 0) for structure in [large] * 2 + [small] * 30]
    found = list(buckets(mixed, SEQUENCES, config, population_size=None, memory=10**9))
    assert [chosen for chosen, _ in found] == [[0, 1], list(range(2, 32))]
    alike = list(buckets(mixed[2:], SEQUENCES, config, population_size=None, memory=10**9))
    assert len(alike) == 1


def test_large_populations_keep_seeds_apart():
    jobs = [Job(graph_structure("gru", size), size % 2) for size in range(8)]
    config = TrainConfig()
    apart = list(buckets(jobs, SEQUENCES, config, population_size=3, memory=0))
    assert all(len({jobs[index].seed for index in chosen}) == 1 for chosen, _ in apart)
    assert Counter(len(chosen) for chosen, _ in apart) == {3: 2, 1: 2}
    together = list(buckets(jobs, SEQUENCES, config, population_size=8, memory=0))
    assert len(together) == 1


@pytest.mark.parametrize("family", [*KINDS, "rnn_relu"])
def test_a_step_never_waits_for_the_device(family):
    # On the meta device a value cannot be read back nor mixed with the CPU's, as in a CUDA graph.
    jobs = [Job(graph_structure(family, size, "random"), size % 2) for size in range(3)]
    population = population_of(jobs, TrainConfig(batch_size=64), "meta")
    positions = torch.zeros(2, 64, dtype=torch.int64, device="meta")
    population._train_step(positions, 5 if family != "mlp" else 1)
    population._count("val", positions[:1], 3 if family != "mlp" else 1)
    assert population.loss.device.type == population.adam.rows.device.type == "meta"


def test_graphs_replay_with_the_positions_of_the_call(monkeypatch):
    seen: list[tuple[str, int, int]] = []
    capturing = []

    class Graph:
        def replay(self) -> None:
            seen.append(("replayed", int(self.positions[0, 0]), self.steps))

        def pool(self) -> str:
            return "pool"

    @contextmanager
    def capture(graph, pool):
        capturing.append((graph, pool))
        yield
        capturing.append(None)

    def step(positions: torch.Tensor, steps: int) -> None:
        if capturing and capturing[-1]:
            capturing[-1][0].positions, capturing[-1][0].steps = positions, steps
        else:
            seen.append(("plain", int(positions[0, 0]), steps))

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    replayed = Replayed(step, torch.device("cuda"))
    for call in range(PLAIN_STEPS + 2):
        for steps in (4, 8):
            replayed(torch.full((1, 2), call), steps)
    kinds = ["plain"] * PLAIN_STEPS + ["replayed"] * 2
    assert seen == [(kind, call, steps) for call, kind in enumerate(kinds) for steps in (4, 8)]
    assert [entry[1] for entry in capturing if entry] == [None, "pool"]


def test_bad_requests_are_refused_before_training():
    gru, config = graph_structure("gru", 1), TrainConfig()
    for device in ("tpu", "cuda:999", "cuda:x", 3):
        with pytest.raises(InvalidInputError, match="device must be"):
            train_many([Job(gru, 0)], SEQUENCES, config, device=device)
    for size in (0, True, 2.5):
        with pytest.raises(InvalidInputError, match="population_size must be a positive integer or None"):
            train_many([Job(gru, 0)], SEQUENCES, config, population_size=size)
    with pytest.raises(InvalidInputError, match="engine must be one that trains config\\.weight_decay"):
        train_many([Job(gru, 0)], SEQUENCES, TrainConfig(weight_decay=0.1))
    with pytest.raises(InvalidInputError, match="engine must be one that trains the protocol 'corrected'"):
        train_many([Job(gru, 0)], SEQUENCES, TrainConfig(protocol="corrected"))
    with pytest.raises(InvalidInputError, match="task must hold sequences"):
        train_many([Job(gru, 0)], POINTS, config)
    with pytest.raises(InvalidInputError, match="seed must be a non-negative integer"):
        train_many([Job(gru, -1)], SEQUENCES, config)


def test_the_matrix_precision_is_put_back():
    before = torch.get_float32_matmul_precision()
    stream = train_many([Job(graph_structure("mlp", 1), 0)], POINTS, TrainConfig(epochs=1), tf32=True)
    assert len(list(stream)) == 1
    assert torch.get_float32_matmul_precision() == before
