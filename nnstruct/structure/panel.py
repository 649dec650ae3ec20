"""How objects show themselves in a notebook: small inline SVG and a few facts, without matplotlib.

Text and axes take the page's colour (``currentColor``), and the other colours are seen on white and on black,
so that a panel fits light and dark pages without a style of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnstruct.templates import render

INK, GREEN, ORANGE, BLUE, RED, TEAL = "currentColor", "#1b9e77", "#d95f02", "#4c83b8", "#e45756", "#2a9d8f"
WIDTH, HEIGHT = 320, 190  # pixels of a picture
_SPACE = 22  # around a chart, for its numbers


@dataclass(frozen=True)
class Strokes:
    """Lines or dots of one colour.

    Attributes
    ----------
    points : str
        An SVG path.
    colour : str
    width : float
        Pixels.
    opacity : float
    ends : {"round", "butt"}
        Round ends show a line of no length as a disc; butt ones keep a bar's length.
    """

    points: str
    colour: str = INK
    width: float = 1.0
    opacity: float = 1.0
    ends: str = "round"


@dataclass(frozen=True)
class Words:
    """A text in a picture.

    Attributes
    ----------
    words : str
    x, y : float
        Pixels.
    anchor : {"start", "middle", "end"}
    """

    words: str
    x: float
    y: float
    anchor: str = "middle"


def segments(start: np.ndarray, end: np.ndarray) -> str:
    """An SVG path of straight lines.

    Parameters
    ----------
    start, end : float [E, 2]

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> segments(np.array([[0, 1.26]]), np.array([[2, 3]]))
    'M0 1.3L2 3'
    """
    both = np.concatenate([start, end], axis=1)
    return "".join("M{} {}L{} {}".format(*map(_short, row)) for row in both.tolist())


def dots(places: np.ndarray) -> str:
    """An SVG path of points, which lines with round ends show as discs.

    Parameters
    ----------
    places : float [N, 2]

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> dots(np.array([[1, 2], [3, 4]]))
    'M1 2h0M3 4h0'
    """
    return "".join(f"M{_short(x)} {_short(y)}h0" for x, y in places.tolist())


def picture(
    alt: str,
    lines: Iterable[Strokes],
    texts: Iterable[Words] = (),
    *,
    legend: Sequence[tuple[str, str]] = (),
    note: str = "",
    width: int = WIDTH,
    height: int = HEIGHT,
) -> str:
    """A figure with an inline SVG.

    Parameters
    ----------
    alt : str
        The picture in words.
    lines : iterable of Strokes
        Later ones lie on top.
    texts : iterable of Words
    legend : sequence of (str, str)
        Colours and what they mean.
    note : str
        What follows the legend, such as what is not drawn.
    width, height : int
        Pixels.

    Returns
    -------
    str
        Marked as HTML, so that templates take it as it is.
    """
    return render(
        "nnstruct.structure", "picture.html", alt=alt, lines=[line for line in lines if line.points],
        texts=list(texts), legend=legend, note=note, width=width, height=height,
    )  # fmt: skip


def panel(title: str, facts: Iterable[tuple[str, object]], pictures: Sequence[str] = ()) -> str:
    """Pictures beside a table of facts.

    Parameters
    ----------
    title : str
    facts : iterable of (str, object)
        Names and values, which are escaped.
    pictures : sequence of str
        Of :func:`picture`.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.structure.panel import panel
    >>> "<td style=\\"text-align:left;padding:1px 0\\">&lt;3&gt;</td>" in panel("Example", [("size", "<3>")])
    True
    """
    return str(render("nnstruct.structure", "panel.html", title=title, facts=list(facts), pictures=pictures))


def histogram(values: np.ndarray, name: str, *, bins: int = 24) -> str:
    """How values are spread, as bars from the lowest to the highest.

    Parameters
    ----------
    values : float [n]
        Finite ones are counted.
    name : str
        What they are.
    bins : int

    Returns
    -------
    str
        Empty where no value is finite.
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return ""
    low, high = float(found.min()), float(found.max())
    # Each value's place by its own share of the range: np.histogram has no bins for a range of one ulp.
    share = (found - low) / (high - low) if high > low else np.full(len(found), 0.5)
    count = np.bincount(np.minimum((share * bins).astype(int), bins - 1), minlength=bins)
    step = (WIDTH - 2 * _SPACE) / bins
    x = _SPACE + (np.arange(bins) + 0.5) * step
    top = HEIGHT - _SPACE - (HEIGHT - 2 * _SPACE) * count / count.max()
    ground = np.full(bins, float(HEIGHT - _SPACE))
    some = count > 0
    bars = segments(np.stack([x, ground], axis=1)[some], np.stack([x, top], axis=1)[some])
    return picture(
        f"Histogram of {len(found)} values of {name}, {low:.4g} to {high:.4g}",
        [Strokes(bars, BLUE, round(step * 0.8, 1), ends="butt"), _ground()],
        [
            Words(f"{low:.4g}", _SPACE, HEIGHT - 6, "start"),
            Words(f"{high:.4g}", WIDTH - _SPACE, HEIGHT - 6, "end"),
            Words(f"at most {count.max():,} of {len(found):,} in a bar", WIDTH / 2, 12),
        ],
        legend=[(BLUE, name)],
    )


def trail(values: np.ndarray, name: str, *, upward: bool = True, most: int = 1_000) -> str:
    """Values in their order as points, and the best so far as a line.

    Parameters
    ----------
    values : float [n]
        Those that are not finite have no point.
    name : str
        What they are.
    upward : bool
        Whether large is good.
    most : int
        Points that are drawn; of more, an even share.

    Returns
    -------
    str
        Empty where no value is finite.
    """
    found = np.asarray(values, dtype=np.float64)
    place = np.flatnonzero(np.isfinite(found))
    if not len(place):
        return ""
    score = found[place]
    best = np.maximum.accumulate(score) if upward else np.minimum.accumulate(score)
    low, high = float(score.min()), float(score.max())
    x = _SPACE + (WIDTH - 2 * _SPACE) * place / max(1, len(found) - 1)
    height = HEIGHT - 2 * _SPACE

    def y(value: np.ndarray) -> np.ndarray:
        share = (value - low) / (high - low) if high > low else np.full(len(value), 0.5)
        return HEIGHT - _SPACE - height * share

    shown = np.unique(np.linspace(0, len(place) - 1, min(most, len(place))).astype(int))
    steps = np.flatnonzero(np.r_[True, best[1:] != best[:-1]])
    steps = steps[np.unique(np.linspace(0, len(steps) - 1, min(most, len(steps))).astype(int))]
    flat = np.r_[x[steps][1:], x[-1]]
    levels = y(best[steps])
    line = segments(np.stack([x[steps], levels], axis=1), np.stack([flat, levels], axis=1))
    few = "" if len(shown) == len(place) else f"{len(shown):,} of {len(place):,} points are drawn."
    return picture(
        f"{name} of {len(place)} trials, {low:.4g} to {high:.4g}",
        [
            Strokes(dots(np.stack([x, y(score)], axis=1)[shown]), BLUE, 5.0, 0.7),
            Strokes(line, ORANGE, 2.0),
            _ground(),
        ],
        [
            Words(f"{high:.4g}", _SPACE, 14, "start"),
            Words(f"{low:.4g}", _SPACE, HEIGHT - 6, "start"),
            Words(f"{len(found):,} trials", WIDTH - _SPACE, HEIGHT - 6, "end"),
        ],
        legend=[(BLUE, name), (ORANGE, "best so far")],
        note=few,
    )


def _ground() -> Strokes:
    return Strokes(f"M{_SPACE} {HEIGHT - _SPACE}H{WIDTH - _SPACE}", INK, 1.0, 0.6)


def _short(value: float) -> str:
    """A number of pixels to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def many(count: int, word: str) -> str:
    """A number of things, in words.

    Parameters
    ----------
    count : int
    word : str
        For one of them.

    Returns
    -------
    str

    Examples
    --------
    >>> many(1, "structure"), many(1200, "structure")
    ('1 structure', '1200 structures')
    """
    return f"{count} {word}{'' if count == 1 else 's'}"
