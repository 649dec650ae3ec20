"""Handwritten digits of 8 x 8 pixels, which scikit-learn ships.

1,797 images of the test part of the UCI data set "Optical recognition of handwritten digits"
(E. Alpaydin, C. Kaynak 1998).
"""

from __future__ import annotations

import numpy as np

from nnstruct.random import check_seed
from nnstruct.tasks.base import Task


def digits(*, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"digits"``: which of ten digits does an image of 8 x 8 pixels show?

    Inputs are float32 [n, 64], row by row, from 0 (white) to 1 (black).

    Parameters
    ----------
    val, test : float
        Shares of the 1,797 images.
    seed : int
        Decides the split.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If the shares are not positive with a sum below 1.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("digits")
    Task('digits', 1257/270/270 train/val/test, inputs [64], 10 classes)
    """
    from sklearn.datasets import load_digits

    check_seed(seed)
    bunch = load_digits()
    inputs = (bunch.data / 16).astype(np.float32)  # [1797, 64], 16 grey values in the source
    return Task.from_arrays("digits", inputs, bunch.target, val=val, test=test, seed=seed)
