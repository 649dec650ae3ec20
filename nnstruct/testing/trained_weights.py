"""What a predictor does with the weights of Networks."""

from __future__ import annotations

import warnings

import numpy as np

from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.testing.laws import close, hold
from nnstruct.testing.predictor_case import COUNT, PredictorCase

_NOT_USED = "weights of the Networks"


def structures_are_read(case: PredictorCase) -> None:
    """Networks are predicted as their structures, and a warning says so."""
    networks = [_with_weights(structure, 1.0) for structure in case.unseen]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = case.predict(networks)
    told = any(_NOT_USED in str(warning.message) for warning in warned)
    hold(told, case.label, "warn that the weights of Networks are not used")
    rule = "predict exactly the same for a Network as for its structure"
    close(found, case.predict(case.unseen), case.label, rule, 0.0)


def weights_are_read(case: PredictorCase) -> None:
    """Other weights of one structure give other predictions, and nothing is warned of."""
    scales = np.random.default_rng(2).uniform(0.1, 2.0, COUNT)
    networks = [_with_weights(*each) for each in zip(case.structures, scales, strict=True)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model = case.make().fit(networks, scales)
        low, high = (model.predict([_with_weights(s, scale) for s in case.unseen]) for scale in (0.2, 1.8))
    told = [str(warning.message) for warning in warned if _NOT_USED in str(warning.message)]
    hold(not told, case.label, "warn of no weights, which it reads", " ".join(told))
    rule = "predict other labels for other weights of one structure, since reads_weights is True"
    hold(bool(np.all(low != high)), case.label, rule, f"{low} and {high}")


def _with_weights(structure: Structure, scale: float) -> Network:
    weight = np.resize([scale, -0.5 * scale, 0.25 * scale], (structure.num_edges, 1))
    return Network(structure, weight, np.full((structure.num_units, 1), 0.1 * scale))
