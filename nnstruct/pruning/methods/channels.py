"""Structured pruning: whole output channels of convolutions, or hidden neurons.

References
----------
H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf, Pruning filters for efficient ConvNets (2017),
arXiv:1608.08710. Z. Liu, J. Li, Z. Shen, G. Huang, S. Yan, C. Zhang, Learning efficient convolutional
networks through network slimming (2017), arXiv:1708.06519.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.pruning.base import CLASSES, PRUNERS, Pruner, Row
from nnstruct.pruning.masks import attach, clear_pruned, tensor_places
from nnstruct.pruning.selection import largest, largest_in_each
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.workpiece import Workpiece

CRITERIA = ("l1", "l2", "scale")
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@PRUNERS.register("channels")
@dataclass(frozen=True, kw_only=True)
class Channels(Pruner):
    """Keeps the output channels with the largest filters (Li et al., 2017; Liu et al., 2017).

    The density counts channels: ``round(density * C)`` of each convolution, or of all together. With a
    channel go its filter, its bias, and its scale and shift in the normalisation that comes next in the
    module, so that it is zero. What reads such a channel stays in the module. To take it away, extract the
    Network and call :meth:`nnstruct.network.module_network.ModuleNetwork.compact`. A network without
    convolutions loses neurons of its linear layers, the last one excepted.

    Parameters
    ----------
    criterion : {"l1", "l2", "scale"}
        Norm of the filter, or the magnitude of the following batch normalisation's scale.
    classes : {"uniform", "blind"}
        Whether the share holds for each layer or for all together.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import prune
    >>> cnn = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> sparse = prune(cnn, 0.25, method="channels")
    >>> int((sparse[0].weight != 0).flatten(1).any(1).sum()), int((sparse[1].weight != 0).sum())
    (2, 2)
    """

    name = "channels"
    source = "Li et al., 2017; Liu et al., 2017"
    counts_channels: ClassVar[bool] = True

    criterion: str = "l1"
    classes: str = "uniform"

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        check_choice(self.criterion, "criterion", CRITERIA)
        check_choice(self.classes, "classes", CLASSES)

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Keep channels, and set to zero the bias and the normalisation of those that go."""
        slots = self._layers(work)
        alive = [slot.alive.flatten(1).any(1) for slot in slots]  # [C] each
        scores = [self._score(work, slot) for slot in slots]
        sizes = [len(mask) for mask in alive]
        if self.classes == "uniform":
            counts = [round(density * size) for size in sizes]
        else:
            counts = [round(density * sum(sizes))]
        left = [int(mask.sum()) for mask in alive]
        for count, present in zip(counts, left if self.classes == "uniform" else [sum(left)], strict=True):
            if count > present:
                raise InvalidInputError("density", f"leave at most the present {present} channels", density)
        if self.classes == "uniform":
            kept = largest_in_each(scores, alive, counts)
        else:
            kept = largest(scores, alive, counts[0])
        for slot, channels in zip(slots, kept, strict=True):
            slot.keep(slot.alive & channels.view(-1, *[1] * (slot.domain.dim() - 1)))
            self._silence(work, slot, channels)
        return []

    def _layers(self, work: Workpiece) -> list[Slot]:
        owners = [slot.places[0][0] for slot in work.slots]
        if self.parameters is not None:
            slots = list(work.slots)
        else:
            slots = [
                slot for slot, owner in zip(work.slots, owners, strict=True) if isinstance(owner, _ConvNd)
            ]
            if not slots:
                linear = [
                    s for s, owner in zip(work.slots, owners, strict=True) if isinstance(owner, nn.Linear)
                ]
                slots = linear[:-1]
        turned = [slot.name for slot in slots if isinstance(slot.places[0][0], _ConvTransposeNd)]
        if not slots or turned:
            rule = "hold convolutions or hidden linear layers with outputs along their first axis"
            raise InvalidInputError("network", rule, turned or [slot.name for slot in work.slots])
        return slots

    def _score(self, work: Workpiece, slot: Slot) -> Tensor:
        if self.criterion == "scale":
            norm = _next_norm(work.module, slot)
            if norm is None or norm.weight is None:
                raise InvalidInputError("criterion", "be 'l1' or 'l2' without a normalisation", slot.name)
            scale: Tensor = norm.weight
            return scale.detach().abs()
        return torch.linalg.vector_norm(
            slot.weight.detach().flatten(1), 1 if self.criterion == "l1" else 2, 1
        )

    def _silence(self, work: Workpiece, slot: Slot, channels: Tensor) -> None:
        norm = _next_norm(work.module, slot)
        parts = [(owner, "bias") for owner, _ in slot.places]
        parts += [] if norm is None else [(norm, "weight"), (norm, "bias")]
        for owner, name in parts:
            if getattr(owner, name, None) is not None:
                attach([(owner, name)], channels)
                clear_pruned([(owner, name)], channels)


def _next_norm(module: nn.Module, slot: Slot) -> Any:
    """The normalisation that comes right after a layer in the order of definition, if it fits."""
    owners: list[nn.Module] = []
    for _, owner, _ in tensor_places(module):
        if all(owner is not known for known in owners):
            owners.append(owner)
    place = [owner is slot.places[0][0] for owner in owners].index(True)
    size = slot.domain.shape[0]
    for part in owners[place + 1 : place + 2]:
        if isinstance(part, _NORMS):
            sizes = (getattr(part, "num_features", None), getattr(part, "num_channels", None))
            shape = getattr(part, "normalized_shape", None)
            if size in sizes or shape == (size,):
                return part
    return None
