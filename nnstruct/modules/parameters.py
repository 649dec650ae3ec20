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
from nnstruct.modules.rnn import parameters as rnn_parameters
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task


class Scheme(Protocol):
    """What a family's parameter module offers; all of its arrays are named."""

    def check_task(self, structure: Structure, task: Task) -> None:
        """Raise InvalidInputError unless the family can learn the task."""

    def check_config(self, config: TrainConfig) -> None:
        """Raise InvalidInputError for an option that the family does not have."""

    def shapes(self, structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
        """Name and shape of each array, in a fixed order."""

    def values(
        self,
        structure: Structure,
        config: TrainConfig,
        shapes: dict[str, tuple[int, ...]],
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Initial values, float32."""

    def num_masked(self, structure: Structure, config: TrainConfig) -> int:
        """Scalars within the shapes that a mask keeps at zero."""


_SCHEMES: dict[str, Scheme] = {
    **dict.fromkeys(RNN_FAMILIES, rnn_parameters),
    "mlp": mlp_parameters,
    "cnn": cnn_parameters,
}


def check_trainable(structure: Structure, task: Task, config: TrainConfig | None = None) -> None:
    """Raise :class:`InvalidInputError` unless the structure can be trained on the task so."""
    if structure.family not in _SCHEMES:
        raise InvalidInputError("family", f"be one of {', '.join(_SCHEMES)} to be trained", structure.family)
    scheme = _SCHEMES[structure.family]
    scheme.check_task(structure, task)
    if config is not None:
        scheme.check_config(config)


def parameter_shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter array, in a fixed order.

    In the clean protocol with g gates, b biases (:class:`nnstruct.structure.families.Family`), I input
    units, O output units and C classes:

    ==================  =============  ==================================================
    name                shape          belongs to
    ==================  =============  ==================================================
    ``weight``          [E, g]         the edges, in the order of ``structure.edge_index``
    ``bias``            [N, b]         the units
    ``input_weight``    [I, D, g]      an input unit and an input: a value of the flattened
                                       vector or image, or a symbol from 1 on
    ``readout_weight``  [C, O]         a class and an output unit
    ``readout_bias``    [C]            a class
    ``norm_scale``      [N]            the units, with layer normalisation only
    ``norm_shift``      [N]            likewise
    ==================  =============  ==================================================

    In the faithful protocol they are those of :class:`nnstruct.modules.rnn.faithful.FaithfulRNN`. In the
    family ``cnn`` edges and units have as many values as their operators ask for, padded with zeros; see
    :class:`nnstruct.modules.cnn.layout.CellLayout`.
    """
    check_trainable(structure, task, config)
    return _SCHEMES[structure.family].shapes(structure, task, config)


def initial_parameters(
    structure: Structure, task: Task, config: TrainConfig, seed: int
) -> dict[str, np.ndarray]:
    """Initial values, float32, for the shapes of :func:`parameter_shapes`.

    Clean protocol: a weight is uniform in +-g * sqrt(3 / fan_in), with fan_in the edges that enter
    its unit (a symbol counts as one, a vector or image as its values) and g the gain: sqrt(2) for
    relu (He et al., 2015) and gelu, 1 otherwise. Biases are 0, but 1 for the forget gate of LSTM
    (Gers et al., 2000). Kernels of the family ``cnn`` are normal, of the same variance.
    Normalisations start as the identity. Faithful protocol: the embedding is
    standard normal and all else uniform in +-1 / sqrt(size), the size of the cell or, for the
    read-out, its inputs.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Together with the structure's fingerprint it decides the values.
    """
    shapes = parameter_shapes(structure, task, config)
    rng = generator(seed, "init", structure.fingerprint)
    return _SCHEMES[structure.family].values(structure, config, shapes, rng)


def count_parameters(structure: Structure, task: Task, config: TrainConfig) -> int:
    """Trainable scalars; a masked weight is none."""
    shapes = parameter_shapes(structure, task, config)
    masked = _SCHEMES[structure.family].num_masked(structure, config)
    return sum(math.prod(shape) for shape in shapes.values()) - masked
