"""Linear regression with a Gaussian prior on the feature table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn import linear_model

from nnstruct.checks import check_number, check_rounds
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.tabular import TabularPredictor


@PREDICTORS.register("bayesian-ridge")
class BayesianRidge(TabularPredictor):
    """Linear regression with a Gaussian prior whose width is learned (MacKay, 1992).

    One of the three predictors of Stier et al. (2021). ``return_std`` is that of the posterior
    predictive distribution.

    Parameters
    ----------
    families : "auto" or sequence of str
        What the table holds: all that applies, or families of measures; see
        :class:`nnstruct.encode.FeatureTable`.
    max_iter : int
    tol : float
        Largest change of the coefficients at which the iteration ends.
    random_state : int
        Without effect; there for the sake of the contract.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import BayesianRidge
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = BayesianRidge().fit(structures, [float(s.num_units) for s in structures])
    >>> model.predict(structures[:2]).round(1).tolist()
    [5.0, 6.0]
    """

    name = "bayesian-ridge"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        max_iter: int = 300,
        tol: float = 1e-3,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _regressor(self) -> Any:
        return linear_model.BayesianRidge(
            max_iter=check_rounds(self.max_iter, "max_iter"),
            tol=check_number(self.tol, "tol", low=0.0, open_low=True),
        )
