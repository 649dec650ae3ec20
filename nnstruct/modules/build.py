"""From Structures and Networks to PyTorch modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor, nn

from nnstruct.errors import InvalidInputError
from nnstruct.modules.cnn.module import CNN
from nnstruct.modules.mlp.module import MaskedMLP
from nnstruct.modules.parameters import initial_parameters
from nnstruct.modules.program.module import program_module
from nnstruct.modules.rates import parameter_rates
from nnstruct.modules.rnn.clean import CleanRNN
from nnstruct.modules.rnn.faithful import FaithfulRNN
from nnstruct.network import Network
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task
from nnstruct.tasks.catalogue import task_of

# The module of a Network by its family; a Network is always of the clean protocol.
_MODULES: dict[str, Callable[[Structure, Mapping[str, np.ndarray]], CleanRNN | MaskedMLP | CNN]] = {
    **dict.fromkeys(RNN_FAMILIES, CleanRNN),
    "mlp": MaskedMLP,
    "cnn": CNN,
    "module": CNN,  # a pruned one
}


def build_module(
    structure: Structure, task: Task | str, config: TrainConfig | None = None, *, seed: int = 0
) -> CleanRNN | FaithfulRNN | MaskedMLP | CNN:
    """A freshly initialised PyTorch module for a structure on a task.

    Parameters
    ----------
    structure : Structure
    task : Task or str
        Or the name of one. Of sequences or series for a recurrent family, of vectors or images for the
        others; it decides the shapes of the input and the read-out.
    config : TrainConfig, optional
        Its protocol decides the kind of module.
    seed : int
        Decides the initial weights.

    Returns
    -------
    CleanRNN, FaithfulRNN, MaskedMLP or CNN

    Raises
    ------
    InvalidInputError
        If ``structure`` or ``task`` is none, or the family cannot be trained on the task.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> module = build_module(Structure.from_layers([4, 3], family="lstm"), load_task("reber"))
    >>> module.to_network().weight.shape  # 12 forward and 25 recurrent edges, 4 gates
    (37, 4)
    """
    (structure,), task = check_structures([structure]), task_of(task)
    config = config or TrainConfig()
    parameters = initial_parameters(structure, task, config, seed)
    if structure.family == "cnn":
        return CNN(structure, parameters, readout=config.readout, downsampling=config.downsampling)
    if config.protocol == "clean":
        return _module(structure, parameters, every_step=task.goal.every_step)
    return FaithfulRNN(structure, parameters, corrected=config.protocol == "corrected")


def module_from_network(network: Network, *, every_step: bool = False) -> nn.Module:
    """The trained network as a module, to be used or trained further.

    Parameters
    ----------
    network : Network
        With its input weights and read-out, as a training leaves it; or a ModuleNetwork, which
        :func:`nnstruct.extract.extract` makes of any module.
    every_step : bool
        Whether a recurrent network is read out at every step, as one of a task that asks for a class a step.

    Returns
    -------
    CleanRNN, MaskedMLP, CNN or ProgramModule
        By the family of the structure; a :class:`nnstruct.modules.ProgramModule` for a ModuleNetwork. It
        holds copies of the weights.

    Raises
    ------
    InvalidInputError
        If the network lacks its input weights or read-out.
    StructureError
        If a unit's attribute is none that the modules of nnstruct have.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module, module_from_network
    >>> structure = Structure.from_layers([4, 3], family="lstm")
    >>> network = build_module(structure, load_task("reber"), seed=0).to_network()
    >>> module = module_from_network(network)
    >>> bool((module.to_network().weight == network.weight).all())
    True
    """
    if isinstance(network, ModuleNetwork):
        return program_module(network)
    held = {name.partition(".")[0] for name in network.tensors}  # input weights may be one tensor a unit
    for name in ("input_weight", "readout_weight", "readout_bias"):
        if name not in held:
            rule = f"hold {name!r} to become a module"
            hint = "Take a Network from a module of nnstruct, or from extract() at unit resolution."
            raise InvalidInputError("network.tensors", rule, sorted(network.tensors), hint)
    parameters = {"weight": network.weight, "bias": network.bias, **network.tensors}
    return _module(network.structure, parameters, every_step=every_step)


def learning_rates(module: nn.Module, task: Task, config: TrainConfig) -> list[Tensor] | None:
    """Factors on the learning rate for each parameter of a module, in its order, where it is.

    A module that was pruned keeps the rates of the Structure that it was built from.

    Parameters
    ----------
    module : torch.nn.Module
        For another parametrization than the standard one of nnstruct, masked or not.
    task : Task
    config : TrainConfig
        Its parametrization and its output scale decide.

    Returns
    -------
    list of Tensor, or None
        Each of its parameter's shape, zero where the module's Structure has no edge; None where all factors
        are 1.

    Raises
    ------
    InvalidInputError
        If a module that nnstruct has not built is to be trained by another parametrization than the standard,
        or with another output scale than 1.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> task, config = load_task("digits"), TrainConfig(parametrization="mup", base_width=2)
    >>> module = build_module(Structure.from_layers([4, 4]), task, config)
    >>> [float(rate.max()) for rate in learning_rates(module, task, config)]
    [0.5, 1.0, 1.0, 0.5, 1.0]
    """
    options = [name for name in ("parametrization", "output_scale") if name in config.options]
    if not options:
        return None
    structure = getattr(module, "structure", None)
    if not isinstance(structure, Structure):
        default = TrainConfig.model_fields[options[0]].default
        raise InvalidInputError(
            f"config.{options[0]}",
            f"be {default!r} for a module that nnstruct has not built ({type(module).__name__})",
            getattr(config, options[0]),
            "Its learning rates follow from a Structure; see build_module.",
        )
    kind = _MODULES[structure.family]
    factors = dict(kind(structure, parameter_rates(structure, task, config)).named_parameters())
    return [
        factors[_plain_name(name)].detach().to(parameter.device)
        for name, parameter in module.named_parameters()
    ]


def _module(
    structure: Structure, parameters: Mapping[str, np.ndarray], *, every_step: bool
) -> CleanRNN | MaskedMLP | CNN:
    if structure.family in RNN_FAMILIES:
        return CleanRNN(structure, parameters, every_step=every_step)
    return _MODULES[structure.family](structure, parameters)


def _plain_name(name: str) -> str:
    """A parameter's name without the parts that a mask puts around it."""
    return name.replace("parametrizations.", "").removesuffix(".original")
