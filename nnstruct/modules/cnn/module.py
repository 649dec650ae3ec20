"""Convolutional networks whose units are cells or channels of a Structure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.cnn.blocks import make_block
from nnstruct.modules.cnn.cell_block import RUNNING, CellBlock
from nnstruct.modules.cnn.wiring import CellWiring
from nnstruct.modules.described import sizes_of
from nnstruct.network import Network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.structure import Structure

# Arrays of a network that say what its read-out and its steps to smaller maps take.
MAX_READOUT, MAX_DOWNSAMPLING = "max_readout", "max_downsampling"


class CNN(nn.Module):
    """A convolutional network whose units are convolution cells or single channels.

    :mod:`nnstruct.structure.units` names the attributes of a unit. Convolutions are followed by batch
    normalisation (unless it is turned off), a bias and the unit's activation; pools and the identity
    by nothing. The image enters the input units through their own operator, and a unit that keeps
    its inputs' channels sees it through a 1 x 1 convolution. The maps of the output units are averaged
    over all positions, or their largest values are taken, and a linear read-out sees them side by side.

    An edge into a later stage has stride 2, over two stages 4, and so on; a pool takes it
    on itself where its inputs stand side by side. Maps of odd sizes are halved and rounded up. With
    ``downsampling="max-pool"`` whatever has weights is computed at the size of its input, and the largest
    value of each square of 2 x 2 (4 x 4, ...) positions is kept, before normalisation and activation.

    Narrow units of one layer with the same operator are computed by one convolution with a masked
    kernel.

    Parameters
    ----------
    structure : Structure
        Of the family ``cnn``, or of the family ``module`` as pruning leaves it: then those edges have weights
        whose row of ``weight`` is not zero, and the others pass maps on.
    parameters : mapping of str to float32 array
        As :func:`nnstruct.modules.initial_parameters` draws them, or
        :meth:`parameters_by_name` gives them, with running statistics. Without ``norm_scale``
        there is no normalisation.
    readout : {"mean", "max"}
        ``max``, too, where the parameters hold ``max_readout``.
    downsampling : {"stride", "max-pool"}
        ``max-pool``, too, where the parameters hold ``max_downsampling``.

    Shapes
    ------
    images : float32 [B, C, H, W] or [B, H, W]
    output : float32 [B, classes]

    Examples
    --------
    >>> import torch
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> channels = Structure.from_layers([4, 4, 2], family="cnn")
    >>> module = build_module(channels, load_task("shapes", train=64, val=8, test=8))
    >>> module.to_network().weight.shape  # a kernel for each of 24 edges
    (24, 9)
    >>> module.to_network().structure == channels
    True
    """

    def __init__(
        self,
        structure: Structure,
        parameters: Mapping[str, np.ndarray],
        *,
        readout: str = "mean",
        downsampling: str = "stride",
    ) -> None:
        super().__init__()
        self.max_readout = readout == "max" or MAX_READOUT in parameters
        self.max_downsampling = downsampling == "max-pool" or MAX_DOWNSAMPLING in parameters
        self.structure = structure
        as_pruned = structure.family == "module"
        self.layout = CellLayout(structure, (parameters["weight"] != 0).any(axis=1) if as_pruned else None)
        self.normalised = "norm_scale" in parameters
        self._input_shapes = {n: v.shape for n, v in parameters.items() if n.startswith("input_weight")}
        image_channels = next(iter(self._input_shapes.values()))[-2]
        wiring = CellWiring(self.layout, image_channels)
        self.blocks = nn.ModuleList(
            make_block(b, self.layout, self.normalised, self.max_downsampling) for b in wiring.blocks
        )
        self._tie()
        for block in self._cell_blocks:
            block.load(parameters)
        homes = [wiring.home[unit] for unit in np.flatnonzero(structure.outputs)]
        self._read_blocks = sorted({home.block for home in homes})
        widths = [self._cell_blocks[number].channels for number in self._read_blocks]
        starts = dict(zip(self._read_blocks, np.cumsum([0, *widths]).tolist(), strict=False))
        places = [torch.arange(h.start, h.stop) + starts[h.block] for h in homes]
        self.register_buffer("read_places", torch.cat(places))
        self.readout = nn.Linear(*parameters["readout_weight"].shape[::-1])
        with torch.no_grad():
            self.readout.weight.copy_(torch.tensor(parameters["readout_weight"]))
            self.readout.bias.copy_(torch.tensor(parameters["readout_bias"]))
        # Kernels in the order of the maps, channels last: twice as fast on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    read_places: Tensor

    def _tie(self) -> None:
        """Let flow blocks with one label share a kernel and a bias."""
        own, lenders = self.layout.own_units, self.layout.own_lenders
        block_of = {unit: block for block in self._cell_blocks for unit in block.block.units}
        for unit, lender in zip(own.tolist(), own[lenders].tolist(), strict=True):
            if unit != lender:
                block_of[unit].own_kernel = block_of[lender].own_kernel
                block_of[unit].bias = block_of[lender].bias

    @property
    def _cell_blocks(self) -> list[CellBlock]:
        return list(self.blocks)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images.

        Parameters
        ----------
        images : Tensor [B, C, H, W] or [B, H, W]

        Returns
        -------
        Tensor [B, classes]
        """
        image = images[:, None] if images.dim() == 3 else images
        image = image.contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = []
        for block in self.blocks:
            maps.append(block(maps, image))
        read = _largest if self.max_readout else _mean
        values = torch.cat([read(maps[number]) for number in self._read_blocks], 1)
        return self.readout(values[:, self.read_places])

    def extra_repr(self) -> str:
        """What ``repr`` says beside the submodules."""
        channels = next(iter(self._input_shapes.values()))[-2]
        sizes = f"image_channels={channels}, outputs={self.readout.out_features}"
        cells = self.layout.cells
        kinds = f"operators={sorted(set(cells.operator))}, activations={sorted(set(cells.activation))}"
        normalised = ", normalised" if self.normalised else ""
        others = ", max read-out" if self.max_readout else ""
        others += ", max-pool downsampling" if self.max_downsampling else ""
        return f"{sizes_of(self.structure)}, {sizes}, {kinds}{normalised}{others}"

    def parameters_by_name(self) -> dict[str, np.ndarray]:
        """Current values in the layout of :func:`nnstruct.modules.parameter_shapes`, and running statistics.

        Returns
        -------
        dict of str to float32 array
            Copies. ``norm_mean`` and ``norm_var`` [N, c] are the means and variances that the batch
            normalisation has seen. ``max_readout`` and ``max_downsampling``, [1], are there where the largest
            values are taken.
        """
        layout = self.layout
        shapes = {"weight": layout.weight_shape, "bias": layout.bias_shape, **self._input_shapes}
        if len(layout.own_units):
            shapes["unit_weight"] = layout.own_shape
        if self.normalised:
            shapes |= dict.fromkeys(("norm_scale", *RUNNING), layout.bias_shape)
        arrays = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
        for block in self._cell_blocks:
            block.save(arrays)
        arrays["readout_weight"] = self.readout.weight.detach().float().cpu().numpy().copy()
        arrays["readout_bias"] = self.readout.bias.detach().float().cpu().numpy().copy()
        marks = {MAX_READOUT: self.max_readout, MAX_DOWNSAMPLING: self.max_downsampling}
        return arrays | {name: np.ones(1, np.float32) for name, holds in marks.items() if holds}

    def to_network(self) -> Network:
        """The Structure with the current weights.

        Returns
        -------
        Network
            Of copies.
        """
        values = self.parameters_by_name()
        weight, bias = values.pop("weight"), values.pop("bias")
        return Network(self.structure, weight, bias, values)


def _largest(values: Tensor) -> Tensor:
    """Largest value over all positions, [B, c]."""
    return values.amax((2, 3))


def _mean(values: Tensor) -> Tensor:
    """Mean over all positions, [B, c]; as a product, whose gradient has the map's own order of axes."""
    flat = values.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H * W, c]
    return (flat.new_ones(1, flat.shape[1]) @ flat)[:, 0] / flat.shape[1]
