"""The TOML file of a claim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.recipes.reading import Section, read_recipe


class ClaimSection(Section):
    """``[claim]``: what is said and where.

    Parameters
    ----------
    says : str
    paper : str
    figure : str
        What the paper measured, in its own setting.
    """

    says: str
    paper: str
    figure: str


class StudySection(Section):
    """``[study]``: what is measured.

    Parameters
    ----------
    name : str
        In :data:`nnstruct.claims.STUDIES`.
    seeds : int
        At least 2: an interval needs two.
    options : dict
        Keywords of the study.
    """

    name: str
    seeds: Annotated[int, Field(ge=2)] = 5
    options: dict[str, Any] = Field(default_factory=dict)


class Bound(Section):
    """``[[holds]]``: a measure whose interval has to lie above or below a number.

    Parameters
    ----------
    measure : str
    above, below : float, optional
        One of the two.
    """

    measure: str
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise InvalidInputError("holds", "have 'above' or 'below'", self.measure)
        return self


class VerdictSection(Section):
    """``[expected]``: what a run comes to, and for how long it goes.

    Parameters
    ----------
    holds : bool
    minutes : float
        On one core; for the reader.
    """

    holds: bool = True
    minutes: float | None = None


class ClaimRecipe(Section):
    """A claim: what is said, what is measured, and when it holds."""

    claim: ClaimSection
    study: StudySection
    holds: Annotated[list[Bound], Field(min_length=1)]
    expected: VerdictSection = VerdictSection()


def find_claims(folder: str | Path) -> dict[str, ClaimRecipe]:
    """The claims in a folder by the name of their file.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to ClaimRecipe
        Sorted by name.

    Raises
    ------
    MissingDataError
        If there is none.
    RecipeError
        If a file is none of a claim.
    """
    files = sorted(Path(folder).glob("*.toml"))
    if not files:
        raise MissingDataError(f"There are no claims (*.toml) in {folder}.")
    return {file.stem: read_recipe(file, ClaimRecipe) for file in files}
