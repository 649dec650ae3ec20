"""Networks as graphs: each value stands where it belongs, and activations are those of the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnstruct import Network, Space, Structure, TrainConfig, load_task
from nnstruct.encode.unit_activations import unit_activations
from nnstruct.encode.weight_graph import WeightGraphEncoder
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, module_from_network
from nnstruct.priors import sample


def small(scale: float = 1.0) -> Network:
    tensors = {
        "input_weight": scale * np.array([[[5.0], [6.0]], [[7.0], [8.0]]]),
        "readout_weight": scale * np.array([[1.0], [2.0], [3.0]]),
        "readout_bias": np.array([1.0, 2.0, 3.0]),
    }
    return Network(Structure.from_layers([2, 1]), [[scale], [2 * scale]], np.arange(3.0)[:, None], tensors)


def test_values_stand_on_their_units_and_edges():
    network = small()
    encoder = WeightGraphEncoder().fit([network])
    packed = encoder.transform([network, small(2.0)])
    assert encoder.widths == (packed.units.shape[1], packed.edges.shape[1], packed.graphs.shape[1])
    np.testing.assert_array_equal(packed.edge_index, [[0, 1, 0, 1], [2, 2, 2, 2]])
    assert (packed.num_units.tolist(), packed.num_edges.tolist()) == ([3, 3], [2, 2])
    rms = np.sqrt(2.5)  # of the weights 1 and 2
    np.testing.assert_allclose(np.sinh(packed.edges[:, -1]) * rms, [1, 2, 2, 4], rtol=1e-5)
    rms = np.sqrt((25 + 36 + 49 + 64) / 4)
    there = packed.units[:, 10:]  # behind what the structure tells: flag, size and values of each kind
    np.testing.assert_allclose(there[:, 0], [1, 1, 0, 1, 1, 0])
    np.testing.assert_allclose(
        np.sinh(there[:, 2:4]) * rms, [[5, 6], [7, 8], [0, 0], [10, 12], [14, 16], [0, 0]], rtol=1e-5
    )
    np.testing.assert_allclose(there[:, 4], [0, 0, 1, 0, 0, 1])
    np.testing.assert_allclose(np.sinh(there[2, 6:9]) * np.sqrt(14 / 3), [1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(np.sinh(there[:3, 11]) * np.sqrt(5 / 3), [0, 1, 2], rtol=1e-5)
    np.testing.assert_allclose(np.sinh(packed.graphs[0, -3:]) * np.sqrt(14 / 3), [1, 2, 3], rtol=1e-5)


def test_long_rows_are_told_by_statistics():
    rng = np.random.default_rng(0)
    structure = Structure.from_layers([2, 1])
    networks = [
        Network(
            structure,
            rng.normal(size=(2, 1)),
            np.zeros((3, 1)),
            {"input_weight": rng.normal(size=(2, 80, 1))},
        )
        for _ in range(4)
    ]
    packed = WeightGraphEncoder().fit(networks).transform(networks)
    values = np.stack([network.tensors["input_weight"][0, :, 0] for network in networks]).astype(float)
    scale = np.sqrt(np.mean([network.tensors["input_weight"].astype(float) ** 2 for network in networks]))
    np.testing.assert_allclose(np.sinh(packed.units[::3, 12]), values.mean(axis=1) / scale, atol=1e-6)
    np.testing.assert_allclose(np.sinh(packed.units[::3, 18]), values.max(axis=1) / scale, rtol=1e-5)


def test_what_was_learned_is_kept_as_json_and_arrays():
    networks = [small(), small(3.0)]
    encoder = WeightGraphEncoder(np.ones((2, 2))).fit(networks)
    again = WeightGraphEncoder.from_state(*encoder.state())
    np.testing.assert_array_equal(again.transform(networks).units, encoder.transform(networks).units)


def test_sizes_of_units_are_numbers():
    structure = Structure(
        [[0], [1]], 2, family="module", attributes={"kernel": (1, "3x12"), "channels": (2, 3)}
    )
    networks = [
        Network(structure, [[1.0]], np.zeros((2, 1))),
        Network(Structure.from_layers([1, 1]), [[1.0]], np.zeros((2, 1))),
    ]
    found = WeightGraphEncoder().fit(networks).transform(networks).units[:, 10:12]
    np.testing.assert_allclose(np.expm1(found), [[2, 1], [3, 6], [1, 1], [1, 1]], rtol=1e-6)


@pytest.mark.parametrize("family", ["mlp", "cnn", "lstm"])
def test_activations_give_the_scores_of_the_network(family):
    """The read-out of the output units' activations is what the module itself says."""
    task = load_task("reber") if family == "lstm" else load_task("shapes", train=64, val=8, test=8)
    rng = np.random.default_rng(1)
    for seed, structure in enumerate(sample(Space(family, units=(6, 10)), n=4, seed=2)):
        module = build_module(structure, task, TrainConfig(), seed=seed).eval()
        network = module.to_network()
        if family == "lstm":
            inputs = rng.integers(1, 7, size=(3, 6))
            scores = module(torch.tensor(inputs), torch.full((3,), 6))
        else:
            inputs = rng.normal(size=(3, *task.train.inputs.shape[1:])).astype(np.float32)
            scores = module(torch.tensor(inputs))
        found = unit_activations(network, inputs)  # [N, 3]
        assert found.shape == (structure.num_units, 3)
        tensors = network.tensors
        expected = tensors["readout_weight"] @ found[structure.outputs] + tensors["readout_bias"][:, None]
        np.testing.assert_allclose(expected.T, scores.detach().numpy(), atol=1e-5)


def test_the_activation_of_a_wide_unit_is_the_mean_of_its_channels():
    structure = Structure([[0], [1]], 2, family="cnn", attributes={"channels": (2, 3)})
    task = load_task("shapes", train=64, val=8, test=8)
    network = build_module(structure, task, seed=1).to_network()
    read_out = {"readout_weight": np.full((1, 3), 1 / 3), "readout_bias": np.zeros(1)}
    mean = Network(structure, network.weight, network.bias, {**network.tensors, **read_out})
    inputs = task.train.inputs[:4]
    score = module_from_network(mean).eval()(torch.tensor(inputs)).detach().numpy()[:, 0]
    np.testing.assert_allclose(unit_activations(network, inputs)[1], score, atol=1e-6)


def test_wrong_probes():
    with pytest.raises(InvalidInputError, match="probes must be inputs that the network takes, got"):
        unit_activations(small(), np.ones((2, 7)))
    bare = Network(Structure.from_layers([2, 1]), np.ones((2, 1)), np.ones((3, 1)))
    with pytest.raises(InvalidInputError, match="hold 'input_weight' to become a module"):
        unit_activations(bare, np.ones((2, 2)))
