"""What a sparse network still uses: dead units, density by layer, effective depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.network.assembly import EDGE_ROLES
from nnstruct.network.layer_counts import LayerCounts, Row
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.network.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.topology import longest_path_layers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def alive_units(structure: Structure) -> np.ndarray:
    """Units on a path from an input to an output.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    bool [N]

    Examples
    --------
    >>> alive_units(Structure.from_layers([2, 1])).tolist()
    [True, True, True]
    """
    return structure.reachability.from_input & structure.reachability.to_output


def effective_depth(structure: Structure) -> int:
    """Edges on the longest forward path between an input and an output; 0 where there is none.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    int

    Examples
    --------
    >>> effective_depth(Structure.from_layers([3, 4, 2]))
    2
    """
    alive = alive_units(structure)
    edges = structure.forward_edges
    edges = edges[:, alive[edges[0]] & alive[edges[1]]]
    return int(longest_path_layers(np.ascontiguousarray(edges), structure.num_units)[alive].max(initial=0))


def layer_table(network: Network) -> pd.DataFrame:
    """Density of each weight tensor, and what is left of it without dead units.

    Parameters
    ----------
    network : Network
        Of a module of nnstruct, or from :func:`nnstruct.extract.extract` at unit or weight resolution.

    Returns
    -------
    pandas.DataFrame
        For an extracted network a row for each step and weight tensor: ``name`` (of the submodule),
        ``operator``, ``role``, ``weights`` (scalars in the tensor), ``nonzero`` (those on edges),
        ``effective`` (those on edges between units that are alive), ``density`` and
        ``effective_density``. At weight resolution an unrolled kernel counts once for each edge that it
        makes.

        For another one the rows have these roles, in this order; ``operator`` is the family:

        - ``input``: the weights of the input;
        - ``forward``: edges from one layer to another, ``name`` is ``"0 -> 1"``; ``weights`` counts those
          that there would be if every unit of the one fed every unit of the other;
        - ``unit``: in the family ``cnn``, the own kernels of the units of a layer;
        - ``recurrent``: delayed edges from one layer to another, counted as forward ones;
        - ``readout``: the weights of the read-out.

        Layers are those of the structure as it is, after any pruning; those between which no edge is left
        have no row. Biases and normalisations are not counted.

    Raises
    ------
    InvalidInputError
        If the network was extracted at layer resolution, where units are operators.

    Raises
    ------
    InvalidInputError
        If the network is not extracted from a module at unit or weight resolution.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> table = layer_table(extract(torch.nn.Linear(3, 2), torch.zeros(1, 3)))
    >>> table[["weights", "nonzero", "effective"]].values.tolist()
    [[6, 6, 6]]

    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> lstm = build_module(Structure.from_layers([3, 2], family="lstm"), load_task("reber"))
    >>> layer_table(lstm.to_network())[["name", "operator", "role", "weights"]].values.tolist()
    [['', 'lstm', 'input', 312], ['0 -> 1', 'lstm', 'forward', 24], ['0 -> 0', 'lstm', 'recurrent', 36],
     ['1 -> 1', 'lstm', 'recurrent', 16], ['', 'lstm', 'readout', 4]]
    """
    import pandas as pd

    rows = _rows_of_steps(network) if isinstance(network, ModuleNetwork) else LayerCounts(network).rows()
    columns = ["name", "operator", "role", "weights", "nonzero", "effective"]
    table = pd.DataFrame(rows, columns=columns)
    table["density"] = table["nonzero"] / table["weights"]
    table["effective_density"] = table["effective"] / table["weights"]
    return table


def _rows_of_steps(network: ModuleNetwork) -> list[Row]:
    alive = alive_units(network.structure)
    rows: dict[tuple[int, str], list[int]] = {}
    for block in network.blocks:
        if block.role not in EDGE_ROLES:
            continue
        source, target = network.structure.edge_index[:, block.edges]
        nonzero = np.count_nonzero(block.values, axis=1)
        counts = rows.setdefault((block.step, block.role), [0, 0])
        counts[0] += int(nonzero.sum())
        counts[1] += int(nonzero[alive[source] & alive[target]].sum())
    table = []
    for (place, role), (nonzero_total, effective) in sorted(rows.items()):
        step = network.program.steps[place]
        weights = int(np.prod(network.program.constants[step.tensors[role]].shape))
        if network.resolution == "weight" and step.kind == "conv":
            weights = max(nonzero_total, 1)
        table.append((step.name, step.operator, role, weights, nonzero_total, effective))
    return table


def plot_density(network: Network, ax: Axes | None = None) -> Axes:
    """Bars of the density of each weight tensor, and in front what is left without dead units.

    Parameters
    ----------
    network : Network
        As for :func:`layer_table`.
    ax : matplotlib Axes, optional
        A new figure is made by default.

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt

    table = layer_table(network)
    if ax is None:
        _, ax = plt.subplots(figsize=(max(4.0, 0.5 * len(table)), 3.0), layout="constrained")
    place = np.arange(len(table))
    ax.bar(place, table["density"], color="0.8", label="nonzero")
    ax.bar(place, table["effective_density"], width=0.5, label="on a path from input to output")
    columns = (table[column].astype(str) for column in ("name", "operator", "role"))
    labels = [
        f"{name or operator} {role.removeprefix('weight_')}".removesuffix(" weight")
        for name, operator, role in zip(*columns, strict=True)
    ]
    ax.set_xticks(place, labels, rotation=60, ha="right")
    ax.set_ylabel("density")
    ax.set_ylim(0, 1.05)
    ax.legend(frameon=False)
    return ax
