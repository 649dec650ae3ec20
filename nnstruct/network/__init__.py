"""The Network: a Structure with its weights, and how one is read from a module's program."""

from nnstruct.network.network import Network

__all__ = ["Network"]
