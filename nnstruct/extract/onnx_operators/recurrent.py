"""ONNX's recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.recurrent import joined_bias, one_layer

Inputs = list[Any]
Options = dict[str, Any]

# Where PyTorch's gates stand among ONNX's: LSTM (i, o, f, c) to (i, f, c, o); GRU (z, r, h) to (r, z, h).
_GATE_ORDER = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}
_DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
_FUNCTIONS: dict[str, tuple[str, tuple[tuple[str, float], ...]]] = {
    "Relu": ("relu", ()), "Tanh": ("tanh", ()), "Sigmoid": ("sigmoid", ()), "Softsign": ("softsign", ()),
    "Softplus": ("softplus", ()), "LeakyRelu": ("leaky_relu", (("negative_slope", 0.01),)),
    "HardSigmoid": ("hard_sigmoid", (("alpha", 0.2), ("beta", 0.5))), "Elu": ("elu", (("alpha", 1.0),)),
    "ThresholdedRelu": ("thresholded_relu", (("alpha", 1.0),)),
    "Affine": ("affine", (("alpha", 1.0), ("beta", 0.0))),
    "ScaledTanh": ("scaled_tanh", (("alpha", 1.0), ("beta", 1.0))),
}  # fmt: skip


@handles("RNN", "LSTM", "GRU")
def _recurrent(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[int]:
    x, weight, recurrent, bias, lengths, *states = (*inputs, *[None] * 8)[:7]
    peepholes = inputs[7] if len(inputs) > 7 else None
    w, r = (
        reader.constant(value, "have constant weights").astype(np.float32) for value in (weight, recurrent)
    )
    kind, b = node.op_type, reader.builder
    batch_major = bool(options.get("layout"))
    if batch_major:
        x = b.swap(x, 0, 1)
        states = [state if state is None else _swapped(reader, state) for state in states]
    directions, hidden = w.shape[0], r.shape[2]
    order = _GATE_ORDER[kind]
    backward = options.get("direction", "forward") == "reverse"
    own = _own_options(reader, kind, options, lengths, reader.shape(x))
    outs, finals = [], []
    for place in range(directions):
        cell, extra = _cell(reader, kind, options, place)
        parts = [
            part[place].reshape(len(order), hidden, -1)[order].reshape(len(order) * hidden, -1)
            for part in (w, r)
        ]
        name = reader.names.get(id(weight), "weight")
        layer = {
            "weight_ih": (f"{name}.{place}", parts[0]),
            "weight_hh": (f"{reader.names.get(id(recurrent), 'recurrence')}.{place}", parts[1]),
        }
        if bias is not None:
            both = (
                reader.constant(bias, "have constant biases").astype(np.float32)[place]
                .reshape(2, len(order), hidden)[:, order]
                .reshape(2, -1)
            )  # fmt: skip
            joined = joined_bias(cell, both[0], both[1])
            if own.get("reset_first"):
                joined = np.concatenate([joined[:2], joined[2:3] + joined[3:], np.zeros_like(joined[3:])])
            layer["bias"] = (f"{reader.names.get(id(bias), 'bias')}.{place}", joined)
        if peepholes is not None and np.any(reader.constant(peepholes, "have constant peepholes")):
            layer["peephole"] = (
                f"{reader.names.get(id(peepholes), 'peephole')}.{place}",
                np.asarray(peepholes, dtype=np.float32)[place].reshape(3, hidden),
            )
        given = [
            None
            if state is None or (not isinstance(state, int) and not np.any(state))
            else b.select(reader.ref(state), 0, place)
            for state in states[: 2 if kind == "LSTM" else 1]
        ]
        extra |= own | reader.quantised_options(weight)
        out, *last = one_layer(
            b, cell, x, layer, given, reverse=backward or place > 0, batch_first=False, extra=extra
        )
        time, batch, _ = b.shape[out]
        outs.append(b.reshape(out, (time, 1, batch, hidden)))
        finals.append([b.reshape(state, (1, *b.shape[state])) for state in last])
    joined_outs = [outs[0] if directions == 1 else b.concat(outs, 1)]
    for kinds in zip(*finals, strict=True):
        joined_outs.append(kinds[0] if directions == 1 else b.concat(list(kinds), 0))
    if batch_major:
        first, *rest = joined_outs
        return [b.permute(first, [2, 0, 1, 3]), *(b.swap(state, 0, 1) for state in rest)]
    return joined_outs


def _swapped(reader: OnnxReader, state: Any) -> Any:
    if isinstance(state, int):
        return reader.builder.swap(state, 0, 1)
    return reader.renamed(np.swapaxes(state, 0, 1), state)


def _own_options(
    reader: OnnxReader, kind: str, options: Options, lengths: Any, shape: tuple[int, ...]
) -> Options:
    """What PyTorch's layers do not have."""
    own: Options = {}
    if kind == "GRU" and not options.get("linear_before_reset"):
        own["reset_first"] = True
    if kind == "LSTM" and options.get("input_forget"):
        own["coupled"] = True
    if options.get("clip"):
        own["clip"] = float(options["clip"])
    if lengths is not None:
        ends = reader.integers(lengths, "have sequences of constant lengths")
        if any(end != shape[0] for end in ends):
            own["lengths"] = ends
    return own


def _cell(reader: OnnxReader, kind: str, options: Options, place: int) -> tuple[str, Options]:
    """The family of a layer and, where they are not the usual ones, its functions."""
    defaults = _DEFAULTS[kind]
    names = [a.decode() if isinstance(a, bytes) else a for a in options.get("activations", [])]
    names = [name.capitalize() if name.islower() else name for name in names]
    own = names[place * len(defaults) : (place + 1) * len(defaults)] or names[: len(defaults)] or defaults
    numbers = {key: list(options.get(f"activation_{key}", [])) for key in ("alpha", "beta")}
    if kind == "RNN" and own == ["Relu"]:
        return "rnn_relu", {}
    cell = "rnn_tanh" if kind == "RNN" else kind.lower()
    if own == defaults:
        return cell, {}
    for name in own:
        if name not in _FUNCTIONS:
            raise reader.unsupported(f"have activations among {sorted(_FUNCTIONS)}")
    # Numbers are for those functions that take some, in the order of the list.
    functions = []
    for name in names:
        function, defaults_of = _FUNCTIONS.get(name, ("", ()))
        given = {}
        for key, default in defaults_of:
            left = numbers["beta" if key == "beta" else "alpha"]
            given[key] = float(left.pop(0)) if left else default
        functions.append([function, given])
    first = place * len(defaults) if len(names) > len(defaults) else 0
    return cell, {"functions": functions[first : first + len(defaults)]}
