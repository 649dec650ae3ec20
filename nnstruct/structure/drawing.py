"""Layered drawings of Structures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.structure.drawing_layers import is_too_large, plot_layers
from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnstruct.structure.structure import Structure

COLOURS = {"input": "#1b9e77", "output": "#d95f02", "hidden": "#4c566a", "dead": "#bdbdbd"}
NEXT_LAYER, SKIP, RECURRENT = "#4c78a8", "#e45756", "#72b7b2"
_SWEEPS = 5
_SMALLEST, _LARGEST = 4.0, 110.0  # marker areas, square points


def positions(structure: Structure) -> np.ndarray:
    """Coordinates for a layered drawing; a graph without directions lies on a circle.

    Layers are ordered by the barycentre of their neighbours, in sweeps from the inputs to the
    outputs and back (Sugiyama et al., 1981).

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    float [N, 2]
        x is the layer, y the place within it, one apart and centred on 0.
    """
    n = structure.num_units
    if FAMILIES[structure.family].undirected:
        angle = 2 * np.pi * np.arange(n) / n
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    xy = np.stack([structure.layer, np.zeros(n)], axis=1).astype(float)
    source, target = structure.forward_edges
    members = [np.flatnonzero(structure.layer == layer) for layer in range(structure.num_layers)]
    for sweep in range(_SWEEPS):
        onward = sweep % 2 == 0
        seen, looking = (source, target) if onward else (target, source)
        count = np.bincount(looking, minlength=n)
        for units in members if onward else members[::-1]:
            total = np.bincount(looking, weights=xy[seen, 1], minlength=n)
            centre = np.where(count > 0, total / np.maximum(count, 1), xy[:, 1])[units]
            order = units[np.lexsort((xy[units, 1], centre))]
            xy[order, 1] = np.arange(len(units)) - (len(units) - 1) / 2
    return xy


def plot_structure(
    structure: Structure,
    ax: Axes | None = None,
    *,
    recurrent: bool = False,
    title: str | None = None,
    unit_size: float | None = None,
    layers: bool | None = None,
) -> Axes:
    """Draw a structure, layers from left to right; a graph without directions on a circle.

    Of more than 1,500 units or 50,000 edges the layers are drawn, with the names of their operators: see
    :func:`nnstruct.structure.drawing_layers.plot_layers`.

    Edges to the next layer are blue and straight; skip edges are red and bent; recurrent ones,
    if asked for, are teal, a self-loop as a ring. Input units are green, output units orange,
    units that are both green with an orange rim, dead units light grey.

    Parameters
    ----------
    structure : Structure
    ax : matplotlib Axes, optional
        A new figure is made by default.
    recurrent : bool
        Whether to draw the delayed edges.
    title : str, optional
        By default the family, the units and the edges.
    unit_size : float, optional
        Marker area in square points; by default it shrinks with the layers and the fullest one.
    layers : bool, optional
        Whether to draw layers and not units; by default where there are too many units or edges.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from nnstruct import Structure
    >>> ax = Structure.from_layers([3, 4, 2]).plot()
    >>> ax.get_title()
    'mlp, 9 units, 20 edges'
    """
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection

    if is_too_large(structure) if layers is None else layers:
        return plot_layers(structure, ax, title=title)
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4))
    xy = positions(structure)
    size = _unit_size(structure, ax) if unit_size is None else unit_size
    undirected = FAMILIES[structure.family].undirected
    forward = structure.graph_edges
    delayed = structure.recurrent_edges[:, :0] if undirected else structure.recurrent_edges
    skips = structure.layer[forward[1]] - structure.layer[forward[0]] > 1
    drawn = forward.shape[1] + recurrent * delayed.shape[1]
    faint = float(np.clip(1.2 - 0.1 * np.log2(max(1, drawn)), 0.15, 0.6))

    def draw(edges: np.ndarray, colour: str, bend: float, width: float, depth: int) -> None:
        curves = _curves(xy[edges[0]], xy[edges[1]], bend)
        lines = LineCollection(list(curves), colors=colour, linewidths=width, alpha=faint, zorder=depth)
        ax.add_collection(lines)

    draw(forward[:, ~skips], NEXT_LAYER, bend=0.0, width=0.8, depth=1)
    draw(forward[:, skips], SKIP, bend=0.12, width=0.8, depth=1)
    if recurrent:
        loops = delayed[0] == delayed[1]
        draw(delayed[:, ~loops], RECURRENT, bend=0.35, width=0.6, depth=0)
        ring = xy[delayed[0, loops]]
        ax.scatter(
            ring[:, 0],
            ring[:, 1],
            s=2.2 * size,
            facecolors="none",
            edgecolors=RECURRENT,
            linewidths=0.8,
            zorder=2,
        )
    _draw_units(structure, ax, xy, size)
    units, edges = structure.num_units, forward.shape[1] if undirected else structure.num_edges
    ax.set_title(title if title is not None else f"{structure.family}, {units} units, {edges} edges")
    ax.set_axis_off()
    ax.margins(0.05)
    ax.autoscale_view()
    return ax


def _unit_size(structure: Structure, ax: Axes) -> float:
    """A marker area that keeps neighbours apart on these axes."""
    inches = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    width, height = 72 * inches.width, 72 * inches.height
    if FAMILIES[structure.family].undirected:
        return float(np.clip((1.5 * min(width, height) / structure.num_units) ** 2, _SMALLEST, _LARGEST))
    gap = min(width / (structure.num_layers + 1), height / (int(structure.layer_sizes.max()) + 1))
    return float(np.clip((0.6 * gap) ** 2, _SMALLEST, _LARGEST))


def _draw_units(structure: Structure, ax: Axes, xy: np.ndarray, size: float) -> None:
    roles = np.where(structure.inputs, "input", np.where(structure.outputs, "output", "hidden"))
    roles[structure.dead_units] = "dead"
    rims = np.where(structure.outputs & (roles == "input"), COLOURS["output"], "white")
    for role, colour in COLOURS.items():
        chosen = roles == role
        ax.scatter(
            xy[chosen, 0],
            xy[chosen, 1],
            s=size,
            color=colour,
            edgecolors=list(rims[chosen]),
            linewidths=size**0.5 / 9,
            zorder=3,
        )


def _curves(start: np.ndarray, end: np.ndarray, bend: float) -> np.ndarray:
    """Points [E, P, 2] of quadratic Bezier curves from ``start`` [E, 2] to ``end`` [E, 2], bent outwards."""
    if not bend:
        return np.stack([start, end], axis=1)
    along = end - start
    across = bend * np.stack([-along[:, 1], along[:, 0]], axis=1)
    across *= np.where(start[:, 1] + end[:, 1] >= 0, 1.0, -1.0)[:, None]
    # Layers are one apart: an edge within a layer must not bulge into the next.
    across[:, 0] = np.clip(across[:, 0], -0.7, 0.7)
    middle = (start + end) / 2 + across
    t = np.linspace(0, 1, 16)[None, :, None]
    return (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * end[:, None]
