"""The paper's protocol against its description, written out by hand."""

import math

import networkx as nx
import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.modules import build_module, initial_parameters
from nnstruct.modules.parameters import count_parameters
from nnstruct.modules.rnn.faithful_layout import FaithfulLayout
from nnstruct.population import train
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES
from nnstruct.tasks import Task

FAITHFUL = TrainConfig(protocol="faithful", epochs=1, batch_size=8)
STRINGS = ["BTXSE", "BPVVE", "BTSSXXTVVE", "BPTTTVPSE", "BTSXSE", "BPVPXVVE", "BTSSSXSE", "BPTVVE"] * 6
TASK = Task.from_sequences("ascii", [[ord(c) for c in s] for s in STRINGS], [0, 1] * 24, seed=0)

# Unit 0 feeds 1 and 2; 1 feeds 2 and 3; 2 feeds 3; 0 feeds 3: layers 0 | 1 | 2 | 3.
CHAIN_WITH_SKIPS = [[0, 0, 1, 1, 2, 0], [1, 2, 2, 3, 3, 3]]


def units_by_layer(structure):
    return [np.flatnonzero(structure.layer == layer) for layer in range(structure.num_layers)]


@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_cells_of_a_small_graph_by_hand(family):
    structure = Structure(CHAIN_WITH_SKIPS, 4, family=family)
    module = build_module(structure, TASK, FAITHFUL)
    gates = FAMILIES[family].gates
    assert set(module.cells) == {"layer0", "layer1", "layer2", "layer3", "skip0_2", "skip0_3", "skip1_3"}
    for cell in module.cells.values():
        assert cell.weight_ih.shape == (gates, 1)
        assert cell.weight_hh.shape == (gates, 1)
        assert cell.bias_ih.shape == cell.bias_hh.shape == (gates,)
        assert (cell.mask == 1).all()
    symbols = TASK.num_symbols
    by_hand = symbols * 1 + 7 * gates * (1 + 1 + 1 + 1) + 2 * 1 + 2
    assert sum(p.numel() for p in module.parameters()) == by_hand
    assert count_parameters(structure, TASK, FAITHFUL) == by_hand


def test_masks_stand_where_the_edges_are():
    # Layers {0, 1} | {2, 3} | {4}: 0->2, 1->2, 1->3, 2->4, 3->4 and the skip 0->4.
    structure = Structure([[0, 1, 1, 2, 3, 0], [2, 2, 3, 4, 4, 4]], 5, family="rnn_relu")
    module = build_module(structure, TASK, FAITHFUL)
    assert module.cells["layer0"].mask.tolist() == [[1, 1], [1, 1]]
    assert module.cells["layer1"].mask.tolist() == [[1, 1], [0, 1]]
    assert module.cells["layer2"].mask.tolist() == [[1, 1]]
    assert module.cells["skip0_2"].mask.tolist() == [[1, 0]]
    unmasked = sum(p.numel() for p in module.parameters()) - 2
    assert count_parameters(structure, TASK, FAITHFUL) == unmasked


def test_gated_masks_are_misaligned_as_in_the_paper_and_aligned_when_corrected():
    structure = Structure([[0, 1, 1, 2, 3], [2, 2, 3, 4, 4]], 5, family="lstm")
    mask = np.array([[True, True], [False, True]])
    layout = FaithfulLayout(structure)
    row = {0: [1, 1], 1: [0, 1]}
    assert layout.gate_mask(mask, aligned=False).tolist() == [row[0]] * 4 + [row[1]] * 4
    assert layout.gate_mask(mask, aligned=True).tolist() == [row[0], row[1]] * 4
    faithful = build_module(structure, TASK, FAITHFUL)
    corrected = build_module(structure, TASK, TrainConfig(protocol="corrected"))
    assert faithful.cells["layer1"].mask.tolist() == [row[0]] * 4 + [row[1]] * 4
    assert corrected.cells["layer1"].mask.tolist() == [row[0], row[1]] * 4


def test_bounds_of_the_initial_values():
    structure = Structure.from_networkx(nx.barabasi_albert_graph(20, 2, seed=0), family="gru")
    values = initial_parameters(structure, TASK, FAITHFUL, seed=0)
    sizes = [len(units) for units in units_by_layer(structure)]
    assert values["embedding.weight"].shape == (TASK.num_symbols, sizes[0])
    for layer, size in enumerate(sizes):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            value = np.abs(values[f"cells.layer{layer}.{name}"])
            assert value.max() <= 1 / math.sqrt(size)
            if value.size >= 9:
                assert value.max() > 0.6 / math.sqrt(size)


def states_by_description(structure, values, sequence, corrected):
    """Output sequences of all layers for one sequence [T, n0], after the description in words, in float64."""
    gates = FAMILIES[structure.family].gates
    units = units_by_layer(structure)
    adjacency = {(int(a), int(b)) for a, b in structure.forward_edges.T}

    def cell(name, inputs, mask):
        p = {k: values[f"cells.{name}.{k}"].astype(np.float64) for k in ("weight_ih", "weight_hh")}
        bias_ih, bias_hh = (values[f"cells.{name}.{k}"].astype(np.float64) for k in ("bias_ih", "bias_hh"))
        hidden_size = len(mask)
        rows = []
        for position in range(gates * hidden_size):
            unit = position % hidden_size if corrected else position // gates
            rows.append(mask[unit])
        weight = p["weight_ih"] * np.array(rows)
        h = c = np.zeros(hidden_size)
        states = []
        for x in inputs:
            a, r = weight @ x + bias_ih, p["weight_hh"] @ h + bias_hh
            if structure.family == "rnn_tanh":
                h = np.tanh(a + r)
            elif structure.family == "rnn_relu":
                h = np.maximum(a + r, 0)
            elif structure.family == "gru":
                (ar, az, an), (rr, rz, rn) = np.split(a, 3), np.split(r, 3)
                reset, update = 1 / (1 + np.exp(-ar - rr)), 1 / (1 + np.exp(-az - rz))
                h = (1 - update) * np.tanh(an + reset * rn) + update * h
            else:
                i, f, g, o = np.split(a + r, 4)
                c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
                h = np.tanh(c) / (1 + np.exp(-o))
            states.append(h)
        return np.array(states)

    outputs = [cell("layer0", sequence, np.ones((len(units[0]), sequence.shape[1])))]
    for layer in range(1, len(units)):
        masks = [
            np.array([[(int(s), int(t)) in adjacency for s in units[earlier]] for t in units[layer]], float)
            for earlier in range(layer)
        ]
        total = cell(f"layer{layer}", outputs[layer - 1], masks[layer - 1])
        for earlier in range(layer - 1):
            if masks[earlier].any():
                total = total + cell(f"skip{earlier}_{layer}", outputs[earlier], masks[earlier])
        outputs.append(total)
    return outputs


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_five_paper_graphs_trained_one_epoch_compute_the_description(family, corrected):
    config = TrainConfig(protocol="corrected" if corrected else "faithful", epochs=1, batch_size=8)
    for seed in range(5):
        units = 10 + 2 * seed
        if seed % 2:
            graph = nx.connected_watts_strogatz_graph(units, max(2, units // 5), 1.0, tries=10, seed=seed)
        else:
            graph = nx.barabasi_albert_graph(units, units // 10, seed=seed)
        structure = Structure.from_networkx(graph, family=family)
        from nnstruct.population.reference import train_one

        values = train_one(structure, TASK, config, seed).parameters
        module = build_module(structure, TASK, config, seed=seed)
        module.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
        symbols = torch.zeros(2, 9, dtype=torch.int64)
        lengths = torch.tensor([9, 5])
        for row, text in enumerate(("BPTTTVPSE", "BTXSE")):
            symbols[row, : len(text)] = torch.tensor([ord(c) for c in text])
        scores = module(symbols, lengths).detach().numpy()
        for row in range(2):
            embedded = values["embedding.weight"][symbols[row].numpy()].astype(np.float64)
            final = states_by_description(structure, values, embedded, corrected)[-1]
            read_at = int(lengths[row]) - 1 if corrected else -1
            expected = values["readout.weight"] @ final[read_at] + values["readout.bias"]
            np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-5)


def test_a_faithful_prediction_depends_on_its_companions_and_a_corrected_one_does_not():
    structure = Structure(CHAIN_WITH_SKIPS, 4, family="rnn_tanh")
    short, long = torch.tensor([[66, 84, 69, 0, 0]]), torch.tensor([[66, 80, 86, 86, 69]])
    both, lengths = torch.cat([short, long]), torch.tensor([3, 5])
    faithful = build_module(structure, TASK, FAITHFUL)
    assert not torch.allclose(faithful(both, lengths)[0], faithful(short, lengths[:1])[0])
    corrected = build_module(structure, TASK, TrainConfig(protocol="corrected"))
    torch.testing.assert_close(corrected(both, lengths)[0], corrected(short, lengths[:1])[0])


def test_masked_weights_stay_zero_in_training():
    structure = Structure([[0, 1, 1, 2, 3], [2, 2, 3, 4, 4]], 5, family="lstm")
    module = build_module(structure, TASK, FAITHFUL)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    split = TASK.train
    for _ in range(10):
        optimiser.zero_grad()
        scores = module(torch.from_numpy(split.inputs), torch.from_numpy(split.lengths))
        torch.nn.functional.cross_entropy(scores, torch.from_numpy(split.targets)).backward()
        optimiser.step()
    for cell in module.cells.values():
        assert (cell.weight_ih[cell.mask == 0] == 0).all()


def test_the_faithful_protocol_trains_through_the_door():
    structure = Structure(CHAIN_WITH_SKIPS, 4, family="gru")
    (record,) = train([structure], TASK, config=FAITHFUL)
    assert record.status == "ok"
    assert record.engine in ("native", "fused")
    assert np.isfinite(record.test_loss)
