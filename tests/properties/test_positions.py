"""Structures over positions against derivatives of the module, by hand, and against what is extracted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_topometrics import check

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import build_module
from nnstruct.properties.positions import unrolled
from nnstruct.properties.topometrics import MEASURES, topometrics
from nnstruct.structure.units import UNIT_OPERATORS
from nnstruct.tasks import Task

SHAPE = (2, 6, 5)
RNG = np.random.default_rng(0)
IMAGES = Task.from_arrays("images", RNG.normal(size=(20, *SHAPE)), [0, 1] * 10)
# The largest value of a window alone has a derivative.
OPERATORS = [name for name in UNIT_OPERATORS if name != "maxpool3x3"]


def cells(seed: int, operators: list[str], units: int = 5) -> Structure:
    rng = np.random.default_rng(seed)
    edges = [(i, j) for j in range(1, units) for i in range(j) if rng.random() < 0.5]
    edges += [(j - 1, j) for j in range(1, units) if not any(to == j for _, to in edges)]
    channels = rng.choice([2, 4], units)
    return Structure(
        np.array(sorted(edges)).T, units, family="cnn", inputs=np.arange(units) < 2,
        residual=rng.random(len(edges)) < 0.2,
        attributes={
            "operator": rng.choice(operators, units).tolist(), "channels": channels.tolist(),
            "activation": ["tanh"] * units, "stage": np.sort(rng.integers(0, 2, units)).tolist(),
            "join": rng.choice(["concat", "sum"], units).tolist(),
        },
    )  # fmt: skip


def dependence(module, structure: Structure) -> list[np.ndarray]:
    """For each unit, bool [channels x positions, image]: where the derivative is not zero."""
    found, made = {}, {}
    for block in module.blocks:
        block.register_forward_hook(lambda b, _, out: found.__setitem__(b.block.units, out))

    def maps(x):
        module(x.view(1, *SHAPE))
        for units, out in found.items():
            for unit, part in zip(units, out.flatten(2)[0].split(out.shape[1] // len(units)), strict=True):
                made[unit] = part.flatten()
        return tuple(made[unit] for unit in range(structure.num_units))

    x = torch.from_numpy(RNG.normal(size=int(np.prod(SHAPE))))
    return [(slope.abs() > 1e-13).numpy() for slope in torch.autograd.functional.jacobian(maps, x)]


@pytest.mark.parametrize("seed", range(6))
def test_what_a_position_depends_on_is_what_leads_to_it(seed):
    structure = cells(seed, OPERATORS)
    config = TrainConfig(normalization="none")
    module = build_module(structure, IMAGES, config, seed=seed).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(0.2 * RNG.normal(size=parameter.shape)))
    graph = unrolled(structure, SHAPE)
    reached = np.eye(graph.num_units, dtype=bool)[: int(np.prod(SHAPE))]
    link = np.zeros((graph.num_units, graph.num_units), dtype=np.float32)
    link[tuple(graph.edge_index)] = 1.0
    for _ in range(structure.num_units):
        reached |= (reached @ link) > 0
    start = int(np.prod(SHAPE))
    for depends in dependence(module, structure):
        np.testing.assert_array_equal(depends, reached[:, start : start + len(depends)].T)
        start += len(depends)
    assert start == graph.num_units


def test_convolutions_are_unrolled_as_they_are_extracted_with_their_weights():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)
    )
    theirs = extract(module, torch.randn(1, *SHAPE), "weight").structure
    cells = Structure([[0], [1]], 2, family="cnn", attributes={"stage": [0, 1], "channels": [2, 3]})
    ours = unrolled(cells, SHAPE)
    assert (ours.num_units, ours.num_edges) == (theirs.num_units, theirs.num_edges)
    assert ours.fingerprint == Structure(
        theirs.edge_index, theirs.num_units, inputs=theirs.inputs, outputs=theirs.outputs, family="module"
    ).fingerprint  # fmt: skip
    np.testing.assert_allclose(topometrics([ours]), topometrics([theirs]))


def test_classes_see_all_positions_of_the_outputs():
    graph = unrolled(Structure([[0], [1]], 2, family="cnn"), (4, 3), classes=2)
    links = graph.to_networkx()
    for unit in (36, 37):
        assert sorted(links.predecessors(unit)) == list(range(24, 36))
    assert np.flatnonzero(graph.outputs).tolist() == [36, 37]


@pytest.mark.parametrize("seed", range(2))
def test_topometrics_over_positions_are_those_of_their_definitions(seed):
    structure = cells(seed, ["conv1x1", "maxpool3x3", "identity"], units=3)
    graph = unrolled(structure, (1, 3, 2), classes=2)
    check(graph)
    row = dict(zip(MEASURES, topometrics([graph])[0].tolist(), strict=True))
    assert row["hop_1"] == graph.num_edges / graph.num_units
    assert row["density"] < 1.0


def test_sizes_and_families_that_have_no_positions_are_refused():
    with pytest.raises(InvalidInputError, match="be 'cnn'"):
        unrolled(Structure([[0], [1]], 2), (3, 3))
    with pytest.raises(InvalidInputError, match="input_shape"):
        unrolled(Structure([[0], [1]], 2, family="cnn"), (3,))
