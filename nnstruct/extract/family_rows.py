"""What the units of a recurrent network sum up at a time step, and the Network of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.network import Network
from nnstruct.structure import Structure


@dataclass(frozen=True)
class Sums:
    """What all units sum up at one time step.

    Attributes
    ----------
    forward, recurrent : float64 [N, N, g]
        Weights of targets and sources.
    entering : float64 [N, D, g]
    bias : float64 [N, b]
    """

    forward: np.ndarray
    recurrent: np.ndarray
    entering: np.ndarray
    bias: np.ndarray

    def same(self, other: Sums, *, first: bool = False, hidden: tuple[int, ...] = ()) -> bool:
        """Whether both sum up the same.

        Parameters
        ----------
        other : Sums
        first : bool
            Whether one is of the first step, which has no state before it.
        hidden : tuple of int
            Gates that do not show there.

        Returns
        -------
        bool
        """
        for name in ("forward", "entering", "bias", *(() if first else ("recurrent",))):
            one, two = getattr(self, name), getattr(other, name)
            if one.shape != two.shape:
                return False
            shown = np.setdiff1d(np.arange(one.shape[-1]), hidden)
            if not np.allclose(one[..., shown], two[..., shown], rtol=1e-5, atol=1e-7):
                return False
        return True


@dataclass(frozen=True)
class Row:
    """A whole network, as one example shows it.

    Attributes
    ----------
    sums : Sums
    readout : float64 [C, N]
    readout_bias : float64 [C]
    """

    sums: Sums
    readout: np.ndarray
    readout_bias: np.ndarray

    def same(self, other: Row) -> bool:
        """Whether two examples show the same network.

        Parameters
        ----------
        other : Row

        Returns
        -------
        bool
        """
        ends = (self.readout, other.readout), (self.readout_bias, other.readout_bias)
        return self.sums.same(other.sums) and all(np.allclose(*pair) for pair in ends)

    def network(self, family: str, threshold: float, origin: dict[str, Any]) -> Network:
        """Edges from the sums, with their weights.

        Parameters
        ----------
        family : str
        threshold : float
            Weights up to this magnitude are no edges.
        origin : dict
            Of the structure.

        Returns
        -------
        Network
        """
        edges, values = [], []
        for part in (self.sums.forward, self.sums.recurrent):
            kept = np.where(np.abs(part) > threshold, part, 0.0)
            target, source = np.nonzero((kept != 0).any(axis=2))
            order = np.lexsort((target, source))
            edges.append(np.stack([source, target])[:, order])
            values.append(kept[target, source][order])
        entering = np.where(np.abs(self.sums.entering) > threshold, self.sums.entering, 0.0)
        inputs = (entering != 0).any(axis=(1, 2))
        outputs = (self.readout != 0).any(axis=0)
        structure = Structure(
            np.concatenate(edges, axis=1),
            len(inputs),
            recurrent=np.repeat([False, True], [edges[0].shape[1], edges[1].shape[1]]),
            family=family,
            inputs=inputs,
            outputs=outputs,
            origin=origin,
        )
        tensors = {
            "input_weight": entering[inputs],
            "readout_weight": self.readout[:, outputs],
            "readout_bias": self.readout_bias,
        }
        single = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}
        weight = np.concatenate(values).astype(np.float32)
        return Network(structure, weight, self.sums.bias.astype(np.float32), single)
