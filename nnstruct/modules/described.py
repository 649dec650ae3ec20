"""What a module's representation says of its Structure."""

from __future__ import annotations

from nnstruct.structure import Structure


def sizes_of(structure: Structure) -> str:
    """Family, units, edges and layers in a few words, for ``extra_repr``.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    str

    Examples
    --------
    >>> from nnstruct import Structure
    >>> sizes_of(Structure.from_layers([3, 2]))
    "family='mlp', units=5, edges=6, layers=[3, 2]"
    >>> sizes_of(Structure.from_layers([3, 2], family="gru"))
    "family='gru', units=5, edges=6 forward + 13 recurrent, layers=[3, 2]"
    """
    forward, delayed = structure.forward_edges.shape[1], structure.recurrent_edges.shape[1]
    edges = f"{forward} forward + {delayed} recurrent" if delayed else str(forward)
    layers = structure.layer_sizes.tolist()
    return f"family={structure.family!r}, units={structure.num_units}, edges={edges}, layers={layers}"
