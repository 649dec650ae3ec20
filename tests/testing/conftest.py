"""Parts that are registered for the length of one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nnstruct.registry import Registry


@pytest.fixture
def register() -> Iterator[Callable[[Registry[Any], str, Any], Any]]:
    """Registers a part under a name; the registry is as before once the test is over."""
    added: list[tuple[Registry[Any], str]] = []

    def add(registry: Registry[Any], name: str, part: Any) -> Any:
        registry.register(name)(part)
        added.append((registry, name))
        return part

    yield add
    for registry, name in added:
        del registry._parts[name]
