"""Registries name what is near and refuse a second part of one name."""

from __future__ import annotations

import pytest

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.registry import Registry
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES


@pytest.fixture
def shapes() -> Registry[str]:
    registry: Registry[str] = Registry("shape")
    for name in ("square", "circle"):
        registry.register(name)(name.upper())
    return registry


def test_lookup_order_length_and_membership(shapes: Registry[str]) -> None:
    assert shapes["square"] == "SQUARE"
    assert list(shapes) == ["circle", "square"]
    assert len(shapes) == 2
    assert "circle" in shapes
    assert "cube" not in shapes


def test_the_decorator_returns_the_part() -> None:
    registry: Registry = Registry("thing")

    @registry.register("one")
    class One: ...

    assert registry["one"] is One


def test_an_unknown_name_lists_the_known_and_suggests_the_nearest(shapes: Registry[str]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        shapes["squared"]
    assert str(caught.value) == "shape must be one of circle, square, got 'squared'. Did you mean 'square'?"
    assert isinstance(caught.value, KeyError)


def test_nothing_near_gives_no_suggestion(shapes: Registry[str]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        shapes["zzz"]
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", [None, 3, ["square"], {"square": 1}])
def test_a_name_that_is_no_string_is_unknown(shapes: Registry[str], name: object) -> None:
    assert name not in shapes
    with pytest.raises(UnknownNameError, match="shape must be one of"):
        shapes[name]  # type: ignore[index]


def test_a_name_taken_is_an_error(shapes: Registry[str]) -> None:
    with pytest.raises(InvalidInputError, match="shape name must not be registered twice, got 'square'"):
        shapes.register("square")("again")
    assert shapes["square"] == "SQUARE"


def test_every_family_states_its_gates() -> None:
    assert set(RNN_FAMILIES) < set(FAMILIES)
    for name in FAMILIES:
        family = FAMILIES[name]
        assert family.name == name
        assert family.biases >= family.gates >= 1
    assert [FAMILIES[name].gates for name in RNN_FAMILIES] == [1, 1, 3, 4]
    assert all(FAMILIES[name].recurrent for name in RNN_FAMILIES)
    assert {name for name in FAMILIES if FAMILIES[name].keeps_state} == set(RNN_FAMILIES)


def test_the_same_place_replaces_and_another_does_not() -> None:
    registry: Registry = Registry("thing")
    cell = 'class One:\n    """{}"""\nadd.register("one")(One)'
    for text, module in (("first", "__main__"), ("edited", "__main__")):
        exec(cell.format(text), {"add": registry, "__name__": module})
    assert registry.about("one") == "edited"
    with pytest.raises(InvalidInputError, match="thing name must not be registered twice, got 'one'"):
        exec(cell.format("other"), {"add": registry, "__name__": "elsewhere"})


def test_a_part_may_say_its_own_name() -> None:
    registry: Registry = Registry("thing")

    class Named:
        """Has a name."""

        name = "named"

    @registry.register
    def by_function() -> None:
        """A function."""

    assert registry.register(Named) is Named
    assert list(registry) == ["by-function", "named"]
    assert str(registry) == "by-function  A function.\nnamed        Has a name."
    assert "<td style='text-align:left'>Has a name.</td>" in registry._repr_html_()
    with pytest.raises(InvalidInputError, match="thing name must be given"):
        registry.register(3)


def test_a_class_becomes_the_part_that_is_kept() -> None:
    registry: Registry = Registry("thing", adopt=lambda part: part(), about=lambda part: f"is {part.value}")

    @registry.register("one")
    class One:
        value = 1

    assert registry["one"].value == 1
    assert not isinstance(registry["one"], type)
    assert registry.about("one") == "is 1"
