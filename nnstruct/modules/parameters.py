"""Parameters of a network as named arrays: their shapes and their initial values.

They are drawn with numpy and not by the module that will hold them, so that every engine starts
from the same weights.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.modules.cnn import parameters as cnn_parameters
from nnstruct.modules.mlp import parameters as mlp_parameters
from nnstruct.modules.mup import check_parametrization
from nnstruct.modules.residual import with_unit_weights
from nnstruct.modules.rnn import parameters as rnn_parameters
from nnstruct.random import generator
from nnstruct.record import TrainConfig, refuse_options
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task


class Scheme(Protocol):
    """What the parameter module of a family offers.

    The functions of the module take the place of methods. All arrays are named; the network has E edges, N
    units and the parameters that its family, task and configuration call for.
    """

    def check_task(self, structure: Structure, task: Task) -> None:
        """Refuse a task that the family cannot learn.

        Parameters
        ----------
        structure : Structure
            Of the family.
        task : Task

        Raises
        ------
        InvalidInputError
            If the task's inputs are not of the kind that the family reads, or the structure does not fit it.
        """

    def check_config(self, config: TrainConfig) -> None:
        """Refuse options that the family does not have.

        Parameters
        ----------
        config : TrainConfig

        Raises
        ------
        InvalidInputError
            If an option, or a combination of them, is not for the family.
        """

    def shapes(self, structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
        """Name and shape of each array, in a fixed order.

        Parameters
        ----------
        structure : Structure
        task : Task
        config : TrainConfig

        Returns
        -------
        dict of str to tuple of int
        """

    def values(
        self,
        structure: Structure,
        task: Task,
        config: TrainConfig,
        shapes: dict[str, tuple[int, ...]],
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Initial values.

        Parameters
        ----------
        structure : Structure
        task : Task
        config : TrainConfig
        shapes : dict of str to tuple of int
            From :meth:`shapes`.
        rng : numpy.random.Generator
            Advanced; a generator in the same state gives the same values.

        Returns
        -------
        dict of str to float32 array
        """

    def num_masked(self, structure: Structure, config: TrainConfig) -> int:
        """Scalars within the shapes that a mask keeps at zero.

        Parameters
        ----------
        structure : Structure
        config : TrainConfig

        Returns
        -------
        int
        """


READ_OUT = ("readout_weight", "readout_bias")

_SCHEMES: dict[str, Scheme] = {
    **dict.fromkeys(RNN_FAMILIES, rnn_parameters),
    "mlp": mlp_parameters,
    "cnn": cnn_parameters,
}


def check_trainable(structure: Structure, task: Task, config: TrainConfig | None = None) -> None:
    """Refuse a structure that cannot be trained on the task, or not by the configuration.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig, optional
        Without it only family and task are looked at.

    Raises
    ------
    InvalidInputError
        If no module trains the family, the task does not fit it, or an option is not for it.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> check_trainable(Structure.from_layers([4, 3], family="lstm"), load_task("reber"))
    """
    if structure.family not in _SCHEMES:
        raise InvalidInputError("family", f"be one of {', '.join(_SCHEMES)} to be trained", structure.family)
    scheme = _SCHEMES[structure.family]
    scheme.check_task(structure, task)
    if config is not None:
        scheme.check_config(config)
        check_parametrization(config)
        if config.protocol != "clean" and structure.residual.any():
            rule = "be 'clean' for a structure with residual edges"
            raise InvalidInputError("config.protocol", rule, config.protocol)
        if config.protocol != "clean":
            refuse_options(config, ("init_gain", "output_scale"), f"the protocol {config.protocol!r}")
        if config.protocol != "clean" and (task.is_series or task.kind != "classification"):
            rule = "be 'clean' for series of real values and for tasks of other kinds than classification"
            raise InvalidInputError("config.protocol", rule, config.protocol)
        if config.label_smoothing and task.kind == "regression":
            raise InvalidInputError("config.label_smoothing", "be 0 for regression", config.label_smoothing)


def parameter_shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter array, in a fixed order.

    In the clean protocol with g gates, b biases (:class:`nnstruct.structure.families.Family`), I input
    units, O output units and C classes or real targets:

    ==================  =============  ==================================================
    name                shape          belongs to
    ==================  =============  ==================================================
    ``weight``          [E, g]         the edges, in the order of ``structure.edge_index``
    ``bias``            [N, b]         the units
    ``input_weight``    [I, D, g]      an input unit and an input: a value of the flattened
                                       vector or image, a symbol from 1 on, or a channel
    ``readout_weight``  [C, O]         a class or a real target, and an output unit
    ``readout_bias``    [C]            likewise
    ``norm_scale``      [N]            the units, with layer normalisation only
    ``norm_shift``      [N]            likewise
    ==================  =============  ==================================================

    In the faithful protocol they are those of :class:`nnstruct.modules.rnn.faithful.FaithfulRNN`. In the
    family ``cnn`` edges and units have as many values as their operators ask for, padded with zeros; see
    :class:`nnstruct.network.cell_layout.CellLayout`.

    Parameters
    ----------
    structure : Structure
        Of E edges and N units.
    task : Task
        Gives the inputs (D) and the classes (C).
    config : TrainConfig
        Its protocol and normalisation decide which arrays there are.

    Returns
    -------
    dict of str to tuple of int

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task, or not by the configuration.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.modules import parameter_shapes
    >>> structure = Structure.from_layers([4, 3], family="lstm")  # 12 forward and 25 recurrent edges
    >>> parameter_shapes(structure, load_task("reber"), TrainConfig())["weight"]
    (37, 4)
    """
    check_trainable(structure, task, config)
    return _SCHEMES[structure.family].shapes(structure, task, config)


def initial_parameters(
    structure: Structure, task: Task, config: TrainConfig, seed: int
) -> dict[str, np.ndarray]:
    """Initial values, float32, for the shapes of :func:`parameter_shapes`.

    Clean protocol: a weight is uniform in +-g * sqrt(3 / fan_in), with fan_in the edges that enter
    its unit (a symbol counts as one, a vector or image as its values, a series as its channels) and g the
    gain: sqrt(2) for relu (He et al., 2015, arXiv:1502.01852) and gelu, 1 otherwise. Biases are 0, but 1 for
    the forget gate of LSTM (Gers et al., 2000). Kernels of the family ``cnn`` are normal, of the same
    variance. Normalisations start as the identity. ``config.init_gain`` is a factor on the weights of edges,
    units and inputs, not on the read-out; ``config.output_scale`` is one on the read-out.

    Faithful protocol: the embedding is standard normal and all else uniform in +-1 / sqrt(size). The size is
    that of the cell, but for the read-out the number of its inputs.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Together with the structure's fingerprint it decides the values.

    Returns
    -------
    dict of str to float32 array
        Each of the shape that :func:`parameter_shapes` gives.

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task, or not by the configuration.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.modules import initial_parameters
    >>> structure = Structure.from_layers([4, 3])
    >>> values = initial_parameters(structure, load_task("digits"), TrainConfig(), seed=0)
    >>> {name: value.shape for name, value in values.items()}["input_weight"]  # 4 units, 8 x 8 pixels
    (4, 64, 1)
    """
    shapes = parameter_shapes(structure, task, config)
    rng = generator(seed, "init", structure.fingerprint)
    values = _SCHEMES[structure.family].values(structure, task, config, shapes, rng)
    if config.init_gain != 1.0:
        for name in values:
            if name.partition(".")[0] in ("weight", "unit_weight", "input_weight"):
                values[name] = values[name] * np.float32(config.init_gain)
        if structure.family != "cnn":
            values["weight"] = with_unit_weights(values["weight"], structure)
    if config.output_scale != 1.0:
        for name in READ_OUT:
            values[name] = values[name] * np.float32(config.output_scale)
    return values


def count_parameters(structure: Structure, task: Task, config: TrainConfig) -> int:
    """Number of trainable scalars; a masked weight is none.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task, or not by the configuration.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> count_parameters(Structure.from_layers([4, 3]), load_task("digits"), TrainConfig())
    315
    """
    shapes = parameter_shapes(structure, task, config)
    masked = _SCHEMES[structure.family].num_masked(structure, config)
    return sum(math.prod(shape) for shape in shapes.values()) - masked
