"""The C++ engine trains the networks that the reference trains, and leaves its process as it was."""

from __future__ import annotations

import ctypes
import resource

import numpy as np
import pytest
import torch
from batched_cases import SEQUENCES, graph_structure, with_residual
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed

from nnstruct import TrainConfig
from nnstruct.modules import build_module, initial_parameters
from nnstruct.population import native
from nnstruct.population.loop.data import Data
from nnstruct.population.loop.network import Preparation, layout_of
from nnstruct.population.native.bridge import NativeEpochs
from nnstruct.population.native.compiler import library
from nnstruct.population.native.engine import train_one
from nnstruct.population.reference import train_one as train_by_reference
from nnstruct.structure.families import RNN_FAMILIES

pytestmark = pytest.mark.skipif(
    not native.available(), reason=f"no native engine: {native.unavailable_reason()}"
)


@pytest.mark.parametrize(
    ("protocol", "recurrence"),
    [
        ("clean", "layer"), ("clean", "reverse"), ("clean", "random"), ("clean", "none"),
        ("faithful", "layer"), ("corrected", "layer"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_losses_equal_the_reference_over_twenty_steps(family, protocol, recurrence):
    structure = graph_structure(family, 3, recurrence)
    config = TrainConfig(protocol=protocol, epochs=20, batch_size=400, learning_rate=3e-3)  # a step an epoch
    found, plain = (train(structure, SEQUENCES, config, 7) for train in (train_one, train_by_reference))
    np.testing.assert_allclose(found.train_loss, plain.train_loss, rtol=1e-5)
    np.testing.assert_allclose(found.val_loss, plain.val_loss, rtol=1e-5)
    assert found.val == plain.val
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("batch_size", [13, 30, 50])
@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_batches_of_any_size_fill_the_lanes_and_are_clipped(family, batch_size):
    structure = graph_structure(family, 8)
    config = TrainConfig(protocol="faithful", epochs=1, batch_size=batch_size, clip_norm=0.1)
    found, plain = (train(structure, SEQUENCES, config, 1) for train in (train_one, train_by_reference))
    np.testing.assert_allclose(found.train_loss, plain.train_loss, rtol=1e-5)
    np.testing.assert_allclose(found.test_loss, plain.test_loss, rtol=1e-5)


@settings(max_examples=30)
@given(
    st.sampled_from(RNN_FAMILIES),
    st.integers(0, 10_000),
    st.sampled_from(["layer", "reverse", "random"]),
    st.sampled_from(["clean", "clean with residual edges", "faithful", "corrected"]),
)
def test_gradients_equal_autograd_in_float64(family, seed, recurrence, kind):
    protocol, structure = kind.partition(" ")[0], graph_structure(family, seed % 50, recurrence)
    if "residual" in kind:
        structure = with_residual(structure, seed)
    config = TrainConfig(protocol=protocol, batch_size=48)
    named = initial_parameters(structure, SEQUENCES, config, seed)
    layout = layout_of(structure, SEQUENCES, config)
    split, batch = SEQUENCES.train, np.arange(37)
    prepared = Preparation.of(layout, layout.pack(named), config, split.inputs.shape[1])
    prepared = prepared._replace(settings=(0.0, *prepared.settings[1:]))  # a step that leaves the weights
    place = np.searchsorted(layout.symbols, split.inputs).astype(np.int32)
    data = Data(place, split.lengths.astype(np.int32), split.targets.astype(np.int32))
    loss, hits = NativeEpochs(prepared)(True, data, batch, np.array([0, len(batch)]))

    module = build_module(structure, SEQUENCES, config, seed=seed).double()
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
    found = layout.unpack(prepared.flat[1], nothing)
    for name, value in module.parameters_by_name().items():
        np.testing.assert_allclose(found[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


def curves(structure, seed: int) -> list[float]:
    outcome = train_one(structure, SEQUENCES, TrainConfig(epochs=2, batch_size=64), seed)
    return [*outcome.train_loss, *outcome.val_loss, *outcome.val, outcome.test, outcome.test_loss]


def test_a_training_is_the_same_alone_in_company_and_in_other_processes():
    jobs = [(graph_structure(family, 3), seed) for family in ("rnn_relu", "lstm") for seed in (0, 1)]
    alone = [curves(*job) for job in jobs]
    assert alone[0] != alone[1]
    assert [curves(*job) for job in reversed(jobs)] == alone[::-1]
    assert Parallel(n_jobs=2)(delayed(curves)(*job) for job in jobs[::2]) == alone[::2]


@pytest.mark.parametrize("family", ["rnn_tanh", "gru", "lstm"])
def test_a_diverged_training_stops(family):
    config = TrainConfig(epochs=6, batch_size=16, learning_rate=2e38)
    outcome = train_one(graph_structure(family, 2, "random"), SEQUENCES, config, 0)
    assert len(outcome.train_loss) < 6
    assert np.isnan(outcome.test)


@pytest.mark.parametrize(
    ("which", "function", "lowest"), [(0, np.tanh, 20.0), (1, lambda x: 1 / (1 + np.exp(-x)), 80.0)]
)
def test_activations_are_exact_to_a_millionth(which, function, lowest):
    magnitudes = np.geomspace(1e-30, lowest, 100_003)
    x = np.concatenate([-magnitudes, magnitudes, [0.0]]).astype(np.float32)
    found = activation(which, x)
    expected = function(x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
    assert np.abs(found).max() <= 1.0


@pytest.mark.parametrize("which", [0, 1])
def test_activations_keep_what_has_diverged_visible(which):
    found = activation(which, np.array([np.nan, -np.nan, np.inf, -np.inf, 1e38], dtype=np.float32))
    assert np.isnan(found[:2]).all()
    np.testing.assert_allclose(found[2:], [1.0, -1.0 if which == 0 else 0.0, 1.0], rtol=1e-6, atol=1e-30)


def activation(which: int, x: np.ndarray) -> np.ndarray:
    found = np.empty_like(x)
    apply = library().nnstruct_activation
    apply(which, ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(found.ctypes.data), ctypes.c_int64(len(x)))
    return found


def test_the_process_still_knows_subnormal_numbers():
    curves(graph_structure("rnn_tanh", 1), 0)
    small = np.full(64, 1e-38, dtype=np.float32)
    assert (small * np.float32(0.1) > 0).all()
    assert float(torch.tensor(1e-38) * 0.1) > 0


def test_memory_is_given_back():
    structure, config = graph_structure("lstm", 4), TrainConfig(protocol="faithful", epochs=1)
    trained = [train_one(structure, SEQUENCES, config, seed) for seed in range(3)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trained += [train_one(structure, SEQUENCES, config, seed) for seed in range(60)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB; bytes on macOS
    assert len(trained) == 63
    assert grown < 8 * 1024
