"""What a predictor recipe expects of the scores, and whether they came out so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, field_validator

from nnstruct.errors import InvalidInputError
from nnstruct.recipes.reading import Section

if TYPE_CHECKING:
    from nnstruct.predictors import Evaluation


def _in_order(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise InvalidInputError("bounds", "be the lowest and the highest score, in this order", bounds)
    return bounds


Bounds = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_in_order)]


class ScoreBounds(Section):
    """Lowest and highest value of each score, one of :func:`nnstruct.predictors.metrics.scores`."""

    r2: Bounds | None = None
    mae: Bounds | None = None
    rmse: Bounds | None = None
    kendall: Bounds | None = None
    spearman: Bounds | None = None
    precision_at_k: Bounds | None = None
    n_at_k: Bounds | None = None
    regret_at_k: Bounds | None = None
    nll: Bounds | None = None
    coverage_90: Bounds | None = None

    def bounds(self) -> dict[str, list[float]]:
        """The scores that have bounds.

        Returns
        -------
        dict of str to [float, float]
            Lowest and highest value by the name of the score.
        """
        return {name: value for name, value in self.model_dump().items() if isinstance(value, list)}


class SizeSection(ScoreBounds):
    """``[expected.sizes.N]``: scores with N labels, of the first protocol or of each by its name."""

    unseen: ScoreBounds | None = None
    no_twins: ScoreBounds | None = Field(default=None, alias="no-twins")
    all_rows: ScoreBounds | None = Field(default=None, alias="all-rows")

    def by_protocol(self, first: str) -> dict[str, dict[str, list[float]]]:
        """The scores that have bounds, by protocol.

        Parameters
        ----------
        first : str
            The protocol of scores that stand by themselves.

        Returns
        -------
        dict of str to dict of str to [float, float]
        """
        named = {"unseen": self.unseen, "no-twins": self.no_twins, "all-rows": self.all_rows}
        found = {protocol: part.bounds() for protocol, part in named.items() if part is not None}
        if alone := self.bounds():
            found[first] = alone | found.get(first, {})
        return found


class ExpectedSection(ScoreBounds):
    """``[expected]``: bounds of a cross-validation's scores, or by number of labels; the minutes it takes."""

    sizes: dict[str, SizeSection] = Field(default_factory=dict)
    minutes: Annotated[float, Field(gt=0)] | None = None

    @field_validator("sizes")
    @classmethod
    def _are_counts(cls, sizes: dict[str, SizeSection]) -> dict[str, SizeSection]:
        for size in sizes:
            if not size.isdecimal():
                raise InvalidInputError("sizes", "have counts of labels as keys", size)
        return sizes


@dataclass(frozen=True)
class Check:
    """A score beside what was expected of it; with the labels and the protocol of a learning curve."""

    metric: str
    value: float
    low: float
    high: float
    train_size: int | None = None
    protocol: str = ""

    @property
    def within(self) -> bool:
        """Whether the score lies between its bounds; a score that is no number does not."""
        return self.low <= self.value <= self.high

    @property
    def label(self) -> str:
        """The metric, and of a learning curve the number of labels and the protocol."""
        return (
            self.metric if self.train_size is None else f"{self.metric} ({self.train_size}, {self.protocol})"
        )


def check_expected(expected: ExpectedSection, sizes: list[int], protocols: tuple[str, ...]) -> None:
    """Raise if something is expected that the evaluation will not score.

    Parameters
    ----------
    expected : ExpectedSection
    sizes : list of int
        Of the training sets; empty for a cross-validation.
    protocols : tuple of str

    Raises
    ------
    InvalidInputError
    """
    if sizes and expected.bounds():
        rule = "stand in [expected.sizes.N] where the evaluation has train_sizes"
        raise InvalidInputError("scores", rule, sorted(expected.bounds()))
    for size, part in expected.sizes.items():
        if int(size) not in sizes:
            rule = f"be those that are trained on, {sizes}" if sizes else "be left out without train_sizes"
            raise InvalidInputError("sizes", rule, int(size))
        for protocol in part.by_protocol(protocols[0]):
            if protocol not in protocols:
                rule = f"name protocols of the evaluation, {', '.join(protocols)}"
                raise InvalidInputError(f"sizes.{size}", rule, protocol)


def checks_of(expected: ExpectedSection, evaluation: Evaluation, name: str, first: str) -> tuple[Check, ...]:
    """The scores of an evaluation beside what was expected of them.

    Parameters
    ----------
    expected : ExpectedSection
        That :func:`check_expected` let pass.
    evaluation : Evaluation
    name : str
        The predictor's label there.
    first : str
        The protocol of scores that stand by themselves.

    Returns
    -------
    tuple of Check
    """
    by_case = {at: dict(row) for at, row in evaluation.table.iterrows()}
    if not evaluation.train_sizes:
        scores = by_case[name]
        return tuple(Check(m, float(scores[m]), low, high) for m, (low, high) in expected.bounds().items())
    found = []
    for size in sorted(map(int, expected.sizes)):
        for protocol, bounds in expected.sizes[str(size)].by_protocol(first).items():
            scores = by_case[name, size, protocol]
            found += [
                Check(m, float(scores[m]), low, high, size, protocol) for m, (low, high) in bounds.items()
            ]
    return tuple(found)
