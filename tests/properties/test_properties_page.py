"""The page on properties names every family, with as many measures as it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nnstruct.properties
from nnstruct.probes import PROBE_FAMILIES
from nnstruct.properties import NETWORK_FAMILIES, PROPERTY_FAMILIES

PAGE = Path(nnstruct.properties.__file__).parent / "README.md"
REGISTRIES = (PROPERTY_FAMILIES, NETWORK_FAMILIES, PROBE_FAMILIES)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_tables_hold_every_family(page):
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page, flags=re.MULTILINE))
    known = {name: str(len(registry[name].measures)) for registry in REGISTRIES for name in registry}
    assert rows == known


def test_each_family_has_its_section(page):
    headings = re.findall(r"^### (\w+)$", page, flags=re.MULTILINE)
    assert sorted(headings) == sorted(name for registry in REGISTRIES for name in registry)
