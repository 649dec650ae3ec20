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
        Of a recurrent family.
    parameters : mapping of str to float32 array
        As :func:`nnstruct.modules.parameter_shapes` lists them.
    task : Task
        Of sequences.
    config : TrainConfig
        Without options that the compiled loops do not know.
    state : AdamState of dicts by name, optional
        To go on with; by default nothing is learned yet.

    Returns
    -------
    CompiledNetwork
        In the loop that the system's compiler made, or in that of numba where there is none.
    """
    from nnstruct.population import native

    layout = CleanLayout(structure, task)
    if native.available():
        from nnstruct.population.native.bridge import NativeEpochs

        return CompiledNetwork(NativeEpochs, layout, parameters, task, config, state)
    return CompiledNetwork(numba_epochs, layout, parameters, task, config, state)
