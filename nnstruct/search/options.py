"""The rules of a search's parameters."""

from __future__ import annotations

from typing import Any

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed
from nnstruct.search.choice import check_acquisition
from nnstruct.search.guide import Guide
from nnstruct.search.objectives import DIRECTIONS
from nnstruct.search.rungs import Rungs
from nnstruct.search.selection import REMOVALS, as_selection
from nnstruct.search.spaces import as_search_space


def check_options(search: Any) -> None:
    """Refuse parameters of a search that break their rules.

    Parameters
    ----------
    search : Search

    Raises
    ------
    InvalidInputError
        At the first that does.
    """
    as_search_space(search.space)
    check_seed(search.seed)
    if search.guide is not None and (not isinstance(search.guide, Guide) or isinstance(search.guide, type)):
        hint = (
            "Give one itself, such as nnstruct.predictors.RandomForest()."
            if isinstance(search.guide, str | type)
            else ""
        )
        raise InvalidInputError("guide", "have fit and predict, as every Predictor has", search.guide, hint)
    if search.direction not in DIRECTIONS:
        raise InvalidInputError("direction", f"be one of {', '.join(DIRECTIONS)}", search.direction)
    for name in ("max_parameters", "max_flops"):
        if getattr(search, name) is not None:
            check_integer(getattr(search, name), name)
    if isinstance(search.constraints, str) or not all(callable(one) for one in search.constraints):
        raise InvalidInputError(
            "constraints", "be a sequence of functions of a Structure", search.constraints
        )
    if search.removal not in REMOVALS:
        raise InvalidInputError("removal", f"be one of {', '.join(REMOVALS)}", search.removal)
    least_values = {"population": 2, "offspring": 1, "inner_generations": 1, "elite": 1, "refit_every": 1}
    for name, least in least_values.items():
        check_integer(getattr(search, name), name, low=least, rule=f"be an integer, at least {least}")
    if search.initial is not None:
        check_integer(search.initial, "initial")
    for name in ("crossover_rate", "mutation_rate", "random_share", "repeat_share"):
        check_number(getattr(search, name), name, low=0, high=1)
    if search.mutation_rate == 1:
        raise InvalidInputError("mutation_rate", "be below 1 (mutation would never end)", 1)
    several = search.objectives is not None and len(search.objectives) > 1
    if search.repeat_share and several:
        raise InvalidInputError("repeat_share", "be 0 with several objectives", search.repeat_share)
    check_number(search.exploration, "exploration", low=0, rule="be a finite number, not negative")
    Rungs.of(search.rungs)
    as_selection(search.selection)
    check_acquisition(search.acquisition)
