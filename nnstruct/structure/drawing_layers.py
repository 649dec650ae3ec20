"""Drawings of large Structures: a box for each layer, with its operator's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnstruct.structure.structure import Structure

MOST_UNITS, MOST_EDGES = 1_500, 50_000
COLOURS = {"input": "#1b9e77", "output": "#d95f02", "other": "#dfe5ee"}
NEXT_LAYER, SKIP, RECURRENT = "#4c78a8", "#e45756", "#72b7b2"
_WIDTH = 0.62  # of a box, in columns


@dataclass(frozen=True)
class LayerBoxes:
    """Units put together for a drawing.

    Attributes
    ----------
    label : list of str
        Operator, window and the number of units of each box.
    column : int64 [G]
        Place from left to right, the longest path to a box.
    units : int64 [G]
    inputs, outputs : bool [G]
        Whether there are input units, and output units, among them.
    edges, delayed : int64 [2, K]
        Pairs of boxes between which there are forward edges, and recurrent ones.
    """

    label: list[str]
    column: np.ndarray
    units: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    edges: np.ndarray
    delayed: np.ndarray


def is_too_large(structure: Structure) -> bool:
    """Whether units and edges would not be told apart in a drawing.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool
    """
    if FAMILIES[structure.family].undirected:
        return False
    return structure.num_units > MOST_UNITS or structure.num_edges > MOST_EDGES


def layer_boxes(structure: Structure) -> LayerBoxes:
    """The boxes of a drawing: units of one step of a program, or of one layer and operator.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    LayerBoxes

    Examples
    --------
    >>> from nnstruct import Structure
    >>> boxes = layer_boxes(Structure.from_layers([3, 4, 2]))
    >>> boxes.label, boxes.edges.tolist()
    (['3 units', '4 units', '2 units'], [[0, 1], [1, 2]])
    """
    n, attributes = structure.num_units, structure.attributes
    operator = np.array(attributes.get("operator", (structure.family,) * n), dtype=object).astype(str)
    if structure.family == "module" and "stage" in attributes:
        key = np.array(attributes["stage"])
    else:
        key = structure.layer * (n + 1) + np.unique(operator, return_inverse=True)[1]
    _, first, box = np.unique(key, return_index=True, return_inverse=True)
    count = len(first)
    edges = _between(box, structure.forward_edges, count)
    edges = edges[:, edges[0] != edges[1]]
    column = np.zeros(count, dtype=np.int64)
    for source, target in edges.T.tolist():  # sorted by source
        if source < target:
            column[target] = max(column[target], column[source] + 1)
    units = np.bincount(box, minlength=count)
    names = [_named(structure, int(unit), operator) for unit in first]
    told = "operator" in attributes
    label = [
        f"{name} x{size}" if told else f"{size} units"
        for name, size in zip(names, units.tolist(), strict=True)
    ]
    inputs, outputs = (
        np.bincount(box, weights=flags, minlength=count) > 0
        for flags in (structure.inputs, structure.outputs)
    )
    return LayerBoxes(
        label, column, units, inputs, outputs, edges, _between(box, structure.recurrent_edges, count)
    )


def _between(box: np.ndarray, edges: np.ndarray, count: int) -> np.ndarray:
    """Pairs of boxes with an edge between their units, sorted."""
    pairs = np.unique(box[edges[0]] * count + box[edges[1]])
    return np.stack([pairs // count, pairs % count])


def _named(structure: Structure, unit: int, operator: np.ndarray) -> str:
    """The operator of a box, with its kernel where that has more than one place."""
    name, count = str(operator[unit]), structure.num_units
    kernel = structure.attributes.get("kernel", (1,) * count)[unit]
    if kernel == 1 or not name.startswith("conv") or "x" in name:
        return name
    return f"{name} {kernel}" if isinstance(kernel, str) else f"{name} {kernel}x{kernel}"


def plot_layers(structure: Structure, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw the layers of a structure as boxes with the names of their operators.

    The higher a box, the more units it holds, by the logarithm. Edges to the next column are blue, those that
    skip columns red and bent, recurrent ones teal. Boxes with input units are green, those with output units
    have an orange rim.

    Parameters
    ----------
    structure : Structure
    ax : matplotlib Axes, optional
        A new figure is made by default, as wide as there are columns.
    title : str, optional
        By default the family, the units and the edges.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.drawing_layers import plot_layers
    >>> plot_layers(Structure.from_layers([784, 300, 10])).get_title()
    'mlp, 1094 units, 238200 edges'
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, Rectangle

    boxes = layer_boxes(structure)
    columns = int(boxes.column.max()) + 1
    if ax is None:
        _, ax = plt.subplots(figsize=(float(np.clip(0.3 * columns, 7, 24)), 4.5))
    middle, height = _places(boxes)
    inches = ax.get_window_extent().width / ax.figure.dpi
    font = float(np.clip(72 * inches / columns * _WIDTH * 0.75, 2.0, 9.0))
    for place, name in enumerate(boxes.label):
        rim = COLOURS["output"] if boxes.outputs[place] else "#4c566a"
        ax.add_patch(
            Rectangle(
                (boxes.column[place] - _WIDTH / 2, middle[place] - height[place] / 2), _WIDTH, height[place],
                facecolor=COLOURS["input"] if boxes.inputs[place] else COLOURS["other"], edgecolor=rim,
                linewidth=1.6 if boxes.outputs[place] else 0.6, zorder=2,
            )
        )  # fmt: skip
        colour = "white" if boxes.inputs[place] else "#2e3440"
        ax.text(
            boxes.column[place], middle[place], name, rotation=90, fontsize=font, color=colour, ha="center",
            va="center", zorder=3, clip_on=True,
        )  # fmt: skip
    for kind, pairs in (("forward", boxes.edges), ("recurrent", boxes.delayed)):
        for source, target in pairs.T.tolist():
            gap = boxes.column[target] - boxes.column[source]
            colour = RECURRENT if kind == "recurrent" else NEXT_LAYER if gap == 1 else SKIP
            bend = 0.0 if kind == "forward" and gap == 1 else -0.28 if kind == "forward" else 0.5
            begin, end = (float(boxes.column[place]) for place in (source, target))
            start, stop = (begin + _WIDTH / 2, middle[source]), (end - _WIDTH / 2, middle[target])
            if kind == "forward" and gap > 1:
                start = (begin, middle[source] + height[source] / 2)
                stop = (end, middle[target] + height[target] / 2)
            ax.add_patch(
                FancyArrowPatch(
                    start, stop, arrowstyle="-", connectionstyle=f"arc3,rad={bend}", color=colour,
                    linewidth=0.8, alpha=0.8, zorder=1,
                )
            )  # fmt: skip
    ax.set_title(
        title if title is not None
        else f"{structure.family}, {structure.num_units} units, {structure.num_edges} edges"
    )  # fmt: skip
    ax.set_axis_off()
    ax.set_xlim(-0.8, columns - 0.2)
    top, bottom = float((middle + height / 2).max()), float((middle - height / 2).min())
    ax.set_ylim(bottom - 0.6, top + 0.9 + 0.1 * (top - bottom))
    return ax


def _places(boxes: LayerBoxes) -> tuple[np.ndarray, np.ndarray]:
    """Middle and height of each box, boxes of a column one above the other."""
    height = 1.6 + 0.35 * np.log2(boxes.units)
    middle = np.zeros(len(height))
    for column in range(int(boxes.column.max()) + 1):
        here = np.flatnonzero(boxes.column == column)
        sources = [boxes.edges[0, boxes.edges[1] == place] for place in here]
        before = [float(middle[read].mean()) if len(read) else 0.0 for read in sources]
        here = here[np.argsort(before, kind="stable")]
        tops = np.cumsum(height[here] + 0.3)
        middle[here] = tops - height[here] / 2 - 0.15 - tops[-1] / 2
    return middle, height
