"""Drawings show every edge once, tell skip edges by colour, and leave pyplot's state alone."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from strategies import any_structures, structures

from nnstruct.structure import Structure
from nnstruct.structure.drawing import COLOURS, NEXT_LAYER, RECURRENT, SKIP, positions


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def segments(ax: Axes, colour: str) -> list[np.ndarray]:
    lines = [
        c for c in ax.collections if isinstance(c, LineCollection) and to_hex(c.get_edgecolor()[0]) == colour
    ]
    return [segment for collection in lines for segment in collection.get_segments()]


def units(ax: Axes, role: str) -> int:
    dots = [c for c in ax.collections if isinstance(c, PathCollection) and len(c.get_facecolor())]
    return sum(len(c.get_offsets()) for c in dots if to_hex(c.get_facecolor()[0]) == COLOURS[role])


def scale_free() -> Structure:
    return Structure.from_networkx(nx.barabasi_albert_graph(30, 3, seed=0), family="rnn_tanh")


def test_skip_edges_have_their_own_colour_and_are_bent() -> None:
    structure = Structure([[0, 1, 0], [1, 2, 2]], 3)
    ax = structure.plot()
    assert isinstance(ax, Axes)
    (bent,), straight = segments(ax, SKIP), segments(ax, NEXT_LAYER)
    assert len(straight) == 2
    assert bent[0].tolist() == [0, 0]
    assert bent[-1].tolist() == [2, 0]
    # The unit between the two lies at (1, 0), and the bow keeps clear of it.
    assert np.abs(bent[:, 1]).max() > 0.1


@settings(max_examples=15)
@given(any_structures)
def test_every_unit_and_edge_is_drawn_once(structure: Structure) -> None:
    ax = structure.plot(recurrent=True)
    spans = structure.layer[structure.forward_edges[1]] - structure.layer[structure.forward_edges[0]]
    delayed = structure.recurrent_edges
    loops = int((delayed[0] == delayed[1]).sum())
    assert len(segments(ax, NEXT_LAYER)) == int((spans == 1).sum())
    assert len(segments(ax, SKIP)) == int((spans > 1).sum())
    assert len(segments(ax, RECURRENT)) == delayed.shape[1] - loops
    rings = [c for c in ax.collections if isinstance(c, PathCollection) and not len(c.get_facecolor())]
    assert sum(len(c.get_offsets()) for c in rings) == loops
    assert sum(units(ax, role) for role in COLOURS) == structure.num_units
    assert units(ax, "dead") == len(structure.dead_units)
    plt.close("all")


def test_delayed_edges_only_on_request() -> None:
    structure = scale_free()
    assert segments(structure.plot(), RECURRENT) == []
    assert len(segments(structure.plot(recurrent=True), RECURRENT)) > 0


def test_roles() -> None:
    outputs = np.array([False, False, True, False, True])
    structure = Structure([[0, 1, 0], [1, 2, 3]], 5, outputs=outputs)
    ax = structure.plot()
    assert {role: units(ax, role) for role in COLOURS} == {"input": 2, "hidden": 1, "output": 1, "dead": 1}
    rims = {to_hex(rim) for c in ax.collections if isinstance(c, PathCollection) for rim in c.get_edgecolor()}
    assert rims == {"#ffffff", COLOURS["output"]}


def test_axes_titles_and_sizes_are_those_given() -> None:
    _, given_ax = plt.subplots()
    structure = scale_free()
    ax = structure.plot(given_ax, title="mine", unit_size=33)
    assert ax is given_ax
    assert ax.get_title() == "mine"
    assert {float(s) for c in ax.collections if isinstance(c, PathCollection) for s in c.get_sizes()} == {
        33.0
    }
    assert structure.plot(title="").get_title() == ""
    assert structure.plot().get_title() == "rnn_tanh, 30 units, 249 edges"


def test_it_shows_and_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a drawing must neither show nor close a figure")

    other, own = plt.subplots()
    monkeypatch.setattr(plt, "show", forbidden)
    monkeypatch.setattr(plt, "close", forbidden)
    scale_free().plot()
    scale_free().plot(own)
    assert len(plt.get_fignums()) == 2
    assert plt.fignum_exists(other.number)
    monkeypatch.undo()


@pytest.mark.parametrize("size", [(7, 4), (3, 3)])
@pytest.mark.parametrize(
    "structure",
    [
        scale_free(),
        Structure.from_networkx(nx.connected_watts_strogatz_graph(40, 6, 0.5, seed=0)),
        Structure.from_layers([5, 8, 8, 3]),
        Structure.from_layers([1]),
    ],
)
def test_units_do_not_overlap_and_all_lies_inside(structure: Structure, size: tuple[int, int]) -> None:
    figure, ax = plt.subplots(figsize=size)
    structure.plot(ax)
    figure.canvas.draw()
    points = ax.transData.transform(positions(structure)) * 72 / figure.dpi
    diameter = (
        max(float(s) for c in ax.collections if isinstance(c, PathCollection) for s in c.get_sizes()) ** 0.5
    )
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > diameter
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for segment in segments(ax, SKIP) + segments(ax, NEXT_LAYER):
        assert ((segment >= [x0, y0]) & (segment <= [x1, y1])).all()


@given(structures(max_units=12))
def test_no_two_units_share_a_place_and_layers_go_right(structure: Structure) -> None:
    xy = positions(structure)
    assert len({tuple(place) for place in xy.tolist()}) == structure.num_units
    assert xy[:, 0].tolist() == structure.layer.tolist()
    assert np.array_equal(xy, positions(structure))


def test_parallel_chains_are_not_crossed() -> None:
    # Units 3, 4, 5 follow 2, 1, 0: drawn in the order of their numbers, the edges would cross.
    xy = positions(Structure([[2, 1, 0], [3, 4, 5]], 6))
    assert xy[[2, 1, 0], 1].tolist() == xy[[3, 4, 5], 1].tolist()
