"""Figures as images that stand inside the HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnstruct.report.plots import INK

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


def image(
    draw: Callable[[Axes], object], alt: str, *, width: float = 5.4, height: float = 3.7, kind: str = "svg"
) -> str:
    """An ``img`` element that holds what ``draw`` draws.

    Parameters
    ----------
    draw : callable
        Takes the Axes.
    alt : str
        The picture in words.
    width, height : float
        Inches.
    kind : {"svg", "png"}
        ``png`` for drawings of so many lines that SVG would be large.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct.report.images import image
    >>> image(lambda ax: ax.plot([0, 1]), "a line").startswith('<img alt="a line" src="data:image/svg')
    True
    """
    import matplotlib as mpl
    from markupsafe import Markup
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        drawn = figure_bytes(figure, kind, dpi=170, transparent=kind == "svg")
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    data = base64.b64encode(drawn).decode("ascii")
    return Markup('<img alt="{}" src="data:{};base64,{}">').format(alt, mime, data)


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
