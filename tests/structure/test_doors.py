"""Graphs that others have made come in by their edges, matrices, files and strings."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data

from nnstruct import Structure, load_structures, save_structures
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, StructureError
from nnstruct.search import CellSpace
from nnstruct.structure.genotypes import Genotype, genotype_structure
from nnstruct.tables.nasbench201 import cell_structure, parse_cell

DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3)]
CELLS = [("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 0), ("sep_conv_5x5", 2)]
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|"


def test_edges_give_what_the_constructor_gives() -> None:
    assert Structure.from_edges(DIAMOND) == Structure(np.array(DIAMOND).T, 4)
    assert Structure.from_edges(np.array(DIAMOND)) == Structure(np.array(DIAMOND).T, 4)


def test_names_are_numbered_as_they_come_up() -> None:
    named = [("x", "a"), ("x", "b"), ("a", "y"), ("b", "y")]
    assert Structure.from_edges(named) == Structure.from_edges(DIAMOND)


@pytest.mark.parametrize("family", ["mlp", "cnn", "rnn_tanh", "lstm"])
def test_edges_and_matrices_agree_with_networkx(family: str) -> None:
    graph = nx.DiGraph([(0, 2), (1, 2), (2, 3), (0, 3)])
    wanted = Structure.from_networkx(nx.relabel_nodes(graph, {}), family=family)
    matrix = nx.to_numpy_array(graph, nodelist=range(4))
    assert Structure.from_edges(graph.edges, family=family).fingerprint == wanted.fingerprint
    for given in (matrix, matrix.tolist(), sp.csr_array(matrix), torch.from_numpy(matrix)):
        assert Structure.from_adjacency(given, family=family).fingerprint == wanted.fingerprint


def test_a_graph_without_directions_is_led_from_lower_to_higher_units() -> None:
    graph = nx.barabasi_albert_graph(20, 2, seed=1)
    wanted = Structure.from_networkx(graph)
    both = torch.tensor(list(nx.to_directed(graph).edges)).T
    assert Structure.from_adjacency(nx.to_numpy_array(graph)) == wanted
    assert Structure.from_pyg(Data(edge_index=both, num_nodes=20)) == wanted
    relational = Structure.from_networkx(graph, undirected=True)
    assert Structure.from_edges(graph.edges, family="relational") == relational


def test_given_delayed_edges_take_the_place_of_the_usual_ones() -> None:
    chain = Structure.from_edges([(0, 1), (1, 2)], family="gru", recurrent=[(2, 0)])
    assert chain.recurrent_edges.T.tolist() == [[2, 0]]
    assert len(Structure.from_edges([(0, 1)], family="gru", recurrent=[]).recurrent_edges.T) == 0
    assert len(Structure.from_edges([(0, 1)], family="gru").recurrent_edges.T) == 2


def test_a_pyg_graph_of_any_make() -> None:
    data = Data(x=torch.zeros(3, 5), edge_index=torch.tensor([[0, 0, 1], [1, 2, 2]]), y=torch.tensor(1))
    assert Structure.from_pyg(data, family="lstm") == Structure.from_edges(
        [(0, 1), (0, 2), (1, 2)], family="lstm"
    )
    data.recurrent = torch.tensor([False, False, True])
    marked = Structure.from_pyg(data, family="rnn_tanh")
    assert marked.recurrent_edges.T.tolist() == [[1, 2]]
    with pytest.raises(InvalidInputError, match="family must be that of the graph, 'mlp'"):
        Structure.from_pyg(Structure.from_edges(DIAMOND).to_pyg(), family="cnn")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(0, 1), (1, 2), (2, 0)], "have no cycle of forward edges"),
        ([(0, 1), 2], r"pairs\[1\] must be a pair \(source, target\), got 2"),
        ([[0, 1, 1], [1, 2, 3]], r"pairs\[0\] must be a pair .* goes to Structure\(edge_index"),
        ([(0, 1), (3, 4)], "leave no unit without an edge, got 'isolated unit 2'"),
        (["ab"], r"pairs\[0\] must be a pair"),
    ],
)
def test_what_is_wrong_with_edges_is_said(pairs, message) -> None:
    with pytest.raises(StructureError, match=message):
        Structure.from_edges(pairs)


def test_a_matrix_is_square() -> None:
    with pytest.raises(StructureError, match=r"matrix must have shape \[N, N\], got \[2, 3\]"):
        Structure.from_adjacency(np.zeros((2, 3)))


def test_a_cell_is_what_the_table_has() -> None:
    assert Structure.from_cell(CELL) == cell_structure(parse_cell(CELL))
    assert CellSpace.nasbench201().contains(Structure.from_cell(CELL))


def test_a_genotype_is_read_and_not_run() -> None:
    text = repr(Genotype(CELLS, [2, 3], CELLS, [2, 3])).replace(
        "normal_concat=[2, 3]", "normal_concat=range(2, 4)"
    )
    pair = Structure.from_cell(text)
    assert pair == genotype_structure(Genotype(CELLS, [2, 3], CELLS, [2, 3]), None, None, {})
    assert pair.attributes["operator"][2:6] == ("sepconv3x3", "identity", "maxpool3x3", "sepconv5x5")
    for wrong in (text.replace("range(2, 4)", "open('x')"), "Genotype()", "|conv~0", "|a~0|+|a~1|", 3):
        with pytest.raises(InvalidInputError):
            Structure.from_cell(wrong)


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_structures_come_back_from_their_file(tmp_path: Path, suffix: str) -> None:
    nets = [
        Structure.from_layers([2, 3]),
        Structure.from_layers([2, 2], family="gru"),
        Structure.from_cell(CELL),
    ]
    file = save_structures(nets, tmp_path / "new" / f"nets{suffix}")
    assert load_structures(file) == nets
    assert load_structures(str(file), verify=False) == nets


def test_a_damaged_fingerprint_is_found_unless_it_is_believed(tmp_path: Path) -> None:
    import pyarrow as pa

    from nnstruct.files import parquet_bytes, write_atomically
    from nnstruct.structure.interchange import to_arrow

    table = to_arrow([Structure.from_layers([2, 3])] * 100)
    names = table.column(0).to_pylist()
    for row, found in ((0, True), (1, False)):
        wrong = pa.array([*names[:row], "0" * 32, *names[row + 1 :]])
        write_atomically(
            tmp_path / "a.parquet", parquet_bytes(table.set_column(0, table.schema.field(0), wrong))
        )
        with pytest.raises(CorruptFileError, match=f"row {row}: the fingerprint"):
            load_structures(tmp_path / "a.parquet")
        if found:  # one of those that are always looked at
            with pytest.raises(CorruptFileError, match="row 0: the fingerprint"):
                load_structures(tmp_path / "a.parquet", verify=False)
        else:
            assert load_structures(tmp_path / "a.parquet", verify=False)[1].fingerprint == "0" * 32


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"path must end with \.parquet or \.json"):
        save_structures([Structure.from_layers([2, 3])], tmp_path / "a.csv")
    with pytest.raises(MissingDataError, match="There is no"):
        load_structures(tmp_path / "none.parquet")
    (tmp_path / "a.pkl").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="Pickle files are never read"):
        load_structures(tmp_path / "a.pkl")
    (tmp_path / "empty.json").write_text(json.dumps([]))
    with pytest.raises(InvalidInputError, match="hold at least one structure"):
        load_structures(tmp_path / "empty.json")
