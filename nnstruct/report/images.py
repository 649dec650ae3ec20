"""Figures that stand inside the HTML."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnstruct.report.plots import BLUE, GREEN, GREY, INK, ORANGE, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNDATED: Any = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}
# The same bytes for the same data: no date, no random ids; text as outlines, so that no font is missing.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelcolor": INK,
    "text.color": INK,
    "svg.hashsalt": "nnstruct",
    "svg.fonttype": "path",
}


# A page's colours, so that pictures follow its dark form; the fallback is the colour itself.
_COLOURS = {INK: "ink", BLUE: "blue", ORANGE: "orange", GREEN: "green", GREY: "grey", PALE: "line"}


def image(
    draw: Callable[[Axes], object], alt: str, *, width: float = 4.4, height: float = 3.2, kind: str = "svg"
) -> str:
    """What ``draw`` draws, as an element that stands in the page and needs no file.

    Parameters
    ----------
    draw : callable
        Takes the Axes.
    alt : str
        The picture in words.
    width, height : float
        Inches.
    kind : {"svg", "png"}
        ``svg`` gives an ``svg`` element that takes the page's colours, ``png`` an ``img``, for drawings of so
        many lines that SVG would be large.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.report.images import image
    >>> image(lambda ax: ax.plot([0, 1]), "a line").startswith('<svg role="img" aria-label="a line"')
    True
    """
    import matplotlib as mpl
    from markupsafe import Markup
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        drawn = figure_bytes(figure, kind, dpi=170, transparent=True)
    if kind == "svg":
        return Markup('<svg role="img" aria-label="{}" {}').format(alt, Markup(_inline(drawn.decode())))
    data = base64.b64encode(drawn).decode("ascii")
    return Markup('<img alt="{}" src="data:image/{};base64,{}">').format(alt, kind, data)


def _inline(svg: str) -> str:
    """What follows ``<svg`` in a file, for a page: no metadata, ids of its own, the page's colours."""
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    body = body[body.index("<svg") + len("<svg") :]
    head, _, rest = body.partition(">")
    (box,) = re.findall(r'viewBox="[^"]+"', head)
    mine = hashlib.sha256(rest.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', rest))

    def named(match: re.Match[str]) -> str:
        return f' id="{match[1]}-{mine}"' if match[1] in used else ""

    rest = re.sub(r' id="([^"]+)"', named, rest)
    rest = re.sub(r'xlink:href="#([^"]+)"', rf'href="#\1-{mine}"', rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#\1-{mine})", rest)
    for colour, name in _COLOURS.items():
        rest = rest.replace(colour, f"var(--{name})")
    return f"{box}>{rest.strip()}"


def figure_bytes(figure: Figure, kind: str, *, dpi: float = 150, transparent: bool = False) -> bytes:
    """A figure as a file of some kind, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    kind : str
        ``png``, ``svg``, ``pdf`` or what else matplotlib writes.
    dpi : float
        Pixels an inch.
    transparent : bool
        Whether the ground is left out.

    Returns
    -------
    bytes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from nnstruct.report.images import figure_bytes
    >>> figure_bytes(Figure(), "png").startswith(b"\\x89PNG")
    True
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "nnstruct"}):
        figure.savefig(
            buffer, format=kind, dpi=dpi, transparent=transparent, metadata=_UNDATED.get(kind)
        )  # fmt: skip
    return buffer.getvalue()
