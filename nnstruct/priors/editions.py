"""Priors whose graphs have changed: what was drawn before can be drawn again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nnstruct.priors.base import Prior

NEWEST = 2


class EditedPrior(Prior):
    """A prior of which an earlier edition gave other graphs.

    Parameters
    ----------
    edition : int
        1: as in version 0.2 and before, when there were no residual edges: shortcuts were ordinary edges,
        whose values entered the convolution or the weighted sum of their target. 2, the default: as the
        pattern is defined.
    """

    edition: Annotated[int, Field(ge=1, le=NEWEST)] = NEWEST


def of_edition(prior: Prior, edition: int | None) -> Prior:
    """The prior in one of its editions; itself where it has a single one.

    Parameters
    ----------
    prior : Prior
    edition : int or None
        None leaves it as it is.

    Returns
    -------
    Prior

    Examples
    --------
    >>> from nnstruct.priors import ResidualChain
    >>> of_edition(ResidualChain(sizes=[1, 1, 1]), 1).edition
    1
    """
    if edition is None or not isinstance(prior, EditedPrior):
        return prior
    return type(prior)(**(prior.model_dump() | {"edition": edition}))
