"""A recurrent network from any initial weights in the fastest compiled loop that the machine has."""

from __future__ import annotations

import numpy as np

from nnstruct.population.fused.engine import numba_epochs
from nnstruct.population.loop.clean_plan import CleanLayout
from nnstruct.population.loop.network import CompiledNetwork, NamedState
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task


def compiled_network(
    structure: Structure,
    parameters: dict[str, np.ndarray],
    task: Task,
    config: TrainConfig,
    state: NamedState | None = None,
) -> CompiledNetwork:
    """A network of the clean protocol in a compiled loop, to go on from the weights that it has.

    Parameters
    ----------
    structure : Structure
    parameters : mapping of str to float32 array
        By :func:`nnstruct.modules.parameter_shapes`.
    task : Task
    config : TrainConfig
        Without options that the compiled loops do not know.
    state : AdamState of dicts by name, optional
        To go on with.
    """
    from nnstruct.population import native

    layout = CleanLayout(structure, task)
    if native.available():
        from nnstruct.population.native.bridge import NativeEpochs

        return CompiledNetwork(NativeEpochs, layout, parameters, task, config, state)
    return CompiledNetwork(numba_epochs, layout, parameters, task, config, state)
