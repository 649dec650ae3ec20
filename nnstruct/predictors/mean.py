"""The baseline that every other predictor has to beat."""

from __future__ import annotations

import numpy as np

from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.structure import Structure


@PREDICTORS.register("mean")
class Mean(Predictor):
    """The mean label, whatever the structure: the baseline.

    ``return_std`` gives the standard deviation of a new label around the mean of n,
    ``s * sqrt(1 + 1 / n)``.

    Parameters
    ----------
    random_state : int
        Without effect; there for the sake of the contract.

    Attributes
    ----------
    mean_, std_ : float

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Mean
    >>> structures = [Structure.from_layers([2, width, 2]) for width in (1, 2, 3)]
    >>> Mean().fit(structures, [0.2, 0.4, 0.6]).predict(structures[:1]).round(3).tolist()
    [0.4]
    """

    name = "mean"

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        share = np.full(len(y), 1.0 / len(y)) if weight is None else weight / weight.sum()
        self.mean_ = float(share @ y)
        concentration = float((share**2).sum())  # 1 / n for equal weights
        unbiased = 1.0 / (1.0 - concentration) if concentration < 1.0 else 1.0
        variance = float(share @ (y - self.mean_) ** 2) * unbiased
        self.std_ = float(np.sqrt(variance * (1.0 + concentration)))

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        return np.full(len(structures), self.mean_), np.full(len(structures), self.std_)

    def _get_state(self) -> FittedState:
        return FittedState({"mean": self.mean_, "std": self.std_})

    def _set_state(self, state: FittedState) -> None:
        self.mean_, self.std_ = float(state.values["mean"]), float(state.values["std"])
