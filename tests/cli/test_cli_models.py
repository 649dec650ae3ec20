"""``extract``, ``show``, ``features``, ``score`` and ``prune`` on trained models; what is refused."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from nnstruct.cli.inputs import read_structures
from nnstruct.cli.models import ModelReading, read_model
from nnstruct.extract import extract
from nnstruct.structure import Structure

SOURCE = """
import torch
from torch import nn

def network():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 10)).eval()
    with torch.no_grad():
        module[0].weight[:, :10] = 0
        module[2].weight[:, 3] = 0
    return module, torch.zeros(1, 64)

def seeded(seed):
    return network()

def bare():
    return network()[0]

def nothing():
    return 3

def raises():
    raise RuntimeError("no data")

def more(a, b):
    return a

made = network()[0]

size = 4
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with one perceptron as an ONNX file, an exported module, a pickle and a function."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "mine.py").write_text(SOURCE)
    space: dict = {}
    exec(SOURCE, space)
    module, x = space["network"]()
    torch.onnx.export(module, (x,), str(folder / "net.onnx"), dynamo=False, input_names=["x"])
    torch.export.save(torch.export.export(module, (x,)), folder / "net.pt2")
    torch.save(module, folder / "net.pt")
    torch.save(module.state_dict(), folder / "state.pth")
    save_file(module.state_dict(), folder / "weights.safetensors")
    (folder / "old.pt").write_bytes((folder / "net.pt2").read_bytes())
    return folder


@pytest.fixture(scope="module")
def expected():
    space: dict = {}
    exec(SOURCE, space)
    return extract(*space["network"]()).structure


MODELS = ["net.onnx", "net.pt2", "old.pt", "mine.py:network", "mine.py:seeded"]


@pytest.mark.parametrize("name", MODELS)
def test_every_form_of_a_model_is_the_same_graph(call, models, expected, tmp_path, name):
    out = tmp_path / "graph.parquet"
    text = call("extract", models / name, "-o", out).stdout
    assert "80 in 3 layers, 11 dead" in text  # 10 inputs and a hidden unit
    weights = [line.split() for line in text.splitlines() if " linear " in line or "Gemm" in line]
    assert [(int(row[-4]), int(row[-3])) for row in weights] == [(384, 324), (60, 50)]
    (structure,) = read_structures(out)
    assert structure.fingerprint == expected.fingerprint
    assert read_structures(models / name) == [expected]


@pytest.mark.parametrize("suffix", [".graphml", ".json"])
def test_graphs_hold_the_weights_and_can_be_read_again(call, models, expected, tmp_path, suffix):
    out = tmp_path / f"graph{suffix}"
    assert call("extract", models / "net.pt2", "-o", out, "-q").stdout == ""
    (structure,) = read_structures(out)
    assert structure.fingerprint == expected.fingerprint
    graph = nx.read_graphml(out) if suffix == ".graphml" else nx.node_link_graph(json.loads(out.read_text()))
    weight = torch.export.load(models / "net.pt2").state_dict["0.weight"].detach()
    held = [data["weight"] for _, _, data in graph.edges(data=True)]
    values = [float(w) if isinstance(w, str) else w[0] for w in held]
    assert len(values) == 324 + 50
    assert float(weight.abs().max()) in np.abs(values).astype(np.float32)


def test_layers_as_units_a_picture_and_a_table(call, models, tmp_path):
    picture, table = tmp_path / "p" / "net.svg", tmp_path / "t" / "layers.csv"
    call("extract", models / "net.onnx", "--picture", picture, "-o", table)
    assert b"<svg" in picture.read_bytes()[:400]
    assert pd.read_csv(table)["nonzero"].tolist() == [324, 50]
    text = call("extract", f"{models / 'mine.py'}:bare", "--shape", "1,64", "--resolution", "layer").stdout
    assert "4 in 4 layers" in text
    assert (
        "4 in 4 layers"
        in call("show", models / "net.onnx", "--shape", "x=1,64", "--resolution", "layer").stdout
    )


def test_a_threshold_takes_weights_away(call, models, tmp_path):
    out = tmp_path / "graph.parquet"
    call("extract", models / "net.pt2", "--threshold", 0.1, "-o", out)
    weights = torch.export.load(models / "net.pt2").state_dict
    expected = sum(int((weights[name].abs() > 0.1).sum()) for name in ("0.weight", "2.weight"))
    assert read_structures(out)[0].num_edges == expected


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2", "mine.py:network"])
def test_a_model_is_shown_measured_and_scored(call, models, model_folder, expected, tmp_path, name):
    assert expected.fingerprint[:12] in call("show", models / name).stdout
    text = call("features", models / name, "-f", "paper", "-o", tmp_path / "f.csv").stdout
    assert "paper.nodes" in text
    row = pd.read_csv(tmp_path / "f.csv").iloc[0]
    assert (row["fingerprint"], row["paper.nodes"], row["paper.edges"]) == (expected.fingerprint, 80, 374)
    scored = call("score", model_folder, models / name, "-o", tmp_path / "s.csv", "--family", "module")
    assert "outside what RandomForest was fitted to (family: rnn_tanh" in scored.stderr
    assert pd.read_csv(tmp_path / "s.csv")["edges"].tolist() == [374]


def test_a_module_beside_the_command_and_an_installed_one(call, models, monkeypatch):
    monkeypatch.chdir(models)
    assert "11 dead" in call("show", "mine:network").stdout
    error = call("show", "torch.nn:Identity", code=1).stderr
    assert "must come with an example input" in error
    assert "There is no module nowhere" in call("show", "nowhere.at.all:f", code=1).stderr


@pytest.mark.parametrize("name", ["net.onnx", "mine.py:network", "mine.py:seeded"])
def test_a_model_is_pruned(call, models, name):
    text = call("prune", models / name, "digits", "-d", 0.5, "--epochs", 1, "--retrain", 0, "-q").stdout
    label, density, score = text.split()
    assert (label, density) == ("magnitude-class-blind", "0.5")
    assert 0 <= float(score) <= 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("net.pt", (), "torch.export.save(torch.export.export(module.eval(), (x,))"),
        ("state.pth", (), "in a file that holds no pickle"),
        ("absent.onnx", (), "There is no"),
        ("absent.py:f", (), "There is no"),
        ("mine.py:g", (), "name a function"),
        ("mine.py", (), "mine.py:FUNCTION; it returns"),
        ("mine.py:size", (), "name a function"),
        ("mine.py:nothing", (), "return a torch module"),
        ("mine.py:bare", (), "give --shape"),
        ("mine.py:bare", ("--shape", "one"), "--shape must be sizes"),
        ("net.onnx", ("--shape", "y=1,64"), "name inputs among"),
        ("net.onnx", ("--shape", "1,65"), "shapes must fit [1, 64] of the file for 'x', got (1, 65)"),
        ("net.onnx", ("--shape", "0,64"), "--shape must be sizes from 1"),
        ("net.pt2", ("--shape", "1,65"), "recorded, [1, 64], but for sizes that are free, got '[1, 65]'"),
        ("mine.py:raises", (), "got 'RuntimeError: no data'"),
        ("mine.py:more", (), "missing 2 required positional arguments"),
        ("weights.safetensors", (), "Weights alone do not say what is computed of them"),
        ("net.onnx", ("--resolution", "cell"), "resolution must be one of"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(call, models, name, options, message):
    result = call("show", models / name, *options, code=1)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_what_cannot_be_written_is_told_before_anything_is_read(call, models, tmp_path):
    assert (
        "--out must end with" in call("extract", models / "net.pt", "-o", tmp_path / "x.txt", code=1).stderr
    )


def test_a_network_of_nnstruct_is_read_from_its_file(call, tmp_path):
    from nnstruct import Network

    structure = Structure.from_layers([2, 3, 1])
    Network(structure, np.ones((9, 1)), np.zeros((6, 1))).save(tmp_path / "net.safetensors")
    assert read_structures(tmp_path / "net.safetensors") == [structure]
    assert structure.fingerprint[:12] in call("show", tmp_path / "net.safetensors").stdout


def test_a_module_that_a_file_has_made_needs_no_function(models):
    how = ModelReading(shapes={"0": (1, 64)})
    assert (
        read_model(models / "mine.py:made", how).structure == read_model(models / "mine.py:network").structure
    )


@pytest.mark.parametrize(("name", "task", "message"), [
    ("net.onnx", "iris", "take examples of 'iris', of shape [4], with 3 outputs"),
    ("mine.py:few", "digits", "with 10 outputs, got '4 outputs'"),
])  # fmt: skip
def test_a_model_is_pruned_on_tasks_that_it_takes(call, models, name, task, message):
    (models / "mine.py").write_text(SOURCE + "\ndef few():\n    return nn.Linear(64, 4)\n")
    assert message in call("prune", models / name, task, "-d", "0.5", code=1).stderr


def test_a_function_may_return_a_network(models):
    (models / "own.py").write_text(
        SOURCE + "\nfrom nnstruct import extract\ndef mine():\n    return extract(*network())\n"
    )
    assert read_structures(models / "own.py:mine") == read_structures(models / "mine.py:network")


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2", "mine.py:network"])
def test_a_model_is_scored_as_of_the_family_that_could_have_drawn_it(call, models, name, tmp_path):
    from nnstruct.predictors import BayesianRidge

    known = [Structure.from_layers([width, 6]) for width in range(3, 9)]
    BayesianRidge().fit(known, np.linspace(0.5, 0.9, 6)).save(tmp_path / "model")
    call("score", tmp_path / "model", models / name, "-o", tmp_path / "auto.csv")
    call("score", tmp_path / "model", models / name, "-o", tmp_path / "plain.csv", "--family", "module")
    auto, plain = (pd.read_csv(tmp_path / f"{end}.csv", keep_default_na=False) for end in ("auto", "plain"))
    assert auto["units"].tolist() == [6]
    assert "family" not in auto["outside"][0]
    assert plain["units"].tolist() == [64 + 6 + 10]
    assert "family" in plain["outside"][0]
    call("extract", models / name, "-o", tmp_path / "net.parquet", "--family", "auto")
    (read,) = read_structures(tmp_path / "net.parquet")
    assert (read.family, read.fingerprint) == ("mlp", auto["fingerprint"][0])
    assert "family must be one of" in call("extract", models / name, "--family", "mpl", code=1).stderr
