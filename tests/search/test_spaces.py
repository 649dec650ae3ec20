"""Spaces of cells, tables and own ones: what they hold, and searches in them."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Search, Space, Structure, priors
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import GroupedGaussianProcess
from nnstruct.search import CellSpace, TableSpace
from nnstruct.search.spaces import as_search_space
from nnstruct.tables.nasbench101 import cell_structure as cell_101
from nnstruct.tables.nasbench201 import cell_structure as cell_201

SPACES = {
    "nasbench201": CellSpace.nasbench201(),
    "nasbench101": CellSpace.nasbench101(),
    "darts": CellSpace.darts(),
    "three nodes": CellSpace(["conv3x3", "identity"], nodes=3),
}


@pytest.mark.parametrize("name", SPACES)
def test_every_step_stays_inside_and_is_written_by_its_code(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(0)
    drawn = space.draw(12, rng)
    assert len(drawn) == 12
    for structure in drawn:
        code = space.code(structure)
        assert space.contains(structure)
        assert space.structure(code).fingerprint == structure.fingerprint
        child = space.mutate(structure, rng)
        assert child.fingerprint != structure.fingerprint
        assert space.contains(child)
        assert sum(a != b for a, b in zip(code, space.code(child), strict=True)) == 1
    first, second = drawn[:2]
    crossed = [space.cross(first, second, rng) for _ in range(5)]
    parents = list(zip(space.code(first), space.code(second), strict=True))
    for child in crossed:
        if child is not None:
            assert all(value in pair for value, pair in zip(space.code(child), parents, strict=True))


def test_cells_of_the_published_tables_are_inside_whatever_the_order_of_their_units() -> None:
    rng = np.random.default_rng(1)
    cell = cell_201(("conv3x3", "none", "identity", "avgpool3x3", "conv1x1", "conv3x3"))
    for structure in (cell, cell.relabel(rng.permutation(8))):
        code = SPACES["nasbench201"].code(structure)
        assert SPACES["nasbench201"].structure(code).fingerprint == cell.fingerprint
    rows = ("01101", "00010", "00010", "00001", "00000")
    other = cell_101("".join(rows), "input,conv3x3-bn-relu,conv1x1-bn-relu,maxpool3x3,output")
    for structure in (other, other.relabel(rng.permutation(5))):
        code = SPACES["nasbench101"].code(structure)
        assert SPACES["nasbench101"].structure(code).fingerprint == other.fingerprint


def test_neighbours_are_all_that_differ_in_one_operator() -> None:
    space = SPACES["nasbench201"]
    cell = space.structure((0, 1, 2, 3, 4, 0))
    near = [space.code(other) for other in space.neighbours(cell)]
    assert len(near) == 6 * 4
    assert all(sum(a != b for a, b in zip((0, 1, 2, 3, 4, 0), code, strict=True)) == 1 for code in near)


def test_what_is_no_cell_is_outside() -> None:
    space = SPACES["nasbench201"]
    assert not space.contains(Structure.from_layers([2, 2]))
    assert not space.contains(cell_201(("conv3x3", "none", "identity", "avgpool3x3", "conv1x1", "conv7x7")))
    wide = SPACES["nasbench101"]
    edges = [[0, 0, 0, 0, 1, 1, 1, 2, 2, 3], [1, 2, 3, 4, 2, 3, 4, 3, 4, 4]]
    operators = ("input", "conv3x3", "conv3x3", "conv3x3", "output")
    too_many = Structure(edges, 5, family="module", attributes={"operator": operators})
    assert not wide.contains(too_many)  # ten edges of nine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operators": "conv3x3"}, "operators must be a sequence of names"),
        ({"operators": ["a", "a"]}, "operators must be names, each once"),
        ({"operators": ["a"], "nodes": 2}, "nodes must be an integer, at least 3"),
        ({"operators": ["a"], "on": "paths"}, "on must be one of"),
        ({"operators": ["a"], "max_edges": 3}, "max_edges must be left out"),
    ],
)
def test_bad_cells_are_named(options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CellSpace(**options)
    with pytest.raises(InvalidInputError, match="code must"):
        SPACES["nasbench201"].structure((0, 1, 2, 3, 4, 9))


def table() -> tuple[list[Structure], np.ndarray]:
    """All cells of three nodes with four operators, and a score that hangs on them."""
    space = CellSpace(["conv3x3", "conv1x1", "identity", "none"], nodes=3)
    cells = [space.structure((a, b, c)) for a in range(4) for b in range(4) for c in range(4)]
    worth = {"conv3x3": 1.0, "conv1x1": 0.6, "identity": 0.3, "none": 0.0}
    scores = [sum(worth[name] for name in s.attributes["operator"][1:-1]) for s in cells]
    return cells, np.array(scores)


def test_a_search_in_a_table_finds_its_best_with_few_questions() -> None:
    cells, scores = table()
    space = TableSpace((cells, scores))
    search = Search(space, GroupedGaussianProcess(steps=5), initial=10, offspring=4, population=10, seed=1)
    asked = []
    for _ in range(6):
        asked += (chosen := search.ask(4))
        search.tell(chosen, space.score(chosen))
    assert len({s.fingerprint for s in asked}) == 24
    assert search.history.score.max() == scores.max()
    assert search.best.attributes["operator"][1:-1] == ("conv3x3",) * 3


def test_a_table_is_asked_to_its_end_and_no_further() -> None:
    cells, scores = table()
    space = TableSpace((cells[:9], scores[:9]))
    search = Search(space, population=4)
    for _ in range(3):
        search.tell(chosen := search.ask(3), space.score(chosen))
    assert len(search.history) == 9
    with pytest.raises(InvalidInputError, match="exhausted"):
        search.ask(1)


def test_twins_of_a_table_are_one_or_several() -> None:
    cells, scores = table()
    kept, merged = TableSpace((cells, scores)), TableSpace((cells, scores), twins="merge")
    assert len(kept) == 64
    trimmed: dict[str, list[float]] = {}
    for cell, score in zip(cells, scores, strict=True):
        trimmed.setdefault(cell.trim().fingerprint, []).append(score)
    assert len(merged) == len(trimmed) < 64
    for cell in cells:
        assert merged.score([cell])[0] == pytest.approx(np.mean(trimmed[cell.trim().fingerprint]))
    with pytest.raises(InvalidInputError, match="structures must be of the table"):
        kept.score([Structure.from_layers([1, 1])])


def test_rows_without_edits_lead_to_those_with_similar_measures() -> None:
    structures = priors.sample(Space("mlp", units=(4, 20)), 40, seed=0)
    space = TableSpace((structures, np.arange(40.0)))
    near = space.neighbours(structures[3])
    assert len(near) == 20
    sizes = np.abs([s.num_units - structures[3].num_units for s in near]).mean()
    assert sizes < np.abs([s.num_units - structures[3].num_units for s in structures]).mean()


class Widths:
    """Perceptrons with two hidden layers of one to eight units."""

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        return [Structure.from_layers(rng.integers(1, 9, size=2).tolist()) for _ in range(n)]

    def mutate(self, structure: Structure, rng: np.random.Generator) -> Structure | None:
        sizes = np.bincount(structure.layer)
        sizes[rng.integers(2)] += rng.choice([-1, 1])
        return Structure.from_layers(sizes.tolist()) if sizes.min() > 0 else None

    def contains(self, structure: Structure) -> bool:
        return structure.num_layers == 2 and bool(np.bincount(structure.layer).max() < 9)


@pytest.mark.parametrize("guide", [None, GroupedGaussianProcess(steps=3)], ids=["plain", "guided"])
def test_an_own_space_of_three_methods_is_searched(guide) -> None:
    search = Search(Widths(), guide, population=8, offspring=4)
    for _ in range(6):
        asked = search.ask(4)
        search.tell(asked, [-abs(s.num_units - 11) for s in asked])
    assert all(map(Widths().contains, asked))
    assert search.best.num_units in (10, 11, 12)


@pytest.mark.parametrize("space", ["mlp", None, Widths])
def test_what_is_no_space_is_refused(space) -> None:
    with pytest.raises(InvalidInputError, match="space must be a Space, or have draw, mutate and contains"):
        as_search_space(space)
