"""Residual edges bring their source's value, as it is, behind the target's activation; in all families."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.modules import build_module, module_from_network
from nnstruct.modules.parameters import count_parameters
from nnstruct.population import train
from nnstruct.priors import AutoCompressing, ResidualChain, ResNet
from nnstruct.probes.subject import subject_of
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.interchange import from_arrow, to_arrow
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
IMAGES = Task.from_arrays("images", RNG.normal(size=(40, 1, 8, 8)), [0, 1] * 20)
STRINGS = Task.from_sequences("toy", ["ab", "ba", "bb", "aabb", "bbab", "abba"] * 4, [0, 1, 0, 1, 1, 0] * 4)
TASKS = {"mlp": IMAGES, "cnn": IMAGES, **dict.fromkeys(("rnn_tanh", "rnn_relu", "gru", "lstm"), STRINGS)}
NETS = {"resnet": ResNet(stem=2, blocks=[3], widths=[2]), "chain": ResidualChain(sizes=[2] * 7, skip=2)}


def cells(structure: Structure, channels: int = 6) -> Structure:
    if structure.family != "cnn":
        return structure
    attributes = {**structure.attributes, "channels": (channels,) * structure.num_units}
    return replace(structure, attributes=attributes)


def states(module, task) -> dict[int, torch.Tensor]:
    """The values of each unit on a few examples."""
    if task.is_sequence:
        subject = subject_of(module, task)
        layers = subject.states(*subject.encode(task.val))
        order = np.argsort(module.structure.layer, kind="stable")
        return dict(zip(order.tolist(), torch.cat(layers, 1).T, strict=True))
    inputs = torch.from_numpy(task.train.inputs[:5])
    if module.structure.family == "mlp":
        subject = subject_of(module, task)
        together = torch.cat(subject.states(inputs.double(), torch.zeros(5))[:-1], 1)
        return dict(zip(module.order.tolist(), together.T, strict=True))
    found = {}

    def keep(block, _, made):
        widths = [int(block.layout.cells.channels[u]) for u in block.block.units]
        found.update(zip(block.block.units, made.split(widths, 1), strict=True))

    hooks = [block.register_forward_hook(keep) for block in module.blocks]
    module(inputs)
    for hook in hooks:
        hook.remove()
    return found


def without_branches(module):
    """Every weight between units is zero, and so are the kernels of units."""
    values = module.to_network()
    tensors = dict(values.tensors)
    if "unit_weight" in tensors:
        tensors["unit_weight"] = np.zeros_like(tensors["unit_weight"])
    weight = np.where(values.structure.residual[:, None], values.weight, 0.0).astype(np.float32)
    return module_from_network(replace(values, weight=weight, tensors=tensors))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("family", ["mlp", "cnn", "rnn_tanh"])
def test_a_zero_branch_passes_its_input_on(name, family):
    prior = NETS[name]
    structure = cells(prior.sample(0, family=family, recurrence="none"))
    assert structure.residual.any()
    module = without_branches(build_module(structure, TASKS[family]).eval()).eval()
    value = states(module, TASKS[family])
    shortcuts = structure.edge_index[:, structure.residual]
    assert {int(t) for t in shortcuts[1]} >= set(np.flatnonzero(structure.outputs).tolist())
    for source, target in shortcuts.T.tolist():
        if structure.inputs[source] or source in shortcuts[1]:
            torch.testing.assert_close(value[target], value[source])
            assert float(value[target].detach().norm()) > 0


def test_a_projection_leads_to_the_next_stage_behind_the_activation():
    structure = ResNet(stem=1, blocks=[1, 1], widths=[1, 1]).sample(0, family="cnn")
    structure = replace(structure, attributes={**structure.attributes, "channels": [4, 4, 4, 8, 8]})
    module = build_module(structure, IMAGES, TrainConfig(normalization="none")).eval()
    value = states(without_branches(module).eval(), IMAGES)
    (edge,) = np.flatnonzero(structure.residual & (structure.edge_index[1] == 4))
    kernel = torch.from_numpy(module.parameters_by_name()["weight"][edge, :32].reshape(4, 8).T)
    by_hand = torch.einsum("oi,bihw->bohw", kernel, value[2][:, :, ::2, ::2])
    torch.testing.assert_close(value[4], by_hand)
    assert (value[4] < 0).any()  # no activation behind the sum


@pytest.mark.parametrize("family", ["mlp", "cnn", "rnn_tanh", "lstm"])
def test_the_output_of_an_auto_compressing_network_is_the_sum_of_its_layers(family):
    structure = cells(AutoCompressing(sizes=[3, 3, 3, 3]).sample(0, family=family, recurrence="none"))
    value = states(build_module(structure, TASKS[family]).eval(), TASKS[family])
    for place in range(3):
        total = value[place] + value[3 + place] + value[6 + place]
        torch.testing.assert_close(value[9 + place], total)


@pytest.mark.parametrize("family", TASKS)
def test_engines_train_them_and_a_network_survives(family):
    structure = cells(ResidualChain(sizes=[3] * 5, skip=2).sample(1, family=family), 3)
    task, config = TASKS[family], TrainConfig(epochs=4, batch_size=8, learning_rate=0.01)
    (record,) = train([structure], task, seeds=1, config=config)
    assert (record.engine == "reference") == (family == "cnn")
    assert record.status == "ok"
    assert record.train_loss[-1] < record.train_loss[0]
    module = build_module(structure, task, config, seed=1)
    assert record.parameters == count_parameters(structure, task, config)
    network = module.to_network()
    again = module_from_network(network).to_network()
    assert again.structure == structure
    np.testing.assert_array_equal(again.weight, network.weight)
    if family != "cnn":
        assert (network.weight[structure.residual] == 1).all()
        other = replace(structure, residual=np.zeros_like(structure.residual))
        gates = FAMILIES[family].gates
        fewer = count_parameters(other, task, config) - record.parameters
        assert fewer == structure.residual.sum() * gates


def test_residual_edges_are_a_part_of_what_a_structure_is():
    structure = ResidualChain(sizes=[2] * 5, skip=2).sample(0, family="gru")
    plain = replace(structure, residual=None)
    assert structure != plain
    assert structure.fingerprint != plain.fingerprint
    shuffled = structure.relabel(RNG.permutation(structure.num_units))
    assert shuffled.fingerprint == structure.fingerprint
    assert shuffled.residual.sum() == structure.residual.sum() == 4
    assert from_arrow(to_arrow([structure, plain])) == [structure, plain]
    assert Structure.from_networkx(structure.to_networkx(), family="gru") == structure
    assert Structure.from_pyg(structure.to_pyg()) == structure
    kept = structure.with_edges(structure.edge_index[0] != 0)
    assert kept.residual.sum() == 3
    assert structure.with_recurrence("none").residual.sum() == 4
    with pytest.raises(StructureError, match="residual must be False for an edge that is recurrent"):
        replace(structure, residual=structure.recurrent)


def test_the_faithful_protocol_knows_none():
    structure = ResidualChain(sizes=[2] * 3).sample(0, family="gru")
    with pytest.raises(InvalidInputError, match=r"config.protocol must be 'clean' for a structure with"):
        build_module(structure, STRINGS, TrainConfig(protocol="faithful"))


def test_residual_edges_survive_graphml(tmp_path):
    structure = AutoCompressing(sizes=[2, 2, 2]).sample(0, family="mlp")
    network = build_module(structure, IMAGES, seed=0).to_network()
    network.to_graphml(tmp_path / "network.graphml")
    graph = nx.read_graphml(tmp_path / "network.graphml", node_type=int)
    assert Structure.from_networkx(graph) == structure
    assert {data["kind"] for _, _, data in graph.edges(data=True)} == {"weight", "residual"}
    assert sum(edge.get("residual", False) for edge in network.to_rustworkx().edges()) == 4
