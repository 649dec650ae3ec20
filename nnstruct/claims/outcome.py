"""What a claim came to, on disk and on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nnstruct.claims.recipe import ClaimRecipe
from nnstruct.errors import MissingDataError
from nnstruct.files import write_atomically
from nnstruct.intervals import mean_interval
from nnstruct.reading import read_json, reading


@dataclass(frozen=True)
class ClaimOutcome:
    """What a study gave under each seed, and what that says of a claim.

    Parameters
    ----------
    name : str
        Of the claim.
    says, paper, figure : str
        As in its recipe.
    values : dict of str to list of float
        Of each measure, a value a seed.
    bounds : list of (str, str, float)
        Measure, ``above`` or ``below``, and the number.
    expected : bool
        Whether the recipe expects the claim to hold.
    cpu_minutes : float
    """

    name: str
    says: str
    paper: str
    figure: str
    values: Mapping[str, list[float]]
    bounds: list[tuple[str, str, float]]
    expected: bool
    cpu_minutes: float

    def interval(self, measure: str) -> tuple[float, float, float]:
        """Mean of a measure over seeds and the ends of its 95% interval by Student's t.

        Parameters
        ----------
        measure : str

        Returns
        -------
        mean, low, high : float
        """
        return mean_interval(np.array(self.values[measure]))

    @property
    def holds(self) -> bool:
        """Whether every bound is kept by the whole interval."""
        kept = []
        for measure, side, number in self.bounds:
            _, low, high = self.interval(measure)
            kept.append(low > number if side == "above" else high < number)
        return all(kept)

    def save(self, folder: str | Path) -> Path:
        """Write it as ``<name>.json``; :func:`load_outcome` reads it.

        Parameters
        ----------
        folder : path
            Made where it is missing.

        Returns
        -------
        Path
        """
        path = Path(folder) / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(self) | {"holds": self.holds}, indent=1).encode())
        return path


def load_outcome(path: str | Path) -> ClaimOutcome:
    """The outcome in a file of :meth:`ClaimOutcome.save`.

    Parameters
    ----------
    path : path

    Returns
    -------
    ClaimOutcome

    Raises
    ------
    MissingDataError
        If there is no such file.
    CorruptFileError
        If it is none of an outcome.
    """
    file = Path(path)
    if not file.is_file():
        raise MissingDataError(f"There is no outcome {file}.")
    with reading(file, "the outcome of a claim"):
        content = read_json(file)
        content.pop("holds")
        bounds = [(str(m), str(side), float(number)) for m, side, number in content.pop("bounds")]
        return ClaimOutcome(**content, bounds=bounds)


def outcome_of(
    name: str, recipe: ClaimRecipe, values: Mapping[str, list[float]], minutes: float
) -> ClaimOutcome:
    """An outcome with what its recipe says.

    Parameters
    ----------
    name : str
    recipe : ClaimRecipe
    values : dict of str to list of float
    minutes : float
        Of one core.

    Returns
    -------
    ClaimOutcome
    """
    bounds = [
        (bound.measure, "below" if bound.above is None else "above", float(bound.above or bound.below or 0.0))
        for bound in recipe.holds
    ]
    said = recipe.claim
    return ClaimOutcome(
        name, said.says, said.paper, said.figure, values, bounds, recipe.expected.holds, minutes
    )


def claims_page(outcomes: Iterable[ClaimOutcome]) -> str:
    """A page in Markdown: a row a claim, then every measure of each.

    Parameters
    ----------
    outcomes : iterable of ClaimOutcome

    Returns
    -------
    str
    """
    given = sorted(outcomes, key=lambda outcome: outcome.name)
    total = sum(outcome.cpu_minutes for outcome in given)
    held = sum(outcome.holds for outcome in given)
    lines = [
        "# Claims of the papers",
        "",
        f"{held} of {len(given)} hold, {total:.1f} minutes of one core. Each is a small experiment over",
        "several seeds; it holds where the 95% intervals of its measures (Student's t over seeds) keep their",
        "bounds. `nnstruct claims --all` runs them again.",
        "",
        "| claim | the paper's figure | ours | holds | minutes |",
        "|---|---|---|---|---|",
    ]
    for outcome in given:
        ours = "; ".join(
            f"{_words(measure)} {_shown(outcome, measure)} ({side} {number:g})"
            for measure, side, number in outcome.bounds
        )
        verdict = "yes" if outcome.holds else "no"
        row = (
            f"[{outcome.says}](#{outcome.name})",
            outcome.figure,
            ours,
            verdict,
            f"{outcome.cpu_minutes:.1f}",
        )
        lines.append(f"| {' | '.join(row)} |")
    for outcome in given:
        count = max(map(len, outcome.values.values()), default=0)
        lines += [
            "",
            f"## {outcome.name}",
            "",
            f"{outcome.paper}; {count} seeds.",
            "",
            "| measure | mean | 95% |",
        ]
        lines.append("|---|---|---|")
        for measure in outcome.values:
            mean, low, high = outcome.interval(measure)
            lines.append(f"| {_words(measure)} | {mean:.4g} | {low:.4g} to {high:.4g} |")
    return "\n".join(lines) + "\n"


def _words(measure: str) -> str:
    return measure.replace("_", " ")


def _shown(outcome: ClaimOutcome, measure: str) -> str:
    mean, low, high = outcome.interval(measure)
    return f"{mean:.3g} [{low:.3g}, {high:.3g}]"
