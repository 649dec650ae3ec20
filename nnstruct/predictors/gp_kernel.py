"""The kernel of the grouped Gaussian process, its evidence and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy import linalg

# Starts of the parameters, and the deviation of the log-normal prior around each.
LENGTH, AMPLITUDE, LINEAR, PRODUCT, NOISE = 2.0, 0.5, 0.1, 0.5, 0.2
PRIOR_STD = 2.0
FARTHEST = 100.0  # from the start, in logarithms: a line search may try more, which no float holds
LEAST_NOISE = 1e-4
_ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True, eq=False)
class GroupedKernel:
    """Sum over groups of columns of a Matern and a linear kernel, and one Matern over all groups.

    With ``d_g`` the squared distance over the columns of group g, divided by their number, and
    ``m(d, l) = (1 + r + r^2 / 3) exp(-r)``, ``r = sqrt(5 d) / l``::

        k(x, x') = sum_g [a_g m(d_g, l_g) + b_g x_g x_g' / |g|] + a m(sum_g d_g, l)

    Parameters
    ----------
    groups : sequence of int arrays
        The columns of each of G groups.
    log_parameters : float64 [3 G + 3]
        Natural logarithms of G amplitudes ``a_g``, G lengths ``l_g``, G linear amplitudes ``b_g``, then
        ``a``, ``l`` and the variance of the noise.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = GroupedKernel.start([np.array([0]), np.array([1, 2])])
    >>> kernel(np.zeros((2, 3)), np.zeros((1, 3))).ravel().tolist()
    [1.0, 1.0]
    """

    groups: Sequence[np.ndarray]
    log_parameters: np.ndarray

    @classmethod
    def start(cls, groups: Sequence[np.ndarray], linear: np.ndarray | None = None) -> GroupedKernel:
        """The kernel that the search for parameters starts from.

        Parameters
        ----------
        groups : sequence of int arrays
        linear : float64 [G], optional
            Linear amplitudes; by default .1 / G each.

        Returns
        -------
        GroupedKernel
        """
        count = len(groups)
        values = np.concatenate(
            [
                np.full(count, AMPLITUDE / count),
                np.full(count, LENGTH),
                np.full(count, LINEAR / count) if linear is None else linear,
                [PRODUCT, LENGTH * np.sqrt(count), NOISE],
            ]
        )
        return cls(groups, np.log(values))

    @property
    def noise(self) -> float:
        """Variance of the noise of a label with the largest weight."""
        return float(np.exp(self.log_parameters[-1])) + LEAST_NOISE

    def __call__(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Covariances between the functions' values at two sets of rows, without noise.

        Parameters
        ----------
        left, right : float64 [m, c], [n, c]

        Returns
        -------
        float64 [m, n]
        """
        values = np.exp(self.log_parameters)
        count = len(self.groups)
        total = np.zeros((len(left), len(right)))
        together = np.zeros_like(total)
        for g, columns in enumerate(self.groups):
            a, b = left[:, columns], right[:, columns]
            distance = _squared_distances(a, b)
            together += distance
            total += _matern(distance, values[count + g]) * values[g]
            total += (values[2 * count + g] / len(columns)) * (a @ b.T)
        return total + values[3 * count] * _matern(together, values[3 * count + 1])

    def diagonal(self, rows: np.ndarray) -> np.ndarray:
        """Variances of the function's values, without noise.

        Parameters
        ----------
        rows : float64 [m, c]

        Returns
        -------
        float64 [m]
        """
        values = np.exp(self.log_parameters)
        count = len(self.groups)
        linear = [
            values[2 * count + g] / len(columns) * (rows[:, columns] ** 2).sum(axis=1)
            for g, columns in enumerate(self.groups)
        ]
        return values[:count].sum() + values[3 * count] + np.sum(linear, axis=0)


class Evidence:
    """Log marginal likelihood of labels under a :class:`GroupedKernel`, plus the prior on its parameters.

    Parameters
    ----------
    groups : sequence of int arrays
    rows : float64 [n, c]
    y : float64 [n]
        Mean 0, standard deviation about 1.
    share : float64 [n]
        What the noise's variance is multiplied with for each label, at least 1.
    known : float64 [n]
        Variances that are known and come on top of the noise.
    linear : float64 [G], optional
        As in :meth:`GroupedKernel.start`.
    """

    def __init__(
        self,
        groups: Sequence[np.ndarray],
        rows: np.ndarray,
        y: np.ndarray,
        share: np.ndarray,
        known: np.ndarray,
        linear: np.ndarray | None = None,
    ) -> None:
        self.groups, self.y, self.share, self.known = groups, y, share, known
        self.start = GroupedKernel.start(groups, linear).log_parameters
        self._distances = [_squared_distances(rows[:, g], rows[:, g]) for g in groups]
        self._inner = [rows[:, g] @ rows[:, g].T / len(g) for g in groups]
        self._together = np.sum(self._distances, axis=0)

    def __call__(self, log_parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior of the parameters and its gradient.

        Parameters
        ----------
        log_parameters : float64 [3 G + 3]

        Returns
        -------
        value : float
            Infinite where the covariance is not positive definite, or a parameter is beyond all numbers.
        gradient : float64 [3 G + 3]
        """
        away = log_parameters - self.start
        if not np.abs(away).max() < FARTHEST:
            return np.inf, away / PRIOR_STD**2
        values = np.exp(log_parameters)
        count, n = len(self.groups), len(self.y)
        parts, slopes = [], []
        for g in range(count):
            matern, slope = _matern_and_slope(self._distances[g], values[count + g])
            parts.append(matern)
            slopes.append(slope)
        product, product_slope = _matern_and_slope(self._together, values[3 * count + 1])
        covariance = values[3 * count] * product
        for g in range(count):
            covariance += values[g] * parts[g]
            covariance += values[2 * count + g] * self._inner[g]
        covariance[np.diag_indices(n)] += self.known + (values[-1] + LEAST_NOISE) * self.share
        prior, prior_gradient = float((away**2).sum()) / (2 * PRIOR_STD**2), away / PRIOR_STD**2
        try:
            factor = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return np.inf, prior_gradient
        alpha = linalg.cho_solve((factor, True), self.y, check_finite=False)
        inverse = linalg.lapack.dpotri(factor, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        value = (
            0.5 * float(self.y @ alpha) + float(np.log(np.diag(factor)).sum()) + 0.5 * n * np.log(2 * np.pi)
        )
        inverse -= np.outer(alpha, alpha)  # d value / d K, times 2
        gradient = np.empty_like(log_parameters)
        for g in range(count):
            gradient[g] = 0.5 * values[g] * np.vdot(inverse, parts[g])
            gradient[count + g] = 0.5 * values[g] * np.vdot(inverse, slopes[g])
            gradient[2 * count + g] = 0.5 * values[2 * count + g] * np.vdot(inverse, self._inner[g])
        gradient[3 * count] = 0.5 * values[3 * count] * np.vdot(inverse, product)
        gradient[3 * count + 1] = 0.5 * values[3 * count] * np.vdot(inverse, product_slope)
        gradient[-1] = 0.5 * values[-1] * float(np.diag(inverse) @ self.share)
        return value + prior, gradient + prior_gradient

    def best(self, steps: int, start: np.ndarray | None = None) -> tuple[GroupedKernel, float]:
        """The parameters of largest posterior that L-BFGS finds.

        Parameters
        ----------
        steps : int
        start : float64 [3 G + 3], optional

        Returns
        -------
        kernel : GroupedKernel
        evidence : float
            Log marginal likelihood plus log prior, without the prior's constant.
        """
        begin = self.start if start is None else start
        result = scipy.optimize.minimize(self, begin, jac=True, method="L-BFGS-B", options={"maxiter": steps})
        value, found = float(result.fun), result.x
        if not (np.isfinite(value) and np.isfinite(found).all()):
            found = self.start
            value = self(found)[0]
        return GroupedKernel(self.groups, found), -value


def factorised(kernel: GroupedKernel, rows: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of the covariance of noisy labels.

    Noise that is too small for the arithmetic is raised step by step.

    Parameters
    ----------
    kernel : GroupedKernel
    rows : float64 [n, c]
    noise : float64 [n]
        Variances.

    Returns
    -------
    float64 [n, n]
    """
    covariance = kernel(rows, rows)
    place = np.diag_indices(len(rows))
    scale = float(covariance[place].mean())
    for jitter in (0.0, 1e-8, 1e-6, 1e-4, 1e-2):
        noisy = covariance.copy()
        noisy[place] += noise + jitter * scale
        try:
            return linalg.cholesky(noisy, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            continue
    raise linalg.LinAlgError("The covariance of the labels is not positive definite.")


def left_out(factor: np.ndarray, y: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of each label from the labels of the other folds, by one inverse.

    For the rows F of a fold, ``mean_F = y_F - (K^-1)_FF^-1 (K^-1 y)_F`` with variance
    ``diag((K^-1)_FF^-1)`` (Rasmussen and Williams, 2006, section 5.4.2, for blocks).

    Parameters
    ----------
    factor : float64 [n, n]
        Lower Cholesky factor of K, noise included.
    y : float64 [n]
    fold : int64 [n]

    Returns
    -------
    mean : float64 [n]
    variance : float64 [n]
        Of a new noisy label.

    Examples
    --------
    >>> import numpy as np
    >>> mean, variance = left_out(np.eye(3), np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]))
    >>> mean.tolist(), variance.tolist()
    ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    """
    inverse = linalg.lapack.dpotri(factor, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    alpha = inverse @ y
    mean, variance = np.empty(len(y)), np.empty(len(y))
    for number in np.unique(fold):
        inside = np.flatnonzero(fold == number)
        block = np.linalg.inv(inverse[np.ix_(inside, inside)])
        mean[inside] = y[inside] - block @ alpha[inside]
        variance[inside] = np.diag(block)
    return mean, np.maximum(variance, 1e-12)


def _squared_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean over the columns of squared differences, float64 [m, n]."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2.0 * (left @ right.T)
    return np.maximum(squares, 0.0) / left.shape[1]


def _matern(distance: np.ndarray, length: float) -> np.ndarray:
    r = np.sqrt(distance)
    r *= _ROOT5 / length
    polynomial = r / 3.0
    polynomial += 1.0
    polynomial *= r
    polynomial += 1.0
    np.negative(r, out=r)
    np.exp(r, out=r)
    r *= polynomial
    return r


def _matern_and_slope(distance: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """The Matern kernel and its derivative by the logarithm of the length."""
    r = np.sqrt(distance) * (_ROOT5 / length)
    decay = np.exp(-r)
    third = r * r / 3.0
    return (1.0 + r + third) * decay, third * (1.0 + r) * decay
