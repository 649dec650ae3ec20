"""Structures as ordinary PyTorch modules; torch is imported when the first module is built."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nnstruct.networks.parameters import initial_parameters, parameter_shapes

if TYPE_CHECKING:
    from nnstruct.networks.clean import CleanRNN
    from nnstruct.networks.cnn import CNN
    from nnstruct.networks.faithful import FaithfulRNN
    from nnstruct.networks.mlp import MaskedMLP
    from nnstruct.networks.modules import build_module, module_from_network
    from nnstruct.networks.program_module import ProgramModule, program_module

_LAZY = {
    "CNN": "nnstruct.networks.cnn",
    "CleanRNN": "nnstruct.networks.clean",
    "FaithfulRNN": "nnstruct.networks.faithful",
    "MaskedMLP": "nnstruct.networks.mlp",
    "build_module": "nnstruct.networks.modules",
    "module_from_network": "nnstruct.networks.modules",
    "ProgramModule": "nnstruct.networks.program_module",
    "program_module": "nnstruct.networks.program_module",
}

__all__ = [
    "CNN", "CleanRNN", "FaithfulRNN", "MaskedMLP", "ProgramModule", "build_module", "initial_parameters",
    "module_from_network", "parameter_shapes", "program_module",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnstruct.networks' has no attribute {name!r}")
