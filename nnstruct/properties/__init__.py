"""Measures of a structure's graph, in families; a pandas table with a row a structure.

One module holds one family and registers it in :data:`PROPERTY_FAMILIES`. Kernels that numba
compiles are imported when a family is first computed, so importing this package stays cheap.
"""

from nnstruct.properties import layered, paper
from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily, feature_names
from nnstruct.properties.table import features

__all__ = ["PROPERTY_FAMILIES", "PropertyFamily", "feature_names", "features", "layered", "paper"]
