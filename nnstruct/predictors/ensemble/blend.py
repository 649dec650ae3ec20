"""How predictions of several members become one, and how sure it is."""

from __future__ import annotations

import numpy as np
import scipy

# With 20 labels equal weights are better than what five folds say of the members, with 50 no longer.
RIDGE, FEW = 0.05, 30
COVERED = 0.9
_TRUSTED = 20.0


def blend_weights(
    predicted: np.ndarray, y: np.ndarray, weight: np.ndarray, excess: np.ndarray | None = None
) -> np.ndarray:
    """Weights of M members: non-negative least squares, pulled to equal ones.

    With labels and predictions centred on the mean label and divided by the labels' deviation, the
    weights ``w >= 0`` minimise ``sum_i v_i (y_i - p_i w)^2 + r sum_m (w_m - 1 / M)^2`` with
    ``r = sqrt(n) (0.05 + (30 / n)^3)``, since ten labels say little of how good a member is; ``v`` is
    ``weight`` with mean 1. They need not sum to 1: members that know little are drawn to the mean label.

    Parameters
    ----------
    predicted : float64 [n, M]
        Predictions of labels that a member has not seen.
    y : float64 [n]
    weight : float64 [n]
    excess : float64 [M], optional
        The variance of these predictions that those of new structures do not have, since more networks
        speak there than were left for labels that are not seen; 0 by default. It is taken off the squares of
        the member's predictions, to nine tenths of what is left of them beside the other members' at most.

    Returns
    -------
    float64 [M]

    Examples
    --------
    >>> import numpy as np
    >>> y = np.linspace(0.0, 1.0, 400)
    >>> useless = np.tile([0.0, 1.0], 200)
    >>> blend_weights(np.stack([y, useless], axis=1), y, np.ones(400)).round(1).tolist()
    [1.0, 0.0]
    """
    count = predicted.shape[1]
    equal = np.full(count, 1.0 / count)
    centre = np.average(y, weights=weight)
    spread = np.sqrt(np.average((y - centre) ** 2, weights=weight))
    if not spread > 1e-12 * max(1.0, abs(centre)):
        return equal
    root = np.sqrt(weight / weight.mean())
    ridge = np.sqrt(pull(len(y)))
    matrix = np.concatenate([root[:, None] * (predicted - centre) / spread, ridge * np.eye(count)])
    target = np.concatenate([root * (y - centre) / spread, ridge * equal])
    if excess is None or not excess.any():
        return scipy.optimize.nnls(matrix, target)[0]
    gram = matrix.T @ matrix
    for member in np.flatnonzero(excess):
        # What the member's column has beside the others', 1 / (G^-1)_mm, has to stay positive.
        own = 1.0 / np.linalg.inv(gram)[member, member]
        gram[member, member] -= min(len(y) * excess[member] / spread**2, 0.9 * own)
    lower = np.linalg.cholesky(gram)
    aim = scipy.linalg.solve_triangular(lower, matrix.T @ target, lower=True)
    return scipy.optimize.nnls(lower.T, aim)[0]


def pull(labels: int) -> float:
    """How strongly the weights are drawn to equal ones.

    Parameters
    ----------
    labels : int

    Returns
    -------
    float
    """
    return float(np.sqrt(labels) * (RIDGE + (FEW / labels) ** 3))


class Calibration:
    """The variance of a new label from what the members say.

    ``s^2 = a e^2 + b g + c d``: ``e^2`` is the mean squared error of predictions of unseen labels, ``g`` the
    variance that the Gaussian process gives (``e^2`` where there is none), ``d`` the variance between
    the members. ``a``, ``b`` and ``c`` have the largest normal likelihood of the unseen labels; then a
    factor, drawn to 1 where labels are few, makes the central 90% cover nine in ten of them.

    Attributes
    ----------
    coefficients : float64 [3]
        ``a e^2``, ``b`` and ``c``.
    """

    coefficients: np.ndarray

    def fit(
        self, error: np.ndarray, process: np.ndarray, spread: np.ndarray, weight: np.ndarray
    ) -> Calibration:
        """Choose the coefficients.

        Parameters
        ----------
        error : float64 [n]
            Squared errors of predictions of unseen labels.
        process, spread : float64 [n]
            Variances of the Gaussian process and between the members.
        weight : float64 [n]

        Returns
        -------
        Calibration
            Itself.
        """
        share = weight / weight.sum()
        mean = float(share @ error)
        if not mean > 0:
            self.coefficients = np.array([0.0, 1.0, 1.0])
            return self
        parts = np.stack([np.full(len(error), mean), process, spread])  # [3, n]

        def negative(log_scale: np.ndarray) -> tuple[float, np.ndarray]:
            scale = np.exp(log_scale)
            variance = scale @ parts + 1e-12 * mean
            by_variance = share * (1.0 / variance - error / variance**2)
            value = float(share @ (np.log(variance) + error / variance)) + 0.01 * float(log_scale @ log_scale)
            return value, scale * (parts @ by_variance) + 0.02 * log_scale

        bounds = [(-12.0, 3.0)] * 3
        found = scipy.optimize.minimize(
            negative, np.log([0.3, 0.5, 0.5]), jac=True, method="L-BFGS-B", bounds=bounds
        )
        scale = np.exp(found.x)
        ratio = error / (scale @ parts + 1e-12 * mean)
        order = np.argsort(ratio)
        at = np.searchsorted(np.cumsum(share[order]), COVERED)
        needed = float(ratio[order][min(at, len(ratio) - 1)]) / scipy.stats.norm.ppf(0.5 + COVERED / 2) ** 2
        trust = len(error) / (len(error) + _TRUSTED)
        factor = max(needed, 1e-3) ** trust
        self.coefficients = factor * scale * np.array([mean, 1.0, 1.0])
        return self

    def std(self, process: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Standard deviation of a new label.

        Parameters
        ----------
        process, spread : float64 [m]
            Variances, as in :meth:`fit`.

        Returns
        -------
        float64 [m]
        """
        constant, b, c = self.coefficients
        return np.sqrt(constant + b * process + c * spread)
