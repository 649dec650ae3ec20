"""Text from Jinja2 templates that lie beside the code, in a folder ``templates`` of its package."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(package: str, name: str, /, **values: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    package : str
        The package whose folder ``templates`` holds it.
    name : str
        Of the file. In an ``.html`` file every value is escaped that is not HTML already.
    **values : Any
        What the template speaks of; a name that it lacks is an error.

    Returns
    -------
    str
        For an ``.html`` file a :class:`markupsafe.Markup`, which other templates take as it is.

    Raises
    ------
    jinja2.UndefinedError
        If the template needs a value that was not given.

    Examples
    --------
    >>> from nnstruct.templates import render
    >>> str(render("nnstruct.report", "next_steps.html", commands=[("Look", "show <x>")])).count("&lt;x&gt;")
    1
    """
    from markupsafe import Markup

    text = _environment(package).get_template(name).render(values)
    return Markup(text) if name.endswith(".html") else text


@cache
def _environment(package: str) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["percent"] = "{:.0%}".format
    made.tests["finite"] = math.isfinite
    return made
