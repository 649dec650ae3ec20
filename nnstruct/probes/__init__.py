"""Measures of what a module computes on data: ranks, kernels, gradients, and how simple it is.

They take PyTorch modules (trained or not) or Networks, and a Task. One module holds one family and
registers it in :data:`PROBE_FAMILIES`; torch is imported when the first is computed. Measures that need no
data are in :mod:`nnstruct.properties`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nnstruct.probes import gram, ranks, surrogate_scores, zero_cost
from nnstruct.probes.base import PROBE_FAMILIES, ProbeFamily, functional_features

if TYPE_CHECKING:
    from nnstruct.probes.bounds import tensor_bound
    from nnstruct.probes.coordinates import coordinate_check, coordinate_slopes, plot_coordinates
    from nnstruct.probes.depth import depth_profile, effective_depth, gradient_paths, truncate
    from nnstruct.probes.dimensions import (
        classification_dimension,
        independence_deficit,
        perturbed_dimensions,
    )
    from nnstruct.probes.layers import layer_probes
    from nnstruct.probes.training import simplicity_over_training, surrogates_over_training
    from nnstruct.probes.untrained import random_features

_LAZY = {
    "coordinate_check": "nnstruct.probes.coordinates",
    "coordinate_slopes": "nnstruct.probes.coordinates",
    "plot_coordinates": "nnstruct.probes.coordinates",
    "classification_dimension": "nnstruct.probes.dimensions",
    "depth_profile": "nnstruct.probes.depth",
    "effective_depth": "nnstruct.probes.depth",
    "gradient_paths": "nnstruct.probes.depth",
    "independence_deficit": "nnstruct.probes.dimensions",
    "layer_probes": "nnstruct.probes.layers",
    "perturbed_dimensions": "nnstruct.probes.dimensions",
    "truncate": "nnstruct.probes.depth",
    "random_features": "nnstruct.probes.untrained",
    "simplicity_over_training": "nnstruct.probes.training",
    "surrogates_over_training": "nnstruct.probes.training",
    "tensor_bound": "nnstruct.probes.bounds",
}

__all__ = [
    "PROBE_FAMILIES", "ProbeFamily", "classification_dimension", "coordinate_check", "coordinate_slopes",
    "depth_profile", "effective_depth", "functional_features", "gradient_paths", "gram",
    "independence_deficit", "layer_probes", "perturbed_dimensions", "plot_coordinates", "random_features",
    "ranks", "simplicity_over_training", "surrogate_scores", "surrogates_over_training", "tensor_bound",
    "truncate", "zero_cost",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnstruct.probes' has no attribute {name!r}")
