"""Structures as JSON values, as a study keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import StructureError
from nnstruct.structure import Structure


def structure_to_json(structure: Structure) -> dict[str, Any]:
    """A structure as JSON values; units are named by number wherever flags would be long.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    dict

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = structure_to_json(Structure.from_layers([2, 1]))
    >>> row["forward"], row["inputs"]
    ([[0, 1], [2, 2]], [0, 1])
    >>> structure_from_json(row) == Structure.from_layers([2, 1])
    True
    """
    return {
        "family": structure.family,
        "num_units": structure.num_units,
        "forward": structure.forward_edges.tolist(),
        "recurrent": structure.recurrent_edges.tolist(),
        "inputs": np.flatnonzero(structure.inputs).tolist(),
        "outputs": np.flatnonzero(structure.outputs).tolist(),
        "attributes": {name: list(values) for name, values in structure.attributes.items()},
        "origin": dict(structure.origin),
    } | ({"residual": places} if (places := np.flatnonzero(structure.residual).tolist()) else {})


def structure_from_json(row: Mapping[str, Any]) -> Structure:
    """The structure that :func:`structure_to_json` wrote.

    Parameters
    ----------
    row : mapping

    Returns
    -------
    Structure

    Raises
    ------
    StructureError
        If the values make no structure.
    """
    forward = np.array(row["forward"], dtype=np.int64).reshape(2, -1)
    delayed = np.array(row["recurrent"], dtype=np.int64).reshape(2, -1)
    count = forward.shape[1] + delayed.shape[1]
    # Before an array of that length is made: a unit has an edge, or is read or fed.
    most = 2 * count + len(row["inputs"]) + len(row["outputs"])
    num_units = check_integer(row["num_units"], "num_units", high=most, error=StructureError)
    units = np.arange(num_units)
    return Structure(
        np.concatenate([forward, delayed], axis=1),
        num_units,
        recurrent=np.repeat([False, True], [forward.shape[1], delayed.shape[1]]),
        family=row["family"],
        inputs=np.isin(units, row["inputs"]),
        outputs=np.isin(units, row["outputs"]),
        attributes=row["attributes"],
        residual=np.isin(np.arange(count), row.get("residual", [])),
        origin=row["origin"],
    )
