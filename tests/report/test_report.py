"""The report stands alone, says what is known and leaves out what is not."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from tiny_benchmark import tiny_benchmark

import nnstruct
from nnstruct import Structure
from nnstruct.benchmark import Benchmark
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import evaluate
from nnstruct.report import HeldOut, plots, provenance_of, sections, write_report
from nnstruct.report.images import image

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags that open and close in order, the pictures, the headings and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.alts, self.headings, self.text, self.attributes = [], [], [], [], "", []
        self.drawings, self.scopes = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag == "img":
            self.sources.append(dict(attrs)["src"])
            self.alts.append(dict(attrs)["alt"])
        if tag == "svg":
            self.drawings.append(dict(attrs)["aria-label"])
        if tag == "th":
            self.scopes.append(dict(attrs)["scope"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        self.text += data


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return tiny_benchmark(tmp_path_factory.mktemp("report") / "bench")


@pytest.fixture(scope="module")
def evaluation(bench):
    return evaluate(["mean", "bayesian-ridge"], bench, repeats=1, resamples=20)


def history_of(bench, asked=5):
    rng = np.random.default_rng(0)
    n = 3 + asked
    return pd.DataFrame(
        {
            "score": rng.uniform(0.4, 0.9, n),
            "prediction": [np.nan] * 3 + list(rng.uniform(0.4, 0.9, asked)),
            "std": [np.nan] * 3 + [0.05] * asked,
            "operator": ["told"] * 3 + ["prior"] * asked,
        }
    )


def held_out_of(bench):
    y = bench.y[:6]
    return HeldOut("extra-trees", y, y + 0.01, np.full(6, 0.02), 0.5, 0.25)


@pytest.fixture(scope="module")
def whole(bench, evaluation, tmp_path_factory):
    path = write_report(
        tmp_path_factory.mktemp("report") / "deep" / "report.html", bench, evaluation=evaluation,
        held_out=held_out_of(bench), history=history_of(bench), found=bench.select(bench.fingerprints[:3]),
        title="A <b> & c", steps=[("Drew <i>", 1.25)], commands=[("Look & see:", 'nnstruct show "<x>"')],
    )  # fmt: skip
    return path.read_text()


def test_the_report_is_one_file_that_needs_nothing_else(whole):
    page = Page(whole)
    assert "http" not in whole
    assert "<script" not in whole
    assert re.findall(r"url\((?!#)", whole) == []
    assert not {name for name, _ in page.attributes} & {"srcset", "onclick", "onload", "xlink:href"}
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert len(page.sources) == len(page.alts)
    assert len(page.drawings) + len(page.sources) >= 8 + 6  # the best and the worst are there small and large
    assert all(page.drawings)
    assert all(source.startswith("data:image/") for source in page.sources)
    assert all(page.alts)


def test_every_picture_can_be_decoded(whole):
    for source in Page(whole).sources:
        kind, _, data = source.partition(";base64,")
        content = base64.b64decode(data, validate=True)
        if kind == "data:image/png":
            assert Image.open(io.BytesIO(content)).size[0] > 300
        else:
            pytest.fail(f"{kind} stands in the page as a file")


def test_drawings_stand_in_the_page_and_take_its_colours(whole):
    drawings = re.findall(r"<svg .*?</svg>", whole, flags=re.DOTALL)
    assert drawings
    ids = [name for drawing in drawings for name in re.findall(r' id="([^"]+)"', drawing)]
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        own = set(re.findall(r' id="([^"]+)"', drawing))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawing)) <= own
    shared = {name for name in ids if ids.count(name) > 1}
    assert all(drawings.count(drawing) > 1 for drawing in drawings if any(name in drawing for name in shared))
    plotted = next(drawing for drawing in drawings if "Histogram" in drawing)
    assert {"var(--ink)", "var(--blue)", "var(--line)"} <= set(re.findall(r"var\(--\w+\)", plotted))


def test_heads_of_rows_and_columns_say_so(whole, evaluation):
    rows, columns = len(evaluation.table) + 1, len(evaluation.scores.columns) + 1
    assert Page(whole).scopes == ["col"] * columns + ["row"] * rows


def test_every_drawn_structure_opens_large_without_a_script(whole):
    opened = re.findall(r'<button class="net" type="button" popovertarget="([\w-]+)">', whole)
    assert len(opened) == len(set(opened)) == 6
    assert all(f'<div popover id="{name}">' in whole for name in opened)


def test_where_it_comes_from_is_told_if_known(bench, tmp_path):
    facts = dict(provenance_of(bench, seed=7, command="nnstruct report x <y>"))
    text = Page(write_report(tmp_path / "r.html", bench, provenance=list(facts.items())).read_text()).text
    assert facts["nnstruct"] == nnstruct.__version__
    assert facts["seeds of the trainings"] == ", ".join(map(str, sorted(set(bench.table["seed"]))))
    assert any(name.startswith("configuration") and "epochs" in value for name, value in facts.items())
    assert all(name in text and value in text for name, value in facts.items())


def test_an_unguided_search_stands_beside_the_guided_one(bench, tmp_path):
    guided, unguided = history_of(bench), history_of(bench, asked=3)
    text = Page(write_report(tmp_path / "r.html", bench, history=guided, unguided=unguided).read_text()).text
    best = unguided["score"][3:].max()
    assert f"An unguided search of 3 structures reached {best:.3f}" in text
    assert f"the guided one had {guided['score'][3:6].max():.3f}" in " ".join(text.split())
    ax = plots.search_history(axes(), guided, unguided=unguided["score"][3:].to_numpy())
    line = next(line for line in ax.lines if line.get_label() == "best without a guide")
    assert line.get_ydata().tolist() == np.maximum.accumulate(unguided["score"][3:]).tolist()


def test_the_best_of_each_search_are_drawn(bench, tmp_path):
    guided, unguided = history_of(bench), history_of(bench, asked=3)
    for history in (guided, unguided):
        history["fingerprint"] = bench.fingerprints[: len(history)]
        history.loc[3:, "operator"] = "crossover+add_edge"
    known = dict(zip(bench.fingerprints[3:7], bench.structures[3:7], strict=True))
    page = write_report(
        tmp_path / "r.html", bench, history=guided, unguided=unguided, structures=known
    ).read_text()
    for group, history in (("guided", guided), ("unguided", unguided)):
        rows = history[history["fingerprint"].isin(known) & (history["operator"] != "told")]
        best = rows.sort_values("score", ascending=False).head(3)
        assert re.findall(rf'popovertarget="({group}-\w+)">', page) == [
            f"{group}-{name[:12]}" for name in best["fingerprint"]
        ]
        assert all(f"<b>{score:.3f}</b>" in page for score in best["score"])
    assert "from crossover, add edge;" in " ".join(Page(page).text.split())


def test_the_report_has_every_section_and_the_numbers(whole, bench, evaluation):
    page = Page(whole)
    assert page.headings == [
        "What was done", "The labels", "Predictors", "Structures never seen", "Best and worst structures",
        "Search", "How to go on",
    ]  # fmt: skip
    assert f"{len(bench)}" in page.text
    assert f"{bench.noise_ceiling.value:.2f}" in page.text
    assert f"{evaluation.table.loc['mean', 'r2']:.3f}" in page.text
    assert "Kendall tau of 0.25" in page.text
    assert f"{bench.y.max():.3f}" in page.text
    assert "the search" in page.text


def test_what_users_wrote_is_escaped(whole):
    page = Page(whole)
    assert "A <b> & c" in page.text
    assert "Drew <i>" in page.text
    assert 'nnstruct show "<x>"' in page.text


def test_names_of_tasks_priors_and_predictors_are_escaped(bench, evaluation, tmp_path):
    """Whatever name holds HTML comes out as text, in sentences and in the words of pictures."""
    evil = "<script>alert('&')</script>"
    structures = [replace(s, origin={"prior": evil}) for s in bench.structures]
    named = Benchmark(structures, bench.table.assign(task=evil), bench.configs)
    best = evaluation.table["r2"].idxmax()
    scored = replace(evaluation, table=evaluation.table.rename(index={best: evil}))
    held_out = replace(held_out_of(bench), predictor=evil)
    text = write_report(
        tmp_path / "r.html", named, evaluation=scored, held_out=held_out, title=evil, steps=[(evil, 1.0)],
        commands=[(evil, evil)],
    ).read_text()  # fmt: skip
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;") == Page(text).text.count(evil)
    # The title twice, the task, the best predictor twice, the step, the one put aside for, both halves of
    # the command, and where six structures came from.
    assert Page(text).text.count(evil) == 2 + 1 + 2 + 1 + 1 + 2 + 6
    assert image(lambda ax: None, evil).startswith('<svg role="img" aria-label="&lt;script&gt;')


def test_what_is_not_known_is_left_out(bench, tmp_path):
    page = Page(write_report(tmp_path / "r.html", bench).read_text())
    assert page.headings == ["The labels", "Best and worst structures"]


def test_the_same_report_is_the_same_bytes(bench, evaluation, tmp_path):
    first = write_report(tmp_path / "a.html", bench, evaluation=evaluation).read_bytes()
    assert write_report(tmp_path / "b.html", bench, evaluation=evaluation).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_one_seed_leaves_the_ceiling_unknown(bench, tmp_path):
    table = bench.table[bench.table["seed"] == 0]
    single = Benchmark(bench.structures, table, bench.configs)
    text = Page(write_report(tmp_path / "r.html", single).read_text()).text
    assert "unknown" in text
    assert "nan" not in text


def test_a_search_without_a_guide_has_no_predictions_to_show(bench, tmp_path):
    history = history_of(bench)
    history["prediction"] = np.nan
    with_guide = write_report(tmp_path / "a.html", bench, history=history_of(bench)).read_text()
    without = write_report(tmp_path / "b.html", bench, history=history).read_text()
    assert len(Page(with_guide).drawings) == len(Page(without).drawings) + 1


def test_a_search_that_asked_nothing_has_no_section(bench, tmp_path):
    page = Page(write_report(tmp_path / "r.html", bench, history=history_of(bench, asked=0)).read_text())
    assert "Search" not in page.headings


def test_predictions_worse_than_the_mean_are_called_so(bench, tmp_path):
    for r2, words in ((0.5, "explain 50% of"), (-0.2, "are no better than their mean (R2 -0.200)")):
        held_out = replace(held_out_of(bench), r2=r2)
        assert words in Page(write_report(tmp_path / "r.html", bench, held_out=held_out).read_text()).text


# ---- plots


def axes():
    return Figure().subplots()


def test_the_bars_are_in_order_and_the_ceiling_is_a_line(evaluation):
    ax = plots.r2_bars(axes(), evaluation)
    widths = [bar.get_width() for bar in ax.patches if hasattr(bar, "get_width") and bar.get_height() < 1]
    assert widths == sorted(evaluation.table["r2"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(
        evaluation.table.sort_values("r2").index
    )
    assert any("noise ceiling" in text.get_text() for text in ax.texts)


def test_an_unknown_ceiling_is_no_line(evaluation):
    ax = plots.r2_bars(axes(), replace(evaluation, noise_ceiling=(np.nan, np.nan, np.nan)))
    assert not any("noise ceiling" in text.get_text() for text in ax.texts)


def test_a_hopeless_predictor_does_not_squeeze_the_others(evaluation):
    table = evaluation.table.copy()
    table.loc["mean", ["r2", "r2_low"]] = -40.0
    ax = plots.r2_bars(axes(), replace(evaluation, table=table))
    assert ax.get_xlim() == (-0.5, 1.0)


def test_the_histogram_counts_every_structure(bench):
    ax = plots.label_histogram(axes(), bench, bins=5)
    assert sum(bar.get_height() for bar in ax.patches) == len(bench)


def test_the_history_shows_asked_trials_and_the_best_so_far(bench):
    history = history_of(bench)
    ax = plots.search_history(axes(), history, known=[0.1, 0.2], label="accuracy")
    asked = history["score"][3:].to_numpy()
    steps = next(line for line in ax.lines if line.get_label() == "best so far")
    assert steps.get_ydata().tolist() == np.maximum.accumulate(asked).tolist()
    assert ax.get_ylabel() == "Accuracy"


def test_intervals_cover_ninety_percent():
    ax = plots.predicted_against_true(axes(), np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    (bars,) = ax.collections[:1]
    low, high = bars.get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((-1.6449, 1.6449))


def test_lengths_that_differ_are_refused():
    with pytest.raises(InvalidInputError, match="y, mean and std must be of one length"):
        plots.predicted_against_true(axes(), np.zeros(2), np.zeros(3))


def test_pictures_leave_no_figure_behind(bench):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    found = image(lambda ax: bench.structures[0].plot(ax), 'a "net"', kind="png")
    assert plt.get_fignums() == before
    assert re.match(r'<img alt="a &#34;net&#34;" src="data:image/png;base64,', found)


def test_scores_from_elsewhere_have_their_sections():
    bench = Benchmark.from_scores(
        [Structure.from_layers([n, 2]) for n in (1, 2, 3)], [0.1, 0.2, 0.4], task="t"
    )
    text = sections.headline(bench, None, None)
    assert "unknown" in text
    assert "scores on t" in text
    text = sections.labels(bench)
    assert "The noise ceiling is unknown" in text
    assert "diverged" not in text


def test_a_report_calls_the_label_what_it_is() -> None:
    from nnstruct import Benchmark, Structure, load_benchmark
    from nnstruct.report.plots import label_words
    from nnstruct.report.sections import label_name

    bench = load_benchmark("reber-mini")
    assert (label_words(bench), label_name(bench)) == ("test accuracy after the last epoch", "test accuracy")
    bench.metric = "r2"
    assert (label_words(bench), label_name(bench)) == ("test R2 after the last epoch", "test R2")
    given = Benchmark.from_scores([Structure.from_layers([n, 2]) for n in (2, 3)], [3.0, 4.0])
    assert (label_words(given), label_name(given)) == ("test score, as it was given", "test score")
