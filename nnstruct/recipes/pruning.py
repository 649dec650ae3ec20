"""Pruning recipes: which network is pruned how far, by which methods, and what is to come of it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.recipes.expected import Bounds
from nnstruct.recipes.reading import Section, changed_config, check_known
from nnstruct.recipes.schedules import MethodSection, RetrainSection, check_densities
from nnstruct.recipes.sections import TaskSection
from nnstruct.record import TrainConfig


class NetworkSection(Section):
    """``[network]``: its name, as :func:`nnstruct.pruning.starting_network` takes it."""

    start: str


class PruningSection(Section):
    """``[pruning]``: shares of the weights to keep, and how many networks for each method."""

    densities: list[float]
    seeds: Annotated[int, Field(ge=1)] = 5
    schedule: str = "iterative"
    structures: bool = False

    @field_validator("densities")
    @classmethod
    def _fall(cls, densities: list[float]) -> list[float]:
        return check_densities(densities)

    @field_validator("schedule")
    @classmethod
    def _is_known(cls, schedule: str) -> str:
        from nnstruct.pruning import SCHEDULES

        check_known(schedule, SCHEDULES, "schedule")
        return schedule


class CompareSection(Section):
    """``[[compare]]``: two labels whose scores are compared, paired by seed."""

    first: str
    second: str
    densities: list[float] | None = None


class ExpectationSection(Section):
    """An entry of ``[expected]``: what is to hold for one label at one density.

    ``after`` and ``before`` bound the mean test accuracy after and before re-training; ``above_dense``
    wants the mean after re-training above that of the same networks when dense; each label that
    ``significantly_below`` names must be better by a paired t test at 5%, Holm's correction included.
    """

    after: Bounds | None = None
    before: Bounds | None = None
    above_dense: bool = False
    significantly_below: list[str] = Field(default_factory=list)


class PruningRecipe(Section):
    """What is pruned and how; see :mod:`nnstruct.recipes` for the file.

    Examples
    --------
    >>> from nnstruct.recipes import PruningRecipe
    >>> recipe = PruningRecipe(
    ...     task={"name": "digits"}, network={"start": "mlp:8"}, pruning={"densities": [0.5, 0.1]},
    ...     methods={"random": {}, "fresh": {"method": "snip", "pretrain": 0}},
    ...     expected={"random@0.1": {"after": [0.2, 1.0]}},
    ... )
    >>> recipe.methods["fresh"].method, recipe.densities_of("fresh"), list(recipe.expectations())
    ('snip', [0.5, 0.1], [('random', 0.1)])
    """

    task: TaskSection
    network: NetworkSection
    pruning: PruningSection
    methods: Annotated[dict[str, MethodSection], Field(min_length=1)]
    train: TrainConfig = TrainConfig()
    retrain: RetrainSection = RetrainSection()
    compare: list[CompareSection] = Field(default_factory=list)
    expected: dict[str, ExpectationSection] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _name_methods(cls, content: Any) -> Any:
        """A method that is not named is what its label says."""
        methods = content.get("methods") if isinstance(content, dict) else None
        if not isinstance(methods, dict):
            return content
        named = {k: {"method": k} | v if isinstance(v, dict) else v for k, v in methods.items()}
        return content | {"methods": named}

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        for label in self.methods:
            try:
                self.settings_of(label)
            except InvalidInputError as error:
                place = f"[methods] {label}: {error.field}"
                raise InvalidInputError(place, error.rule, error.value, error.hint) from error
        return self

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        for pair in self.compare:
            for name in ("first", "second"):
                label = getattr(pair, name)
                check_known(label, self.methods, f"[[compare]] {name}")
                for density in pair.densities or ():
                    self._check_density(label, density, "[[compare]] densities")
            if pair.first == pair.second:
                raise InvalidInputError("[[compare]] second", "differ from first", pair.second)
        for key, wanted in self.expected.items():
            label, density = _parsed(key)
            check_known(label, self.methods, "[expected] label")
            self._check_density(label, density, "[expected] density")
            for other in wanted.significantly_below:
                place = f"[expected] {key}: significantly_below"
                check_known(other, set(self.methods) - {label}, place)
                self._check_density(other, density, place)
                if self.pruning.seeds < 2:
                    raise InvalidInputError("[pruning] seeds", "be at least 2 for a test", self.pruning.seeds)
        return self

    def densities_of(self, label: str) -> list[float]:
        """The shares of the weights to keep under one label.

        Parameters
        ----------
        label : str
            A key of ``[methods]``.

        Returns
        -------
        list of float
            Those of its entry, or those of ``[pruning]``.
        """
        return self.methods[label].densities or self.pruning.densities

    def settings_of(self, label: str) -> dict[str, Any]:
        """The arguments of :func:`nnstruct.pruning.run_trajectory` under one label, checked.

        Parameters
        ----------
        label : str
            A key of ``[methods]``.

        Returns
        -------
        dict

        Raises
        ------
        InvalidInputError
            If the method has no such option, or cannot be run with its schedule or epochs.
        """
        section, shared = self.methods[label], self.pruning
        densities, config = self.densities_of(label), changed_config(self.train, section.train, "train")
        return {
            **section.settings(densities, shared.schedule, config, self.retrain),
            "densities": densities,
            "config": config,
            "structures": shared.structures,
        }

    def expectations(self) -> dict[tuple[str, float], ExpectationSection]:
        """``[expected]`` by label and density.

        Returns
        -------
        dict of (str, float) to ExpectationSection
        """
        return {_parsed(key): wanted for key, wanted in self.expected.items()}

    def pairs(self) -> dict[tuple[str, str], list[float] | None]:
        """Pairs of labels to compare, those that ``[expected]`` asks for too.

        Returns
        -------
        dict of (str, str) to list of float
            With the densities at which they are compared; None for all.
        """
        found: dict[tuple[str, str], list[float] | None] = {
            (pair.first, pair.second): pair.densities for pair in self.compare
        }
        asked: dict[tuple[str, str], list[float]] = {}
        for (label, density), wanted in self.expectations().items():
            for other in wanted.significantly_below:
                asked.setdefault((label, other), []).append(density)
        for pair, densities in asked.items():
            pair = pair if (pair[1], pair[0]) not in found else (pair[1], pair[0])
            if pair not in found:
                found[pair] = densities
            elif (known := found[pair]) is not None:
                found[pair] = sorted({*known, *densities}, reverse=True)
        return found

    def _check_density(self, label: str, density: float, place: str) -> None:
        if density not in self.densities_of(label):
            rule = f"be one of those of {label!r}, {self.densities_of(label)}"
            raise InvalidInputError(place, rule, density)


def _parsed(key: str) -> tuple[str, float]:
    label, _, text = key.rpartition("@")
    try:
        return label, float(text)
    except ValueError:
        rule = "name a label and a density, as in 'random@0.1'"
        raise InvalidInputError("[expected] each key", rule, key) from None
