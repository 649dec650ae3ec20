"""Structures as small inline SVG, for notebooks; large ones layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.structure.drawing import positions
from nnstruct.structure.drawing_layers import layer_boxes
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.panel import (
    BLUE,
    GREEN,
    HEIGHT,
    INK,
    ORANGE,
    RED,
    WIDTH,
    Strokes,
    dots,
    many,
    panel,
    picture,
    segments,
)

if TYPE_CHECKING:
    from nnstruct.structure.structure import Structure

MOST_UNITS, MOST_EDGES = 300, 1_500  # told apart in a picture of this size
MOST_COLUMNS = 40
_BOXED = 2_000_000  # edges up to which layers are told apart by their operators
_NAMED = 50_000  # edges up to which the fingerprint is worked out for a picture's sake
_MARGIN = 12
_STRENGTHS = 4  # widths of lines that tell weights apart


def structure_panel(structure: Structure) -> str:
    """What a notebook shows of a structure.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> shown = Structure.from_layers([3, 4, 2])._repr_html_()
    >>> "9 (3 inputs, 2 outputs)" in shown, shown.count("<svg")
    (True, 1)
    """
    return panel(f"Structure, {structure.family}", facts_of(structure), [sketch(structure)])


def facts_of(structure: Structure) -> list[tuple[str, object]]:
    """Numbers that describe a structure, by name.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    list of (str, object)
    """
    inputs, outputs = int(structure.inputs.sum()), int(structure.outputs.sum())
    facts: list[tuple[str, object]] = [
        ("units", f"{structure.num_units:,} ({many(inputs, 'input')}, {many(outputs, 'output')})")
    ]
    if FAMILIES[structure.family].undirected:
        facts.append(("edges", f"{structure.graph_edges.shape[1]:,} without directions"))
    else:
        source, target = structure.forward_edges
        skips = int((structure.layer[target] - structure.layer[source] > 1).sum())
        facts.append(("layers", f"{structure.num_layers:,}"))
        facts.append(
            ("forward edges", f"{len(source):,}" + (f" ({skips:,} skipping layers)" if skips else ""))
        )
        for name, count in (("recurrent", structure.recurrent.sum()), ("residual", structure.residual.sum())):
            if count:
                facts.append((f"{name} edges", f"{int(count):,}"))
    if len(structure.dead_units):
        facts.append(("dead units", f"{len(structure.dead_units):,}"))
    facts.append(("origin", structure.origin.get("prior") or structure.origin.get("kind") or "user"))
    if structure.num_edges <= _NAMED:
        facts.append(("fingerprint", structure.fingerprint))
    return facts


def sketch(structure: Structure, strength: np.ndarray | None = None) -> str:
    """A picture of a structure: its units and forward edges, or of a large one its layers.

    Parameters
    ----------
    structure : Structure
    strength : float [E], optional
        Signed weights of the edges, which then give width and colour to the lines.

    Returns
    -------
    str
        Of at most some 40 KB, however large the structure.
    """
    undirected = FAMILIES[structure.family].undirected
    few = structure.num_units <= MOST_UNITS and structure.graph_edges.shape[1] <= MOST_EDGES
    if few:
        return _units_drawn(structure, strength)
    if undirected:
        note = "Too many units to be drawn, and no layers."
        return picture(f"{structure.num_units} units", [], note=note, height=1)
    if structure.num_edges <= _BOXED:
        boxes = layer_boxes(structure)
        if int(boxes.column.max()) < MOST_COLUMNS and len(boxes.units) <= 2 * MOST_COLUMNS:
            return _boxes_drawn(structure)
    return _profile_drawn(structure)


def _units_drawn(structure: Structure, strength: np.ndarray | None) -> str:
    undirected = FAMILIES[structure.family].undirected
    xy = _fitted(positions(structure))
    edges = structure.graph_edges
    skip = structure.layer[edges[1]] - structure.layer[edges[0]] > 1
    faint = round(float(np.clip(1.3 - 0.1 * np.log2(max(1, edges.shape[1])), 0.4, 0.9)), 2)
    legend = [(GREEN, "input"), (ORANGE, "output")]
    if strength is not None and not undirected:
        lines = _weighted(xy, edges, strength[: edges.shape[1]], faint)
        legend += [(BLUE, "weight above 0"), (RED, "below 0")]
    else:
        lines = [
            Strokes(segments(xy[edges[0, ~skip]], xy[edges[1, ~skip]]), BLUE, 1.0, faint),
            Strokes(_bent(xy[edges[0, skip]], xy[edges[1, skip]]), RED, 1.0, faint),
        ]
        legend += [(BLUE, "edge" if undirected else "to the next layer")] + [(RED, "skip")] * bool(skip.any())
    gap = HEIGHT / 8
    if structure.num_units > 1 and not undirected:
        gap = min(WIDTH / structure.num_layers, HEIGHT / int(structure.layer_sizes.max()))
    elif structure.num_units > 1:
        gap = 2.5 * HEIGHT / structure.num_units
    size = round(float(np.clip(0.6 * gap, 2.5, 13)), 1)
    dead = np.zeros(structure.num_units, dtype=bool)
    dead[structure.dead_units] = True
    inputs, outputs = structure.inputs & ~dead, structure.outputs & ~dead
    hidden = ~(inputs | outputs | dead)
    if undirected:  # all see the input and are seen by the read-out
        legend, inputs, outputs, hidden = legend[2:], inputs & False, outputs & False, ~dead
    lines += [
        Strokes(dots(xy[dead]), INK, size, 0.3),
        Strokes(dots(xy[hidden]), INK, size, 0.75),
        Strokes(dots(xy[outputs]), ORANGE, size),
        Strokes(dots(xy[inputs]), GREEN, round(size * 0.6, 1) if (inputs & outputs).any() else size),
    ]
    delayed = 0 if undirected else int(structure.recurrent.sum())
    note = f"{many(delayed, 'recurrent edge')} not drawn." if delayed else ""
    alt = f"{structure.family} of {structure.num_units} units and {edges.shape[1]} edges"
    return picture(alt, lines, legend=legend, note=note)


def _weighted(xy: np.ndarray, edges: np.ndarray, strength: np.ndarray, faint: float) -> list[Strokes]:
    """Lines by sign and size, the strongest on top."""
    share = np.abs(strength) / max(float(np.abs(strength).max(initial=0.0)), 1e-30)
    step = np.minimum((share * _STRENGTHS).astype(int), _STRENGTHS - 1)
    found = []
    for level in range(_STRENGTHS):
        for colour, side in ((BLUE, strength > 0), (RED, strength < 0)):
            chosen = side & (step == level)
            path = segments(xy[edges[0, chosen]], xy[edges[1, chosen]])
            found.append(Strokes(path, colour, 0.4 + 0.7 * level, round(min(1.0, faint + 0.1 * level), 2)))
    return found


def _boxes_drawn(structure: Structure) -> str:
    boxes = layer_boxes(structure)
    columns = int(boxes.column.max()) + 1
    step = WIDTH / columns
    height = 10 + 60 * np.log1p(boxes.units) / np.log1p(boxes.units.max())
    middle = np.zeros(len(height))
    for column in range(columns):
        here = np.flatnonzero(boxes.column == column)
        total = float(height[here].sum() + 6 * (len(here) - 1))
        shrink = min(1.0, (HEIGHT - 2 * _MARGIN) / total)
        height[here] *= shrink
        ends = np.cumsum(height[here] + 6 * shrink)
        middle[here] = HEIGHT / 2 - total * shrink / 2 + ends - height[here] / 2 - 6 * shrink
    x = (boxes.column + 0.5) * step
    place = np.stack([x, middle], axis=1)
    source, target = boxes.edges
    skip = boxes.column[target] - boxes.column[source] > 1
    half = np.stack([np.zeros(len(height)), height / 2], axis=1)
    width = round(min(0.6 * step, 40.0), 1)
    lines = [
        Strokes(segments(place[source[~skip]], place[target[~skip]]), BLUE, 1.2),
        Strokes(_bent((place - half)[source[skip]], (place - half)[target[skip]]), RED, 1.2, 0.8),
    ]
    kinds = (
        (INK, ~(boxes.inputs | boxes.outputs)),
        (ORANGE, boxes.outputs & ~boxes.inputs),
        (GREEN, boxes.inputs),
    )
    lines += [
        Strokes(_bars(place[of], height[of]), colour, width, 0.75 if colour == INK else 1.0, "butt")
        for colour, of in kinds
    ]
    widest = boxes.label[int(boxes.units.argmax())]
    delayed = boxes.delayed.shape[1]
    note = (
        f"A bar for each of {len(boxes.units)} layers, its height by the logarithm of its units; "
        f"the largest: {widest}.{' Recurrent edges are not drawn.' if delayed else ''}"
    )
    legend = [(GREEN, "input"), (ORANGE, "output"), (BLUE, "to the next")] + [(RED, "skip")] * bool(
        skip.any()
    )
    alt = f"{structure.family} of {structure.num_units} units in {len(boxes.units)} layers"
    return picture(alt, lines, legend=legend, note=note)


def _profile_drawn(structure: Structure) -> str:
    """The units by depth, neighbouring layers put together."""
    sizes = structure.layer_sizes
    columns = min(MOST_COLUMNS, len(sizes))
    first = np.linspace(0, len(sizes), columns + 1).astype(int)[:-1]
    units = np.add.reduceat(sizes, first)
    height = (HEIGHT - 2 * _MARGIN) * np.log1p(units) / np.log1p(units.max())
    place = np.stack([(np.arange(columns) + 0.5) * WIDTH / columns, HEIGHT - _MARGIN - height / 2], axis=1)
    together = f", {len(sizes) / columns:.0f} in a bar" if columns < len(sizes) else ""
    note = (
        f"Units by depth (logarithm), from the inputs to the outputs: {len(sizes):,} layers{together}; "
        f"at most {int(units.max()):,} units in a bar. Edges are not drawn."
    )
    alt = f"{structure.family} of {structure.num_units} units in {len(sizes)} layers"
    bars = Strokes(_bars(place, height), INK, round(0.7 * WIDTH / columns, 1), 0.75, "butt")
    return picture(alt, [bars], note=note)


def _bars(middle: np.ndarray, height: np.ndarray) -> str:
    """Upright lines around their middles."""
    return "".join(
        f"M{x:.1f} {y - h / 2:.1f}v{h:.1f}"
        for (x, y), h in zip(middle.tolist(), height.tolist(), strict=True)
    )


def _bent(start: np.ndarray, end: np.ndarray) -> str:
    """Lines that bend to the side on which they lie."""
    middle = (start + end) / 2
    away = np.where(middle[:, 1:] >= HEIGHT / 2, 1.0, -1.0) * np.abs(end - start)[:, :1] * 0.18
    control = np.concatenate([middle[:, :1], np.clip(middle[:, 1:] + away, -8, HEIGHT + 8)], axis=1)
    rows = np.concatenate([start, control, end], axis=1)
    return "".join("M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}".format(*row) for row in rows.tolist())


def _fitted(xy: np.ndarray) -> np.ndarray:
    """Coordinates in pixels, as large as the picture allows; one row or column lies in the middle."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    room = np.array([WIDTH, HEIGHT]) - 2 * _MARGIN
    span = high - low
    share = np.where(span > 0, (xy - low) / np.where(span > 0, span, 1.0), 0.5)
    fitted: np.ndarray = _MARGIN + share * room
    return fitted
