"""Measures of a structure's graph and of a network's weights, in families; a pandas table of them.

One module holds one family and registers it in :data:`PROPERTY_FAMILIES` or, where it needs trained
weights, in :data:`NETWORK_FAMILIES`. Kernels that numba compiles are imported when a family is first
computed, so importing this package stays cheap. Measures that need data are in :mod:`nnstruct.probes`.
"""

from nnstruct.properties import (
    capacity,
    centrality,
    compressibility,
    expansion,
    layered,
    motifs,
    operators,
    paper,
    paths,
    spectra,
    statnn,
    topometrics,
    units,
    weights,
)
from nnstruct.properties.base import PROPERTY_FAMILIES, MeasureFamily, PropertyFamily, feature_names
from nnstruct.properties.network_table import NETWORK_FAMILIES, network_features
from nnstruct.properties.positions import unrolled
from nnstruct.properties.table import features
from nnstruct.properties.topology_distance import topology_distance

__all__ = [
    "NETWORK_FAMILIES", "PROPERTY_FAMILIES", "MeasureFamily", "PropertyFamily", "capacity", "centrality",
    "compressibility", "expansion", "feature_names", "features", "layered", "motifs", "network_features",
    "operators", "paper", "paths", "spectra", "statnn", "topology_distance", "topometrics", "units",
    "unrolled", "weights",
]  # fmt: skip
