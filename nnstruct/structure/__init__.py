"""The Structure: which units connect. Its families, layers, fingerprint, interchange, ports and drawings."""

from nnstruct.structure.structure import PRUNED, UNIT_ATTRIBUTES, Structure

__all__ = ["PRUNED", "UNIT_ATTRIBUTES", "Structure"]
