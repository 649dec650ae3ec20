"""Structures near given ones, and a GNN that learns from them."""

import numpy as np

from nnstruct import Space, Structure, priors
from nnstruct.network.cell_layout import CellLayout
from nnstruct.predictors import GNN
from nnstruct.predictors.gnn.neighbours import neighbours

NAMES = ["conv3x3", "conv1x1", "skip_connect"]


def cells(count: int) -> list[Structure]:
    rng = np.random.default_rng(0)
    return [
        Structure(
            [[0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 5]], 6, family="module",
            attributes={"operator": ["input", *rng.choice(NAMES, 4).tolist(), "output"]},
        )
        for _ in range(count)
    ]  # fmt: skip


def test_neighbours_of_cells_differ_in_one_to_three_operators():
    given = cells(12)
    near = neighbours(given, 30, np.random.default_rng(0))
    assert len(near) == len(set(near)) == 30
    assert not set(near) & set(given)
    for cell in near:
        assert np.array_equal(cell.edge_index, given[0].edge_index)
        operators = cell.attributes["operator"]
        assert (operators[0], operators[5]) == ("input", "output")
        assert set(operators[1:5]) <= set(NAMES)
        away = [sum(a != b for a, b in zip(operators, g.attributes["operator"], strict=True)) for g in given]
        assert 1 <= min(away) <= 3


def test_neighbours_of_layered_networks_differ_in_one_to_three_edges():
    given = [
        Structure.from_layers([2, width, 3, 2], family="rnn_tanh").with_recurrence("self") for width in (3, 5)
    ]
    near = neighbours(given, 30, np.random.default_rng(1))
    assert len(near) == 30
    for structure in near:
        parent = next(g for g in given if g.num_units == structure.num_units)
        before, after = (set(zip(*s.forward_edges.tolist(), strict=True)) for s in (parent, structure))
        assert 1 <= len(before ^ after) <= 3
        assert np.array_equal(structure.recurrent_edges, parent.recurrent_edges)
        assert not structure.dead_units.any()


def test_the_seed_decides_the_neighbours():
    once, again, other = (neighbours(cells(5), 8, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert once == again != other


def test_a_gnn_learns_from_structures_without_a_label():
    given = cells(40)
    y = np.array([s.attributes["operator"].count("conv3x3") for s in given], dtype=float)
    plain = GNN(hidden=8, layers=2, members=1, max_epochs=1).fit(given, y)
    taught = GNN(hidden=8, layers=2, members=1, max_epochs=1).fit(given, y, unlabelled=cells(80)[40:])
    drawn = GNN(hidden=8, layers=2, members=1, max_epochs=1, distil=40).fit(given, y)

    def error(model):
        return np.abs(model.predict(given) - y).mean()

    assert error(taught) < 0.5 * error(plain)
    assert error(drawn) < 0.5 * error(plain)


def test_neighbours_of_convolutional_networks_can_be_built():
    operators = ["conv3x3", "identity"]
    space = Space(
        "cnn", units=(4, 8), operators=operators, channels=(3, 6), stages=3, joins=["concat", "sum"]
    )
    near = neighbours(priors.sample(space, 8, seed=0), 40, np.random.default_rng(0))
    assert len(near) == 40
    for structure in near:
        CellLayout(structure)  # it refuses attributes that do not go together
