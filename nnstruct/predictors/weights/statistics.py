"""A regressor on statistics of trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from nnstruct.encode import WeightTable
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor, digest
from nnstruct.predictors.nested import packed, unpacked
from nnstruct.predictors.tabular import TabularPredictor
from nnstruct.structure import Structure


@PREDICTORS.register("weight-statistics")
class WeightStatistics(Predictor):
    """A tabular predictor on moments and quantiles of trained weights (Unterthiner et al., 2020).

    It takes Networks. What it learns from are columns of their weights, and beside them those of their
    structures, unless ``structure=False``. Structures without weights are taken where all are without, in
    ``fit`` and ``predict`` alike; it is then the predictor inside.

    Parameters
    ----------
    predictor : str or TabularPredictor
        What learns from the columns: a predictor on a feature table, or its name in ``PREDICTORS``.
        Its ``families`` say which columns of structures there are.
    families : sequence of str
        Measures of weights; see :func:`nnstruct.properties.network_features`.
    structure : bool
        Whether columns of the structure are there too.
    random_state : int
        The seed of a predictor given by name.

    Attributes
    ----------
    predictor_ : TabularPredictor
        Fitted; its pipeline starts with a :class:`nnstruct.encode.WeightTable`.

    References
    ----------
    T. Unterthiner, D. Keysers, S. Gelly, O. Bousquet and I. Tolstikhin. Predicting neural network accuracy
    from weights. 2020, arXiv 2002.11448.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> from nnstruct.predictors import WeightStatistics
    >>> structure, scales = Structure.from_layers([2, 1]), np.linspace(0.1, 2.0, 20)
    >>> networks = [Network(structure, [[scale], [-scale]], np.zeros((3, 1))) for scale in scales]
    >>> model = WeightStatistics("bayesian-ridge").fit(networks, scales)
    >>> model.predict(networks[:2]).round(2).tolist()
    [0.1, 0.2]
    """

    name = "weight-statistics"
    reads_weights = True

    def __init__(
        self,
        predictor: str | TabularPredictor = "extra-trees",
        families: Sequence[str] = ("statnn",),
        structure: bool = True,
        random_state: int = 0,
    ) -> None:
        self.predictor = predictor
        self.families = families
        self.structure = structure
        self.random_state = random_state

    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        given: Any = self.predictor
        kind = PREDICTORS[given] if isinstance(given, str) else type(given)
        if not issubclass(kind, TabularPredictor):
            rule = "be a predictor on a feature table, or the name of one"
            raise InvalidInputError("predictor", rule, given)
        inside: Any = kind(random_state=self.random_state) if isinstance(given, str) else clone(given)
        inside._other_table = WeightTable(self.families, inside.families if self.structure else None)
        inside._fit(structures, y, weight)
        inside.num_structures_, inside.training_digest_ = len(structures), digest(structures)
        self.predictor_ = inside

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        return self.predictor_._predict(structures, return_std)

    def _get_state(self) -> FittedState:
        return packed([self.predictor_])

    def _set_state(self, state: FittedState) -> None:
        (inside,) = unpacked(state)
        if not isinstance(inside, TabularPredictor):
            raise ValueError("the predictor inside learns from no table")
        self.predictor_ = inside
