"""Second moments of what each weight multiplies, observed while a module runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nnstruct.errors import InvalidInputError
from nnstruct.modules import CleanRNN
from nnstruct.modules.cnn.cell_block import CellBlock
from nnstruct.modules.program.module import ProgramModule
from nnstruct.pruning.masks import made_permanent
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.training.gradients import TaskBatch, still

_ATEN = torch.ops.aten


def second_moments(slots: Sequence[Slot], module: nn.Module, batch: TaskBatch) -> list[Tensor]:
    """``mean(y y^T)`` of the inputs y of each slot's weight.

    Means are over examples and over all places or time steps at which the weight is used.

    Parameters
    ----------
    slots : sequence of Slot
        Of the module.
    module : torch.nn.Module
    batch : TaskBatch

    Returns
    -------
    list of float64 Tensor [groups, d, d]
        One for each slot; d counts the inputs of one output, for kernels input channels (of the group)
        times positions.

    Raises
    ------
    InvalidInputError
        If a weight is not used in a matrix product or convolution as it is.
    """
    plain = made_permanent(module)
    with torch.no_grad(), still(plain, unfused=True):
        hidden = hasattr(plain, "_output_places")
        found = _own_moments(plain, batch) if hidden else _observed(plain, batch, slots)
    for slot in slots:
        if slot.name not in found:
            rule = "use each pruned weight directly in a matrix product or convolution for this method"
            raise InvalidInputError("network", rule, slot.name)
    return [found[slot.name] for slot in slots]


def _observed(plain: nn.Module, batch: TaskBatch, slots: Sequence[Slot]) -> dict[str, Tensor]:
    for part in plain.modules():
        if isinstance(part, ProgramModule | CellBlock):
            # What is masked is zero, so that the module does the same with its weights as they are.
            for name in [name for name in part._buffers if name.endswith("_mask")]:
                part._buffers[name] = None
    weights = {slot.name: plain.get_parameter(slot.name).detach() for slot in slots}
    recorder = _Recorder(weights)
    with recorder:
        batch.scores(plain)
    return {name: total / recorder.rows[name] for name, total in recorder.totals.items()}


class _Recorder(TorchDispatchMode):
    """Sees each product with one of some weights, whichever module or kernel asks for it."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.by_storage = {
            weight.untyped_storage().data_ptr(): (name, weight) for name, weight in weights.items()
        }
        self.totals: dict[str, Tensor] = {}
        self.rows: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operation = func.overloadpacket
        if operation in (_ATEN.mm, _ATEN.addmm):
            left, right = args[-2:]
            name, weight = self._known(right)
            if weight is not None and (right.shape, right.stride()) == (weight.T.shape, weight.T.stride()):
                self._add(name, left.double()[None])  # [1, n, d]
        elif operation is _ATEN.convolution and not args[6]:
            name, weight = self._known(args[1])
            if weight is not None:
                patches = _patches(args[0].double(), tuple(weight.shape[2:]), *args[3:6])  # [n, C, k]
                grouped = patches.unflatten(1, (args[8], -1)).movedim(1, 0)  # [groups, n, C / groups, k]
                self._add(name, grouped.flatten(2))
        return func(*args, **(kwargs or {}))

    def _known(self, tensor: Tensor) -> tuple[str, Tensor | None]:
        return self.by_storage.get(tensor.untyped_storage().data_ptr(), ("", None))

    def _add(self, name: str, rows: Tensor) -> None:
        moment = rows.mT @ rows  # [groups, d, d]
        self.totals[name] = self.totals[name] + moment if name in self.totals else moment
        self.rows[name] = self.rows.get(name, 0) + rows.shape[1]


def _patches(
    value: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """What a kernel sees at each of its places: [places, channels, kernel positions]."""
    axes = len(kernel)
    widths = [width for width in reversed(list(padding)) for _ in range(2)]
    value = nn.functional.pad(value, widths)
    for axis in range(axes):
        span = (kernel[axis] - 1) * dilation[axis] + 1
        value = value.unfold(2 + axis, span, stride[axis])[..., :: dilation[axis]]
    return value.movedim(1, axes + 1).flatten(0, axes).flatten(2)  # from [B, C, *places, *kernel]


def _own_moments(plain: nn.Module, batch: TaskBatch) -> dict[str, Tensor]:
    """For a module of nnstruct whose units all stand in one order and see units before them."""
    plain._output_places = torch.arange(plain.structure.num_units).numpy()  # type: ignore[union-attr, assignment, arg-type]
    plain.readout = nn.Identity()
    if not isinstance(plain, CleanRNN):
        return {"weight": _moment(batch.scores(plain))}
    now, before = [], []
    lengths = batch.lengths if batch.lengths is not None else torch.zeros(0, dtype=torch.int64)
    last = torch.zeros(len(lengths), plain.structure.num_units, device=lengths.device)
    for time in range(1, int(lengths.max()) + 1):
        here = lengths >= time
        states = plain(batch.inputs[here], torch.full_like(lengths[here], time))  # [b, N]
        now.append(states)
        before.append(last[here])
        last = last.clone()
        last[here] = states
    return {"forward_weight": _moment(torch.cat(now)), "recurrent_weight": _moment(torch.cat(before))}


def _moment(states: Tensor) -> Tensor:
    rows = states.double()
    return (rows.T @ rows / len(rows))[None]  # [1, N, N]
