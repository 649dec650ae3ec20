"""The Structure: which units connect. Its families, layers, fingerprint, interchange, ports and drawings."""

from nnstruct.structure.fields import UNIT_ATTRIBUTES
from nnstruct.structure.structure import PRUNED, Structure

__all__ = ["PRUNED", "UNIT_ATTRIBUTES", "Structure"]
