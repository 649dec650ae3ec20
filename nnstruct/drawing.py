"""Layered drawings of Structures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnstruct.structure import Structure

_COLOURS = {"input": "#1b9e77", "output": "#d95f02", "hidden": "#4c566a", "dead": "#bdbdbd"}
_NEXT_LAYER, _SKIP, _RECURRENT = "#4c78a8", "#e45756", "#72b7b2"


def positions(structure: Structure) -> np.ndarray:
    """Coordinates for a layered drawing, float [N, 2]: x is the layer, y orders a layer by its neighbours.

    Layers are ordered by the barycentre of their in-neighbours (Sugiyama et al., 1981).
    """
    xy = np.zeros((structure.num_units, 2))
    xy[:, 0] = structure.layer
    source, target = structure.forward_edges
    for layer in range(structure.num_layers):
        units = np.flatnonzero(structure.layer == layer)
        inside = np.isin(target, units)
        total = np.bincount(target[inside], weights=xy[source[inside], 1], minlength=structure.num_units)
        count = np.bincount(target[inside], minlength=structure.num_units)
        centre = (total / np.maximum(count, 1))[units]
        order = units[np.argsort(centre, kind="stable")]
        xy[order, 1] = np.arange(len(units)) - (len(units) - 1) / 2
    return xy


def plot_structure(
    structure: Structure,
    ax: Axes | None = None,
    *,
    recurrent: bool = False,
    title: str | None = None,
    unit_size: float | None = None,
) -> Axes:
    """Draw a structure, layers from left to right.

    Edges to the next layer are blue and straight; skip edges are red and bent; recurrent ones,
    if asked for, are teal. Input units are green, output units orange, dead units light grey.

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
        Marker area in square points; by default it shrinks with the fullest layer.

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

    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4))
    xy = positions(structure)
    source, target = structure.forward_edges
    span = structure.layer[target] - structure.layer[source]
    for skip, colour, alpha in ((False, _NEXT_LAYER, 0.45), (True, _SKIP, 0.4)):
        chosen = (span > 1) == skip
        curves = [
            _curve(xy[a], xy[b], bend=0.12 * skip)
            for a, b in zip(source[chosen], target[chosen], strict=True)
        ]
        ax.add_collection(LineCollection(curves, colors=colour, linewidths=0.8, alpha=alpha, zorder=1))
    if recurrent:
        curves = [_curve(xy[a], xy[b], bend=0.35) for a, b in structure.recurrent_edges.T if a != b]
        ax.add_collection(LineCollection(curves, colors=_RECURRENT, linewidths=0.5, alpha=0.35, zorder=0))
    size = unit_size or float(np.clip(900 / max(4, structure.layer_sizes.max()), 12, 110))
    roles = np.where(structure.outputs, "output", np.where(structure.inputs, "input", "hidden"))
    roles[structure.dead_units] = "dead"
    for role, colour in _COLOURS.items():
        chosen = roles == role
        ax.scatter(*xy[chosen].T, s=size, color=colour, edgecolors="white", linewidths=0.6, zorder=2)
    units, edges = structure.num_units, structure.num_edges
    ax.set_title(title if title is not None else f"{structure.family}, {units} units, {edges} edges")
    ax.set_axis_off()
    ax.autoscale_view()
    return ax


def _curve(a: np.ndarray, b: np.ndarray, bend: float) -> np.ndarray:
    """Points [16, 2] of a quadratic Bezier curve from ``a`` to ``b``."""
    if not bend:
        return np.stack([a, b])
    across = np.array([a[1] - b[1], b[0] - a[0]])
    side = 1.0 if (a[1] + b[1]) >= 0 else -1.0
    middle = (a + b) / 2 + side * bend * across
    t = np.linspace(0, 1, 16)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
