"""What the compiled loop needs to know of a network, as flat arrays."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from nnstruct.structure.topology import out_neighbours

CELL_CODES = {"rnn_tanh": 0, "rnn_relu": 1, "gru": 2, "lstm": 3}
GRU_RECURRENT_CANDIDATE = 3
# In LoopPlan.computes: a channel of a series. Channels stand before all units, and their states are data.
GIVEN = 2


class EdgeRows(NamedTuple):
    """Edges of one kind, by target and by source; int32 arrays.

    Row r belongs to gate r, or to all gates where there is one row. The sources of unit u are
    ``in_source[r, in_start[r, u]:in_start[r, u + 1]]``, ``in_edge`` their positions in the weight
    array; its targets are ``out_target[r, out_start[r, u]:out_start[r, u + 1]]``, whose weights stand
    in that very order.
    """

    in_start: np.ndarray
    in_source: np.ndarray
    in_edge: np.ndarray
    out_start: np.ndarray
    out_target: np.ndarray

    @classmethod
    def of(cls, edges_by_gate: list[np.ndarray], num_units: int) -> EdgeRows:
        """Edges by target and by source, from lists of edges.

        Parameters
        ----------
        edges_by_gate : list of int64 [2, E]
            One for each row: source and target of each edge, sorted by source, then target.
        num_units : int

        Returns
        -------
        EdgeRows
            Rows with fewer edges than the longest are padded with zeros.
        """
        rows = []
        for edges in edges_by_gate:
            out_start, out_target = out_neighbours(edges, num_units)
            in_start, in_source = out_neighbours(edges[::-1], num_units)
            in_edge = np.argsort(edges[1], kind="stable")
            rows.append((in_start, in_source, in_edge, out_start, out_target))
        most = max(edges.shape[1] for edges in edges_by_gate)
        return cls(*(_stack(arrays, most) for arrays in zip(*rows, strict=True)))


def _stack(arrays: tuple[np.ndarray, ...], width: int) -> np.ndarray:
    width = max(width, max(len(array) for array in arrays))
    return np.stack([np.pad(array, (0, width - len(array))) for array in arrays]).astype(np.int32)


class LoopPlan(NamedTuple):
    """The wiring of a network whose units stand in the order in which they are computed."""

    cell: int
    forward: EdgeRows
    recurrent: EdgeRows
    forward_channel: np.ndarray  # int32 [g]: the bias channel to which a gate's forward edges add
    recurrent_channel: np.ndarray  # int32 [g]
    input_row: np.ndarray  # int32 [N]: row of a unit in the input weights, or -1
    output_row: np.ndarray  # int32 [N]: column of a unit in the read-out weights, or -1
    output_unit: np.ndarray  # int32 [O]
    sum_start: np.ndarray  # int32 [N + 1]: a unit's row: whose states of this step are added to its own
    sum_source: np.ndarray  # int32 [sum of all rows]
    computes: np.ndarray  # int32 [N]: 0 for a unit that only adds up others, GIVEN for a channel, else 1
    first_symbol: int  # 1 where the padding feeds nothing, else 0
    read_padded: bool  # whether every sequence is read out behind its padding
    every_step: bool = False  # whether every step is read out, and not the last one alone


class Weights(NamedTuple):
    """Float32 arrays that the loop reads (or their gradients)."""

    forward: np.ndarray  # [g, E_forward]
    recurrent: np.ndarray  # [g, E_recurrent]
    bias: np.ndarray  # [b, N]
    input: np.ndarray  # [I, g, S]
    readout: np.ndarray  # [C, O]
    readout_bias: np.ndarray  # [C]


class TiedWeights(NamedTuple):
    """What bias and input table are made of in the faithful protocol; without a row in the clean one."""

    input_weight: np.ndarray  # float32 [g, H_0, n_0]
    embedding: np.ndarray  # float32 [S, n_0]
    bias_ih: np.ndarray  # float32 [g, N]
    bias_hh: np.ndarray  # float32 [g, N]


class Layout(Protocol):
    """Maps a network's named parameters to one flat array and back.

    Attributes
    ----------
    plan : LoopPlan
    symbols : int64 [S]
        The symbols of the task that have a place in the input weights, sorted.
    """

    plan: LoopPlan
    symbols: np.ndarray

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Named parameters as one flat array.

        Parameters
        ----------
        named : dict of str to float32 array
            As :func:`nnstruct.modules.parameter_shapes` lists them.

        Returns
        -------
        float32 [M]
        """

    def unpack(self, flat: np.ndarray, initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inverse of :meth:`pack`.

        Parameters
        ----------
        flat : float32 [M]
        initial : dict of str to float32 array
            Gives names and shapes, and the values of parameters that have no place in ``flat``.

        Returns
        -------
        dict of str to float32 array
            New arrays.
        """

    def views(self, flat: np.ndarray) -> tuple[Weights, TiedWeights]:
        """What the loop reads, as views into a flat array where it can be.

        Parameters
        ----------
        flat : float32 [M]
            Parameters or their gradients, in the order of :meth:`pack`.

        Returns
        -------
        (Weights, TiedWeights)
            The second holds arrays of no length where nothing is tied.
        """


def channels(family: str, gates: int) -> tuple[np.ndarray, np.ndarray]:
    """Bias channels to which the edges of each gate add.

    A gate has one channel, but the candidate of GRU two: its recurrent part is multiplied by the reset gate
    before it is added.

    Parameters
    ----------
    family : str
    gates : int
        g of the family.

    Returns
    -------
    forward, recurrent : int32 [g]
        Of the forward and of the recurrent edges.
    """
    forward = np.arange(gates, dtype=np.int32)
    recurrent = forward.copy()
    if family == "gru":
        recurrent[2] = GRU_RECURRENT_CANDIDATE
    return forward, recurrent


def rows_of(chosen: np.ndarray) -> np.ndarray:
    """Number the chosen ones.

    Parameters
    ----------
    chosen : bool [N]

    Returns
    -------
    int32 [N]
        0, 1, ... where True, -1 elsewhere.
    """
    return np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int32)


def sum_rows(edges: np.ndarray, num_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Whose states are added to each unit's, as a :class:`LoopPlan` holds it.

    Parameters
    ----------
    edges : int64 [2, E]
        Sources and targets.
    num_units : int

    Returns
    -------
    start : int32 [N + 1]
    source : int32 [E]
        That of unit u: ``source[start[u]:start[u + 1]]``.
    """
    start, source = out_neighbours(edges[::-1], num_units)
    return start.astype(np.int32), source.astype(np.int32)


def split_views(flat: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Cut a flat array into views of given shapes.

    Parameters
    ----------
    flat : array [M]
    shapes : list of tuple of int
        Their sizes add up to M.

    Returns
    -------
    list of arrays
        Views, one behind the other.
    """
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
