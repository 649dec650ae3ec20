"""From a claim's recipe to its outcome."""

from __future__ import annotations

import inspect
import time

from nnstruct.claims.base import load_studies
from nnstruct.claims.outcome import ClaimOutcome, outcome_of
from nnstruct.claims.recipe import ClaimRecipe
from nnstruct.errors import InvalidInputError
from nnstruct.processes import torch_threads
from nnstruct.recipes.reading import check_known


def run_claim(name: str, recipe: ClaimRecipe) -> ClaimOutcome:
    """Run a claim's study under each of its seeds.

    Parameters
    ----------
    name : str
        What to call the outcome.
    recipe : ClaimRecipe

    Returns
    -------
    ClaimOutcome

    Raises
    ------
    UnknownNameError
        If there is no such study.
    InvalidInputError
        If the study has no such option, or gives no such measure.
    """
    study = load_studies()[recipe.study.name]
    known = [name for name in inspect.signature(study).parameters if name != "seed"]
    for option in recipe.study.options:
        check_known(option, known, f"each option of the study {recipe.study.name!r}")
    values: dict[str, list[float]] = {}
    start = time.process_time()
    with torch_threads(1):
        for seed in range(recipe.study.seeds):
            for measure, value in study(seed=seed, **recipe.study.options).items():
                values.setdefault(measure, []).append(float(value))
    for bound in recipe.holds:
        if bound.measure not in values:
            raise InvalidInputError("holds.measure", f"be one of {', '.join(values)}", bound.measure)
    return outcome_of(name, recipe, values, (time.process_time() - start) / 60)
