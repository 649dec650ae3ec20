"""Labels brought near to a normal distribution before a Gaussian model sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import scipy

from nnstruct.checks import check_choice

KINDS = ("yeo-johnson", "identity")
FENCE = 3.0
_POWERS = (-3.0, 5.0)
_NODES, _WEIGHTS = scipy.special.roots_hermitenorm(9)


class LabelTransform:
    """Labels clipped at the outer fences, then a power transform, then standardised.

    The fences stand three interquartile ranges outside of the quartiles (Tukey, 1977): a network that
    did not train at all is an outlier that would bend a Gaussian model everywhere. The power
    transform is that of Yeo and Johnson (2000), its power chosen by maximum likelihood.

    Parameters
    ----------
    kind : {"yeo-johnson", "identity"}
        ``identity`` clips and standardises only.

    Attributes
    ----------
    low, high : float
        The fences.
    power, centre, scale : float

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.4, 0.7, 0.8, 0.85, 0.9])
    >>> transform = LabelTransform().fit(y)
    >>> bool(np.allclose(transform.inverse(transform.transform(y)), y))
    True
    """

    def __init__(self, kind: str = "yeo-johnson") -> None:
        self.kind = check_choice(kind, "kind", KINDS)

    def fit(self, y: np.ndarray) -> Self:
        """Choose fences, power, centre and scale.

        Parameters
        ----------
        y : float64 [n], finite

        Returns
        -------
        self
        """
        lower, upper = np.quantile(y, (0.25, 0.75))
        self.low = float(max(y.min(), lower - FENCE * (upper - lower)))
        self.high = float(min(y.max(), upper + FENCE * (upper - lower)))
        if not self.high > self.low:  # more than three quarters of the labels are one number
            self.low, self.high = float(y.min()), float(y.max())
        clipped = self.clip(y)
        self.power, self.unit = 1.0, 1.0
        spread = float(clipped.std())
        self.flat = not spread > 1e-12 * max(1.0, abs(float(clipped.mean())))
        self.shift = float(clipped.mean())
        if self.flat:
            self.centre, self.scale = 0.0, 1.0
            return self
        self.unit = spread  # so that the power does not hang on the units of the labels
        scaled = (clipped - self.shift) / self.unit
        if self.kind == "yeo-johnson":
            self.power = float(np.clip(scipy.stats.yeojohnson_normmax(scaled, brack=(-1.0, 3.0)), *_POWERS))
        bent = yeo_johnson(scaled, self.power)
        self.centre, self.scale = float(bent.mean()), float(bent.std())
        return self

    def clip(self, y: np.ndarray) -> np.ndarray:
        """Labels inside the fences.

        Parameters
        ----------
        y : float64 [n]

        Returns
        -------
        float64 [n]
        """
        return np.clip(y, self.low, self.high)

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Labels as a Gaussian model should see them.

        Parameters
        ----------
        y : float64 [n]

        Returns
        -------
        float64 [n]
            Of the labels of ``fit``: mean 0 and standard deviation 1.
        """
        scaled = (self.clip(y) - self.shift) / self.unit
        return (yeo_johnson(scaled, self.power) - self.centre) / self.scale

    def slope(self, y: np.ndarray) -> np.ndarray:
        """How much the transformed label moves for a small move of the label.

        Parameters
        ----------
        y : float64 [n]

        Returns
        -------
        float64 [n]
        """
        scaled = (self.clip(y) - self.shift) / self.unit
        log_size = np.sign(scaled) * (self.power - 1.0) * np.log1p(np.abs(scaled))
        return np.exp(log_size) / (self.unit * self.scale)

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Labels of transformed values; what leaves the fences is put on them.

        Parameters
        ----------
        z : float64 [n]

        Returns
        -------
        float64 [n]
        """
        ends = self.transform(np.array([self.low, self.high]))
        bent = np.clip(z, *ends) * self.scale + self.centre
        return np.clip(_inverse_yeo_johnson(bent, self.power) * self.unit + self.shift, self.low, self.high)

    def moments(self, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the label, where the transformed value is normal.

        Parameters
        ----------
        mean, std : float64 [n]
            Of the transformed value.

        Returns
        -------
        mean, std : float64 [n]
            By Gauss-Hermite quadrature with nine nodes. The mean is that inside the fences. The
            standard deviation is at least that of the tangent, so that a prediction at a fence is not
            taken for certain.
        """
        share = _WEIGHTS / _WEIGHTS.sum()
        values = self.inverse(mean[:, None] + std[:, None] * _NODES)  # [n, 9]
        centre = values @ share
        spread = np.sqrt(((values - centre[:, None]) ** 2) @ share)
        return centre, np.maximum(spread, std / np.maximum(self.slope(centre), 1e-12) * 0.5)

    def expected(self, mean: np.ndarray, std: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the label, and the standard deviation of that mean.

        A label is the transformed value with normal noise on it, brought back. What is uncertain here is the
        value, not the noise: the deviation is that of the mean of many labels of one structure.

        Parameters
        ----------
        mean, std : float64 [n]
            Of the transformed value without noise.
        noise : float
            Standard deviation of the noise of the transformed value.

        Returns
        -------
        mean, std : float64 [n]
            By nine nodes for the value and nine for the noise. The mean is that of :meth:`moments`; the
            standard deviation is at least half of the tangent's, as there.
        """
        share = _WEIGHTS / _WEIGHTS.sum()
        values = mean[:, None] + std[:, None] * _NODES  # [n, 9]
        means = self.inverse(values[:, :, None] + noise * _NODES) @ share  # [n, 9]
        spread = np.sqrt(((means - (means @ share)[:, None]) ** 2) @ share)
        centre, _ = self.moments(mean, np.hypot(std, noise))
        return centre, np.maximum(spread, std / np.maximum(self.slope(centre), 1e-12) * 0.5)

    def state(self) -> dict[str, Any]:
        """What :meth:`from_state` needs.

        Returns
        -------
        dict of str to JSON values
        """
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The transform that :meth:`state` told of.

        Parameters
        ----------
        state : mapping

        Returns
        -------
        LabelTransform
        """
        made = cls(state["kind"])
        for name in ("low", "high", "power", "unit", "shift", "centre", "scale"):
            setattr(made, name, float(state[name]))
        made.flat = bool(state["flat"])
        return made


def yeo_johnson(x: np.ndarray, power: float) -> np.ndarray:
    """The power transform of Yeo and Johnson (2000), which takes negative numbers too.

    It is ``((x + 1)^p - 1) / p`` where x is not negative, ``-((1 - x)^(2 - p) - 1) / (2 - p)`` below, and the
    limit where a divisor vanishes.

    Parameters
    ----------
    x : float64 [n]
    power : float

    Returns
    -------
    float64 [n]

    Examples
    --------
    >>> import numpy as np
    >>> yeo_johnson(np.array([-1.0, 0.0, 3.0]), 0.5).round(6).tolist()
    [-1.218951, 0.0, 2.0]
    """
    bent = np.empty_like(x)
    upper = x >= 0
    for where, sign, exponent in ((upper, 1.0, power), (~upper, -1.0, 2.0 - power)):
        grown = np.log1p(sign * x[where])
        flat = abs(exponent) < np.finfo(np.float64).eps
        bent[where] = sign * (grown if flat else np.expm1(exponent * grown) / exponent)
    return bent


def _inverse_yeo_johnson(bent: np.ndarray, power: float) -> np.ndarray:
    """Yeo and Johnson (2000), solved for the value."""
    up, down = np.maximum(bent, 0.0), np.maximum(-bent, 0.0)
    if abs(power) > 1e-9:
        above = np.expm1(np.log1p(np.maximum(up * power, -1.0 + 1e-12)) / power)
    else:
        above = np.expm1(up)
    rest = 2.0 - power
    if abs(rest) > 1e-9:
        below = np.expm1(np.log1p(np.maximum(down * rest, -1.0 + 1e-12)) / rest)
    else:
        below = np.expm1(down)
    return np.where(bent >= 0.0, above, -below)
