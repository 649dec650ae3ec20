"""Errors of priors' parameters in the library's own words."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from nnstruct.errors import InvalidInputError


def in_one_sentence(prior: Any, error: ValidationError) -> InvalidInputError:
    """The first error of a prior's parameters, as a sentence that names field, rule and value.

    Parameters
    ----------
    prior : type of Prior
    error : pydantic.ValidationError

    Returns
    -------
    InvalidInputError
    """
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInputError):
        return cause
    names = ", ".join(prior.model_fields)
    hint = f"The prior {prior.name!r} takes {names}."
    field = ".".join(str(part) for part in first["loc"]) or "parameters"
    if first["type"] == "missing":
        return InvalidInputError(field, "be given", first["input"], hint)
    if first["type"] == "extra_forbidden":
        return InvalidInputError("parameters", f"be among {names}", field, hint)
    return InvalidInputError(field, first["msg"].partition(" should ")[2], first["input"], hint)
