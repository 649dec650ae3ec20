"""Which compiled loop serves a module, if any does."""

from __future__ import annotations

import torch
from torch import nn

from nnstruct.pruning.training.compiled import CompiledModule
from nnstruct.pruning.training.compiled_perceptron import CompiledPerceptron
from nnstruct.pruning.training.compiled_recurrent import CompiledRecurrent
from nnstruct.pruning.training.memory import OptimizerMemory
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def compiled_module(
    module: nn.Module, task: Task, config: TrainConfig, learned: OptimizerMemory | None = None
) -> CompiledModule | None:
    """The module in a compiled loop that computes the same.

    Parameters
    ----------
    module : torch.nn.Module
    task : Task
    config : TrainConfig
    learned : OptimizerMemory, optional
        What Adam has learned so far; by default the loop begins with nothing.

    Returns
    -------
    CompiledModule or None
        None where only PyTorch can train the module.
    """
    if not _is_plain(module) or task.beyond_classes:
        return None
    if task.is_sequence:
        return CompiledRecurrent.of(module, task, config, learned)
    return CompiledPerceptron.of(module, task, config, learned)


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is on a CPU, all of it is trained, and nobody looks into it while it computes."""
    watched = any(
        getattr(part, name)
        for part in module.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )
    return not watched and all(
        p.requires_grad
        and p.device.type == "cpu"
        and p.dtype == torch.float32
        and not (p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None))
        for p in module.parameters()
    )
