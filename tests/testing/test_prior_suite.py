"""The suite of priors passes a sound prior, and says what is wrong with others."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
from pydantic import ConfigDict, Field

from nnstruct.priors import PRIORS, Prior
from nnstruct.priors.base import Probability
from nnstruct.structure import Structure
from nnstruct.testing import check_prior


class ShortCuts(Prior):
    """A path with random short cuts to the last unit."""

    name: ClassVar[str] = "short-cuts"

    units: Annotated[int, Field(ge=2)]
    p: Probability

    @property
    def expected_edges(self) -> float:
        return self.units - 1 + self.p * (self.units - 2)

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"units": units, "p": rng.uniform(0.3, 0.7)}

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        path = np.stack([np.arange(self.units - 1), np.arange(1, self.units)])
        cuts = np.flatnonzero(rng.random(self.units - 2) < self.p)
        return np.concatenate([path, np.stack([cuts, np.full_like(cuts, self.units - 1)])], axis=1)


class GlobalStructure(ShortCuts):
    def pairs(self, rng):
        return super().pairs(np.random)


class GlobalParameters(ShortCuts):
    @classmethod
    def parameters_for(cls, units, rng):
        return super().parameters_for(units, np.random)


class Narrow(ShortCuts):
    @classmethod
    def parameters_for(cls, units, rng):
        return {"units": 12, "p": 0.5}


class SeedBlind(ShortCuts):
    def pairs(self, rng):
        return super().pairs(np.random.default_rng(0))


class OnlySaysDeterministic(ShortCuts):
    deterministic = True


class TooLarge(ShortCuts):
    @classmethod
    def parameters_for(cls, units, rng):
        return {"units": units + 40, "p": rng.uniform(0.3, 0.7)}


class TooManyEdges(ShortCuts):
    @property
    def expected_edges(self):
        return 1e3

    @classmethod
    def draw(cls, space, rng):
        return cls(**cls.parameters_for(int(rng.integers(space.units[0], space.units[1] + 1)), rng))


class OneUnitMore(ShortCuts):
    @property
    def num_units(self):
        return self.units

    def sample(self, seed, *, family, recurrence="layer"):
        return type(self)(units=self.units + 1, p=self.p).drawn(seed, family, recurrence)

    def drawn(self, seed, family, recurrence):
        return super().sample(seed, family=family, recurrence=recurrence)


class AlwaysPerceptrons(ShortCuts):
    def sample(self, seed, *, family, recurrence="layer"):
        return super().sample(seed, family="mlp", recurrence=recurrence)


class WithoutOrigin(ShortCuts):
    def sample(self, seed, *, family, recurrence="layer"):
        drawn = super().sample(seed, family=family, recurrence=recurrence)
        return Structure(
            drawn.edge_index, drawn.num_units, recurrent=drawn.recurrent, family=family,
            origin={"prior": self.name},
        )  # fmt: skip


class Thawed(ShortCuts):
    model_config = ConfigDict(frozen=False)

    def __hash__(self):
        return hash((self.units, self.p))


class TakesAnything(ShortCuts):
    p: Any

    @property
    def expected_edges(self):
        return float(self.units)


class NothingRequired(ShortCuts):
    units: Annotated[int, Field(ge=2)] = 10
    p: Probability = 0.5


class AnySeed(ShortCuts):
    def sample(self, seed, *, family, recurrence="layer"):
        return super().sample(abs(int(seed)), family=family, recurrence=recurrence)


class NeedsMoreThanItSays(ShortCuts):
    @classmethod
    def parameters_for(cls, units, rng):
        return {"units": max(units, 4), "p": rng.uniform(0.3, 0.7)}


def test_a_sound_prior_passes_by_name_and_by_class(register) -> None:
    register(PRIORS, "short-cuts", ShortCuts)
    check_prior("short-cuts")
    check_prior(ShortCuts)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (GlobalStructure, "give the same structure for the same seed, got two that differ"),
        (GlobalParameters, "draw its parameters from the generator that it is given alone"),
        (Narrow, "draw more than 4 different sets of parameters in 8, got 1"),
        (SeedBlind, "give different structures for different seeds, or say that it is deterministic, got 0"),
        (OnlySaysDeterministic, "give one structure for all seeds, being deterministic"),
        (TooLarge, r"draw a number of units in 4\.\.6, got 4"),
        (TooManyEdges, "draw parameters with at most 80 expected edges, got 1000"),
        (OneUnitMore, "give structures of num_units units"),
        (AlwaysPerceptrons, "give the family asked for, got mlp"),
        (WithoutOrigin, r"write 'prior', 'parameters' and 'seed' into the origin, got \['prior'\]"),
        (Thawed, "refuse another value for 'units' after construction with a ValidationError"),
        (TakesAnything, "refuse p='three' with a InvalidInputError"),
        (NothingRequired, "have a parameter that must be given"),
        (AnySeed, "refuse seed=-1 with a InvalidInputError"),
        (NeedsMoreThanItSays, "fit into 3 units, got 4"),
    ],
)
def test_a_broken_law_is_told(broken: type[Prior], sentence: str, register) -> None:
    broken.name = "short-cuts"
    register(PRIORS, "short-cuts", broken)
    with pytest.raises(AssertionError, match=f"^The prior 'short-cuts' must {sentence}"):
        check_prior(broken)


def test_a_prior_that_is_not_registered_is_told(register) -> None:
    with pytest.raises(AssertionError, match="under its own name 'short-cuts' and no other, got no"):
        check_prior(ShortCuts)
    register(PRIORS, "cuts", ShortCuts)
    with pytest.raises(AssertionError, match=r"registered under its own name .* got 'cuts'"):
        check_prior("cuts")
