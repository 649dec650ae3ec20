"""Structures as ordinary PyTorch modules; torch is imported when the first module is built."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nnstruct.modules.multiply_adds import count_multiply_adds
from nnstruct.modules.parameters import initial_parameters, parameter_shapes

if TYPE_CHECKING:
    from nnstruct.modules.build import build_module, module_from_network
    from nnstruct.modules.cnn.module import CNN
    from nnstruct.modules.mlp.module import MaskedMLP
    from nnstruct.modules.program.module import ProgramModule, program_module
    from nnstruct.modules.rnn.clean import CleanRNN
    from nnstruct.modules.rnn.faithful import FaithfulRNN

_LAZY = {
    "CNN": "nnstruct.modules.cnn.module",
    "CleanRNN": "nnstruct.modules.rnn.clean",
    "FaithfulRNN": "nnstruct.modules.rnn.faithful",
    "MaskedMLP": "nnstruct.modules.mlp.module",
    "build_module": "nnstruct.modules.build",
    "module_from_network": "nnstruct.modules.build",
    "ProgramModule": "nnstruct.modules.program.module",
    "program_module": "nnstruct.modules.program.module",
}

__all__ = [
    "CNN", "CleanRNN", "FaithfulRNN", "MaskedMLP", "ProgramModule", "build_module",
    "count_multiply_adds", "initial_parameters", "module_from_network", "parameter_shapes", "program_module",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnstruct.modules' has no attribute {name!r}")
