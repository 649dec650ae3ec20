"""The command ``features`` on a benchmark and on structures, and its errors."""

from __future__ import annotations

import json

import networkx as nx
import pandas as pd
import pytest


def test_features_of_a_benchmark(call, bench_folder, tmp_path):
    result = call(
        "features", bench_folder, "-f", "paper,layered", "--importance", "--top", "5",
        "--picture", tmp_path / "features.png", "-o", tmp_path / "features.csv",
    )  # fmt: skip
    assert "Measures that go with the label of 16 structures" in result.stdout
    assert "R2 lost by shuffling a family" in result.stdout
    assert (tmp_path / "features.png").read_bytes().startswith(b"\x89PNG")
    written = pd.read_csv(tmp_path / "features.csv")
    assert list(written.columns[:3]) == ["fingerprint", "label", "paper.layers"]
    assert len(written) == 16
    assert len(written.columns) == 2 + 23 + 34


def test_all_families_by_default(call, bench_folder):
    assert "." in call("features", bench_folder).stdout
    assert call("features", bench_folder, "--quiet").stdout == ""


def test_features_of_graphs(call, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(nx.node_link_data(nx.path_graph(4), edges="edges")))
    result = call("features", path, "-f", "motifs", "-o", tmp_path / "out.csv")
    assert "1 structure, 27 measures of motifs" in result.stdout
    assert "label" not in pd.read_csv(tmp_path / "out.csv").columns


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-f", "papers"), "Did you mean 'paper'"),
        (("--picture", "a.bmp"), "end with .png"),
        (("-f", "paper,paper"), "name each family once"),
    ],
)
def test_wrong_options(call, bench_folder, options, message):
    result = call("features", bench_folder, *options, code=1)
    assert message in result.stderr


def test_importance_needs_labels(call, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(nx.node_link_data(nx.path_graph(4), edges="edges")))
    assert "be given with a benchmark" in call("features", path, "--importance", code=1).stderr
