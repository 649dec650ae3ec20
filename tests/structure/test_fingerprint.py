"""The fingerprint is the same for every relabelling and tells apart what is not isomorphic."""

from __future__ import annotations

import itertools
from collections import defaultdict

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_structures, delayed_only, dense_layered, regular, structures, with_permutation

from nnstruct.structure import Structure
from nnstruct.structure import fingerprint as module
from nnstruct.structure.families import DIRECTED_FAMILIES, FAMILIES


def as_delayed(graph: nx.Graph) -> Structure:
    """An undirected graph as delayed edges both ways, so that nothing breaks its symmetry."""
    graph = nx.convert_node_labels_to_integers(graph)
    both = [pair for a, b in graph.edges for pair in ((a, b), (b, a))]
    return delayed_only(both, graph.number_of_nodes())


def isomorphic(first: Structure, second: Structure) -> bool:
    """By networkx, on the graph of all edges with their kinds and all that the units carry."""
    if first.family != second.family or set(first.attributes) != set(second.attributes):
        return False

    def labelled(structure: Structure) -> nx.DiGraph:
        graph = nx.DiGraph()
        for unit in range(structure.num_units):
            values = tuple((name, values[unit]) for name, values in structure.attributes.items())
            graph.add_node(unit, role=(structure.inputs[unit], structure.outputs[unit], values))
        kinds = defaultdict(set)
        flags = zip(structure.recurrent.tolist(), structure.residual.tolist(), strict=True)
        for source, target, kind in zip(*structure.edge_index, flags, strict=True):
            kinds[int(source), int(target)].add(kind)
        for pair, kind in kinds.items():
            graph.add_edge(*pair, kind=kind)
        return graph

    return nx.is_isomorphic(
        labelled(first),
        labelled(second),
        node_match=lambda a, b: a["role"] == b["role"],
        edge_match=lambda a, b: a["kind"] == b["kind"],
    )


def rook(n: int) -> nx.Graph:
    """Cells of a board, joined along rows and columns: strongly regular (16, 6, 2, 2) for n = 4."""
    return nx.line_graph(nx.complete_bipartite_graph(n, n))


def shrikhande() -> nx.Graph:
    """The other strongly regular graph (16, 6, 2, 2) (Shrikhande, 1959)."""
    graph = nx.Graph()
    for i, j in itertools.product(range(4), repeat=2):
        for di, dj in ((0, 1), (1, 0), (1, 1)):
            graph.add_edge((i, j), ((i + di) % 4, (j + dj) % 4))
    return graph


def chang() -> nx.Graph:
    """A strongly regular graph (28, 12, 6, 4): the triangular graph T(8), switched at a perfect matching."""
    cells = list(itertools.combinations(range(8), 2))
    switched = {(0, 1), (2, 3), (4, 5), (6, 7)}
    graph = nx.Graph()
    graph.add_nodes_from(cells)
    for a, b in itertools.combinations(cells, 2):
        meet, cross = bool(set(a) & set(b)), (a in switched) != (b in switched)
        if meet != cross:
            graph.add_edge(a, b)
    return graph


def cfi(base: nx.Graph, *, twisted: bool) -> nx.Graph:
    """Cai, Fuerer and Immerman's (1992) graph over a base; colour refinement cannot tell it from its twin."""
    graph = nx.Graph()
    first = next(iter(base.edges))
    for v in base:
        edges = [frozenset((v, w)) for w in base[v]]
        for r in range(0, len(edges) + 1, 2):
            for chosen in itertools.combinations(edges, r):
                for edge in edges:
                    graph.add_edge((v, chosen), (v, edge, edge in chosen))
    for a, b in base.edges:
        edge = frozenset((a, b))
        twist = twisted and (a, b) == first
        for bit in (False, True):
            graph.add_edge((a, edge, bit), (b, edge, bit != twist))
    return graph


def disjoint(graph: nx.Graph, copies: int) -> nx.Graph:
    return nx.disjoint_union_all([graph] * copies)


# ---- invariance


@settings(max_examples=60)
@given(with_permutation())
def test_relabelling_changes_nothing(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, permutation = drawn
    assert structure.relabel(permutation).fingerprint == structure.fingerprint


@settings(max_examples=60)
@given(with_permutation(st.one_of(dense_layered(), regular())), st.integers(1, 400))
def test_relabelling_changes_nothing_where_the_work_is_cut_short(
    drawn: tuple[Structure, np.ndarray], limit: int
) -> None:
    structure, permutation = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WORK_LIMIT", limit)
        assert module.fingerprint(structure.relabel(permutation)) == module.fingerprint(structure)


SYMMETRIC = {
    "petersen": nx.petersen_graph(),
    "cube": nx.hypercube_graph(4),
    "dodecahedron": nx.dodecahedral_graph(),
    "complete": nx.complete_graph(12),
    "complete bipartite": nx.complete_bipartite_graph(5, 7),
    "paley": nx.Graph(nx.paley_graph(13)),
    "circulant": nx.circulant_graph(20, [1, 4, 7]),
    "cubic": nx.random_regular_graph(3, 40, seed=1),
    "no edges": nx.empty_graph(9),
    "five triangles": disjoint(nx.cycle_graph(3), 5),
    "twenty pairs": disjoint(nx.path_graph(2), 20),
    "rook": rook(4),
    "cfi": cfi(nx.complete_graph(4), twisted=True),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_relabelling_symmetric_graphs(name: str) -> None:
    structure = as_delayed(SYMMETRIC[name])
    for seed in range(3):
        permutation = np.random.default_rng(seed).permutation(structure.num_units)
        assert structure.relabel(permutation).fingerprint == structure.fingerprint


def test_relabelling_a_large_graph() -> None:
    structure = Structure.from_networkx(nx.barabasi_albert_graph(600, 3, seed=0), family="lstm")
    permutation = np.random.default_rng(0).permutation(600)
    assert structure.relabel(permutation).fingerprint == structure.fingerprint


def test_several_tied_classes_with_attributes() -> None:
    # Two copies of one tree, tied at every depth; then an attribute on one leaf unties them.
    edges = np.array([[0, 0, 1, 1, 2, 2], [1, 2, 3, 4, 5, 6]])
    twice = np.concatenate([edges, edges + 7], axis=1)
    marks = [[0] * 14 for _ in range(3)]
    marks[1][3], marks[2][12] = 1, 1
    plain, left, right = (Structure(twice, 14, attributes={"stage": stages}) for stages in marks)
    for structure in (plain, left, right):
        permutation = np.random.default_rng(1).permutation(14)
        assert structure.relabel(permutation).fingerprint == structure.fingerprint
    assert left.fingerprint == right.fingerprint != plain.fingerprint


def test_same_digits_on_every_machine() -> None:
    assert Structure.from_layers([2, 3, 1]).fingerprint == "ecccc0760bd86a9506d5328bf016afbb"
    graph = nx.DiGraph([(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)])
    assert Structure.from_networkx(graph, family="gru").fingerprint == "88cebabf96b360c6caca61b5f807b709"


# ---- strength


@settings(max_examples=60)
@given(
    structures(max_units=5, attributes=False),
    structures(max_units=5, attributes=False),
)
def test_it_agrees_with_networkx_on_pairs(first: Structure, second: Structure) -> None:
    assert (first.fingerprint == second.fingerprint) == isomorphic(first, second)


@settings(max_examples=60)
@given(structures(("gru",), min_units=2, max_units=6), st.data())
def test_it_agrees_with_networkx_on_neighbours(structure: Structure, data: st.DataObject) -> None:
    """One delayed edge or one flag moved: often isomorphic, often nearly so."""
    n = structure.num_units
    adjacency = np.zeros((n, n), dtype=bool)
    adjacency[tuple(structure.recurrent_edges)] = True
    present, absent = np.argwhere(adjacency), np.argwhere(~adjacency)
    if len(present) and len(absent):
        adjacency[tuple(present[data.draw(st.integers(0, len(present) - 1))])] = False
        adjacency[tuple(absent[data.draw(st.integers(0, len(absent) - 1))])] = True
    delayed = np.stack(np.nonzero(adjacency))
    other = Structure(
        np.concatenate([structure.forward_edges, delayed], axis=1),
        n,
        recurrent=np.repeat([False, True], [structure.forward_edges.shape[1], delayed.shape[1]]),
        family="gru",
        inputs=structure.inputs,
        outputs=structure.outputs,
        attributes=structure.attributes,
        residual=np.pad(structure.residual[~structure.recurrent], (0, delayed.shape[1])),
    )
    assert (structure.fingerprint == other.fingerprint) == isomorphic(structure, other)


@pytest.mark.parametrize(("n", "classes"), [(1, 1), (2, 2), (3, 6), (4, 31), (5, 302)])
def test_every_acyclic_graph_with_up_to_five_units(n: int, classes: int) -> None:
    """As many fingerprints as unlabelled acyclic digraphs (https://oeis.org/A003087), class by class."""
    pairs = list(itertools.combinations(range(n), 2))
    permutations = [np.array(p) for p in itertools.permutations(range(n))]
    found: dict[bytes, set[str]] = defaultdict(set)
    for taken in itertools.product([False, True], repeat=len(pairs)):
        edges = np.array(list(itertools.compress(pairs, taken)), dtype=np.int64).reshape(-1, 2).T
        adjacency = np.zeros((n, n), dtype=bool)
        adjacency[tuple(edges)] = True
        canonical = max(adjacency[np.ix_(p, p)].tobytes() for p in permutations)
        found[canonical].add(Structure(edges, n).fingerprint)
    assert len(found) == classes
    assert all(len(prints) == 1 for prints in found.values())
    assert len(set().union(*found.values())) == classes


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (2, 10), (3, 104)])
def test_every_digraph_of_delayed_edges_with_up_to_three_units(n: int, classes: int) -> None:
    """As many fingerprints as unlabelled digraphs with loops (https://oeis.org/A000595)."""
    pairs = list(itertools.product(range(n), repeat=2))
    prints = {
        delayed_only(list(itertools.compress(pairs, taken)), n).fingerprint
        for taken in itertools.product([False, True], repeat=len(pairs))
    }
    assert len(prints) == classes


def test_every_undirected_graph_with_up_to_seven_nodes() -> None:
    """The atlas holds each isomorphism class once (Read and Wilson, 1998)."""
    graphs = nx.graph_atlas_g()[1:]
    assert len({as_delayed(graph).fingerprint for graph in graphs}) == len(graphs) == 1252


HARD_PAIRS = {
    "six-cycle, two triangles": (nx.cycle_graph(6), disjoint(nx.cycle_graph(3), 2)),
    "four six-cycles, eight triangles": (disjoint(nx.cycle_graph(6), 4), disjoint(nx.cycle_graph(3), 8)),
    "prism, K33": (nx.circular_ladder_graph(3), nx.complete_bipartite_graph(3, 3)),
    "circulants, 16 nodes": (nx.circulant_graph(16, [1, 2, 7]), nx.circulant_graph(16, [1, 2, 5])),
    "strongly regular, 16 nodes": (rook(4), shrikhande()),
    "strongly regular, 28 nodes": (nx.line_graph(nx.complete_graph(8)), chang()),
    "CFI over K4": tuple(cfi(nx.complete_graph(4), twisted=twisted) for twisted in (False, True)),
    "CFI over the prism": tuple(
        cfi(nx.circular_ladder_graph(3), twisted=twisted) for twisted in (False, True)
    ),
    "circulants, 40 nodes": (nx.circulant_graph(40, [1, 8]), nx.circulant_graph(40, [1, 12])),
}


@pytest.mark.parametrize("name", HARD_PAIRS)
def test_hard_pairs(name: str) -> None:
    first, second = HARD_PAIRS[name]
    assert sorted(dict(first.degree).values()) == sorted(dict(second.degree).values())
    assert as_delayed(first).fingerprint != as_delayed(second).fingerprint
    permutation = np.random.default_rng(0).permutation(first.number_of_nodes())
    assert as_delayed(first).relabel(permutation).fingerprint == as_delayed(first).fingerprint


def test_directed_circulants_by_their_isomorphism() -> None:
    n = 7
    offsets = list(itertools.combinations(range(1, n), 2))
    built = {d: delayed_only([(u, (u + step) % n) for u in range(n) for step in d], n) for d in offsets}
    for first, second in itertools.combinations(offsets, 2):
        # For a prime n circulants are isomorphic only by multiplication (Elspas and Turner, 1970).
        same = any({k * step % n for step in first} == set(second) for k in range(1, n))
        assert (built[first].fingerprint == built[second].fingerprint) == same


def test_isomorphic_circulants_that_no_multiplication_joins() -> None:
    """The smallest such pair (Elspas and Turner, 1970)."""
    first, second = nx.circulant_graph(16, [1, 2, 7]), nx.circulant_graph(16, [2, 3, 5])
    assert as_delayed(first).fingerprint == as_delayed(second).fingerprint


def test_direction_kind_and_self_loops_count() -> None:
    path = [(0, 1), (1, 2)]
    assert delayed_only(path, 3).fingerprint != delayed_only([(0, 1), (2, 1)], 3).fingerprint
    # Two tied units with one delayed neighbour in their class each: the other one, or itself.
    crossed, looped = delayed_only([(0, 1), (1, 0)], 2), delayed_only([(0, 0), (1, 1)], 2)
    assert crossed.fingerprint != looped.fingerprint
    forward = Structure([[0], [1]], 2, family="gru", inputs=np.ones(2, bool), outputs=np.ones(2, bool))
    delayed = Structure([[0], [1]], 2, family="gru", recurrent=[True])
    assert forward.fingerprint != delayed.fingerprint


def test_kinds_of_edges_between_two_classes_are_settled_each_for_itself() -> None:
    """Two pairs joined forward; delayed edges run along them or across, four edges in all either way."""
    recurrent = np.array([False, False, True, True])
    along = Structure([[0, 1, 0, 1], [2, 3, 2, 3]], 4, recurrent=recurrent, family="gru")
    across = Structure([[0, 1, 0, 1], [2, 3, 3, 2]], 4, recurrent=recurrent, family="gru")
    assert along.fingerprint != across.fingerprint


@given(any_structures)
def test_the_family_counts(structure: Structure) -> None:
    prints = set()
    for family in DIRECTED_FAMILIES:
        if FAMILIES[family].recurrent or not structure.recurrent.any():
            prints.add(
                Structure(
                    structure.edge_index,
                    structure.num_units,
                    recurrent=structure.recurrent,
                    family=family,
                    inputs=structure.inputs,
                    outputs=structure.outputs,
                    attributes=structure.attributes,
                ).fingerprint
            )
    assert len(prints) >= 5


def test_attributes_count_by_name_value_and_type() -> None:
    edges = [[0], [1]]
    prints = {
        Structure(edges, 2, attributes=attributes).fingerprint
        for attributes in (
            {},
            {"stage": [0, 1]},
            {"stage": [1, 0]},
            {"stage": ["0", "1"]},
            {"operator": ["0", "1"]},
            {"operator": ["0", "1"], "activation": ["0", "1"]},
        )
    }
    assert len(prints) == 6


def test_a_dense_net_needs_no_search() -> None:
    structure = Structure.from_layers([5, 8, 8, 3], family="lstm")
    refine = module._Refiner(structure)
    row, unit = refine.smallest_unsettled(refine(module._start_colours(structure)[None]))
    assert len(row) == len(unit) == 0


def test_the_search_is_bounded() -> None:
    """Far too symmetric to be searched through; it must end all the same."""
    structure = as_delayed(disjoint(nx.cycle_graph(5), 60))
    assert len(structure.fingerprint) == 32


@st.composite
def near_forests(draw: st.DrawFn) -> Structure:
    """A hub with legs, many of them alike, and perhaps one more edge."""
    edges, units = [], 1
    for length in draw(st.lists(st.integers(1, 3), min_size=2, max_size=6)):
        before = 0
        for _ in range(length):
            edges.append((before, units))
            before, units = units, units + 1
    if draw(st.booleans()):
        source = draw(st.integers(0, units - 2))
        edges.append((source, draw(st.integers(source + 1, units - 1))))
    return Structure(np.array(sorted(set(edges))).T, units)


@given(structure=near_forests())
def test_one_branch_for_all_that_are_alike_gives_the_same_digits(structure: Structure) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Refiner, "leaves_a_forest", lambda self, colours: False)
        every_branch = module.fingerprint(structure)
    assert module.fingerprint(structure) == every_branch


def test_a_tree_of_many_legs_is_followed_along_one_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    legs = [(0, 1 + 3 * leg) for leg in range(40)]
    legs += [(1 + 3 * leg + step, 2 + 3 * leg + step) for leg in range(40) for step in range(2)]
    rows = []
    refine = module._Refiner.__call__
    monkeypatch.setattr(
        module._Refiner, "__call__", lambda self, colours: rows.append(len(colours)) or refine(self, colours)
    )
    module.fingerprint(Structure(np.array(legs).T, 121))
    assert len(rows) > 1
    assert set(rows) == {1}
