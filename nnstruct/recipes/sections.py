"""Tables of a dataset recipe: the task, the space, the sample and the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.checks import check_room
from nnstruct.errors import InvalidInputError
from nnstruct.recipes.reading import Section, check_known
from nnstruct.structure import Structure
from nnstruct.structure.checks import STRUCTURE_BYTES
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.recurrence import RECURRENCES
from nnstruct.structure.space import SPACE_ATTRIBUTES, Space, has_attribute

if TYPE_CHECKING:
    from nnstruct.search import Rungs


class TaskSection(Section):
    """``[task]``: a task's name and the keywords of its function."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from nnstruct.tasks import TASKS

        check_known(name, TASKS, "name")
        return name


class SpaceSection(Section):
    """``[space]``: which structures may be drawn."""

    families: Annotated[list[str], Field(min_length=1)]
    units: list[int] = Field(default_factory=lambda: [10, 50], min_length=2, max_length=2)
    recurrence: str = "layer"
    recurrences: list[str] = Field(default_factory=list)
    max_edges: int | None = None
    operators: list[str] | None = None
    activations: list[str] | None = None
    channels: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    stages: int | None = None
    joins: list[str] | None = None

    @field_validator("families")
    @classmethod
    def _are_known(cls, families: list[str]) -> list[str]:
        for family in families:
            check_known(family, FAMILIES, "families")
        if len(set(families)) < len(families):
            raise InvalidInputError("families", "name each family once", families)
        return families

    @field_validator("recurrence")
    @classmethod
    def _is_known(cls, recurrence: str) -> str:
        check_known(recurrence, RECURRENCES, "recurrence")
        return recurrence

    @model_validator(mode="after")
    def _keeps_bounds(self) -> Self:
        for family in self.families:
            self.of(family)
        # Some priors draw a matrix over pairs of units.
        check_room(self.units, "units", self.units[1] ** 2)
        if self.channels is not None:  # a kernel joins each channel to each
            check_room(self.channels, "channels", 4 * self.channels[1] ** 2)
        for field in SPACE_ATTRIBUTES:
            if getattr(self, field) is not None and not any(has_attribute(f, field) for f in self.families):
                families = ", ".join(self.families)
                raise InvalidInputError(field, f"be left out for {families}", getattr(self, field))
        return self

    def of(self, family: str) -> Space:
        """The Space of one family, with what is said of attributes that its units have.

        Parameters
        ----------
        family : str

        Returns
        -------
        Space
        """
        fewest, most = self.units
        bounds = {"max_edges": self.max_edges, "recurrence": self.recurrence, **self.attributes_of(family)}
        if FAMILIES[family].keeps_state:
            bounds["recurrences"] = tuple(self.recurrences)
        return Space(family, units=(fewest, most), **bounds)

    def attributes_of(self, family: str) -> dict[str, Any]:
        """Bounds on attributes of units as a Space takes them.

        Parameters
        ----------
        family : str

        Returns
        -------
        dict
            Those that are given, of attributes that the family's units have, for example ``operators``.
        """
        return {
            field: tuple(value) if isinstance(value, list) else value
            for field in SPACE_ATTRIBUTES
            if (value := getattr(self, field)) is not None and has_attribute(family, field)
        }


class RungsSection(Section):
    """``[rungs]``: parameters of :class:`nnstruct.search.Rungs`, and what lower fidelities have less of."""

    fidelities: Annotated[list[float], Field(min_length=1)] = Field(
        default_factory=lambda: [1 / 9, 1 / 3, 1.0]
    )
    reduction: float = 3.0
    brackets: int = 1
    promotion: str = "score"
    lower: str = "epochs"

    @model_validator(mode="after")
    def _are_rungs(self) -> Self:
        from nnstruct.recipes.lowered import LOWERED

        self.make()
        check_known(self.lower, LOWERED, "lower")
        return self

    def make(self) -> Rungs:
        """The rungs.

        Returns
        -------
        Rungs
        """
        from nnstruct.search import Rungs

        return Rungs(tuple(self.fidelities), self.reduction, self.brackets, self.promotion)


_Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class StartSection(Section):
    """``[[start]]``: a structure of one's own that is asked first, by its edges and what its units are.

    ``units`` holds attributes of the units (:mod:`nnstruct.structure.units`), a list with one value a unit or
    one value for all.
    """

    edges: Annotated[list[_Pair], Field(min_length=1)]
    recurrent: list[_Pair] | None = None
    units: dict[str, Any] = Field(default_factory=dict)

    def make(self, family: str) -> Structure:
        """The structure.

        Parameters
        ----------
        family : str

        Returns
        -------
        Structure

        Raises
        ------
        StructureError
            If edges or attributes break a rule.
        """
        count = 1 + max(max(pair) for pair in self.edges)
        attributes = {
            name: value if isinstance(value, list) else [value] * count for name, value in self.units.items()
        }
        edges = [(source, target) for source, target in self.edges]
        back = None if self.recurrent is None else [(source, target) for source, target in self.recurrent]
        return Structure.from_edges(edges, family=family, recurrent=back, attributes=attributes)


class PrunedSample(Section):
    """``[sample.pruned]``: how many pruned structures of each family, from which benchmark of them."""

    benchmark: str
    count: Annotated[int, Field(ge=1)]


class SampleSection(Section):
    """``[sample]``: how many structures of each family, from which priors.

    With ``study = "stier2021"`` they are those of :func:`nnstruct.priors.stier2021`, and ``[space]``
    bounds nothing but the families. ``layers`` keeps the draws whose number of layers is in a range (least,
    greatest), and units have one value of each attribute in ``shared``, that of the first unit.
    ``edition`` is that of priors that have several; see :func:`nnstruct.priors.sample`. ``inputs`` and
    ``outputs`` are those of :func:`nnstruct.structure.ports.with_ports`: the units that see the input and
    those that the read-out sees. ``[sample.pruned]`` adds structures that were pruned on another task, from
    the benchmark of that name, see :func:`nnstruct.load_benchmark`.
    """

    count: Annotated[int, Field(ge=1)]
    priors: Annotated[list[str], Field(min_length=1)] | None = None
    study: Literal["stier2021"] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    layers: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    edition: Annotated[int, Field(ge=1, le=2)] | None = None
    shared: list[Literal["operator", "activation", "channels", "join"]] = Field(default_factory=list)
    inputs: Literal["sources", "all"] = "sources"
    outputs: Literal["sinks", "all"] = "sinks"
    pruned: PrunedSample | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        check_room(self.count, "count", STRUCTURE_BYTES * self.count)
        return self

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.study and self.priors:
            raise InvalidInputError("priors", "be left out with a study", self.priors)
        return self

    @field_validator("priors")
    @classmethod
    def _are_known(cls, priors: list[str] | None) -> list[str] | None:
        from nnstruct.priors import PRIORS

        for prior in priors or ():
            check_known(prior, PRIORS, "priors")
        return priors


class WeightsSection(Section):
    """``[weights]``: the epochs, from 1 on, after which trained weights are kept."""

    epochs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class TargetSection(Section):
    """``[target]``: which label the benchmark is about."""

    name: str = "test"

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from nnstruct.benchmark import TARGETS

        check_known(name, TARGETS, "name")
        return name
