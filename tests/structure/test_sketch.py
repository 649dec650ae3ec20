"""What a notebook shows of a structure: the units and edges that there are, escaped, and never too long."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest

from nnstruct import Network, Structure
from nnstruct.structure.panel import BLUE, GREEN, ORANGE, RED, histogram, panel, trail


def lines_of(html, colour=None):
    """Paths of a panel's pictures, as lists of their commands."""
    found = [
        path for path in ElementTree.fromstring(html).iter("{http://www.w3.org/2000/svg}path")
        if colour in (None, path.get("stroke"))
    ]  # fmt: skip
    return [re.findall("[MLQhvH][^MLQhvH]*", path.get("d")) for path in found]


def count(html, colour, command):
    return sum(word.startswith(command) for path in lines_of(html, colour) for word in path)


def facts_in(html):
    rows = ElementTree.fromstring(html).iter("tr")
    return {row.find("th").text: row.find("td").text for row in rows}


def test_each_edge_is_a_line_and_each_unit_a_dot():
    structure = Structure([[0, 0, 1, 2, 0], [1, 2, 3, 3, 3]], num_units=4)
    html = structure._repr_html_()
    assert count(html, BLUE, "L") == 4
    assert count(html, RED, "Q") == 1, "the skip edge is bent"
    assert [count(html, colour, "h") for colour in (GREEN, "currentColor", ORANGE)] == [1, 2, 1]
    facts = facts_in(html)
    assert facts["forward edges"] == "5 (1 skipping layers)"
    assert facts["fingerprint"] == structure.fingerprint
    assert facts["units"] == "4 (1 input, 1 output)"


def test_what_is_not_drawn_is_told():
    structure = Structure.from_layers([2, 3], family="rnn_tanh")
    assert f"{int(structure.recurrent.sum())} recurrent edges not drawn." in structure._repr_html_()
    deep = Structure.from_layers([10] * 60)._repr_html_()
    assert "60 layers, 2 in a bar; at most 20 units in a bar. Edges are not drawn." in deep
    assert count(deep, "currentColor", "v") == 40
    (ring,) = (Structure.from_networkx(nx.cycle_graph(n), undirected=True)._repr_html_() for n in (301,))
    assert "Too many units to be drawn" in ring


def test_dead_units_are_pale_and_counted():
    structure = Structure([[0, 1], [1, 2]], 3, outputs=[False, True, False])
    html = structure._repr_html_()
    assert facts_in(html)["dead units"] == "1"
    pale = [path for path in ElementTree.fromstring(html).iter("{http://www.w3.org/2000/svg}path")
            if path.get("stroke-opacity") == "0.3"]  # fmt: skip
    assert [path.get("d").count("h0") for path in pale] == [1]


@pytest.mark.parametrize("sizes", [[784, 300, 100, 10], [2000, 1200], [3] * 5000], ids=str)
def test_large_structures_stay_small(sizes):
    html = Structure.from_layers(sizes)._repr_html_()
    assert len(html) < 8_000
    assert f"{sum(sizes):,}" in html


def test_the_fullest_picture_of_units_is_bounded():
    assert len(Structure.from_layers([38, 39])._repr_html_()) < 60_000


def test_words_of_others_are_escaped():
    html = Structure.from_layers([2, 2]).with_origin(prior="<script>alert(1)</script>")._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert facts_in(panel("<b>", [("<i>", "<u>")])) == {"<i>": "<u>"}


def test_weights_give_colour_and_width():
    structure = Structure.from_layers([1, 3])
    network = Network(structure, np.array([[2.0], [-1.0], [0.0]]), np.zeros((4, 1)))
    html = network._repr_html_()
    assert (count(html, BLUE, "L"), count(html, RED, "L")) == (1, 1), "a weight of zero is no line"
    assert facts_in(html)["weights"] == "3, 1 of them zero"
    assert repr(network) == f"Network({structure!r}, weight=[3, 1], bias=[4, 1], tensors=[])"
    widths = {
        path.get("stroke"): float(path.get("stroke-width"))
        for path in ElementTree.fromstring(html).iter("{http://www.w3.org/2000/svg}path")
        if "L" in path.get("d")
    }
    assert widths[BLUE] > widths[RED]
    gates = Network(structure, np.full((3, 4), -1.0), np.zeros((4, 4)))._repr_html_()
    assert count(gates, BLUE, "L") == 3, "several values of an edge have no sign together"


def test_colours_are_seen_on_white_and_on_black():
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for colour in (BLUE, GREEN, ORANGE, RED):
        assert 1.05 / (light(colour) + 0.05) >= 3
        assert (light(colour) + 0.05) / (light("#111111") + 0.05) >= 3
    html = Structure.from_layers([2, 2])._repr_html_()
    assert set(re.findall(r"(?:stroke|fill)=\"([^\"]+)\"", html)) <= {
        "none",
        "currentColor",
        BLUE,
        GREEN,
        ORANGE,
        RED,
    }


def test_a_histogram_counts_every_value_once():
    values = np.array([0.0, 0.1, 0.1, 1.0, np.nan, np.inf])
    html = histogram(values, "<y>")
    assert "Histogram of 4 values of &lt;y&gt;, 0 to 1" in html
    assert count(f"<p>{html}</p>", BLUE, "L") == 3
    assert "at most 2 of 4 in a bar" in html
    assert histogram(np.full(3, np.nan), "y") == ""
    assert "at most 3 of 3" in histogram(np.full(3, 0.5), "y")
    assert "at most 1 of 2" in histogram(np.array([0.5, np.nextafter(0.5, 1)]), "y")


@pytest.mark.parametrize(("upward", "steps"), [(True, 3), (False, 2)])
def test_the_best_so_far_is_a_line_of_steps(upward, steps):
    html = f"<p>{trail(np.array([0.3, np.nan, 0.5, 0.2, 0.7]), 'score', upward=upward)}</p>"
    assert count(html, BLUE, "h") == 4
    assert count(html, ORANGE, "L") == steps
    assert "5 trials" in html


def test_long_searches_are_thinned_and_say_so():
    html = trail(np.arange(5_000.0), "score", most=100)
    assert len(html) < 12_000
    assert "100 of 5,000 points are drawn." in html
    assert trail(np.full(2, np.nan), "score") == ""


def test_nothing_heavy_is_imported_to_show_a_structure():
    code = (
        "import sys, nnstruct as ns; ns.Structure.from_layers([3, 2])._repr_html_();"
        "print([name for name in ('matplotlib', 'torch', 'pandas', 'networkx') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
