"""A batch out of many candidates: each next one in view of those chosen before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from nnstruct.errors import UnknownNameError, nearest
from nnstruct.registry import Registry
from nnstruct.search.acquisition import ACQUISITIONS

_SAMPLES = 256


@dataclass(frozen=True, eq=False)
class Belief:
    """What a guide thinks of candidates and of the best structures told, scores being better when higher.

    Attributes
    ----------
    mean : float64 [m + t]
        Of m candidates, then of t structures that were told.
    covariance : float64 [m + t, m + t]
        Of their true scores. A guide that knows no more than a standard deviation has a diagonal one.
    noise : float
        Variance of one more measurement; 0 where the standard deviations hold it already.
    candidates : int
        m.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: float
    candidates: int

    @property
    def std(self) -> np.ndarray:
        """Standard deviations, float64 [m + t]."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def best(self) -> float:
        """The highest mean of a structure told; without one, that of a candidate."""
        told = self.mean[self.candidates :]
        return float(told.max() if len(told) else self.mean.max())

    def samples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of all true scores together.

        Parameters
        ----------
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        float64 [count, m + t]
        """
        normal = rng.standard_normal((count, len(self.mean)))
        if not np.any(self.covariance - np.diag(np.diag(self.covariance))):
            return self.mean + normal * self.std
        scale = max(float(np.diag(self.covariance).mean()), 1e-300)
        for jitter in (1e-10, 1e-8, 1e-6, 1e-4, 1e-2):
            try:
                raised = self.covariance + jitter * scale * np.eye(len(self.mean))
                factor = linalg.cholesky(raised, lower=True, check_finite=False)
                return self.mean + normal @ factor.T
            except linalg.LinAlgError:
                continue
        return self.mean + normal * self.std


def once_measured(covariance: np.ndarray, place: int, noise: float) -> np.ndarray:
    """What is uncertain after one of the structures was measured, whatever it scores.

    Parameters
    ----------
    covariance : float64 [m, m]
        Of true scores.
    place : int
        Of the structure.
    noise : float
        Variance of the measurement.

    Returns
    -------
    float64 [m, m]
        The same where nothing is uncertain about the structure and there is no noise.

    Examples
    --------
    >>> import numpy as np
    >>> once_measured(np.array([[1.0, 0.5], [0.5, 1.0]]), 0, noise=1.0).tolist()
    [[0.5, 0.25], [0.25, 0.875]]
    """
    spread = float(covariance[place, place]) + noise
    if not spread > 0:
        return covariance
    with_it = covariance[:, place]
    return covariance - np.outer(with_it, with_it) / spread


JointAcquisition = Callable[[Belief, int, np.random.Generator], list[int]]
JOINT_ACQUISITIONS: Registry[JointAcquisition] = Registry("acquisition")


def check_acquisition(name: str) -> str:
    """The name, if an acquisition has it.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        If none has it.
    """
    if name in JOINT_ACQUISITIONS or name in ACQUISITIONS:
        return name
    known = sorted([*ACQUISITIONS, *JOINT_ACQUISITIONS])
    raise UnknownNameError("acquisition", f"be one of {', '.join(known)}", name, nearest(name, known))


def promise(
    acquisition: str, mean: np.ndarray, std: np.ndarray, best: float, exploration: float
) -> np.ndarray:
    """How promising candidates are one by one; ``ucb`` where the acquisition is about a batch.

    Parameters
    ----------
    acquisition : str
    mean, std : float64 [m]
    best, exploration : float

    Returns
    -------
    float64 [m]
    """
    name = acquisition if acquisition in ACQUISITIONS else "ucb"
    return ACQUISITIONS[name](mean, std, best, exploration)


def choose(
    acquisition: str, belief: Belief, n: int, exploration: float, rng: np.random.Generator
) -> list[int]:
    """The places of n candidates, the best first.

    With ``ucb``, ``ei`` and ``mean`` the most promising one is taken; then what is uncertain about the
    others is what would be left of it, had that one been measured (Desautels et al., 2014, "Parallelizing
    exploration-exploitation tradeoffs in Gaussian process bandit optimization": means stay until scores
    are told). ``thompson`` and ``nei`` look at a batch by themselves.

    Parameters
    ----------
    acquisition : str
    belief : Belief
    n : int
    exploration : float
    rng : numpy.random.Generator

    Returns
    -------
    list of int
        Distinct; fewer than n only where there are fewer candidates.

    Raises
    ------
    UnknownNameError
        If no acquisition has the name.

    Examples
    --------
    Of two candidates that are the same structure but for a hair, one is enough:

    >>> import numpy as np
    >>> covariance = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 0.8]])
    >>> belief = Belief(np.array([0.3, 0.29, 0.2]), covariance, noise=0.01, candidates=3)
    >>> choose("ucb", belief, 2, 1.0, np.random.default_rng(0))
    [0, 2]
    """
    wanted = min(n, belief.candidates)
    if check_acquisition(acquisition) in JOINT_ACQUISITIONS:
        return JOINT_ACQUISITIONS[acquisition](belief, wanted, rng)
    m = belief.candidates
    mean, covariance = belief.mean[:m], belief.covariance[:m, :m]
    chosen: list[int] = []
    for _ in range(wanted):
        std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        rank = np.array(ACQUISITIONS[acquisition](mean, std, belief.best, exploration), dtype=np.float64)
        rank[chosen] = -np.inf
        place = int(np.argmax(rank))
        chosen.append(place)
        covariance = once_measured(covariance, place, belief.noise)
    return chosen


@JOINT_ACQUISITIONS.register("thompson")
def thompson_sampling(belief: Belief, n: int, rng: np.random.Generator) -> list[int]:
    """Each is the best one in another joint draw (Thompson, 1933; Kandasamy et al., 2018, arXiv 1705.09236).

    Parameters
    ----------
    belief : Belief
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    list of int, length n
    """
    chosen: list[int] = []
    for row in belief.samples(n, rng)[:, : belief.candidates]:
        row[chosen] = -np.inf
        chosen.append(int(np.argmax(row)))
    return chosen


@JOINT_ACQUISITIONS.register("nei")
def noisy_expected_improvement(belief: Belief, n: int, rng: np.random.Generator) -> list[int]:
    """Expected improvement on the best true score, which noise hides (Letham et al., 2019, arXiv 1706.07094).

    The mean over joint draws of candidates and of what was told, one candidate after the other.

    Parameters
    ----------
    belief : Belief
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    list of int, length n
    """
    drawn = belief.samples(_SAMPLES, rng)
    scores, told = drawn[:, : belief.candidates], drawn[:, belief.candidates :]
    best = told.max(axis=1) if told.shape[1] else np.full(len(drawn), belief.best)
    chosen: list[int] = []
    for _ in range(n):
        gain = np.maximum(scores - best[:, None], 0.0).mean(axis=0)
        # Where no draw gains, the mean decides.
        gain += 1e-9 * (belief.mean[: belief.candidates] - belief.best)
        gain[chosen] = -np.inf
        place = int(np.argmax(gain))
        chosen.append(place)
        best = np.maximum(best, scores[:, place])
    return chosen
