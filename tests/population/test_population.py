"""All engines train the same networks; records do not depend on how the work is shared out."""

import networkx as nx
import numpy as np
import pytest
import torch
from batched_cases import with_residual
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.modules import build_module, initial_parameters, module_from_network
from nnstruct.population import Job, stream, train, train_network
from nnstruct.population.batches import epoch_batches
from nnstruct.population.fused.engine import numba_epochs
from nnstruct.population.fused.engine import train_one as train_by_fused
from nnstruct.population.loop.network import Preparation, layout_of
from nnstruct.population.reference import train_one as train_by_reference
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 9))) for _ in range(400)]
LABELS = [int(text.count("a") % 2 == 0) for text in STRINGS]
TASK = Task.from_sequences("parity-of-a", STRINGS, LABELS, val=0.2, test=0.2)


def graph_structure(family: str, seed: int, recurrence: str = "layer") -> Structure:
    graph = nx.gnp_random_graph(9, 0.4, seed=seed)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    structure = Structure.from_networkx(graph, family=family, recurrence=recurrence, seed=seed)
    return structure.relabel(np.random.default_rng(seed).permutation(structure.num_units))


def same_records(a, b) -> bool:
    fields = ("fingerprint", "seed", "status", "parameters", "engine", "config_id", "task_fingerprint")
    arrays = ("train_loss", "val_loss", "val", "test", "test_loss")
    return all(getattr(a, f) == getattr(b, f) for f in fields) and all(
        np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in arrays
    )


@pytest.mark.parametrize(
    ("protocol", "recurrence"),
    [
        ("clean", "layer"), ("clean", "reverse"), ("clean", "random"), ("clean", "none"),
        ("faithful", "layer"), ("corrected", "layer"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_fused_losses_equal_the_reference_over_twenty_steps(family, protocol, recurrence):
    structure = graph_structure(family, 3, recurrence)
    config = TrainConfig(protocol=protocol, epochs=20, batch_size=400, learning_rate=3e-3)  # a step an epoch
    fused, plain = (
        train_one(structure, TASK, config, 7) for train_one in (train_by_fused, train_by_reference)
    )
    np.testing.assert_allclose(fused.train_loss, plain.train_loss, rtol=1e-5)
    np.testing.assert_allclose(fused.val_loss, plain.val_loss, rtol=1e-5)
    assert fused.val == plain.val
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(fused.parameters[name], value, atol=2e-4, err_msg=name)


@settings(max_examples=30)
@given(
    st.sampled_from(RNN_FAMILIES),
    st.integers(0, 10_000),
    st.sampled_from(["layer", "reverse", "random"]),
    st.sampled_from(["clean", "clean with residual edges", "faithful", "corrected"]),
)
def test_fused_gradients_equal_autograd_in_float64(family, seed, recurrence, kind):
    protocol, structure = kind.partition(" ")[0], graph_structure(family, seed % 50, recurrence)
    if "residual" in kind:
        structure = with_residual(structure, seed)
    config = TrainConfig(protocol=protocol, batch_size=48)
    named = initial_parameters(structure, TASK, config, seed)
    layout = layout_of(structure, TASK, config)
    split, batch = TASK.train, np.arange(37)
    prepared = Preparation.of(layout, layout.pack(named), config, split.inputs.shape[1])
    prepared = prepared._replace(settings=(0.0, *prepared.settings[1:]))  # a step that leaves the weights
    place = np.searchsorted(layout.symbols, split.inputs).astype(np.int32)
    data = (place, split.lengths.astype(np.int32), split.targets.astype(np.int32))
    loss, hits = numba_epochs(prepared)(True, data, batch, np.array([0, len(batch)]))

    module = build_module(structure, TASK, config, seed=seed).double()
    scores = module(torch.from_numpy(split.inputs[batch]), torch.from_numpy(split.lengths[batch]))
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(split.targets[batch]))
    expected.backward()
    assert loss / len(batch) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert hits == int((scores.argmax(1).numpy() == split.targets[batch]).sum())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.grad)
    nothing = {name: np.zeros_like(value) for name, value in named.items()}
    if structure.residual.any():
        nothing["weight"][structure.residual] = 1.0  # as the module says of weights that are fixed
    for name, value in module.parameters_by_name().items():
        found = layout.unpack(prepared.flat[1], nothing)[name]
        np.testing.assert_allclose(found, value, rtol=2e-3, atol=2e-5, err_msg=name)


@given(st.sampled_from(RNN_FAMILIES), st.integers(0, 1000), st.sampled_from(["clean", "corrected"]))
def test_packing_is_undone_by_unpacking(family, seed, protocol):
    structure = graph_structure(family, seed % 50, "random")
    config = TrainConfig(protocol=protocol)
    layout = layout_of(structure, TASK, config)
    named = build_module(structure, TASK, config, seed=seed).parameters_by_name()  # masks applied
    initial = initial_parameters(structure, TASK, config, seed)
    for name, value in layout.unpack(layout.pack(initial), initial).items():
        np.testing.assert_array_equal(value, named[name])


def test_records_do_not_depend_on_workers_or_companions():
    config = TrainConfig(epochs=2, batch_size=64)
    structures = [graph_structure(family, seed) for seed in range(3) for family in ("rnn_tanh", "lstm")]
    alone = [train([s], TASK, seeds=[4], config=config)[0] for s in structures]
    together = train(structures, TASK, seeds=[4], config=config)
    shared = train(structures, TASK, seeds=[4], config=config, workers=2)
    assert [r.fingerprint for r in together] == [s.fingerprint for s in structures]
    assert all(map(same_records, alone, together))
    assert all(map(same_records, alone, shared))


def test_seeds_change_the_record_and_repeat_it():
    structure = graph_structure("gru", 1)
    config = TrainConfig(epochs=1)
    a, b = train([structure], TASK, seeds=2, config=config)
    (again,) = train([structure], TASK, seeds=[1], config=config)
    assert a.train_loss[0] != b.train_loss[0]
    assert same_records(b, again)


def test_networks_learn():
    structure = Structure.from_layers([12], family="lstm")
    task = Task.from_sequences("first-symbol", STRINGS, [int(s[0] == "a") for s in STRINGS])
    (record,) = train([structure], task, config=TrainConfig(epochs=30, batch_size=32, learning_rate=0.01))
    assert record.test > 0.9
    assert record.train_loss[-1] < 0.5 * record.train_loss[0]


def test_a_diverged_training_is_a_record():
    structure = graph_structure("rnn_tanh", 2, "random")
    config = TrainConfig(epochs=4, learning_rate=1e37)
    for engine in ("fused", "reference"):
        (record,) = train([structure], TASK, config=config, engine=engine)
        assert record.status == "diverged"
        assert np.isnan(record.test)
        assert np.isnan(record.train_loss[-1])


def test_a_trained_network_computes_what_its_record_says():
    structure = graph_structure("gru", 5)
    network, record = train_network(structure, TASK, seed=2, config=TrainConfig(epochs=3))
    module = module_from_network(network)
    split = TASK.test
    scores = module(torch.from_numpy(split.inputs), torch.from_numpy(split.lengths))
    accuracy = (scores.argmax(1).numpy() == split.targets).mean()
    assert accuracy == pytest.approx(record.test)


def test_batches_hold_each_example_once_and_similar_lengths():
    for protocol in ("clean", "faithful"):
        batches = epoch_batches(TASK.train, TrainConfig(batch_size=32, protocol=protocol), 0, 1)
        assert sorted(np.concatenate(batches)) == list(range(len(TASK.train)))
        assert max(len(batch) for batch in batches) == 32
    spread = [
        np.ptp(TASK.train.lengths[b]) for b in epoch_batches(TASK.train, TrainConfig(batch_size=32), 0, 1)
    ]
    assert max(spread) <= 2
    first, second = (epoch_batches(TASK.train, TrainConfig(), 0, epoch) for epoch in (0, 1))
    assert not np.array_equal(first[0], second[0])


def test_nothing_is_trained_when_one_job_is_bad():
    good, bad = graph_structure("gru", 1), Structure.from_layers([2, 2])
    with pytest.raises(InvalidInputError, match="task must hold vectors or images for the family 'mlp'"):
        stream([Job(good, 0), Job(bad, 0)], TASK)
    with pytest.raises(InvalidInputError, match="seed must be a non-negative integer below"):
        stream([Job(good, -1)], TASK)
    with pytest.raises(UnknownNameError, match=r"engine must be one of .*, got 'fuzed'"):
        stream([Job(good, 0)], TASK, engine="fuzed")
    with pytest.raises(InvalidInputError, match="workers must be a positive integer or None, got 0"):
        stream([Job(good, 0)], TASK, workers=0)
    with pytest.raises(InvalidInputError, match="seeds must"):
        train([good], TASK, seeds=0)
    with pytest.raises(InvalidInputError, match="seeds must hold distinct seeds"):
        train([good], TASK, seeds=[1, 1])
    with pytest.raises(InvalidInputError, match="device must be 'cpu'"):
        stream([Job(good, 0)], TASK, device="tpu")
