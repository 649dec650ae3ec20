"""A first question to a predictor out of a file, so that what does not fit together shows at once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError, NnstructError
from nnstruct.network import Network
from nnstruct.predictors.base import Predictor
from nnstruct.structure import Structure


def try_out(predictor: Predictor) -> None:
    """Ask a fitted predictor about one small network, and raise where it cannot say a number.

    Parameters
    ----------
    predictor : Predictor

    Raises
    ------
    CorruptFileError
        If it says no finite number.
    Exception
        Whatever arrays that do not fit each other raise. A predictor that is made for other networks than
        this one may say so.
    """
    structure = Structure.from_layers([2, 2, 1])
    try:
        _ask(predictor, structure)
    except InvalidInputError:
        try:
            _ask(predictor, Network(structure, np.ones((structure.num_edges, 1)), np.zeros((5, 1))))
        except CorruptFileError:
            raise
        except NnstructError:
            return


def _ask(predictor: Predictor, asked: Structure | Network) -> None:
    with np.errstate(all="ignore"):
        mean, std = predictor._predict([cast(Any, asked)], True)  # as ``predict``, without its warnings
    if not np.isfinite(mean).all() or (std is not None and not np.isfinite(std).all()):
        raise CorruptFileError(f"{type(predictor).__name__} predicts {mean[0]} with the deviation {std}.")
