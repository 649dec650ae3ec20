"""Templates escape what goes into HTML, leave text alone and miss no value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import nnstruct
from nnstruct.templates import render

PACKAGE = Path(nnstruct.__file__).parent
TEMPLATES = sorted(PACKAGE.rglob("templates/*.*"))


def test_html_escapes_what_it_is_given_but_not_its_own() -> None:
    inner = render("nnstruct.report", "next_steps.html", commands=[("a & b", "<script>")])
    assert "<p>a &amp; b</p>\n<pre>&lt;script&gt;</pre>" in inner
    page = render("nnstruct.report", "page.html", title="<script>", sections=["", inner])
    assert inner in page
    assert page.count("<script") == 0
    assert "<title>&lt;script&gt;</title>" in page


def test_plain_text_that_was_no_template_is_escaped_in_html() -> None:
    page = render("nnstruct.report", "page.html", title="t", sections=["<script>"])
    assert "<script" not in page


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'sections' is undefined"):
        render("nnstruct.report", "page.html", title="t")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_template_switches_escaping_off(path: Path) -> None:
    assert re.findall(r"\|\s*safe\b|autoescape", path.read_text()) == []


def test_there_are_templates_of_reports_and_cards() -> None:
    assert {path.parent.parent.name for path in TEMPLATES} >= {"report", "benchmark"}
