"""The cells, masks and shapes of the faithful protocol, without torch.

Stier, Darji and Granitzer (2021, arXiv 2107.12917) stack one recurrent layer for each layer of the
graph and add one recurrent cell for each pair of connected layers that lie two or more apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES


@dataclass(frozen=True)
class FaithfulCellLayout:
    """One recurrent cell.

    Attributes
    ----------
    name : str
        Prefix of its parameters: ``layer0``, ``layer1`` ... or ``skip0_2`` (from layer 0 to 2).
    source : int
        The layer that it reads; -1 for the embedding.
    target : int
        The layer that it computes or adds to.
    mask : bool [H, I]
        True where unit h of the target reads unit i of the source.
    """

    name: str
    source: int
    target: int
    mask: np.ndarray


class FaithfulLayout:
    """Cells of a structure in the order in which they run.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family. Its recurrent edges are not looked at: every cell is densely
        recurrent within itself.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> structure = Structure([[0, 1, 0], [1, 2, 2]], 3, family="rnn_tanh")
    >>> [cell.name for cell in FaithfulLayout(structure).cells]
    ['layer0', 'layer1', 'layer2', 'skip0_2']
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.gates = FAMILIES[structure.family].gates
        self.units = [np.flatnonzero(structure.layer == layer) for layer in range(structure.num_layers)]

    @cached_property
    def cells(self) -> list[FaithfulCellLayout]:
        """By target layer, a layer's own cell before the skip cells that add to it."""
        adjacency = np.zeros((self.structure.num_units,) * 2, dtype=bool)  # [target, source]
        source, target = self.structure.forward_edges
        adjacency[target, source] = True
        first = len(self.units[0])
        cells = [FaithfulCellLayout("layer0", -1, 0, np.ones((first, first), dtype=bool))]
        for layer in range(1, len(self.units)):
            mask = adjacency[np.ix_(self.units[layer], self.units[layer - 1])]
            cells.append(FaithfulCellLayout(f"layer{layer}", layer - 1, layer, mask))
            for earlier in range(layer - 1):
                mask = adjacency[np.ix_(self.units[layer], self.units[earlier])]
                if mask.any():
                    cells.append(FaithfulCellLayout(f"skip{earlier}_{layer}", earlier, layer, mask))
        return cells

    def gate_mask(self, mask: np.ndarray, *, aligned: bool) -> np.ndarray:
        """The mask of a cell's input weights, for all gates.

        The weights stand gate after gate. ``aligned`` repeats the whole mask for each gate; the
        paper's code repeated each row instead (row 0 for every gate, then row 1 ...), so that the
        rows and the gates do not fit each other.

        Parameters
        ----------
        mask : bool [H, I]
            Of a cell; see :attr:`FaithfulCellLayout.mask`.
        aligned : bool
            Whether the rows fit the gates, as in the corrected protocol.

        Returns
        -------
        bool [g * H, I]
        """
        if aligned:
            return np.tile(mask, (self.gates, 1))
        return np.repeat(mask, self.gates, axis=0)

    @property
    def num_masked_weights(self) -> int:
        """Weights that a mask holds at zero."""
        return sum(self.gates * int((~cell.mask).sum()) for cell in self.cells)

    def parameter_shapes(self, num_symbols: int, num_classes: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter array.

        Parameters
        ----------
        num_symbols : int
            Of the task, the padding included; the rows of the embedding.
        num_classes : int

        Returns
        -------
        dict of str to tuple of int
            ``embedding.weight``; for each cell ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh``,
            named ``cells.<cell>.weight_ih`` and so on; ``readout.weight`` and ``readout.bias``.
        """
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (num_symbols, len(self.units[0]))}
        for cell in self.cells:
            hidden, inputs = cell.mask.shape
            shapes[f"cells.{cell.name}.weight_ih"] = (self.gates * hidden, inputs)
            shapes[f"cells.{cell.name}.weight_hh"] = (self.gates * hidden, hidden)
            shapes[f"cells.{cell.name}.bias_ih"] = (self.gates * hidden,)
            shapes[f"cells.{cell.name}.bias_hh"] = (self.gates * hidden,)
        shapes["readout.weight"] = (num_classes, len(self.units[-1]))
        shapes["readout.bias"] = (num_classes,)
        return shapes

    def initial_parameters(
        self, shapes: dict[str, tuple[int, ...]], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Initial values; see :func:`nnstruct.modules.parameters.initial_parameters`.

        Parameters
        ----------
        shapes : dict of str to tuple of int
            From :meth:`parameter_shapes`.
        rng : numpy.random.Generator
            Drawn from in the order of the shapes.

        Returns
        -------
        dict of str to float32 array
            Masked weights are drawn too; the module sets them to zero.
        """
        sizes = {f"cells.{cell.name}": cell.mask.shape[0] for cell in self.cells}
        sizes["readout"] = len(self.units[-1])
        values = {}
        for name, shape in shapes.items():
            owner = name.rsplit(".", 1)[0]
            if owner == "embedding":
                value = rng.normal(size=shape)
            else:
                bound = 1.0 / math.sqrt(sizes[owner])
                value = rng.uniform(-bound, bound, shape)
            values[name] = value.astype(np.float32)
        return values
