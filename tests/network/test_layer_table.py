"""Density by layer of nnstruct's own networks, against counts by hand."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

from nnstruct import Network, Structure
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import build_module
from nnstruct.pruning import prune, with_masks
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES
from nnstruct.tasks import Task, load_task

matplotlib.use("Agg")

COLUMNS = ["name", "operator", "role", "weights", "nonzero", "effective", "density", "effective_density"]


@pytest.fixture(scope="module")
def pictures() -> Task:
    rng = np.random.default_rng(0)
    parts = [(rng.random((n, 2, 6, 6)).astype(np.float32), np.arange(n) % 3) for n in (12, 6, 6)]
    return Task.from_splits("pictures", *parts)


def rows_of(network: Network) -> list[list]:
    table = network.layers()
    assert list(table.columns) == COLUMNS
    assert table["density"].tolist() == (table["nonzero"] / table["weights"]).tolist()
    assert table["effective_density"].tolist() == (table["effective"] / table["weights"]).tolist()
    return table[COLUMNS[:6]].values.tolist()


@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_recurrent_networks(family: str) -> None:
    reber = load_task("reber", train=64, val=8, test=8)
    structure = Structure.from_layers([3, 2], family=family)
    network = build_module(structure, reber).to_network()
    g, symbols = FAMILIES[family].gates, int(reber.num_symbols or 0) - 1
    assert rows_of(network) == [
        ["", family, "input", 3 * symbols * g, 3 * symbols * g, 3 * symbols * g],
        ["0 -> 1", family, "forward", 6 * g, 6 * g, 6 * g],
        ["0 -> 0", family, "recurrent", 9 * g, 9 * g, 9 * g],
        ["1 -> 1", family, "recurrent", 4 * g, 4 * g, 4 * g],
        ["", family, "readout", 4, 4, 4],
    ]


def test_a_perceptron_with_a_gap_a_skip_and_a_dead_unit() -> None:
    # Units 0 and 1, then 2 and 3, then 4. No edge leaves unit 3.
    edges = np.array([[0, 1, 0, 2, 1], [2, 2, 3, 4, 4]])
    outputs = np.array([False, False, False, False, True])
    structure = Structure(edges, 5, outputs=outputs)
    assert structure.layer.tolist() == [0, 0, 1, 1, 2]
    columns = list(zip(*structure.edge_index.tolist(), strict=True))
    assert columns == [(0, 2), (0, 3), (1, 2), (1, 4), (2, 4)]
    weight = np.array([[1.0], [2.0], [0.0], [4.0], [3.0]])
    network = Network(
        structure, weight, np.zeros((5, 1)),
        {
            "input_weight": np.array([[[1.0], [0.0], [1.0]], [[1.0], [1.0], [1.0]]]),
            "readout_weight": np.array([[1.0], [0.0]]),
            "readout_bias": np.zeros(2),
        },
    )  # fmt: skip
    assert rows_of(network) == [
        ["", "mlp", "input", 6, 5, 5],
        ["0 -> 1", "mlp", "forward", 4, 2, 1],
        ["0 -> 2", "mlp", "forward", 2, 1, 1],
        ["1 -> 2", "mlp", "forward", 2, 1, 1],
        ["", "mlp", "readout", 2, 1, 1],
    ]


def test_a_pruned_gru_counts_what_is_left() -> None:
    reber = load_task("reber", train=64, val=8, test=8)
    module = build_module(Structure.from_layers([6, 5], family="gru"), reber, seed=1)
    network = prune(module, 0.1).to_network()
    structure, alive = network.structure, set(range(11)) - set(network.dead_units.tolist())
    for name, _, role, weights, nonzero, effective in rows_of(network):
        if role not in ("forward", "recurrent"):
            continue
        first, second = map(int, name.split(" -> "))
        here = [
            (source, target)
            for source, target, late in zip(
                *structure.edge_index.tolist(), structure.recurrent.tolist(), strict=True
            )
            if late == (role == "recurrent")
            and (structure.layer[source], structure.layer[target]) == (first, second)
        ]
        assert nonzero == 3 * len(here)
        assert effective == 3 * sum(source in alive and target in alive for source, target in here)
        assert weights == 3 * (structure.layer == first).sum() * (structure.layer == second).sum()
    table = network.layers()
    assert table[table["role"].isin(["forward", "recurrent"])]["nonzero"].sum() == 3 * structure.num_edges


def test_channels(pictures: Task) -> None:
    network = build_module(Structure.from_layers([3, 2], family="cnn"), pictures).to_network()
    assert rows_of(network) == [
        ["", "cnn", "input", 3 * 2 * 9, 3 * 2 * 9, 3 * 2 * 9],
        ["0 -> 1", "cnn", "forward", 6 * 9, 6 * 9, 6 * 9],
        ["", "cnn", "readout", 3 * 2, 3 * 2, 3 * 2],
    ]


def cells(join: str) -> Structure:
    """Cells of 2 and 3 channels, then a 1 x 1 convolution of 4 and a pool of 3, then a cell of 2."""
    return Structure(
        [[0, 1, 1, 2, 3], [2, 2, 3, 4, 4]], 5, family="cnn",
        attributes={
            "operator": ["conv3x3", "conv3x3", "conv1x1", "maxpool3x3", "conv3x3"],
            "channels": [2, 3, 4, 3, 2],
            "join": ["concat", "concat", join, join, "concat"],
        },
    )  # fmt: skip


def test_cells_side_by_side(pictures: Task) -> None:
    network = build_module(cells("concat"), pictures).to_network()
    assert rows_of(network) == [
        ["", "cnn", "input", 2 * 9 * (2 + 3), 2 * 9 * (2 + 3), 2 * 9 * (2 + 3)],
        # To the convolution from both cells; the pool takes the three channels as they are.
        ["0 -> 1", "cnn", "forward", (2 + 3) * 4, (2 + 3) * 4, (2 + 3) * 4],
        ["1 -> 2", "cnn", "forward", (4 + 3) * 2 * 9, (4 + 3) * 2 * 9, (4 + 3) * 2 * 9],
        ["", "cnn", "readout", 3 * 2, 3 * 2, 3 * 2],
    ]


def test_cells_that_sum_have_kernels_of_their_own(pictures: Task) -> None:
    network = build_module(cells("sum"), pictures).to_network()
    found = {(name, role): counts for name, _, role, *counts in rows_of(network)}
    # To the convolution from both cells, brought to its 4 channels; to the pool from the cell of 2 (of which
    # there is no edge), while the cell of 3 fits.
    assert found["0 -> 1", "forward"] == [(2 + 3) * 4 + 2 * 3, (2 + 3) * 4, (2 + 3) * 4]
    assert found["1", "unit"] == [4 * 4, 4 * 4, 4 * 4]
    assert found["1 -> 2", "forward"] == [(4 + 3) * 2 * 9] * 3


def test_a_network_that_pruning_took_out_of_its_family(pictures: Task) -> None:
    attributes = {"operator": ["conv3x3", "conv3x3", "identity"], "channels": [2, 3, 3]}
    structure = Structure([[0, 1], [2, 2]], 3, family="cnn", attributes=attributes)
    mask = torch.ones(3, 5, 1, 1, dtype=torch.bool)
    mask[:, :2] = False
    network = with_masks(build_module(structure, pictures), {"blocks.1.align_0": mask}).to_network()
    assert network.structure.family == "module"
    found = {(name, role): counts for name, _, role, *counts in rows_of(network)}
    assert found["0 -> 1", "forward"] == [(2 + 3) * 3, 3 * 3, 3 * 3]


def test_what_a_network_lacks_has_no_row() -> None:
    bare = Network(Structure.from_layers([2, 2]), np.ones((4, 1)), np.zeros((4, 1)))
    assert rows_of(bare) == [["0 -> 1", "mlp", "forward", 4, 4, 4]]


def test_operators_as_units_have_no_densities() -> None:
    layers = extract(torch.nn.Linear(3, 2), torch.zeros(1, 3), resolution="layer")
    with pytest.raises(InvalidInputError, match=r"network must have weights on its edges.*Extract at"):
        layers.layers()


def test_the_plot_of_a_recurrent_network() -> None:
    reber = load_task("reber", train=64, val=8, test=8)
    ax = build_module(Structure.from_layers([3, 2], family="gru"), reber).to_network().plot_density()
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "gru input", "0 -> 1 forward", "0 -> 0 recurrent", "1 -> 1 recurrent", "gru readout",
    ]  # fmt: skip
    assert [bar.get_height() for bar in ax.patches] == [1.0] * 10
