"""The suite of genetic operators passes a sound operator, and says what is wrong with others."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct.search import OPERATORS, Operator
from nnstruct.search.operators import AddEdge
from nnstruct.structure import Structure
from nnstruct.testing import check_operator


class Sound(AddEdge):
    name = "toy"


class Barren(Sound):
    def apply(self, genomes, rng, space):
        return None


class Boundless(Sound):
    def __call__(self, parents, rng, space):
        parent = parents[0] if isinstance(parents, list) else parents
        super().__call__(parents, rng, space)
        return Structure.from_layers([12, 12], family=parent.family)


class Scattering(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        if child is None:
            return None
        return Structure(np.zeros((2, 0), int), child.num_units, family=child.family, origin=child.origin)


class Nameless(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        return child and _changed(child, origin={"parents": child.origin["parents"]})


class Orphaning(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        return child and _changed(child, origin={"operator": self.name, "parents": []})


class Painting(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        return child and _changed(child, attributes={"stage": (0,) * child.num_units, **child.attributes})


class Inventing(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        new = {"stage": (9,) * child.num_units} if child and "stage" in child.attributes else {}
        return child and _changed(child, attributes={**child.attributes, **new})


class KeepsNoState(Sound):
    def __call__(self, parents, rng, space):
        child = super().__call__(parents, rng, space)
        return child and child.with_recurrence("none")


class Unseeded(Sound):
    def __call__(self, parents, rng, space):
        return super().__call__(parents, np.random.default_rng(np.random.randint(2**31)), space)  # noqa: NPY002


class TakesAnyNumber(Sound):
    def __call__(self, parents, rng, space):
        return super().__call__(parents[:1] if isinstance(parents, list) else parents, rng, space)


def _changed(child: Structure, **changes) -> Structure:
    parts = {"attributes": child.attributes, "origin": child.origin, **changes}
    return Structure(
        child.edge_index, child.num_units, recurrent=child.recurrent, family=child.family,
        inputs=child.inputs, outputs=child.outputs, **parts,
    )  # fmt: skip


def test_a_sound_operator_passes_by_name_and_by_itself(register) -> None:
    operator = register(OPERATORS, "toy", Sound())
    check_operator("toy")
    check_operator(operator)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Barren, "make offspring in some of 80 matings, got none"),
        (Boundless, "stay inside the space, got it has 24 units, not"),
        (Scattering, "make offspring that hangs together"),
        (Nameless, "write its name into the origin, got None"),
        (Orphaning, r"write the parents' fingerprints into the origin, got \[\]"),
        (Painting, "keep the attributes that all parents have, and add none but those of the space"),
        (Inventing, r"take each stage from a parent or the space, got \{9\}"),
        (KeepsNoState, "make recurrent edges anew by the space's recurrence"),
        (Unseeded, "make the same offspring from the same generator"),
        (TakesAnyNumber, "refuse 2 parents with a InvalidInputError"),
    ],
)
def test_a_broken_law_is_told(broken: type[Operator], sentence: str, register) -> None:
    operator = register(OPERATORS, "toy", broken())
    with pytest.raises(AssertionError, match=f"^The operator 'toy' must {sentence}"):
        check_operator(operator)


def test_an_operator_that_is_not_registered_is_told() -> None:
    with pytest.raises(AssertionError, match="must be registered under its own name 'toy'"):
        check_operator(Sound())
