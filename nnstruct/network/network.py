"""A Network is a Structure with its trained weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import rustworkx as rx
    from matplotlib.axes import Axes
    from scipy.sparse import coo_array
    from torch_geometric.data import Data, HeteroData


@dataclass(frozen=True, eq=False)
class Network:
    """A Structure and one value vector for each of its edges and units.

    Parameters
    ----------
    structure : Structure
    weight : float32 [E, k]
        Row ``e`` belongs to ``structure.edge_index[:, e]``; k is 1, or the gates of a recurrent
        family, or the kernel positions of a convolution.
    bias : float32 [N, b]
    tensors : mapping of str to float32 array
        What lies outside the graph: the input weights and the read-out
        (``input_weight``, ``readout_weight``, ``readout_bias``), normalisation scale and shift.

    Raises
    ------
    InvalidInputError
        If a shape does not fit the structure or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> structure = Structure.from_layers([2, 2])
    >>> Network(structure, np.ones((4, 1)), np.zeros((4, 1))).weight.dtype
    dtype('float32')
    """

    structure: Structure
    weight: np.ndarray
    bias: np.ndarray
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weight = _checked("weight", self.weight, self.structure.num_edges)
        bias = _checked("bias", self.bias, self.structure.num_units)
        tensors = {name: _finite(name, value) for name, value in sorted(self.tensors.items())}
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", bias)
        object.__setattr__(self, "tensors", MappingProxyType(tensors))

    # ---- what is still used

    @property
    def dead_units(self) -> np.ndarray:
        """Units without a path from an input unit or without one to an output unit, int64 [D]."""
        return self.structure.dead_units

    @property
    def opaque(self) -> tuple[str, ...]:
        """Operations that the extraction did not know: their names, with the place where there is one.

        Returns
        -------
        tuple of str
            ``"TopK in 'router'"``, in the order in which they run; empty where everything is known.
        """
        operators = self.structure.attributes.get("operator", ())
        found = [str(name) for name in operators if str(name).startswith("opaque:")]
        return tuple(name.removeprefix("opaque:") for name in dict.fromkeys(found))

    @property
    def effective_depth(self) -> int:
        """Edges on the longest forward path between an input and an output."""
        from nnstruct.network.analysis import effective_depth

        return effective_depth(self.structure)

    def layers(self) -> pd.DataFrame:
        """Density by weight tensor; see :func:`nnstruct.network.analysis.layer_table`.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        InvalidInputError
            If the network is not extracted from a module at unit or weight resolution.
        """
        from nnstruct.network.analysis import layer_table

        return layer_table(self)

    def plot_density(self, ax: Axes | None = None) -> Axes:
        """Draw the density by weight tensor; see :func:`nnstruct.network.analysis.plot_density`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure is made by default.

        Returns
        -------
        matplotlib Axes
        """
        from nnstruct.network.analysis import plot_density

        return plot_density(self, ax)

    # ---- interchange

    def to_networkx(self) -> nx.DiGraph:
        """A networkx graph; see :func:`nnstruct.network.interchange.to_networkx`."""
        from nnstruct.network.interchange import to_networkx

        return to_networkx(self)

    def to_rustworkx(self) -> rx.PyDiGraph:
        """A rustworkx graph; see :func:`nnstruct.network.interchange.to_rustworkx`."""
        from nnstruct.network.interchange import to_rustworkx

        return to_rustworkx(self)

    def to_pyg(self) -> Data:
        """A PyG ``Data``; see :func:`nnstruct.network.interchange.to_pyg`."""
        from nnstruct.network.interchange import to_pyg

        return to_pyg(self)

    def to_hetero(self) -> HeteroData:
        """A PyG ``HeteroData``; see :func:`nnstruct.network.interchange.to_hetero`."""
        from nnstruct.network.interchange import to_hetero

        return to_hetero(self)

    def to_scipy(self, *, value: str = "norm", recurrent: bool = False) -> coo_array:
        """A sparse matrix [N, N]; see :func:`nnstruct.network.interchange.to_scipy`.

        Parameters
        ----------
        value : {"norm", "sum", "one"}
            What stands for an edge: the Euclidean norm of its values, their sum, or 1.
        recurrent : bool
            The recurrent edges instead of the forward ones.

        Returns
        -------
        scipy.sparse.coo_array
            The entry (target, source) is that of the edge from source to target.
        """
        from nnstruct.network.interchange import to_scipy

        return to_scipy(self, value=value, recurrent=recurrent)

    def to_graphml(self, path: str | PathLike[str]) -> None:
        """Write GraphML; see :func:`nnstruct.network.interchange.to_graphml`.

        Parameters
        ----------
        path : path
            Of the file, which is replaced if it is there.
        """
        from nnstruct.network.interchange import to_graphml

        to_graphml(self, path)

    def save(self, path: str | PathLike[str], *, dtype: str = "float32") -> Path:
        """Write one safetensors file; see :func:`nnstruct.network.storage.save_network`.

        Parameters
        ----------
        path : path
            Of the file, which is replaced if it is there.
        dtype : {"float32", "float16"}
            ``float32`` keeps every bit; ``float16`` rounds and halves the file.

        Returns
        -------
        Path
        """
        from nnstruct.network.storage import save_network

        return save_network(self, path, dtype=dtype)

    @staticmethod
    def load(path: str | PathLike[str]) -> Network:
        """The network in a file of :meth:`save`; see :func:`nnstruct.network.storage.load_network`.

        Parameters
        ----------
        path : path

        Returns
        -------
        Network
        """
        from nnstruct.network.storage import load_network

        return load_network(path)

    def __repr__(self) -> str:
        shapes = f"weight={list(self.weight.shape)}, bias={list(self.bias.shape)}"
        return f"{type(self).__name__}({self.structure!r}, {shapes}, tensors={list(self.tensors)})"

    def _repr_html_(self) -> str:
        from nnstruct.network.shown import network_panel

        return network_panel(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.structure, self.weight, self.bias, dict(self.tensors)))


def _checked(name: str, value: np.ndarray, rows: int) -> np.ndarray:
    array = _finite(name, value)
    if array.ndim != 2 or array.shape[0] != rows:
        raise InvalidInputError(name, f"have shape [{rows}, k]", list(array.shape))
    return array


def _finite(name: str, value: np.ndarray) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            array = np.array(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(name, "hold numbers", value) from error
    if not np.isfinite(array).all():
        raise InvalidInputError(name, "be finite", float(array[~np.isfinite(array)][0]))
    array.setflags(write=False)
    return array
