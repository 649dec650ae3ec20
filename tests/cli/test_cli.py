"""Every command on real input, and what it says when the input is wrong."""

from __future__ import annotations

import json
import os
import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_benchmark import RECIPE

from nnstruct import Space, Structure, __version__, load_predictor
from nnstruct.benchmark import Benchmark
from nnstruct.cli.inputs import read_structures
from nnstruct.cli.score import _predictor
from nnstruct.predictors import Ensemble
from nnstruct.priors import sample
from nnstruct.recipes.predictor import describe
from nnstruct.structure.interchange import to_arrow
from nnstruct.tasks import load_task


def one_sentence(result):
    """The error alone on the standard error: one line, no traceback."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.output
    return lines[0]


# ---- help, version, usage


def test_help_names_every_command(call):
    text = call("--help").output
    commands = "quickstart build train evaluate leaderboard extract score search show"
    for command in commands.split():
        assert f" {command} " in text
        assert "Usage" in call(command, "--help").output


def test_version(call):
    assert call("--version").output == f"nnstruct {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [("bulid",), ("build",), ("show", "x", "--no-such-option"), ("search", "--units", "3"), ("score", "one"),
     ("evaluate", "x", "--folds", "1"), ("quickstart", "--structures", "3")],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(call, arguments):
    result = call(*arguments, code=2)
    assert "Error" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


# ---- build


def test_build_makes_a_benchmark_and_skips_what_is_done(call, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("count = 16", "count = 3"))
    result = call("build", tmp_path / "recipe.toml", "--workers", 1)
    assert "3 structures of the family rnn_tanh, 2 seeds each" in result.output
    assert "noise ceiling" in result.output
    records = (tmp_path / "data/records.parquet").read_bytes()
    call("build", tmp_path, "-w", 1)
    assert (tmp_path / "data/records.parquet").read_bytes() == records
    assert len(Benchmark.load(tmp_path)) == 3


def test_quiet_build_prints_the_folder_only(call, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("count = 16", "count = 2"))
    result = call("build", tmp_path, "--out", tmp_path / "o", "--quiet", "-w", 1)
    assert result.output == f"{tmp_path / 'o'}\n"


def test_build_reads_public_data_from_the_folder_named(call, tmp_path, monkeypatch):
    monkeypatch.setenv("NNSTRUCT_DATA", str(tmp_path / "elsewhere"))
    recipe = RECIPE.replace('name = "reber"', 'name = "reber-stier2021"').replace("count = 16", "count = 1")
    recipe = "\n".join(line for line in recipe.splitlines() if not line.startswith("options"))
    (tmp_path / "r.toml").write_text(recipe)
    for arguments, folder in (((), "elsewhere"), (("--data", tmp_path / "here"), "here")):
        error = one_sentence(call("build", tmp_path / "r.toml", *arguments, code=1))
        assert f"The data directory {tmp_path / folder} does not exist." in error
    assert os.environ["NNSTRUCT_DATA"] == str(tmp_path / "elsewhere")


def test_build_says_when_the_device_is_not_there(call, tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE.replace("count = 16", "count = 1"))
    error = one_sentence(call("build", tmp_path / "r.toml", "--device", "gpu", code=1))
    assert "device must be 'cpu', 'cuda' or 'cuda:' and a number, got 'gpu'" in error


def test_a_wrong_key_in_a_recipe(call, tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE.replace("count", "cuont"))
    error = one_sentence(call("build", tmp_path / "r.toml", code=1))
    assert str(tmp_path / "r.toml") in error
    assert "got 'cuont'. Did you mean 'count'?" in error


def test_a_missing_recipe(call, tmp_path):
    assert "There is no recipe" in one_sentence(call("build", tmp_path / "no.toml", code=1))


def test_an_unknown_prior(call, tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE.replace("count = 16", 'count = 16\npriors = ["erdos-reny"]'))
    assert "Did you mean 'erdos-renyi'?" in one_sentence(call("build", tmp_path / "r.toml", code=1))


def test_debug_shows_the_traceback(call, tmp_path):
    result = call("build", tmp_path / "no.toml", "--debug", code=1)
    assert "Traceback" in result.stderr
    assert result.stderr.rstrip().splitlines()[-1].startswith("Error: There is no recipe")


# ---- train

PREDICTOR = '[benchmark]\npath = "{path}"\n[predictor]\nname = "bayesian-ridge"\n[evaluation]\nrepeats = 1\n'


def test_train_evaluates_and_saves(call, bench_folder, tmp_path):
    recipe = tmp_path / "ridge.toml"
    recipe.write_text(PREDICTOR.format(path=bench_folder) + "[expected]\nmae = [0, 1]\nkendall = [2, 3]\n")
    result = call("train", recipe, "--out", tmp_path / "model")
    assert "within" in result.output
    assert "outside" in result.output
    assert "Warning: not as the recipe expects: kendall." in result.stderr
    assert load_predictor(tmp_path / "model").num_structures_ == 16
    call("train", recipe, "--out", tmp_path / "model", "--strict", code=1)
    recipe.write_text(PREDICTOR.format(path=bench_folder) + "[expected]\nmae = [0, 1]\n")
    quiet = call("train", recipe, "--out", tmp_path / "model", "--strict", "--quiet")
    assert quiet.output == f"{tmp_path / 'model'}\n"


def test_train_does_not_replace_what_is_no_predictor(call, bench_folder, tmp_path):
    (tmp_path / "r.toml").write_text(PREDICTOR.format(path=bench_folder))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    one_sentence(call("train", tmp_path / "r.toml", "--out", tmp_path / "mine", "-q", code=1))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


# ---- evaluate


def test_evaluate_prints_scores_beside_the_ceiling(call, bench_folder, tmp_path):
    result = call(
        "evaluate", bench_folder, "-p", "mean, bayesian-ridge", "--repeats", 1, "--target", "val_auc", "-q",
        "--out", tmp_path / "a" / "s.csv",
    )  # fmt: skip
    assert "noise ceiling" in result.output
    table = pd.read_csv(tmp_path / "a" / "s.csv", index_col="predictor")
    assert set(table.index) == {"mean", "bayesian-ridge"}
    assert table["ceiling"].iloc[0] == pytest.approx(
        Benchmark.load(bench_folder, target="val_auc").noise_ceiling.value
    )


def test_evaluate_by_numbers_of_labels_and_a_leaderboard(call, bench_folder, tmp_path):
    options = ("--train-sizes", "4, 0.5", "--draws", 2, "--protocol", "unseen,all-rows", "-q")
    result = call(
        "evaluate", bench_folder, "-p", "mean", *options, "--save", tmp_path / "r", "-o", tmp_path / "s.csv"
    )
    assert "2 random training sets of each size" in result.output
    assert "mean, 4, unseen" in result.output
    table = pd.read_csv(tmp_path / "s.csv")
    assert table["train_size"].tolist() == [4, 4, 8, 8]
    assert table["protocol"].tolist() == ["unseen", "all-rows"] * 2
    shown = call("leaderboard", tmp_path / "r").output
    assert bench_folder.name in shown
    error = one_sentence(call("leaderboard", tmp_path / "s.csv", code=1))
    assert "must be a file results.parquet, or its folder" in error
    assert "nnstruct evaluate --save FOLDER" in error
    assert f"4 rows written to {tmp_path / 'board.md'}" in " ".join(
        call("leaderboard", tmp_path, "--out", tmp_path / "board.md", "--metric", "mae").output.split()
    )
    assert f"## {bench_folder.name} test" in (tmp_path / "board.md").read_text()


def test_what_is_no_size_and_no_page(call, bench_folder, tmp_path):
    error = one_sentence(call("evaluate", bench_folder, "-p", "mean", "--train-sizes", "4,many", code=1))
    assert "--train-sizes must be numbers of structures, or shares with a point" in error
    assert "holds no results.parquet" in one_sentence(call("leaderboard", tmp_path, code=1))


def test_an_unknown_predictor(call, bench_folder):
    error = one_sentence(call("evaluate", bench_folder, "--predictors", "mean,random-forrest", code=1))
    assert "Did you mean 'random-forest'?" in error


def test_an_unknown_target(call, bench_folder):
    assert "target must be one of" in one_sentence(call("evaluate", bench_folder, "--target", "tset", code=1))


def test_a_missing_benchmark(call, tmp_path):
    assert "There is no benchmark" in one_sentence(call("evaluate", tmp_path / "none", code=1))


def test_a_damaged_benchmark(call, bench_folder, tmp_path):
    import shutil

    shutil.copytree(bench_folder, tmp_path / "b")
    path = tmp_path / "b/data/records.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "records.parquet" in one_sentence(call("show", tmp_path / "b", code=1))


# ---- score


def test_score_a_benchmark(call, bench_folder, model_folder, tmp_path):
    result = call("score", model_folder, bench_folder, "--out", tmp_path / "s.csv", "--limit", 3)
    bench = Benchmark.load(bench_folder)
    rows = pd.read_csv(tmp_path / "s.csv")
    mean, std = load_predictor(model_folder).predict(bench.structures, return_std=True)
    assert rows["fingerprint"].tolist() == bench.fingerprints
    np.testing.assert_allclose(rows["prediction"], mean, rtol=1e-12)
    np.testing.assert_allclose(rows["std"], std, rtol=1e-12)
    np.testing.assert_allclose(rows["measured"], bench.y, rtol=1e-12)
    assert rows["units"].tolist() == [s.num_units for s in bench.structures]
    assert rows["edges"].tolist() == [s.forward_edges.shape[1] for s in bench.structures]
    assert "13 more rows" in result.output
    assert bench.fingerprints[int(np.argmax(mean))][:12] in result.output


STRUCTURES = sample(Space("rnn_tanh", units=(4, 9)), 3, seed=7)


def as_parquet(folder):
    pq.write_table(to_arrow(STRUCTURES), folder / "s.parquet")
    return folder / "s.parquet", STRUCTURES


def as_graphml(folder):
    nx.write_graphml(STRUCTURES[0].to_networkx(), folder / "s.graphml")
    return folder / "s.graphml", STRUCTURES[:1]


def as_json(folder):
    content = [nx.node_link_data(s.to_networkx(), edges="edges") for s in STRUCTURES]
    (folder / "s.json").write_text(json.dumps(content))
    return folder / "s.json", STRUCTURES


def as_old_json(folder):
    (folder / "s.json").write_text(json.dumps(nx.node_link_data(STRUCTURES[1].to_networkx(), edges="links")))
    return folder / "s.json", STRUCTURES[1:2]


@pytest.mark.parametrize("written", [as_parquet, as_graphml, as_json, as_old_json])
def test_score_a_file(call, model_folder, tmp_path, written):
    path, structures = written(tmp_path)
    assert read_structures(path) == structures
    call("score", model_folder, path, "--out", tmp_path / "s.csv", "-q")
    rows = pd.read_csv(tmp_path / "s.csv")
    assert rows["fingerprint"].tolist() == [s.fingerprint for s in structures]
    assert "measured" not in rows


def test_a_graph_without_a_family_takes_the_predictors(call, model_folder, tmp_path):
    graph = nx.barabasi_albert_graph(8, 2, seed=0)
    nx.write_graphml(graph, tmp_path / "g.graphml")
    wanted = Structure.from_networkx(graph, family="rnn_tanh")
    result = call("score", model_folder, tmp_path / "g.graphml")
    assert wanted.fingerprint[:12] in result.output
    assert "family" not in result.stderr
    other = call("score", model_folder, tmp_path / "g.graphml", "--family", "gru")
    assert "outside what RandomForest was fitted to (family: rnn_tanh" in other.stderr


def test_a_pickle_is_never_read(call, bench_folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for name in ("model.pkl", "s.json", "s.parquet", "s.graphml"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    assert "pickle" in one_sentence(call("score", tmp_path / "model.pkl", bench_folder, code=1))
    for name in ("model.pkl", "s.json", "s.parquet", "s.graphml"):
        one_sentence(call("show", tmp_path / name, code=1))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.json", '{"nodes": []}', "node-link"),
        ("s.json", "[1, 2]", "node-link"),
        ("s.json", "[]", "at least one structure"),
        ("s.graphml", "<graphml", "is not a GraphML file"),
        ("s.parquet", "PAR1", "is not a readable Parquet file"),
        ("s.txt", "", "the file must end with"),
        ("s.json", json.dumps(nx.node_link_data(nx.DiGraph([(0, 1), (1, 0)]), edges="edges")), "no cycle"),
    ],
)
def test_a_file_that_holds_no_structures(call, model_folder, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    assert message in one_sentence(call("score", model_folder, tmp_path / name, code=1))


def test_missing_files(call, model_folder, bench_folder, tmp_path):
    assert "There is no" in one_sentence(call("score", model_folder, tmp_path / "no.json", code=1))
    assert "There is no" in one_sentence(call("score", tmp_path / "no", bench_folder, code=1))
    assert "There is no" in one_sentence(call("show", tmp_path / "no", code=1))
    assert "Did you mean 'reber-rnn'?" in one_sentence(call("score", "reber-rn", bench_folder, code=1))
    assert "must be a benchmark" in one_sentence(call("show", tmp_path, code=1))


def test_a_predictor_is_no_structures_and_a_file_no_predictor(call, model_folder, tmp_path):
    assert "STRUCTURES must be" in one_sentence(call("score", model_folder, model_folder, code=1))
    path, _ = as_parquet(tmp_path)
    assert "MODEL must be the folder" in one_sentence(call("score", path, path, code=1))


def test_a_benchmark_in_place_of_a_predictor_fits_the_default(call, bench_folder, tmp_path):
    path, structures = as_parquet(tmp_path)
    call("score", bench_folder, path, "--out", tmp_path / "s.csv", "-q")
    bench = Benchmark.load(bench_folder)
    model = Ensemble().fit(bench.structures, bench.y, y_std=bench.label_noise)
    rows = pd.read_csv(tmp_path / "s.csv")
    np.testing.assert_allclose(rows["prediction"], model.predict(structures), rtol=1e-9)
    assert _predictor(bench_folder, None)[0].bounds_ == bench.bounds == (0.0, 1.0)


# ---- show


def test_show_a_benchmark_and_draw_it(call, bench_folder, tmp_path):
    result = call("show", bench_folder, "--picture", tmp_path / "p" / "best.png")
    bench = Benchmark.load(bench_folder)
    assert bench.fingerprints[int(np.argmax(bench.y))][:12] in result.output
    for part in ("16 with a label", "epochs 2", "barabasi-albert", "val_auc", "noise ceiling"):
        assert part in result.output
    assert (tmp_path / "p" / "best.png").read_bytes().startswith(b"\x89PNG")


def test_a_benchmark_of_scores_goes_where_another_goes(call, tmp_path):
    nets = [Structure.from_layers([n, 2]) for n in range(1, 13)]
    scores = {"a": [n / 20 for n in range(12)], "b": [1.0] * 12}
    bench = Benchmark.from_scores(nets, scores, costs={"flops": range(12)}, name="published")
    folder = bench.save(tmp_path / "scores")
    result = call("show", folder)
    for part in ("published", "a, b", "12 with a label", "flops", "unknown", nets[-1].fingerprint[:12]):
        assert part in result.output
    result = call("evaluate", folder, "-p", "mean", "--folds", 3, "--repeats", 1, "-q")
    assert "noise ceiling" in result.output
    error = one_sentence(call("show", folder, "--config", "x", code=1))
    assert "config_id must be asked of a benchmark that was trained here" in error
    assert "target must be one of test" in one_sentence(call("show", folder, "--target", "val_auc", code=1))
    assert describe(bench) | {"units": None} == {
        "task": "a", "task_fingerprint": None, "target": "test", "families": ["mlp"], "units": None,
        "config": None,
    }  # fmt: skip


def test_show_draws_the_structure_picked(call, bench_folder, tmp_path):
    name = Benchmark.load(bench_folder).fingerprints[3][:10]
    call("show", bench_folder, "--picture", tmp_path / "a.svg", "--pick", name)
    assert "</svg>" in (tmp_path / "a.svg").read_text()
    error = one_sentence(call("show", bench_folder, "--picture", tmp_path / "b.png", "--pick", "zzz", code=1))
    assert "--pick must be" in error
    error = one_sentence(call("show", bench_folder, "--picture", tmp_path / "b.bmp", code=1))
    assert "--picture must end with .png" in error


def test_show_a_predictor_and_structures(call, model_folder, tmp_path):
    result = call("show", model_folder)
    assert "random-forest" in result.output
    assert "16 structures" in result.output
    one_sentence(call("show", model_folder, "--picture", tmp_path / "x.png", code=1))
    path, structures = as_json(tmp_path)
    result = call("show", path, "--picture", tmp_path / "x.png")
    assert structures[2].fingerprint[:12] in result.output
    assert (tmp_path / "x.png").stat().st_size > 1000


# ---- search

QUICK = ("--generations", 2, "--per-generation", 2, "-w", 1)


def test_search_from_a_benchmark_with_its_settings(call, bench_folder, tmp_path):
    command = ("search", "--benchmark", bench_folder, "--guide", "bayesian-ridge", *QUICK, "-o", tmp_path)
    result = call(*command)
    assert "16 structures known" in result.output
    found = Benchmark.load(tmp_path / "benchmark")
    known = Benchmark.load(bench_folder)
    assert len(found.table) == 4
    assert set(found.table["config_id"]) == set(known.table["config_id"])
    assert set(found.table["task_fingerprint"]) == set(known.table["task_fingerprint"])
    assert all(4 <= s.num_units <= 9 for s in found.structures)
    history = pd.read_csv(tmp_path / "history.csv")
    assert (history["operator"] == "told").sum() == 16
    assert history["prediction"].notna().sum() == 4
    (best,) = read_structures(tmp_path / "best.json")
    finalists = pd.read_csv(tmp_path / "finalists.csv")
    (won,) = finalists[finalists["winner"]].to_dict("records")
    assert len(finalists) == 3
    assert (
        best.fingerprint
        == won["fingerprint"]
        == finalists.loc[finalists["chosen_by"].idxmax(), "fingerprint"]
    )
    assert history["retrained"].notna().sum() >= 3
    again = call(
        "search", "--benchmark", bench_folder, "--guide", "bayesian-ridge", *QUICK, "-o", tmp_path, "-q"
    )
    assert again.output.split() == [f"{won['retrained']:.4f}", best.fingerprint]
    assert pd.read_csv(tmp_path / "history.csv").equals(history)


def test_search_for_several_objectives_within_limits(call, bench_folder, tmp_path):
    command = ("search", "--benchmark", bench_folder, "--guide", "none", *QUICK, "-o", tmp_path)
    result = call(*command, "--objective", "parameters", "--max-parameters", 80, "--finalists", 0)
    assert "front" in result.output
    history, front = pd.read_csv(tmp_path / "history.csv"), pd.read_csv(tmp_path / "pareto.csv")
    asked = history[history["operator"] != "told"]
    assert len(asked) == 4
    assert asked["parameters"].max() <= 80 < history["parameters"].max()
    assert set(front["fingerprint"]) <= set(history.loc[history["parameters"] <= 80, "fingerprint"])
    assert front["parameters"].is_monotonic_decreasing  # the best score first


def test_search_takes_settings_from_a_saved_guide_and_from_options(call, model_folder, tmp_path, monkeypatch):
    small = {"train": 100, "val": 40, "test": 40, "max_length": 16}
    monkeypatch.setattr("nnstruct.tasks.load_task", lambda name, **options: load_task(name, **small))
    out = tmp_path / "a"
    result = call("search", "--guide", model_folder, *QUICK, "-o", out, "--epochs", 1, "--units", 5, 6)
    assert "rnn_tanh networks of 5 to 6 units" in result.output
    found = Benchmark.load(out / "benchmark")
    (config,) = found.configs.values()
    assert (config.epochs, config.batch_size, config.learning_rate) == (1, 16, 0.01)
    assert pd.read_csv(out / "history.csv")["prediction"].notna().all()
    out = tmp_path / "b"
    call("search", "--guide", "none", "--family", "gru", *QUICK, "-o", out, "--epochs", 1, "--seeds", 2)
    other = Benchmark.load(out / "benchmark")
    assert {s.family for s in other.structures} == {"gru"}
    assert other.y_count.tolist() == [2] * 4


def test_what_search_refuses(call, bench_folder, tmp_path):
    out = ("-o", tmp_path)
    assert "Did you mean 'random-forest'" in one_sentence(
        call("search", "--guide", "random-forst", *out, code=1)
    )
    assert "task must be one of" in one_sentence(call("search", "--task", "rebr", *out, code=1))
    assert "family must be one of" in one_sentence(call("search", "--family", "rnn", *out, code=1))
    assert "units must be" in one_sentence(call("search", "--units", 9, 4, *out, code=1))
    assert "learning_rate must be" in one_sentence(call("search", "--learning-rate", 0, *out, code=1))
    assert "--storage must be" in one_sentence(call("search", "--storage", "nosql://x", *out, code=1))
    twice = ("search", "--repeat-share", 0.2, "--objective", "edges")
    assert "repeat_share must be 0" in one_sentence(call(*twice, *out, code=1))
    error = one_sentence(call("search", "--benchmark", bench_folder, "--task", "digits", *out, code=1))
    assert "--task must have the data of the benchmark" in error
