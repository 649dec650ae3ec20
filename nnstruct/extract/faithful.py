"""Modules of the faithful protocol, whose loop over time hides their layers from a recorder."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.builder import Builder
from nnstruct.extract.recurrent import Layer, one_layer
from nnstruct.program import Program


def is_faithful(module: Any) -> bool:
    """Whether a module is one of :class:`nnstruct.modules.FaithfulRNN`."""
    kind = type(module)
    return kind.__name__ == "FaithfulRNN" and kind.__module__.startswith("nnstruct.")


def read_faithful(module: Any) -> Program:
    """The steps of a FaithfulRNN for one sequence of two symbols.

    Masked weights are no edges. The read-out sees the last time step.
    """
    builder = Builder()
    symbols = builder.add_input((1, 2), discrete=True)
    weight = _values(module.embedding.weight)
    builder.where = "embedding"
    value = builder.one(
        "embedding", [symbols], (1, 2, weight.shape[1]), tensors={"weight": ("embedding.weight", weight)}
    )
    embedded = builder.swap(value, 0, 1)  # [T, B, n_0]
    outputs: list[int] = []
    for cell in module.layout.cells:
        builder.where = f"cells.{cell.name}"
        source = embedded if cell.source < 0 else outputs[cell.source]
        own = module.cells[cell.name]
        out = one_layer(
            builder, own.family, source, _layer(cell.name, own), [], reverse=False, batch_first=False
        )[0]
        if cell.target == len(outputs):
            outputs.append(out)
        else:
            before = outputs[cell.target]
            outputs[cell.target] = builder.one(
                "join", [before, out], builder.shape[out], options={"function": "add"}
            )
    builder.where = "readout"
    last = builder.select(outputs[-1], 0, builder.shape[outputs[-1]][0] - 1)
    weight = _values(module.readout.weight)
    tensors = {"weight": ("readout.weight", weight), "bias": ("readout.bias", _values(module.readout.bias))}
    return builder.program([builder.one("linear", [last], (1, len(weight)), tensors=tensors)])


def _layer(name: str, cell: Any) -> Layer:
    weight_ih = _values(cell.weight_ih) * _values(cell.mask)
    inner, outer = (_values(bias).reshape(cell.gates, -1) for bias in (cell.bias_ih, cell.bias_hh))
    if cell.family == "gru":
        bias = np.concatenate([inner[:2] + outer[:2], inner[2:], outer[2:]])
    else:
        bias = inner + outer
    return {
        "weight_ih": (f"cells.{name}.weight_ih", weight_ih),
        "weight_hh": (f"cells.{name}.weight_hh", _values(cell.weight_hh)),
        "bias": (f"cells.{name}.bias", bias),
    }


def _values(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().float().numpy()
