"""The site: ``sphinx-build -W notebooks build/site``, without a network."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import site_pages  # noqa: E402

import nnstruct  # noqa: E402

project, author = "nnstruct", "The nnstruct developers"
copyright = author
version = release = nnstruct.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb",
    "sphinx_design", "sphinx_copybutton",
]
exclude_patterns = ["_generated/parts/*"]
# Notebooks are shown as they were kept; the tests run them.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# What scikit-learn adds to its estimators for metadata that nnstruct's do not take.
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_predict_request, set_score_request, get_metadata_routing, "
    "set_transform_request, set_inverse_transform_request",
}
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "nnstruct"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "own-parts": [], "recipes": [], "leaderboard": [], "start": [], "gallery": [], "faq": [], "changelog": [], "cite": []}
html_show_sourcelink = False


def plain(line):
    """A line in which bars and stars in brackets, as of norms and shapes, mean themselves."""
    parts = re.split(r"(``[^`]*``)", line)
    return "".join(p if p.startswith("``") else re.sub(r"\[\*", r"[\\*", p).replace("|", r"\|") for p in parts)


def as_sphinx_reads(app, what, name, obj, options, lines):
    """No norm is a substitution, no shape emphasis, and a room's Examples are no section of the page."""
    shown = False
    for at, line in enumerate(lines):
        shown = line.lstrip().startswith(">>>") or (shown and bool(line.strip()))
        if not shown:
            lines[at] = plain(line)
    if what == "module" and "Examples" in lines:
        at = lines.index("Examples")
        lines[at : at + 2] = [".. rubric:: Examples", ""]


def setup(app):
    app.connect("builder-inited", lambda app: site_pages.write(HERE / "_generated"))
    app.connect("autodoc-process-docstring", as_sphinx_reads, priority=900)
