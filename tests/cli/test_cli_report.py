"""The command ``report``: a benchmark, predictors, a search and what stands beside it, in one file."""

from __future__ import annotations

import numpy as np

from nnstruct import Search, Space, Structure
from nnstruct.benchmark import Benchmark


def scored(n=24):
    nets = [Structure.from_layers([2, k, 2]) for k in range(1, n + 1)]
    return Benchmark.from_scores(nets, np.linspace(0.5, 0.9, n), y_std=np.full(n, 0.02), task="toy")


def searched(folder, seed):
    search = Search(Space("mlp", units=(4, 9)), seed=seed, storage=f"sqlite:///{folder}")
    asked = search.ask(3)
    search.tell(asked, np.linspace(0.5, 0.7 + seed / 10, 3))


def test_a_report_of_ones_own_runs(call, tmp_path):
    scored().save(tmp_path / "bench")
    searched(tmp_path / "guided.db", 1)
    searched(tmp_path / "unguided.db", 0)
    page = tmp_path / "report.html"
    call(
        "report", tmp_path / "bench", "--predictors", "mean,bayesian-ridge", "--folds", 3, "--search",
        tmp_path / "guided.db", "--unguided", tmp_path / "unguided.db", "--out", page, "--title", "My <nets>",
    )  # fmt: skip
    text = " ".join(page.read_text().split())
    assert "My &lt;nets&gt;" in text
    assert "bayesian-ridge" in text
    assert "24 structures, each put aside before" in text
    assert "An unguided search of 3 structures reached <b>0.700</b>" in text
    assert "the best reached <b>0.800</b>" in text
    assert "seed of the evaluation" in text


def test_without_predictors_and_search_it_tells_of_the_benchmark(call, tmp_path):
    scored(4).save(tmp_path / "bench")
    call("report", tmp_path / "bench", "--predictors", "none", "--out", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "Best and worst structures" in text
    assert "<h2>Predictors</h2>" not in text


def test_what_is_not_there_is_one_sentence(call, tmp_path):
    scored(4).save(tmp_path / "bench")
    result = call(
        "report", tmp_path / "bench", "--predictors", "none", "--search", tmp_path / "no.db", code=1
    )
    assert result.stderr.strip() == f"Error: There is no {tmp_path / 'no.db'}."
    assert not (tmp_path / "no.db").exists()
    assert "random-forrest" in call("report", tmp_path / "bench", "-p", "random-forrest", code=1).stderr
