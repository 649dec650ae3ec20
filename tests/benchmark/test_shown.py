"""What a notebook shows of a benchmark."""

from __future__ import annotations

from nnstruct import Benchmark, Structure, load_benchmark

NETS = [Structure.from_layers([n, 2]) for n in (2, 3, 4)]


def test_a_trained_benchmark_tells_its_size_and_its_labels():
    bench = load_benchmark("reber-mini")
    html = bench._repr_html_()
    for words in (
        "240 (rnn_tanh)",
        "720",
        "reber",
        f"{bench.y.mean():.4g} in the mean",
        "Histogram of 240 values",
    ):
        assert words in html, words
    assert "noise_ceiling" not in bench.__dict__, "what takes long is not worked out for a picture"


def test_scores_from_elsewhere_and_their_name():
    bench = Benchmark.from_scores(NETS, [0.1, float("nan"), 0.3], task="<toy>", name="<mine>")
    html = bench._repr_html_()
    assert "&lt;toy&gt;" in html
    assert "&lt;mine&gt;" in html
    assert "<toy>" not in html
    assert "without a label" in html


def test_of_several_tasks_none_is_taken_for_the_label():
    one = Benchmark.from_scores(NETS, [0, 1, 2], task="a")
    html = one.merge(Benchmark.from_scores(NETS, [2, 1, 0], task="b"))._repr_html_()
    assert "select_task" in html
    assert "<svg" not in html


def test_an_empty_benchmark_is_shown():
    bench = Benchmark.from_scores(NETS, [0.1, 0.2, 0.3], task="toy").select([])
    assert "<svg" not in bench._repr_html_()
