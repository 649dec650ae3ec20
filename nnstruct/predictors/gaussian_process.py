"""A Gaussian process on the feature table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nnstruct.checks import check_rounds
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.tabular import TabularPredictor
from nnstruct.structure import Structure


@PREDICTORS.register("gaussian-process")
class GaussianProcess(TabularPredictor):
    """Gaussian process with a Matern kernel (nu 5/2) and learned noise (Rasmussen and Williams, 2006).

    ``return_std`` is that of the posterior predictive distribution. A ``sample_weight`` divides
    the noise of its structure; the noise of a new label is that of a structure with the largest
    weight.

    Parameters
    ----------
    families : "auto" or sequence of str
        What the table holds: all that applies, or families of measures; see
        :class:`nnstruct.encode.FeatureTable`.
    restarts : int
        Further starts of the search for the kernel's parameters, at random places.
    n_jobs : int
        Processor threads.
    random_state : int

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import GaussianProcess
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = GaussianProcess().fit(structures, [float(s.num_units) for s in structures])
    >>> mean, std = model.predict(structures[:2], return_std=True)
    >>> mean.round().tolist()
    [5.0, 6.0]
    """

    name = "gaussian-process"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        restarts: int = 1,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.restarts = restarts
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _regressor(self) -> Any:
        restarts = check_rounds(self.restarts, "restarts", low=0)
        # Wide bounds: labels without noise, or without signal, must not end at a wall.
        kernel = ConstantKernel(1.0, (1e-4, 1e6)) * Matern(10.0, (1e-1, 1e4), nu=2.5) + WhiteKernel(
            0.1, (1e-8, 1e2)
        )
        return GaussianProcessRegressor(
            kernel,
            normalize_y=True,
            n_restarts_optimizer=restarts,
            random_state=self._seed("restarts"),
        )

    def _fit_pipeline(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        if weight is not None:
            kept = np.flatnonzero(weight > 0)
            structures, y, weight = [structures[i] for i in kept], y[kept], weight[kept]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super()._fit_pipeline(structures, y, None)
            if weight is not None and np.ptp(weight) > 0:
                noise = self.pipeline_[-1].kernel_.k2.noise_level
                extra = noise * (weight.max() / weight - 1.0)
                pipeline = self._pipeline()
                pipeline[-1].set_params(alpha=extra + 1e-10)
                self.pipeline_ = pipeline.fit(structures, y)
