"""The compiled loop trains the perceptrons that the PyTorch module describes."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import structures

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, initial_parameters, module_from_network
from nnstruct.population import choose_engine, train, train_network
from nnstruct.population.costs import relative_cost
from nnstruct.population.fused_mlp import kernel
from nnstruct.population.fused_mlp.engine import as_arrays
from nnstruct.population.fused_mlp.engine import train_one as train_by_fused
from nnstruct.population.fused_mlp.layout import MLPLayout
from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON
from nnstruct.population.reference import train_one as train_by_reference
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 13)).astype(np.float32)  # a width that no vector register divides
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
TASK = Task.from_arrays("xor-like", X, LABELS, val=0.2, test=0.2)
NAMES = ("relu", "tanh", "gelu")


def graph_structure(seed: int, activation: str = "relu", units: int = 20) -> Structure:
    graph = nx.gnp_random_graph(units, 0.25, seed=seed)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    structure = Structure.from_networkx(graph)
    n = structure.num_units
    names = [NAMES[u % 3] for u in range(n)] if activation == "mixed" else [activation] * n
    structure = replace(structure, attributes={"activation": names})
    return structure.relabel(np.random.default_rng(seed).permutation(n))


def same_records(a, b) -> bool:
    arrays = ("train_loss", "val_loss", "val", "test", "test_loss")
    same = all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in arrays)
    return same and (a.fingerprint, a.seed, a.status, a.engine) == (b.fingerprint, b.seed, b.status, b.engine)


def compare_twenty_steps(structure: Structure, config: TrainConfig) -> None:
    fused, plain = (one(structure, TASK, config, 7) for one in (train_by_fused, train_by_reference))
    assert len(fused.train_loss) == 20
    np.testing.assert_allclose(fused.train_loss, plain.train_loss, rtol=1e-5)
    np.testing.assert_allclose(fused.val_loss, plain.val_loss, rtol=1e-5)
    assert fused.val == plain.val
    assert fused.test == plain.test
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(fused.parameters[name], value, atol=5e-4, err_msg=name)


@pytest.mark.parametrize("batch_size", [500, 240])  # a step an epoch, in two parts of up to 128 lanes
@pytest.mark.parametrize("activation", [*NAMES, "mixed"])
def test_fused_losses_equal_the_reference_over_twenty_steps(activation, batch_size):
    schedule = "cosine" if activation == "gelu" else "constant"
    config = TrainConfig(epochs=20, batch_size=batch_size, learning_rate=3e-3, schedule=schedule)
    compare_twenty_steps(graph_structure(3, activation), config)


@pytest.mark.parametrize("activation", NAMES)
def test_normalised_layers_equal_the_reference_over_twenty_steps(activation):
    structure = Structure.from_layers([2, 30, 17])
    structure = replace(structure, attributes={"activation": [activation] * 49})
    compare_twenty_steps(
        structure, TrainConfig(epochs=20, batch_size=500, learning_rate=1e-3, normalization="layer")
    )


@settings(max_examples=30)
@given(
    structures(("mlp",), max_units=14, attributes=False),
    st.sampled_from([*NAMES, "mixed"]),
    st.sampled_from(["none", "layer"]),
    st.integers(1, 37),
    st.integers(0, 1000),
)
def test_fused_gradients_equal_autograd_in_float64(structure, activation, normalization, count, seed):
    names = [NAMES[u % 3] if activation == "mixed" else activation for u in range(structure.num_units)]
    structure = replace(structure, attributes={"activation": names})
    config = TrainConfig(batch_size=48, normalization=normalization)
    rng = np.random.default_rng(seed)
    named = {
        name: value + rng.normal(size=value.shape).astype(np.float32) * np.float32(0.3)
        for name, value in initial_parameters(structure, TASK, config, seed).items()
    }
    named["weight"][structure.residual] = 1.0
    layout = MLPLayout(structure, TASK, config)
    parameters = layout.pack(named)
    gradient = np.zeros_like(parameters)
    weights, gradients, work = layout.views(parameters), layout.views(gradient), layout.workspace(48)
    inputs, targets = as_arrays(TASK.train)
    batch = rng.permutation(len(inputs))[:count]
    flat = (parameters, gradient, np.zeros_like(parameters), np.zeros_like(parameters))
    stays = np.zeros(1)  # a step at rate zero leaves the weights
    loss, _ = kernel.run_epoch(
        True, layout.plan, weights, gradients, flat, np.zeros(1, dtype=np.int64), work, (inputs, targets),
        batch, np.array([0, count]), stays, (config.clip_norm, *ADAM_BETAS, ADAM_EPSILON),
    )  # fmt: skip

    module = build_module(structure, TASK, config).__class__(structure, named).double()
    scores = module(torch.from_numpy(TASK.train.inputs[batch]).double())
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(TASK.train.targets[batch]))
    expected.backward()
    assert loss / count == pytest.approx(float(expected.detach()), rel=1e-4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.grad)
    found = layout.unpack(gradient, named)
    for name, value in module.parameters_by_name().items():
        # A layer of nearly equal sums is normalised by a deviation of rounding errors.
        scale = 1e-4 * max(1.0, np.abs(value).max(initial=0.0))
        np.testing.assert_allclose(found[name], value, rtol=2e-3, atol=scale, err_msg=name)


@given(structures(("mlp",), attributes=False), st.sampled_from(["none", "layer"]))
def test_packing_is_undone_by_unpacking(structure, normalization):
    config = TrainConfig(normalization=normalization)
    initial = initial_parameters(structure, TASK, config, 1)
    layout = MLPLayout(structure, TASK, config)
    for name, value in layout.unpack(layout.pack(initial), initial).items():
        np.testing.assert_array_equal(value, initial[name])


def test_records_do_not_depend_on_workers_or_companions():
    config = TrainConfig(epochs=2, batch_size=64)
    chosen = [graph_structure(seed, name) for seed in range(3) for name in ("relu", "mixed")]
    alone = [train([s], TASK, seeds=[4], config=config)[0] for s in chosen]
    together = train(chosen, TASK, seeds=[4], config=config)
    shared = train(chosen, TASK, seeds=[4], config=config, workers=2)
    assert {record.engine for record in alone} == {"fused"}
    assert all(map(same_records, alone, together))
    assert all(map(same_records, alone, shared))


def test_data_in_mapped_memory_give_the_same_record():
    # Above a megabyte, workers see the arrays through a file.
    x = RNG.normal(size=(3000, 150)).astype(np.float32)
    task = Task.from_arrays("wide", x, (x[:, 0] > 0).astype(int))
    chosen = [graph_structure(seed) for seed in range(2)]
    config = TrainConfig(epochs=1)
    alone, shared = (train(chosen, task, config=config, workers=workers) for workers in (1, 2))
    assert all(map(same_records, alone, shared))


def test_a_diverged_training_is_a_record():
    for engine in ("fused", "reference"):
        (record,) = train(
            [graph_structure(2)], TASK, config=TrainConfig(epochs=4, learning_rate=1e37), engine=engine
        )
        assert record.status == "diverged"
        assert np.isnan(record.test)
        assert np.isnan(record.train_loss[-1])


def test_networks_learn_and_compute_what_their_record_says():
    structure = Structure.from_layers([32, 32])
    config = TrainConfig(epochs=60, batch_size=32, learning_rate=3e-3, normalization="layer")
    network, record = train_network(structure, TASK, seed=2, config=config)
    assert record.train_loss[-1] < 0.2 * record.train_loss[0]
    assert record.engine == "fused"
    scores = module_from_network(network)(torch.from_numpy(TASK.test.inputs))
    accuracy = (scores.argmax(1).numpy() == TASK.test.targets).mean()
    assert accuracy == pytest.approx(record.test)


def test_an_image_task_is_trained_as_its_flattened_vectors():
    images = Task.from_arrays("images", X.reshape(400, 1, 13), LABELS, val=0.2, test=0.2)
    config = TrainConfig(epochs=1)
    (flat,), (image,) = (train([graph_structure(1)], task, config=config) for task in (TASK, images))
    assert np.array_equal(flat.train_loss, image.train_loss)


@pytest.mark.parametrize("option", [{"optimizer": "sgd"}, {"weight_decay": 0.1}, {"label_smoothing": 0.1}])
def test_what_the_loop_does_not_have_is_left_to_the_reference(option):
    structure, config = graph_structure(1), TrainConfig(**option)
    assert choose_engine("auto", structure, TASK, config).name == "reference"
    with pytest.raises(
        InvalidInputError, match=f"trains config.{next(iter(option))}, or 'auto', got 'fused'"
    ):
        choose_engine("fused", structure, TASK, config)


def test_the_cost_counts_input_weights_and_edges():
    wide, narrow = Structure.from_layers([64, 2]), Structure.from_layers([2, 64])
    config = TrainConfig()
    assert relative_cost(wide, TASK, config) > relative_cost(narrow, TASK, config)
    deep, flat = Structure.from_layers([4, 40, 40]), Structure.from_layers([4, 80])
    assert relative_cost(deep, TASK, config) > relative_cost(flat, TASK, config)
