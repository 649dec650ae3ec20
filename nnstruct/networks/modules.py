"""From Structures and Networks to PyTorch modules."""

from __future__ import annotations

from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.networks.clean import CleanRNN
from nnstruct.networks.faithful import FaithfulRNN
from nnstruct.networks.parameters import initial_parameters
from nnstruct.networks.program_module import program_module
from nnstruct.program import ModuleNetwork
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


def build_module(
    structure: Structure, task: Task, config: TrainConfig | None = None, *, seed: int = 0
) -> CleanRNN | FaithfulRNN:
    """A freshly initialised PyTorch module for a structure on a task.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences; its symbols and classes decide the input and read-out shapes.
    config : TrainConfig, optional
        Its protocol decides the kind of module.
    seed : int
        Decides the initial weights.

    Returns
    -------
    CleanRNN or FaithfulRNN

    Raises
    ------
    InvalidInputError
        If the family cannot be trained on the task.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> module = build_module(Structure.from_layers([4, 3], family="lstm"), load_task("reber"))
    >>> module.to_network().weight.shape  # 12 forward and 25 recurrent edges, 4 gates
    (37, 4)
    """
    config = config or TrainConfig()
    parameters = initial_parameters(structure, task, config, seed)
    if config.protocol == "clean":
        return CleanRNN(structure, parameters)
    return FaithfulRNN(structure, parameters, corrected=config.protocol == "corrected")


def module_from_network(network: Network) -> nn.Module:
    """The trained network as a module, to be used or trained further.

    A Network that :func:`nnstruct.extract.extract` made of any module gives a
    :class:`nnstruct.networks.ProgramModule`.

    Raises
    ------
    InvalidInputError
        If the network lacks its input weights or read-out.
    """
    if isinstance(network, ModuleNetwork):
        return program_module(network)
    for name in ("input_weight", "readout_weight", "readout_bias"):
        if name not in network.tensors:
            raise InvalidInputError("network.tensors", f"hold {name!r}", sorted(network.tensors))
    parameters = {"weight": network.weight, "bias": network.bias, **network.tensors}
    return CleanRNN(network.structure, parameters)
