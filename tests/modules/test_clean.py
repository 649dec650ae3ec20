"""The clean protocol against its definition, written out unit by unit."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, initial_parameters, module_from_network, parameter_shapes
from nnstruct.modules.parameters import count_parameters
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task

TASK = Task.from_sequences("toy", ["ab", "ba", "bb", "aabb", "bbab", "abba"] * 3, [0, 1, 0, 1, 1, 0] * 3)
RECURRENCES = ("layer", "self", "reverse", "random", "none")


def random_structure(family: str, recurrence: str, seed: int, units: int = 7) -> Structure:
    graph = nx.gnp_random_graph(units, 0.4, seed=seed)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    if not graph.number_of_edges():
        graph = nx.path_graph(3)
    structure = Structure.from_networkx(graph, family=family, recurrence="none")
    shuffled = structure.relabel(np.random.default_rng(seed).permutation(structure.num_units))
    return shuffled.with_recurrence(recurrence, seed=seed, density=0.3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def scores_by_definition(structure, parameters, symbols) -> np.ndarray:
    """Class scores of one sequence; a loop over time, units, gates and edges."""
    p = {name: value.astype(np.float64) for name, value in parameters.items()}
    gates, units = p["weight"].shape[1], structure.num_units
    rows = dict(zip(np.flatnonzero(structure.inputs), p["input_weight"], strict=True))
    hidden, cell = np.zeros(units), np.zeros(units)
    for symbol in symbols:
        before, before_cell = hidden.copy(), cell.copy()
        for unit in np.argsort(structure.layer, kind="stable"):
            forward, recurrent = np.zeros(gates), np.zeros(gates)
            if unit in rows:
                forward += rows[unit][symbol - 1]
            for e in range(structure.num_edges):
                source, target = structure.edge_index[:, e]
                if target == unit and structure.recurrent[e]:
                    recurrent += p["weight"][e] * before[source]
                elif target == unit:
                    forward += p["weight"][e] * hidden[source]
            bias = p["bias"][unit]
            if structure.family == "rnn_tanh":
                hidden[unit] = np.tanh(forward[0] + recurrent[0] + bias[0])
            elif structure.family == "rnn_relu":
                hidden[unit] = max(0.0, forward[0] + recurrent[0] + bias[0])
            elif structure.family == "gru":
                r = sigmoid(forward[0] + recurrent[0] + bias[0])
                z = sigmoid(forward[1] + recurrent[1] + bias[1])
                n = np.tanh(forward[2] + bias[2] + r * (recurrent[2] + bias[3]))
                hidden[unit] = (1 - z) * n + z * before[unit]
            else:
                i, f, g, o = forward + recurrent + bias
                cell[unit] = sigmoid(f) * before_cell[unit] + sigmoid(i) * np.tanh(g)
                hidden[unit] = sigmoid(o) * np.tanh(cell[unit])
    return p["readout_weight"] @ hidden[structure.outputs] + p["readout_bias"]


@given(st.sampled_from(RNN_FAMILIES), st.sampled_from(RECURRENCES), st.integers(0, 1000))
def test_the_module_computes_its_definition(family, recurrence, seed):
    structure = random_structure(family, recurrence, seed)
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(structure, TASK, TrainConfig())
    parameters = {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
    module = build_module(structure, TASK).__class__(structure, parameters)
    symbols = np.array([[1, 2, 2, 1], [2, 1, 0, 0]])
    scores = module(torch.from_numpy(symbols), torch.tensor([4, 2])).detach().numpy()
    for row, length in ((0, 4), (1, 2)):
        expected = scores_by_definition(structure, parameters, symbols[row, :length])
        np.testing.assert_allclose(scores[row], expected, rtol=2e-4, atol=2e-4)


@given(st.sampled_from(RNN_FAMILIES), st.sampled_from(RECURRENCES), st.integers(0, 1000))
def test_a_structure_survives_build_and_back(family, recurrence, seed):
    structure = random_structure(family, recurrence, seed)
    network = build_module(structure, TASK, seed=seed).to_network()
    assert network.structure == structure
    for name, value in initial_parameters(structure, TASK, TrainConfig(), seed).items():
        found = getattr(network, name) if name in ("weight", "bias") else network.tensors[name]
        np.testing.assert_array_equal(found, value)
    again = module_from_network(network)
    symbols, lengths = torch.tensor([[1, 2, 1]]), torch.tensor([3])
    assert torch.equal(again(symbols, lengths), build_module(structure, TASK, seed=seed)(symbols, lengths))


@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_masked_weights_stay_zero_and_padding_is_inert(family):
    structure = random_structure(family, "random", 3)
    module = build_module(structure, TASK, seed=1)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1)
    split = TASK.train
    symbols, lengths, targets = (torch.from_numpy(a) for a in (split.inputs, split.lengths, split.targets))
    named = module.parameters_by_name()
    copies = {name: value.copy() for name, value in named.items()}
    before = named["weight"]
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(symbols, lengths), targets).backward()
        optimiser.step()
    assert (module.forward_weight[:, module.forward_mask == 0] == 0).all()
    assert (module.recurrent_weight[:, module.recurrent_mask == 0] == 0).all()
    assert (module.input_weight[0] == 0).all()
    # A weight changes unless its edge carries nothing: recurrent edges into units whose state the
    # read-out never sees again are the only ones that may stand still.
    assert (module.parameters_by_name()["weight"] != before).any(axis=1).mean() > 0.5
    assert all(np.array_equal(named[name], copies[name]) for name in named)
    alone = module(symbols[:1, : lengths[0]], lengths[:1])
    torch.testing.assert_close(module(symbols, lengths)[:1], alone)


@pytest.mark.parametrize(("family", "gates", "biases"), [("rnn_tanh", 1, 1), ("gru", 3, 4), ("lstm", 4, 4)])
def test_parameters_are_counted_by_hand(family, gates, biases):
    structure = Structure([[0, 0, 1], [1, 2, 2]], 3, family=family).with_recurrence("self")
    by_hand = (3 + 3) * gates + 3 * biases + 1 * 2 * gates + 1 * 2 + 2
    assert count_parameters(structure, TASK, TrainConfig()) == by_hand


def test_initial_weights_keep_their_bounds_and_depend_on_the_seed():
    structure = random_structure("lstm", "layer", 5, units=12)
    a, b = (initial_parameters(structure, TASK, TrainConfig(), seed) for seed in (0, 1))
    assert not np.array_equal(a["weight"], b["weight"])
    fan_in = np.bincount(structure.edge_index[1], minlength=structure.num_units) + structure.inputs
    bound = np.sqrt(3 / fan_in)[structure.edge_index[1]]
    assert (np.abs(a["weight"]) <= bound[:, None]).all()
    assert (np.abs(a["weight"]) > 0.5 * bound[:, None]).any()
    assert (a["bias"][:, 1] == 1).all()
    assert (a["bias"][:, [0, 2, 3]] == 0).all()


def test_a_family_without_a_module_is_refused():
    with pytest.raises(InvalidInputError, match=r"family must be one of rnn_tanh.*got 'module'"):
        build_module(Structure.from_layers([2, 2], family="module"), TASK)


def test_a_task_without_sequences_is_refused():
    x = np.random.default_rng(0).normal(size=(30, 2))
    vectors = Task.from_arrays("vectors", x, (x[:, 0] > 0).astype(int))
    with pytest.raises(InvalidInputError, match="task must hold sequences of symbols"):
        build_module(Structure.from_layers([2, 2], family="gru"), vectors)
