"""Large structures are drawn layer by layer: each box says what it is and how many units it holds."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

from nnstruct.structure import Structure
from nnstruct.structure.drawing_layers import MOST_EDGES, layer_boxes


def module_like() -> Structure:
    """Three inputs, two convolutions of four channels, and the sum of both."""
    edges = [(a, b) for a in range(3) for b in range(3, 7)] + [
        (a, b) for a in range(3, 7) for b in range(7, 11)
    ]
    edges += [(a, a + 8) for a in range(3, 7)] + [(a, a + 4) for a in range(7, 11)]
    names = ["input"] * 3 + ["conv2d"] * 8 + ["add"] * 4
    return Structure(
        np.array(edges).T, 15, family="module", inputs=np.arange(15) < 3, outputs=np.arange(15) > 10,
        attributes={
            "operator": names, "stage": [0] * 3 + [1] * 4 + [2] * 4 + [3] * 4,
            "kernel": [1] * 3 + [3] * 8 + [1] * 4,
        },
    )  # fmt: skip


def test_a_box_is_a_step_with_its_window_and_its_units() -> None:
    boxes = layer_boxes(module_like())
    assert boxes.label == ["input x3", "conv2d 3x3 x4", "conv2d 3x3 x4", "add x4"]
    assert boxes.column.tolist() == [0, 1, 2, 3]
    assert boxes.edges.T.tolist() == [[0, 1], [1, 2], [1, 3], [2, 3]]
    assert boxes.inputs.tolist() == [True, False, False, False]
    assert boxes.outputs.tolist() == [False, False, False, True]


def test_the_drawing_shows_each_box_and_each_pair_once() -> None:
    ax = module_like().plot(layers=True)
    assert len([patch for patch in ax.patches if isinstance(patch, Rectangle)]) == 4
    assert len([patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]) == 4
    assert [text.get_text() for text in ax.texts] == layer_boxes(module_like()).label
    assert ax.get_title() == "module, 15 units, 36 edges"
    plt.close("all")


def test_recurrent_edges_are_drawn_between_boxes() -> None:
    structure = Structure.from_layers([2, 3], family="rnn_tanh")
    assert layer_boxes(structure).delayed.T.tolist() == [[0, 0], [1, 1]]


def test_size_decides() -> None:
    large, small = Structure.from_layers([300, 200]), Structure.from_layers([30, 20])
    assert large.num_edges > MOST_EDGES
    assert [text.get_text() for text in large.plot().texts] == ["300 units", "200 units"]
    assert not small.plot().texts
    plt.close("all")
