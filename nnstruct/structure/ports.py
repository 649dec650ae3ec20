"""Which units see the input and which the read-out sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnstruct.errors import StructureError
from nnstruct.registry import Registry
from nnstruct.structure.structure import Structure

Ports = Callable[[Structure], np.ndarray]
INPUTS: Registry[Ports] = Registry("inputs")
OUTPUTS: Registry[Ports] = Registry("outputs")
DEAD = ("error", "remove")


@INPUTS.register("sources")
@INPUTS.register("first_layer")
def _sources(structure: Structure) -> np.ndarray:
    return structure.layer == 0


@OUTPUTS.register("sinks")
def _sinks(structure: Structure) -> np.ndarray:
    return np.bincount(structure.forward_edges[0], minlength=structure.num_units) == 0


@OUTPUTS.register("last_layer")
def _last_layer(structure: Structure) -> np.ndarray:
    return structure.layer == structure.layer.max()


@INPUTS.register("all")
@OUTPUTS.register("all")
def _all(structure: Structure) -> np.ndarray:
    return np.ones(structure.num_units, dtype=bool)


def with_ports(
    structure: Structure, *, inputs: str = "sources", outputs: str = "sinks", dead: str = "error"
) -> Structure:
    """The same graph with other units at the input and the read-out.

    Parameters
    ----------
    structure : Structure
    inputs : {"sources", "first_layer", "all"}
        Units that see the input. The first layer is that of the sources, since a unit's layer is its
        longest path from one; both names are taken.
    outputs : {"sinks", "last_layer", "all"}
        Units that the read-out sees. A sink before the last layer is a dead end under ``last_layer``.
    dead : {"error", "remove"}
        What to do with units that lie on no path from an input to an output: refuse, or leave them
        out, so that the result is smaller.

    Returns
    -------
    Structure
        Without dead units. Units that are left keep their order, their layers and their attributes. Its
        origin holds the choices too.

    Raises
    ------
    UnknownNameError
        If a choice is none of those.
    StructureError
        If units are dead and are not to be removed.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.ports import with_ports
    >>> structure = Structure([[0, 0, 1], [1, 2, 3]], 4)  # unit 2 is a sink in the second layer of three
    >>> with_ports(structure, outputs="all").outputs.tolist()
    [True, True, True, True]
    >>> with_ports(structure, outputs="last_layer", dead="remove").edge_index.tolist()
    [[0, 1], [1, 2]]
    """
    if dead not in DEAD:
        raise StructureError("dead", f"be one of {', '.join(DEAD)}", dead)
    origin = {**structure.origin, "inputs": inputs, "outputs": outputs}
    changed = replace(
        structure, inputs=INPUTS[inputs](structure), outputs=OUTPUTS[outputs](structure), origin=origin
    )
    gone = changed.dead_units
    if not len(gone):
        return changed
    if dead == "error":
        rule = "leave every unit on a path from an input to an output"
        hint = "dead='remove' leaves them out."
        raise StructureError("ports", rule, f"dead units {gone.tolist()}", hint)
    kept = np.ones(structure.num_units, dtype=bool)
    kept[gone] = False
    return changed.with_units(kept)
