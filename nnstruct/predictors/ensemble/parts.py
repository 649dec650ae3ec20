"""The arrays of a predictor that is made of parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def arrays_below(arrays: Mapping[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays of one part of a predictor, by their names in it.

    Parameters
    ----------
    arrays : mapping
        Those of the part are named ``part.name``.
    part : str

    Returns
    -------
    dict of str to numpy array

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.predictors.ensemble.parts import arrays_below
    >>> arrays_below({"gp.y": np.zeros(2), "trees.y": np.ones(2)}, "gp")
    {'y': array([0., 0.])}
    """
    return {name.removeprefix(f"{part}."): a for name, a in arrays.items() if name.startswith(f"{part}.")}


def arrays_under(arrays: Mapping[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays of one part of a predictor, by the names that :func:`arrays_below` takes off again.

    Parameters
    ----------
    arrays : mapping
    part : str

    Returns
    -------
    dict of str to numpy array

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.predictors.ensemble.parts import arrays_under
    >>> arrays_under({"y": np.zeros(2)}, "gp")
    {'gp.y': array([0., 0.])}
    """
    return {f"{part}.{name}": array for name, array in arrays.items()}
