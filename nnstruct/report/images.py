"""Figures as images that stand inside the HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from nnstruct.report.plots import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        buffer = io.BytesIO()
        if kind == "svg":
            figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        else:
            figure.savefig(buffer, format="png", dpi=170, metadata={"Software": None})
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{escape(alt, quote=True)}" src="data:{mime};base64,{data}">'
